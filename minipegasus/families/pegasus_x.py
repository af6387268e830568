"""PEGASUS-X (Phang, Zhao and Liu 2022): the Pegasus layout over global tokens and staggered local blocks."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ..nn.stackspec import Positions
from ..spec import ModelSpec
from .config import flag, integer, token_id
from .family import Family, Role
from .seq2seq import Seq2SeqConfig, seq2seq_aliases, seq2seq_renames, seq2seq_spec, stacks

__all__ = ["PEGASUS_X", "PegasusXConfig"]


@dataclass(init=False, repr=False, eq=False)
class PegasusXConfig(Seq2SeqConfig):
    """Configuration of PEGASUS-X. The defaults are the reference's; released checkpoints have 128 global tokens.

    The encoder's tokens attend within blocks of ``block_size`` tokens, whose borders every other layer moves by half a
    block with ``stagger_local_blocks``, and to ``num_global_tokens`` learned ones.
    :class:`~minipegasus.families.seq2seq.Seq2SeqConfig` says what the fields are.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> PegasusXConfig(block_size=256).num_global_tokens
    32
    >>> PegasusXConfig(block_size=5)
    Traceback (most recent call last):
    minipegasus.errors.ConfigError: PegasusXConfig: 1 problem(s)
      - block_size: expected an even number with stagger_local_blocks, found 5
    """

    model_type: ClassVar[str] = "pegasus_x"
    positional = (*Seq2SeqConfig.positional, "num_global_tokens", "block_size", "stagger_local_blocks")

    max_position_embeddings: int = integer(16384)
    num_global_tokens: int = integer(32, low=0)
    block_size: int = integer(512)
    stagger_local_blocks: bool = flag(True)
    forced_eos_token_id: int | list[int] | None = token_id(1, many=True)

    def contradictions(self) -> list[str]:
        """Return also what the reference crashes on or turns into NaN."""
        found = super().contradictions()
        if self.d_model % 2 or self.d_model < 4:
            found.append(f"d_model: expected an even number of at least 4 for its positions, found {self.d_model}")
        if self.stagger_local_blocks and self.block_size % 2:
            found.append(f"block_size: expected an even number with stagger_local_blocks, found {self.block_size}")
        return found


def _spec(config: PegasusXConfig, role: Role) -> ModelSpec:
    encoder, decoder = stacks(config, Positions("computed"), attention_bias=False)
    encoder = replace(
        encoder,
        attention="partitioned",
        block_size=config.block_size,
        global_tokens=config.num_global_tokens,
        staggered=config.stagger_local_blocks,
    )
    return seq2seq_spec(encoder, decoder, config, role, logits_bias=False)


PEGASUS_X = Family(
    model_type="pegasus_x",
    config=PegasusXConfig,
    spec=_spec,
    renames=seq2seq_renames(),
    aliases=seq2seq_aliases(shared_always=True),
    base_prefix="model",
)
