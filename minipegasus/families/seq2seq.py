"""What the three encoder-decoder families share: the fields of their configurations and the stacks built from them."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..nn.stackspec import Positions, StackSpec
from ..ops import ACTIVATIONS
from ..spec import ModelSpec
from .config import Config, choice, flag, integer, number, token_id
from .family import Role, Tied
from .names import Rules

__all__ = ["Seq2SeqConfig", "seq2seq_aliases", "seq2seq_renames", "seq2seq_spec", "stacks"]

# The reference fixes it for every norm of these families.
_EPSILON = 1e-5


@dataclass(init=False, repr=False, eq=False)
class Seq2SeqConfig(Config):
    """Fields of PegasusConfig, BigBirdPegasusConfig and PegasusXConfig, which override the defaults.

    Attributes:
        vocab_size, max_position_embeddings: rows of the embedding tables.
        d_model: width of the model, also as ``hidden_size``; a multiple of both head counts.
        encoder_layers, decoder_layers, encoder_attention_heads, decoder_attention_heads: counts.
        encoder_ffn_dim, decoder_ffn_dim: width inside the feed-forward blocks.
        activation_function: one of ``minipegasus.ops.ACTIVATIONS``.
        scale_embedding: token embeddings are multiplied by ``sqrt(d_model)``.
        init_std: standard deviation of weights that are made anew.
        dropout, attention_dropout, activation_dropout, encoder_layerdrop, decoder_layerdrop: kept for files; nothing is
            dropped here.
    """

    aliases: ClassVar[dict[str, str]] = {
        "num_attention_heads": "encoder_attention_heads",
        "hidden_size": "d_model",
    }
    positional: ClassVar[tuple[str, ...]] = (
        *("vocab_size", "max_position_embeddings"),
        *("encoder_layers", "encoder_ffn_dim", "encoder_attention_heads"),
        *("decoder_layers", "decoder_ffn_dim", "decoder_attention_heads"),
        *("encoder_layerdrop", "decoder_layerdrop", "use_cache", "is_encoder_decoder", "activation_function"),
        *("d_model", "dropout", "attention_dropout", "activation_dropout", "init_std", "decoder_start_token_id"),
        *("scale_embedding", "pad_token_id", "eos_token_id", "forced_eos_token_id"),
    )

    vocab_size: int = integer(96103)
    max_position_embeddings: int = integer(1024)
    d_model: int = integer(1024, high=2**16)
    encoder_layers: int = integer(16, low=0, high=1024)
    decoder_layers: int = integer(16, low=0, high=1024)
    encoder_attention_heads: int = integer(16, high=2**12)
    decoder_attention_heads: int = integer(16, high=2**12)
    encoder_ffn_dim: int = integer(4096, high=2**18)
    decoder_ffn_dim: int = integer(4096, high=2**18)
    activation_function: str = choice("gelu", ACTIVATIONS)
    scale_embedding: bool = flag(True)
    dropout: float = number(0.1)
    attention_dropout: float = number(0.0)
    activation_dropout: float = number(0.0)
    encoder_layerdrop: float = number(0.0)
    decoder_layerdrop: float = number(0.0)
    init_std: float = number(0.02, high=1e6)
    is_encoder_decoder: bool = flag(True)
    pad_token_id: int | None = token_id(0)
    eos_token_id: int | list[int] | None = token_id(1, many=True)
    decoder_start_token_id: int | None = token_id(0)

    def __init__(self, /, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        # Informational, as published files have it: layer counts come from encoder_layers and decoder_layers.
        vars(self).setdefault("num_hidden_layers", self.encoder_layers)

    def contradictions(self) -> list[str]:
        """Return the head counts that do not divide the width."""
        return [
            f"{side}_attention_heads: expected a divisor of d_model = {self.d_model}, found {heads}"
            for side, heads in (("encoder", self.encoder_attention_heads), ("decoder", self.decoder_attention_heads))
            if self.d_model % heads
        ]


def stacks(config: Seq2SeqConfig, positions: Positions, **common: Any) -> tuple[StackSpec, StackSpec]:
    """Return the encoder and decoder of a pre-norm encoder-decoder; ``common`` overrides fields of both."""
    fields: dict[str, Any] = {
        "vocab_size": config.vocab_size,
        "width": config.d_model,
        "activation": config.activation_function,
        "eps": _EPSILON,
        "norm": "pre",
        "final_norm": True,
        "embedding_norm": False,
        "positions": positions,
        "embed_scale": math.sqrt(config.d_model) if config.scale_embedding else 1.0,
        **common,
    }
    encoder = StackSpec(
        layers=config.encoder_layers,
        heads=config.encoder_attention_heads,
        ffn=config.encoder_ffn_dim,
        **fields,
    )
    decoder = StackSpec(
        layers=config.decoder_layers,
        heads=config.decoder_attention_heads,
        ffn=config.decoder_ffn_dim,
        attention="causal",
        cross_attention=True,
        **fields,
    )
    return encoder, decoder


def seq2seq_spec(encoder: StackSpec, decoder: StackSpec, config: Config, role: Role, *, logits_bias: bool) -> ModelSpec:
    """Return the model of a role over these stacks."""
    if role == "causal":
        return ModelSpec(None, decoder, head="lm")
    if role == "seq2seq":
        return ModelSpec(encoder, decoder, head="lm", logits_bias="buffer" if logits_bias else "none")
    if role == "classification":
        return ModelSpec(encoder, decoder, head="classification", head_labels=config.num_labels)
    return ModelSpec(encoder, decoder, head="spans" if role == "spans" else "none")


def seq2seq_renames(encoder: Rules = (), decoder: Rules = ()) -> Any:
    """Return the renames for bodies named ``encoder.`` and ``decoder.``, below ``model.`` in head classes."""

    def renames(config: Config, role: Role) -> Rules:
        inside = "" if role == "base" else "model."
        parts = (("encoder.", (*encoder, ("", ""))), ("decoder.", (*decoder, ("", ""))))
        return tuple((path + a, inside + path + b) for path, rules in parts for a, b in rules)

    return renames


def seq2seq_aliases(*, shared_always: bool) -> Any:
    """Return the groups of names that are one matrix.

    ``shared_always``: both stacks look up the very same table whatever ``tie_word_embeddings`` says.
    """

    def aliases(config: Config, role: Role) -> list[Tied]:
        inside = "" if role == "base" else "model."
        shared = f"{inside}shared.weight"
        tables = tuple(f"{inside}{side}.embed_tokens.weight" for side in ("decoder", "encoder"))
        ours = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
        if role == "causal":
            # model.shared: a file of the whole model serves its decoder too.
            table = Tied((ours[1],), (tables[0], shared, tables[1]))
            if config.tie_word_embeddings:
                return [Tied((*table.ours, "lm_head.weight"), (*table.sources, "lm_head.weight"))]
            return [table]
        if config.tie_word_embeddings:
            return [Tied((*ours, "lm_head.weight"), (shared, *tables, "lm_head.weight"))]
        if shared_always:
            return [Tied(ours, (shared, *tables))]
        # The reference writes tables that are equal, as a new model's are, once.
        return [Tied((name,), (f"{inside}{name}",), stand_ins=(shared,)) for name in ours]

    return aliases
