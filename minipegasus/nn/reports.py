"""Attention probabilities per query block, put into the shapes that callers know."""

import numpy as np

from .. import ops
from ..arrays import BoolArray, FloatArray
from .patterns import Pattern

__all__ = ["dense", "local_and_global", "of_hidden_queries"]


def dense(pattern: Pattern, blocks: list[FloatArray]) -> FloatArray:
    """Return ``[b, h, t, s]`` from one array ``[b, h, tq, nk]`` per query block.

    A key that a block lists more than once shows the share of one listing only, as the reference reports it: its
    rows then sum to less than one (block 0 of a windowed pattern shows 1 / (1 + r) of its share).
    """
    if pattern.is_dense:
        return blocks[0]
    b, h = blocks[0].shape[:2]
    out = np.zeros((b, h, pattern.queries, pattern.keys), blocks[0].dtype)
    for k, probs in enumerate(blocks):
        rows = slice(*pattern.query_starts[k : k + 2])
        for plan in range(pattern.plans):
            heads, at = (slice(None) if pattern.plans == 1 else slice(plan, plan + 1)), 0
            for start, stop in pattern.listed(k, plan):
                out[:, heads, rows, start:stop] = probs[:, heads, :, at : at + stop - start]
                at += stop - start
    return out


def of_hidden_queries(
    pattern: Pattern, blocks: list[FloatArray], q_bhtd: FloatArray, k_bhsd: FloatArray, visible_bs: BoolArray
) -> list[FloatArray]:
    """Return a windowed pattern's probabilities with those of hidden queries as the reference reports them.

    It hides a key by taking 10000 from the score, and from a hidden query also the keys of its window and the random
    ones; where everything is hidden, the softmax is over what is left of the scores. Nothing depends on these rows:
    a hidden query's output is zero.
    """
    scale = q_bhtd.dtype.type(q_bhtd.shape[3] ** -0.5)
    reported = [probs.copy() for probs in blocks]
    for k, probs in enumerate(reported):
        rows = slice(*pattern.query_starts[k : k + 2])
        for plan in range(pattern.plans):
            heads, keys = slice(None) if pattern.plans == 1 else slice(plan, plan + 1), pattern.key_index(k, plan)
            hidden = ~visible_bs[:, keys] | _hidden_from_hidden(pattern, k, plan)
            scores = q_bhtd[:, heads, rows] @ k_bhsd[:, heads, keys].swapaxes(2, 3) * scale
            seen = ops.softmax(scores - hidden[:, None, None] * q_bhtd.dtype.type(10000))
            probs[:, heads] = np.where(visible_bs[:, None, rows, None], probs[:, heads], seen)
    return reported


def _hidden_from_hidden(pattern: Pattern, block: int, plan: int) -> BoolArray:
    """Return which listed keys of a block belong to its window or are random, bool ``[nk]``: all but first and last."""
    ranges = pattern.listed(block, plan)
    between = np.ones(len(ranges), bool)
    between[[0, -1]] = False
    return np.repeat(between, ranges[:, 1] - ranges[:, 0])


def local_and_global(
    pattern: Pattern, blocks: list[FloatArray], block_size: int, global_tokens: int, visible_bs: BoolArray | None
) -> dict[str, FloatArray]:
    """Return ``{"global": [b, h, G, G + L], "local": [b, h, K, block, G + block]}`` of a partitioned pattern.

    The reference pads a staggered layer by half a block on both sides with queries and keys that are zero; such
    keys weigh nothing, such queries weigh every key that their block shows alike. A block that shows nothing weighs
    everything alike, padding included.
    """
    g, b, h = global_tokens, *blocks[0].shape[:2]
    token_blocks = blocks[1:] if g else blocks
    starts = pattern.query_starts[1:] if g else pattern.query_starts
    shifted = 2 * (starts[1] - starts[0]) == block_size
    local = np.zeros((b, h, len(token_blocks), block_size, g + block_size), blocks[0].dtype)
    for k, probs in enumerate(token_blocks):
        start, stop = starts[k : k + 2]
        at = block_size - (stop - start) if shifted and k == 0 else 0
        place = slice(at, at + stop - start)
        shown = np.zeros((b, g + block_size), bool)
        shown[:, :g], shown[:, g:][:, place] = True, True if visible_bs is None else visible_bs[:, start:stop]
        nothing = ~shown.any(axis=1)
        shown[nothing] = True
        block = local[:, :, k]
        block[:] = (shown / shown.sum(axis=1, keepdims=True))[:, None, None]
        computed = np.zeros_like(block[:, :, place])
        computed[..., :g], computed[..., g:][..., place] = probs[..., :g], probs[..., g:]
        block[~nothing, :, place] = computed[~nothing]
    whole = blocks[0] if g else np.zeros((b, h, 0, pattern.keys), local.dtype)
    if shifted:
        pad = np.zeros((b, h, g, block_size // 2), local.dtype)
        whole = np.concatenate([whole[..., :g], pad, whole[..., g:], pad], axis=-1)
    return {"global": whole, "local": local}
