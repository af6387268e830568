"""Encoding and decoding: embeddings, masks, the stack, and results in the shapes that callers know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from ..arrays import BoolArray, FloatArray, IntArray
from . import reports
from .attention import Masking
from .blocks import Memory
from .cache import Cache
from .params import Params
from .stacks import StackOutput, embed, mask_layers, run
from .stackspec import StackSpec

__all__ = ["Coded", "Scales", "decode", "encode"]

Scales = Sequence[FloatArray | None] | None


@dataclass(frozen=True, eq=False)
class Coded:
    """A stack's results.

    ``states`` holds arrays ``[b, t, m]`` (a partitioned encoder's last entry is a pair: tokens and globals).
    ``attentions`` holds one entry per layer: ``[b, h, t, s]``, or a dictionary from a partitioned encoder.
    """

    last: FloatArray
    states: tuple[Any, ...] | None = None
    attentions: tuple[Any, ...] | None = None
    cross_attentions: tuple[FloatArray, ...] | None = None


def encode(
    p: Params,
    spec: StackSpec,
    ids_bt: IntArray | None,
    given_btm: FloatArray | None,
    visible_bt: BoolArray | None,
    *,
    bias_bhts: FloatArray | None = None,
    position_ids: IntArray | None = None,
    token_type_ids: IntArray | None = None,
    head_scales: Scales = None,
    need_states: bool = False,
    need_probs: bool = False,
) -> Coded:
    """Run an encoder. ``p`` is the encoder's own view of the weights; ``visible_bt`` False marks padding."""
    x = embed(p, spec, ids_bt, given_btm, position_ids=position_ids, token_type_ids=token_type_ids)
    length, sparse = x.shape[1], spec.is_sparse(x.shape[1])
    partitioned = spec.attention == "partitioned"
    # Without globals a block in which everything is hidden looks at what is hidden, the last block's padding too.
    lonely = partitioned and not spec.global_tokens
    if (sparse or partitioned) and (need_states or need_probs or (lonely and visible_bt is not None)):
        # Otherwise whole blocks appear only in reports: nothing visible depends on them.
        x, visible_bt = _fill_block(p, spec, x, visible_bt)
    zero_bt = visible_bt if sparse else None
    if partitioned:
        x, visible_bt = _prepend_globals(p, spec, x, visible_bt)
    common = Masking(visible_bs=visible_bt, bias_bhts=bias_bhts, zero_bt=zero_bt)
    maskings = mask_layers(spec, x.shape[1], x.shape[1], common)
    if lonely:
        maskings = [_share_with_padding(m, spec.block_size, x.dtype) for m in maskings]
    out = run(
        p,
        spec,
        x,
        maskings,
        # The reference's windowed attention knows no head mask.
        head_scales=None if sparse else head_scales,
        need_states=need_states,
        need_probs=need_probs,
    )
    g = spec.global_tokens
    return Coded(
        p.record(out.last_btm[:, g : g + length]),
        _encoder_states(spec, out, length) if need_states else None,
        tuple(_report(spec, m, probs) for m, probs in zip(maskings, out.probs, strict=True)) if need_probs else None,
    )


def decode(
    p: Params,
    spec: StackSpec,
    ids_bt: IntArray | None,
    given_btm: FloatArray | None,
    masking: Masking,
    *,
    start: int = 0,
    position_ids: IntArray | None = None,
    token_type_ids: IntArray | None = None,
    memory: Memory | None = None,
    cache: Cache | None = None,
    head_scales: Scales = None,
    cross_head_scales: Scales = None,
    need_states: bool = False,
    need_probs: bool = False,
) -> Coded:
    """Run a decoder over positions that follow those in ``cache``, which is extended in place.

    ``start`` is the number of the first position, ordinarily the cache's length.
    """
    x = embed(p, spec, ids_bt, given_btm, start=start, position_ids=position_ids, token_type_ids=token_type_ids)
    past = cache.get_seq_length() if cache is not None else 0
    out = run(
        p,
        spec,
        x,
        mask_layers(spec, x.shape[1], past + x.shape[1], masking),
        memory=memory,
        cache=cache,
        head_scales=head_scales,
        cross_head_scales=cross_head_scales,
        need_states=need_states,
        need_probs=need_probs,
    )
    return Coded(
        p.record(out.last_btm),
        tuple(out.states) if need_states else None,
        tuple(blocks[0] for blocks in out.probs) if need_probs else None,
        tuple(blocks[0] for blocks in out.cross_probs) if need_probs and memory is not None else None,
    )


def _fill_block(
    p: Params, spec: StackSpec, x_btm: FloatArray, visible_bt: BoolArray | None
) -> tuple[FloatArray, BoolArray | None]:
    """Append hidden positions up to a whole block: zeros, or the padding id's embedding in a windowed stack."""
    b, t, m = x_btm.shape
    missing = -t % spec.block_size
    if not missing:
        return x_btm, visible_bt
    if spec.attention == "windowed":
        pad = np.full((b, missing), spec.block_pad_id)
        rows = ops.embed(pad, p["embed_tokens"]["weight"], spec.embed_scale)
    else:
        rows = np.zeros((b, missing, m), x_btm.dtype)
    shown = np.ones((b, t), bool) if visible_bt is None else visible_bt
    return np.concatenate([x_btm, rows], axis=1), np.pad(shown, ((0, 0), (0, missing)))


def _prepend_globals(
    p: Params, spec: StackSpec, x_btm: FloatArray, visible_bt: BoolArray | None
) -> tuple[FloatArray, BoolArray | None]:
    """Put the global tokens in front; they are always visible."""
    table = p["embed_global"]["weight"]
    rows = np.broadcast_to(table, (len(x_btm), *table.shape))
    if visible_bt is not None:
        visible_bt = np.pad(visible_bt, ((0, 0), (spec.global_tokens, 0)), constant_values=True)
    return np.concatenate([rows, x_btm], axis=1), visible_bt


def _share_with_padding(masking: Masking, block_size: int, dtype: np.dtype[Any]) -> Masking:
    """Let a block in which everything is hidden also look at a shifted layer's padding: keys and values of zero."""
    if masking.visible_bs is None:
        return masking
    factor_bt = np.ones(masking.visible_bs.shape, dtype)
    for start, stop in pairwise(masking.pattern.query_starts):
        factor_bt[~masking.visible_bs[:, start:stop].any(axis=1), start:stop] = (stop - start) / block_size
    return replace(masking, factor_bt=factor_bt)


def _encoder_states(spec: StackSpec, out: StackOutput, length: int) -> tuple[Any, ...]:
    if spec.attention != "partitioned":
        return tuple(out.states)
    g = spec.global_tokens
    inputs = [state[:, g:] for state in out.states[:-1]]
    return (*inputs, (out.last_btm[:, g : g + length], out.unnormed_btm[:, :g]))


def _report(spec: StackSpec, masking: Masking, probs: list[FloatArray]) -> Any:
    if spec.attention == "partitioned":
        return reports.local_and_global(masking.pattern, probs, spec.block_size, spec.global_tokens, masking.visible_bs)
    return reports.dense(masking.pattern, probs)
