"""Pegasus (Zhang et al. 2020): pre-norm encoder-decoder, sinusoidal positions, tied embeddings."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ..nn.stackspec import Positions
from ..ops import ACTIVATIONS
from ..spec import ModelSpec
from .config import choice, flag, integer, token_id
from .family import Family, Role
from .seq2seq import Seq2SeqConfig, seq2seq_aliases, seq2seq_renames, seq2seq_spec, stacks

__all__ = ["PEGASUS", "PegasusConfig"]


@dataclass(init=False, repr=False, eq=False)
class PegasusConfig(Seq2SeqConfig):
    """Configuration of Pegasus. The defaults are the reference's and describe no released checkpoint.

    :class:`~minipegasus.families.seq2seq.Seq2SeqConfig` says what the fields are.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> config = PegasusConfig(d_model=64, encoder_attention_heads=4, num_beams=8)
    >>> config.hidden_size, config.num_beams, config.forced_eos_token_id
    (64, 8, 1)
    >>> PegasusConfig(vocab_size=-1, d_model="wide")
    Traceback (most recent call last):
    minipegasus.errors.ConfigError: PegasusConfig: 2 problem(s)
      - vocab_size: expected int in [1, 16777216], found -1
      - d_model: expected int in [1, 65536], found 'wide'
    """

    model_type: ClassVar[str] = "pegasus"

    vocab_size: int = integer(50265)
    encoder_layers: int = integer(12, low=0, high=1024)
    decoder_layers: int = integer(12, low=0, high=1024)
    activation_function: str = choice("gelu", ACTIVATIONS)
    scale_embedding: bool = flag(False)
    forced_eos_token_id: int | list[int] | None = token_id(1, many=True)


def _spec(config: PegasusConfig, role: Role) -> ModelSpec:
    positions = Positions("table", rows=config.max_position_embeddings, sinusoidal=True)
    encoder, decoder = stacks(config, positions)
    # The decoder scales embeddings that a caller gives as well; the encoder does not.
    return seq2seq_spec(encoder, replace(decoder, scale_given=True), config, role, logits_bias=True)


PEGASUS = Family(
    model_type="pegasus",
    config=PegasusConfig,
    spec=_spec,
    renames=seq2seq_renames(),
    aliases=seq2seq_aliases(shared_always=True),
    base_prefix="model",
)
