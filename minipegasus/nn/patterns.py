"""Attention patterns: which keys each block of queries sees, as plain integer arrays.

A :class:`Pattern` is the whole difference between the attentions of this package. Queries stand in blocks; each
block owns a list of half-open key ranges, stored CSR style. A range that is listed r times counts r times in the
softmax. Three builders cover the families:

* :func:`full` and :func:`causal`: one block, one range;
* :func:`windowed`: first, last and neighbouring blocks, and the "random" blocks (:func:`seeded_plan` draws some);
* :func:`partitioned`: globals in front, each token block seeing the globals and itself.

Everything here is integers: no array of floats is touched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from ..arrays import IntArray

__all__ = ["NOTHING", "Pattern", "Plan", "causal", "full", "partitioned", "seeded_plan", "windowed"]

#: ``plan[h][i - 1]`` names the extra key blocks of inner query block i in head h.
Plan: TypeAlias = tuple[tuple[tuple[int, ...], ...], ...]


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
def windowed(length: int, block_size: int, random_blocks: int, plan: Plan | None = None) -> Pattern:
    """Window, first and last blocks, over ``length`` positions, not necessarily a multiple of ``block_size``.

    Blocks 0 and last see everything and are seen by everything; the others see their neighbours; each inner block
    lists ``random_blocks`` further blocks. Without a ``plan`` these are block 0 again, which is what the reference
    evaluates. Source: Zaheer et al. 2020, section 2.

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


# Padded lengths of the original experiments: their plans are drawn for all positions, from the first 1024 tokens.
_FIRST_LENGTHS = (1024, 3072, 4096)
_FIRST_REACH = 1024


@lru_cache(maxsize=64)
def seeded_plan(layer: int, length: int, block_size: int, random_blocks: int, heads: int, positions: int) -> Plan:
    """Draw the extra blocks of :func:`windowed` as the reference does in training, from a generator of its own.

    The generator is seeded by the layer's index; ``positions`` is the longest input that the model knows. Where the
    reference finds fewer legal blocks than it wants and fails, these rows list what there is.

    >>> seeded_plan(layer=0, length=18, block_size=2, random_blocks=1, heads=2, positions=64)[0]
    ((3,), (5,), (5,), (1,), (3,), (2,), (5,))
    """
    # The stream of np.random.seed(layer), without the global state: NumPy keeps it fixed for ever.
    rng = np.random.RandomState(layer)
    n = -(-length // block_size)
    if n * block_size in _FIRST_LENGTHS:
        rows = max(positions // block_size, n)
        drawn = [list(_first_rows(rng, n, rows, block_size, random_blocks)) for _ in range(heads)]
        return tuple(tuple(head[: n - 2]) for head in drawn)
    # Everybody's blocks come from the first 2r + 5, and a windowed input always has more.
    first = 2 * random_blocks + 5
    by_row = [[_legal(rng, i, first, random_blocks) for _ in range(heads)] for i in range(1, n - 1)]
    return tuple(zip(*by_row, strict=True))


def _legal(rng: np.random.RandomState, i: int, first: int, count: int) -> tuple[int, ...]:
    """Draw ``count`` of the blocks below ``first`` that query block i does not see anyway."""
    seen = {0, i - 1, i, i + 1, first - 1}
    if i == 1:
        seen.add(first - 2)
    if i == first - 2:
        seen.add(1)
    return tuple(int(j) for j in rng.permutation(first) if j not in seen)[:count]


def _first_rows(
    rng: np.random.RandomState, n: int, rows: int, block_size: int, count: int
) -> Iterator[tuple[int, ...]]:
    """Yield the extra blocks, all below ``n``, of every inner one of ``rows`` blocks: the original experiments' plan.

    Its slices are the reference's to the letter: they exclude one block more or less than the window here and there.
    """
    last = _FIRST_REACH // block_size - 1 if 2 * block_size < _FIRST_REACH else rows - 1
    inner = np.arange(1, rows - 1)
    for i in range(1, rows - 1):
        if i <= 2:
            allowed = inner[i + 1 : last]
        elif i >= rows - 3:
            allowed = inner[:last]
        elif i - 2 > last or i + 1 == last:
            allowed = inner[: min(i - 2, last)]
        else:
            allowed = np.concatenate([inner[: i - 2], inner[i + 1 : last]])
        drawn = [int(j) for j in rng.permutation(allowed[allowed < n])[:count]]
        # One block that stands for several: the reference assigns it to every place.
        yield tuple(drawn * count if len(drawn) == 1 else drawn)


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
