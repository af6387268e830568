"""Attention patterns: which keys each block of queries sees, as plain integer arrays.

A :class:`Pattern` is the whole difference between the attentions of this package. Queries stand in blocks; each
block owns a list of half-open key ranges, stored CSR style. A range that is listed r times counts r times in the
softmax. Three builders cover the families:

* :func:`full` and :func:`causal`: one block, one range;
* :func:`windowed`: first, last and neighbouring blocks, and the "random" blocks;
* :func:`partitioned`: globals in front, each token block seeing the globals and itself.

Everything here is integers: no array of floats is touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..arrays import IntArray

__all__ = ["NOTHING", "Pattern", "causal", "full", "partitioned", "windowed"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Key ranges per block of queries.

    Attributes:
        query_starts: int64 ``[K + 1]``, borders of the K query blocks: block k holds the queries
            ``query_starts[k] <= t < query_starts[k + 1]``.
        range_starts: int64 ``[P, K + 1]``, P = 1 or the number of heads: block k of plan p owns the rows
            ``range_starts[p, k] <= i < range_starts[p, k + 1]`` of ``ranges``. With P = 1 all heads share a plan.
        ranges: int64 ``[R, 2]``, half-open ``[start, stop)`` key ranges.
        keys: length of the key axis.
        causal_offset: ``None``, or query t sees only keys ``s <= t + causal_offset``.

    >>> pattern = windowed(length=12, block_size=2, random_blocks=1)
    >>> pattern.listed(2).tolist()
    [[0, 2], [2, 8], [0, 2], [10, 12]]
    >>> pattern.multiplicity()[4].tolist()
    [2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1]
    """

    query_starts: IntArray
    range_starts: IntArray
    ranges: IntArray
    keys: int
    causal_offset: int | None = None

    @property
    def blocks(self) -> int:
        """Number of query blocks."""
        return len(self.query_starts) - 1

    @property
    def queries(self) -> int:
        """Length of the query axis."""
        return int(self.query_starts[-1])

    @property
    def plans(self) -> int:
        """1, or the number of heads where each head has its own ranges."""
        return len(self.range_starts)

    @property
    def is_dense(self) -> bool:
        """Whether every query lists every key exactly once, in order (causal or not)."""
        return self.blocks == 1 and len(self.ranges) == 1 and self.ranges[0].tolist() == [0, self.keys]

    def listed(self, block: int, plan: int = 0) -> IntArray:
        """Return the ``[start, stop)`` ranges of one query block, int64 ``[n, 2]``."""
        first, last = self.range_starts[plan, block : block + 2]
        return self.ranges[first:last]

    def key_index(self, block: int, plan: int = 0) -> IntArray:
        """Return the keys that one query block lists, in order and with repetition, int64 ``[nk]``."""
        ranges = self.listed(block, plan)
        return np.concatenate([np.arange(a, b) for a, b in ranges] or [np.empty(0, np.int64)])

    def multiplicity(self, plan: int = 0) -> IntArray:
        """Return how often each query lists each key, int64 ``[queries, keys]``: the dense picture.

        Quadratic in length, so for pictures and oracles only.
        """
        count = np.zeros((self.queries, self.keys), np.int64)
        for k in range(self.blocks):
            rows = slice(self.query_starts[k], self.query_starts[k + 1])
            for start, stop in self.listed(k, plan):
                count[rows, start:stop] += 1
        if self.causal_offset is not None:
            future = np.arange(self.keys) > np.arange(self.queries)[:, None] + self.causal_offset
            count[future] = 0
        return count


