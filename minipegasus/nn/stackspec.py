"""The data that makes one stack differ from another. No family is named here; families fill it in."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Positions", "StackSpec"]


@dataclass(frozen=True)
class Positions:
    """Where position vectors come from.

    Attributes:
        kind: ``"table"`` adds rows of ``embed_positions``; ``"computed"`` evaluates ``ops.sinusoid_rows``;
            ``"unused"`` adds nothing, though there is a table (BERT with relative positions).
        rows: rows of the table, None where positions are computed and have no limit.
        sinusoidal: a table that a file lacks is ``ops.sinusoid_table``.
        offset: table row of the first position.
        skips: id whose positions all share row ``offset - 1`` and are not counted (RoBERTa's padding), or None.
    """

    kind: Literal["table", "computed", "unused"]
    rows: int | None = None
    sinusoidal: bool = False
    offset: int = 0
    skips: int | None = None

    @property
    def limit(self) -> int | None:
        """How many positions there are, or None where any number goes."""
        return None if self.rows is None else self.rows - self.offset


@dataclass(frozen=True)
class StackSpec:
    """Everything in which one stack can differ from another.

    Attributes:
        attention: ``"all"`` keys, ``"causal"``, ``"windowed"`` blocks (when the input is longer than
            ``dense_limit``) or ``"partitioned"`` blocks behind ``global_tokens``.
        block_pad_id: id whose embedding fills the last block of a windowed stack, where states are reported.
        staggered: odd layers move their block borders by half a block.
        relative: relative position scores of the queries (``"key"``) or of both sides (``"key_query"``).
        one_head_mask: the head mask of self-attention is cross-attention's as well.
        scale_given: whether embeddings that the caller gives are scaled as looked-up ones are.
    """

    layers: int
    heads: int
    vocab_size: int
    width: int
    ffn: int
    activation: str
    eps: float
    norm: Literal["pre", "post"]
    final_norm: bool
    embedding_norm: bool
    positions: Positions
    embed_scale: float = 1.0
    scale_given: bool = False
    token_types: int = 0
    attention: Literal["all", "causal", "windowed", "partitioned"] = "all"
    block_size: int = 0
    random_blocks: int = 0
    random_plan: str = "transformers"
    block_pad_id: int = 0
    global_tokens: int = 0
    staggered: bool = False
    relative: Literal["key", "key_query"] | None = None
    cross_attention: bool = False
    one_head_mask: bool = False
    attention_bias: bool = True

    @property
    def has_global_norm(self) -> bool:
        """Whether global tokens have a norm of their own (they do even where there are none of them)."""
        return self.attention == "partitioned"

    @property
    def dense_limit(self) -> int:
        """Longest input that a windowed stack still treats with full attention."""
        return (5 + 2 * self.random_blocks) * self.block_size

    def is_sparse(self, length: int) -> bool:
        """Whether an input of this length takes the windowed path: a pure function, decided per call."""
        return self.attention == "windowed" and length > self.dense_limit
