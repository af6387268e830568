"""One transformer block: self-attention, cross-attention where there is a memory, feed-forward."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from .attention import Masking, attend, project_keys, relative_bias, split_heads
from .cache import LayerCache
from .layers import feed_forward, layer_norm, linear
from .params import Params
from .stackspec import StackSpec

__all__ = ["Memory", "block"]

Probs: TypeAlias = list[FloatArray] | None
Norm: TypeAlias = Callable[..., FloatArray]


@dataclass(frozen=True, eq=False)
class Memory:
    """What cross-attention looks at.

    Attributes:
        states_bsm: the encoder's last state; None where a cache already holds its keys and values.
        masking: every query sees every position that is not hidden.
    """

    states_bsm: FloatArray | None
    masking: Masking


def block(
    p: Params,
    spec: StackSpec,
    x_btm: FloatArray,
    masking: Masking,
    *,
    memory: Memory | None = None,
    cache: LayerCache | None = None,
    rows_bs: IntArray | None = None,
    head_scale_h: FloatArray | None = None,
    cross_head_scale_h: FloatArray | None = None,
    need_probs: bool = False,
) -> tuple[FloatArray, Probs, Probs]:
    """Return the block's output and, if asked for, its self- and cross-attention probabilities."""
    # What a sub-layer gets is referred to by nobody else, so that its memory serves the results that follow it.
    norm = _self_attention_norm(p, spec)
    y, probs = _self_attention(
        p["self_attn"], spec, _sublayer_input(spec, norm, x_btm), masking, cache, rows_bs, head_scale_h, need_probs
    )
    x = _residual(spec, norm, x_btm, y)
    del y
    cross_probs: Probs = None
    if memory is not None:
        norm = _norm(p["encoder_attn_layer_norm"], spec)
        y, cross_probs = _cross_attention(
            p["encoder_attn"], spec, _sublayer_input(spec, norm, x), memory, cache, cross_head_scale_h, need_probs
        )
        x = _residual(spec, norm, x, y)
        del y
    norm = _norm(p["final_layer_norm"], spec)
    x = _residual(spec, norm, x, feed_forward(p, _sublayer_input(spec, norm, x), spec.activation))
    return p.record(x), probs, cross_probs


def _sublayer_input(spec: StackSpec, norm: Norm, x: FloatArray) -> FloatArray:
    """Return what a sub-layer sees of its input: the norm stands before it or, after the sum, behind it."""
    return x if spec.norm == "post" else norm(x)


def _residual(spec: StackSpec, norm: Norm, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return a sub-layer's input plus its output ``y``."""
    return norm(y, residual=x) if spec.norm == "post" else np.add(x, y, out=ops.empty(x.shape, x.dtype))


def _norm(p: Params, spec: StackSpec) -> Norm:
    return lambda x, residual=None: layer_norm(p, x, spec.eps, residual)


def _self_attention_norm(p: Params, spec: StackSpec) -> Norm:
    """Return the norm around self-attention; globals, which stand in front, have one of their own."""
    of_tokens, g = p["self_attn_layer_norm"], spec.global_tokens
    if not g:
        return _norm(of_tokens, spec)

    def norm(x: FloatArray) -> FloatArray:
        # One result for both: the tokens' norm of the globals is overwritten.
        y = ops.layer_norm(x, of_tokens["weight"], of_tokens["bias"], spec.eps)
        y[:, :g] = layer_norm(p["global_self_attn_layer_norm"], x[:, :g], spec.eps)
        of_tokens.record(y[:, g:])
        return y

    return norm


def _self_attention(
    p: Params,
    spec: StackSpec,
    y_btm: FloatArray,
    masking: Masking,
    cache: LayerCache | None,
    rows_bs: IntArray | None,
    head_scale_h: FloatArray | None,
    need_probs: bool,
) -> tuple[FloatArray, Probs]:
    q = split_heads(linear(p["q_proj"], y_btm), spec.heads)
    k, v = project_keys(p, y_btm, spec.heads)
    if cache is not None:
        k, v = cache.append(k, v)
    if spec.relative is not None:
        bias = relative_bias(p["distance_embedding"]["weight"], q, k, rows_bs, of_keys=spec.relative == "key_query")
        masking = masking.with_bias(bias)
    del y_btm
    found, probs = attend(q, k, v, masking, rows_bs=rows_bs, head_scale_h=head_scale_h, need_probs=need_probs)
    del q, k, v
    return linear(p["out_proj"], found), probs


def _cross_attention(
    p: Params,
    spec: StackSpec,
    y_btm: FloatArray,
    memory: Memory,
    cache: LayerCache | None,
    head_scale_h: FloatArray | None,
    need_probs: bool,
) -> tuple[FloatArray, Probs]:
    """Keys and values of the memory are projected once per cache; rows of a beam share them."""
    q = split_heads(linear(p["q_proj"], y_btm), spec.heads)
    if cache is not None and cache.cross is not None:
        k, v = cache.cross
    else:
        assert memory.states_bsm is not None
        k, v = project_keys(p, memory.states_bsm, spec.heads)
        if cache is not None:
            # Every step reads them whole: heads apart, so that each is one stream.
            cache.cross = k, v = np.ascontiguousarray(k), np.ascontiguousarray(v)
    del y_btm
    found, probs = attend(q, k, v, memory.masking, head_scale_h=head_scale_h, need_probs=need_probs)
    del q, k, v
    return linear(p["out_proj"], found), probs