def _build(query_starts: Sequence[int], plans: Sequence[Sequence[Sequence[tuple[int, int]]]], keys: int) -> Pattern:
    """Pack nested lists ``plans[p][k] = [(start, stop), ...]`` into a :class:`Pattern`; empty ranges vanish."""
    ranges: list[tuple[int, int]] = []
    starts = []
    for plan in plans:
        row = [len(ranges)]
        for block in plan:
            ranges += [(a, b) for a, b in block if a < b]
            row.append(len(ranges))
        starts.append(row)
    return Pattern(
        np.array(query_starts, np.int64),
        np.array(starts, np.int64),
        np.array(ranges, np.int64).reshape(-1, 2),
        keys,
    )


#: The pattern of no query and no key: what stands in a :class:`Masking` until a stack knows its lengths.
NOTHING = _build([0, 0], [[[]]], 0)


@lru_cache(maxsize=256)
def full(queries: int, keys: int) -> Pattern:
    """Every query sees every key.

    >>> full(2, 3).multiplicity().tolist()
    [[1, 1, 1], [1, 1, 1]]
    """
    return _build([0, queries], [[[(0, keys)]]], keys)


@lru_cache(maxsize=256)
def causal(queries: int, keys: int) -> Pattern:
    """The last ``queries`` of ``keys`` positions; each sees itself and what precedes it.

    >>> causal(2, 3).multiplicity().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    dense = full(queries, keys)
    return Pattern(dense.query_starts, dense.range_starts, dense.ranges, keys, keys - queries)


@lru_cache(maxsize=64)
def windowed(
    length: int,
    block_size: int,
    random_blocks: int,
    plan: tuple[tuple[tuple[int, ...], ...], ...] | None = None,
) -> Pattern:
    """Window, first and last blocks, over ``length`` positions, not necessarily a multiple of ``block_size``.

    Blocks 0 and last see everything and are seen by everything; the others see their neighbours; each inner block
    lists ``random_blocks`` further blocks. Without a ``plan`` these are block 0 again, which is what the reference
    evaluates; ``plan[h][i - 1]`` names them for head h and query block i otherwise. Source: Zaheer et al. 2020,
    section 2.

    Raises:
        ValueError: fewer than four blocks leave no room for the window.
    """
    n = -(-length // block_size)
    if n < 4:
        raise ValueError(f"windowed pattern: expected at least 4 blocks, found {n} ({length=}, {block_size=})")
    border = [min(i * block_size, length) for i in range(n + 1)]

    def inner(i: int, extra: Sequence[int]) -> list[tuple[int, int]]:
        random = [(border[j], border[j + 1]) for j in extra]
        # The last block stands last: hidden keys behind it then change no lane of any sum.
        if i == 1:
            return [(0, border[3]), *random, (border[n - 1], length)]
        if i == n - 2:
            return [(0, border[1]), *random, (border[n - 3], length)]
        return [(0, border[1]), (border[i - 1], border[i + 2]), *random, (border[n - 1], length)]

    everything = [(0, length)]
    heads = plan if plan is not None else (((0,) * random_blocks,) * (n - 2),)
    plans = [[everything, *(inner(i, head[i - 1]) for i in range(1, n - 1)), everything] for head in heads]
    return _build(border, plans, length)


@lru_cache(maxsize=64)
def partitioned(length: int, block_size: int, global_tokens: int, shifted: bool) -> Pattern:
    """Blocks that see themselves and the globals, over ``[globals ; tokens]``: ``global_tokens + length`` positions.

    A global sees everything; a token sees the globals and its own block. ``shifted`` moves the block borders by
    half a block (staggering: PEGASUS-X does so in odd layers). Source: Phang, Zhao and Liu 2022, section 3.1.

    >>> partitioned(4, 2, 1, shifted=True).multiplicity().tolist()
    [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [1, 0, 0, 0, 1]]
    """
    g, total = global_tokens, global_tokens + length
    first = block_size // 2 if shifted else block_size
    border = [g, *range(g + min(first, length), total, block_size), total]
    blocks = [[(0, g), (a, b)] for a, b in pairwise(border)]
    if g:
        return _build([0, *border], [[[(0, total)], *blocks]], total)
    return _build(border, [blocks], total)
