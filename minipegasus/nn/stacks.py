"""A stack of transformer blocks, encoder or decoder: what differs comes as a :class:`StackSpec`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from ..errors import InputError
from . import patterns
from .attention import Masking
from .blocks import Memory, block
from .cache import Cache
from .layers import layer_norm
from .params import Params
from .stackspec import StackSpec

__all__ = ["StackOutput", "embed", "mask_layers", "run"]


@dataclass(eq=False)
class StackOutput:
    """What a stack computed: its last state, the same before the final norm and, where asked for, every layer's.

    ``states`` holds each layer's input, then the last state (after the final norm). ``probs`` and ``cross_probs``
    hold one list per layer with an array ``[b, h, tq, nk]`` per query block of that layer's pattern.
    """

    last_btm: FloatArray
    unnormed_btm: FloatArray
    states: list[FloatArray] = field(default_factory=list)
    probs: list[list[FloatArray]] = field(default_factory=list)
    cross_probs: list[list[FloatArray]] = field(default_factory=list)


def embed(
    p: Params,
    spec: StackSpec,
    ids_bt: IntArray | None,
    given_btm: FloatArray | None,
    *,
    start: int = 0,
    position_ids: IntArray | None = None,
    token_type_ids: IntArray | None = None,
) -> FloatArray:
    """Return embeddings plus positions ``[b, t, m]`` for ids or for embeddings that the caller gives.

    ``start`` positions precede these. Exactly one of ``ids_bt`` and ``given_btm`` is expected.
    """
    if ids_bt is not None:
        x = ops.embed(ids_bt, p["embed_tokens"]["weight"], spec.embed_scale)
    elif given_btm is not None:
        x = given_btm * given_btm.dtype.type(spec.embed_scale) if spec.scale_given else given_btm
    else:
        raise InputError("expected ids or embeddings, found neither")
    x = p["embed_tokens"].record(x)
    if spec.token_types:
        types = np.zeros(x.shape[:2], np.int64) if token_type_ids is None else token_type_ids
        x = x + ops.embed(types, p["embed_token_types"]["weight"])
    if spec.positions.kind != "unused":
        x = x + _positions(p, spec, ids_bt, x, start, position_ids)
    return layer_norm(p["embed_norm"], x, spec.eps) if spec.embedding_norm else x


def _positions(
    p: Params, spec: StackSpec, ids_bt: IntArray | None, x_btm: FloatArray, start: int, given: IntArray | None
) -> FloatArray:
    """Return the position vectors of ``x_btm``, broadcastable over the batch."""
    where, count = spec.positions, x_btm.shape[1]
    if where.kind == "computed":
        if given is None:
            return ops.sinusoid_rows(start, count, spec.width, x_btm.dtype.type)
        rows = ops.sinusoid_rows(0, int(given.max(initial=0)) + 1, spec.width, x_btm.dtype.type)
        return rows[given]
    if given is None and where.skips is not None and ids_bt is not None:
        kept = ids_bt != where.skips
        given = (np.cumsum(kept, axis=1) + start) * kept + where.offset - 1
    elif given is None:
        given = np.arange(start, start + count)[None] + where.offset
    table = p["embed_positions"]["weight"]
    low, high, limit = int(given.min()) - where.offset, int(given.max()) - where.offset, len(table) - where.offset
    if low + where.offset < 0 or high >= limit:
        found = high if high >= limit else low
        raise InputError(
            f"{p.path} input: expected at most {limit} positions (max_position_embeddings), found position {found}"
        )
    return ops.embed(given, table)


def mask_layers(spec: StackSpec, queries: int, keys: int, common: Masking | None = None) -> list[Masking]:
    """Return each layer's masking: the stack's pattern for these lengths, and what ``common`` hides."""
    layer_patterns = _layer_patterns(spec, queries, keys)
    by_pattern = {p: (common or Masking()).with_pattern(p) for p in set(layer_patterns)}
    return [by_pattern[p] for p in layer_patterns]


def _layer_patterns(spec: StackSpec, queries: int, keys: int) -> list[patterns.Pattern]:
    every = range(spec.layers)
    if spec.attention == "partitioned":
        tokens, g = keys - spec.global_tokens, spec.global_tokens
        return [patterns.partitioned(tokens, spec.block_size, g, shifted=spec.staggered and i % 2 == 1) for i in every]
    if spec.is_sparse(keys):
        return [_windowed(spec, keys, i) for i in every]
    build = patterns.causal if spec.attention == "causal" else patterns.full
    return [build(queries, keys)] * spec.layers


def _windowed(spec: StackSpec, keys: int, layer: int) -> patterns.Pattern:
    block, r = spec.block_size, spec.random_blocks if spec.random_plan != "none" else 0
    if spec.random_plan != "seeded":
        return patterns.windowed(keys, block, r)
    positions = spec.positions.rows or keys
    return patterns.windowed(keys, block, r, patterns.seeded_plan(layer, keys, block, r, spec.heads, positions))


@ops.reused()
def run(
    p: Params,
    spec: StackSpec,
    x_btm: FloatArray,
    maskings: Sequence[Masking],
    *,
    memory: Memory | None = None,
    cache: Cache | None = None,
    head_scales: Sequence[FloatArray | None] | None = None,
    cross_head_scales: Sequence[FloatArray | None] | None = None,
    need_states: bool = False,
    need_probs: bool = False,
) -> StackOutput:
    """Run every block over ``x_btm`` (embeddings plus positions, globals in front) and the final norm.

    ``p`` is the stack's own view of the weights; ``cache`` is extended in place.
    """
    out = StackOutput(x_btm, x_btm)
    rows = cache.rows(len(x_btm), cache.get_seq_length() + x_btm.shape[1]) if cache else None
    for i in range(spec.layers):
        if need_states:
            out.states.append(x_btm)
        x_btm, probs, cross_probs = block(
            p["layers"][str(i)],
            spec,
            x_btm,
            maskings[i],
            memory=memory,
            cache=cache.layers[i] if cache else None,
            rows_bs=rows,
            head_scale_h=head_scales[i] if head_scales else None,
            cross_head_scale_h=cross_head_scales[i] if cross_head_scales else None,
            need_probs=need_probs,
        )
        if probs is not None:
            out.probs.append(probs)
        if cross_probs is not None:
            out.cross_probs.append(cross_probs)
    out.unnormed_btm = x_btm
    out.last_btm = layer_norm(p["layer_norm"], x_btm, spec.eps) if spec.final_norm else x_btm
    if need_states:
        out.states.append(out.last_btm)
    return out
