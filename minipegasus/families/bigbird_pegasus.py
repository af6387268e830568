"""BigBird-Pegasus (Zaheer et al. 2020): the Pegasus layout with a block-sparse encoder and learned positions."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ..nn.stackspec import Positions
from ..ops import ACTIVATIONS
from ..spec import ModelSpec
from .config import choice, flag, integer, number, token_id
from .family import Family, Role
from .seq2seq import Seq2SeqConfig, seq2seq_aliases, seq2seq_renames, seq2seq_spec, stacks

__all__ = ["BIGBIRD_PEGASUS", "BigBirdPegasusConfig"]


@dataclass(init=False, repr=False, eq=False)
class BigBirdPegasusConfig(Seq2SeqConfig):
    """Configuration of BigBird-Pegasus; the default sizes are those of the released checkpoints.

    ``attention_type`` is "block_sparse" or "original_full"; ``block_size`` is in tokens, ``num_random_blocks`` per
    block; ``use_bias`` gives the projections of attention a bias.
    :class:`~minipegasus.families.seq2seq.Seq2SeqConfig` says what the fields are.

    ``random_blocks`` is ours: ``"transformers"`` attends to block 0 again in place of random blocks, which is what the
    reference evaluates; ``"seeded"`` draws the plan that the reference trains with, from a generator of its own that
    is seeded by the layer index; ``"none"`` leaves them out.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> BigBirdPegasusConfig().block_size, BigBirdPegasusConfig(attention_type="original_full").attention_type
    (64, 'original_full')
    """

    model_type: ClassVar[str] = "bigbird_pegasus"
    aliases: ClassVar[dict[str, str]] = {
        **Seq2SeqConfig.aliases,
        "attention_probs_dropout_prob": "attention_dropout",
    }
    positional = (
        *Seq2SeqConfig.positional[:-4],
        *("classifier_dropout", "scale_embedding", "pad_token_id", "bos_token_id", "eos_token_id"),
        *("attention_type", "block_size", "num_random_blocks", "use_bias"),
    )

    max_position_embeddings: int = integer(4096)
    activation_function: str = choice("gelu_new", ACTIVATIONS)
    attention_type: str = choice("block_sparse", ("block_sparse", "original_full"))
    block_size: int = integer(64)
    num_random_blocks: int = integer(3, low=0)
    random_blocks: str = choice("transformers", ("transformers", "seeded", "none"))
    use_bias: bool = flag(False)
    classifier_dropout: float = number(0.0)
    decoder_start_token_id: int | None = token_id(2)
    bos_token_id: int | None = token_id(2)


def _spec(config: BigBirdPegasusConfig, role: Role) -> ModelSpec:
    positions = Positions("table", rows=config.max_position_embeddings)
    encoder, decoder = stacks(config, positions, attention_bias=config.use_bias)
    if config.attention_type == "block_sparse":
        encoder = replace(
            encoder,
            attention="windowed",
            block_size=config.block_size,
            random_blocks=config.num_random_blocks,
            random_plan=config.random_blocks,
            block_pad_id=config.pad_token_id or 0,
        )
    return seq2seq_spec(encoder, decoder, config, role, logits_bias=True)


_ENCODER_NAMES = (
    ("layers.*.self_attn.q_proj.", "layers.*.self_attn.self.query."),
    ("layers.*.self_attn.k_proj.", "layers.*.self_attn.self.key."),
    ("layers.*.self_attn.v_proj.", "layers.*.self_attn.self.value."),
    ("layers.*.self_attn.out_proj.", "layers.*.self_attn.output."),
    ("layer_norm.", "layernorm_embedding."),
)

BIGBIRD_PEGASUS = Family(
    model_type="bigbird_pegasus",
    config=BigBirdPegasusConfig,
    spec=_spec,
    renames=seq2seq_renames(encoder=_ENCODER_NAMES, decoder=(("layer_norm.", "layernorm_embedding."),)),
    aliases=seq2seq_aliases(shared_always=False),
    base_prefix="model",
)
