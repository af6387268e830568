"""Attention probabilities per query block, put into the shapes that callers know."""

import numpy as np

from ..arrays import BoolArray, FloatArray
from .patterns import Pattern

__all__ = ["dense", "local_and_global"]


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


def local_and_global(
    pattern: Pattern, blocks: list[FloatArray], block_size: int, global_tokens: int, visible_bs: BoolArray | None
) -> dict[str, FloatArray]:
    """Return ``{"global": [b, h, G, G + L], "local": [b, h, K, block, G + block]}`` of a partitioned pattern.

    The reference pads a staggered layer by half a block on both sides with queries and keys that are zero; such
    keys weigh nothing, such queries weigh every key that their block shows alike.
    """
    g, half = global_tokens, block_size // 2
    token_blocks = blocks[1:] if g else blocks
    b, h = blocks[0].shape[:2]
    starts = pattern.query_starts[1:] if g else pattern.query_starts
    shifted = len(token_blocks) > 0 and starts[1] - starts[0] == half < block_size
    local = np.zeros((b, h, len(token_blocks), block_size, g + block_size), blocks[0].dtype)
    for k, probs in enumerate(token_blocks):
        count = probs.shape[2]
        at = block_size - count if shifted and k == 0 else 0
        own = slice(at, at + count)
        local[:, :, k, own, :g] = probs[..., :g]
        local[:, :, k, own, g + at : g + at + count] = probs[..., g:]
        if count < block_size:
            local[:, :, k, np.arange(block_size)[[i < at or i >= at + count for i in range(block_size)]]] = _alike(
                visible_bs, g, slice(starts[k], starts[k + 1]), at, block_size, b, local.dtype
            )[:, None, None]
    if g:
        whole = blocks[0]
    else:
        whole = np.zeros((b, h, 0, pattern.keys), local.dtype)
    if shifted:
        pad = np.zeros((b, h, g, half), local.dtype)
        whole = np.concatenate([whole[..., :g], pad, whole[..., g:], pad], axis=-1)
    return {"global": whole, "local": local}


def _alike(
    visible_bs: BoolArray | None, g: int, own: slice, at: int, block_size: int, b: int, dtype: np.dtype[np.floating]
) -> FloatArray:
    """Return ``[b, G + block]``: equal weight on what a block shows, or on everything where it shows nothing."""
    shown = np.zeros((b, g + block_size), bool)
    shown[:, :g] = True
    shown[:, g + at : g + at + own.stop - own.start] = True if visible_bs is None else visible_bs[:, own]
    shown[~shown.any(axis=1)] = True
    weights: FloatArray = (shown / shown.sum(axis=1, keepdims=True)).astype(dtype)
    return weights
