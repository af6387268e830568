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
    probs: Probs = None
    cross_probs: Probs = None

    def self_attention(y: FloatArray) -> FloatArray:
        nonlocal probs
        found, probs = _self_attention(p["self_attn"], spec, y, masking, cache, rows_bs, head_scale_h, need_probs)
        return linear(p["self_attn"]["out_proj"], found)

    def cross_attention(y: FloatArray) -> FloatArray:
        nonlocal cross_probs
        assert memory is not None
        found, cross_probs = _cross_attention(p["encoder_attn"], spec, y, memory, cache, cross_head_scale_h, need_probs)
        return linear(p["encoder_attn"]["out_proj"], found)

    x = _residual(spec, _self_attention_norm(p, spec), x_btm, self_attention)
    if memory is not None:
        x = _residual(spec, _norm(p["encoder_attn_layer_norm"], spec), x, cross_attention)
    x = _residual(spec, _norm(p["final_layer_norm"], spec), x, lambda y: feed_forward(p, y, spec.activation))
    return p.record(x), probs, cross_probs


def _residual(spec: StackSpec, norm: Norm, x: FloatArray, sublayer: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Add a sub-layer's output to its input; the norm stands before the sub-layer or after the sum."""
    if spec.norm == "post":
        return norm(sublayer(x), residual=x)
    y = sublayer(norm(x))
    return np.add(x, y, out=ops.empty(x.shape, x.dtype))


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
    return attend(q, k, v, masking, rows_bs=rows_bs, head_scale_h=head_scale_h, need_probs=need_probs)


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
    return attend(q, k, v, memory.masking, head_scale_h=head_scale_h, need_probs=need_probs)
