"""The compiled twins: prepare arrays, call the kernels (``minipegasus._native``), nothing more.

Same names, parameters and defaults as the definitions in ``_numpy.py``, which also serve every dtype but float32.
Weights may also be float16, or bfloat16 kept as uint16: they are widened exactly, in registers.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _native as kernels
from ..arrays import Array, BoolArray, FloatArray, IntArray
from . import _numpy
from .memory import empty

if TYPE_CHECKING:
    from ..nn.patterns import Pattern

__all__ = [
    "activate",
    "attention",
    "embed",
    "layer_norm",
    "linear",
    "log_softmax",
    "sinusoid_rows",
    "sinusoid_table",
    "softmax",
    "top_k",
]

_F32 = np.dtype(np.float32)
_BF16 = np.dtype(np.uint16)
_HALVES = (_BF16, np.dtype(np.float16))

# Name -> number in _ext/vmath.h; aliases share one. The last three are not activations of the reference's table:
# tests reach the elementary functions by them.
_ACTIVATIONS = {
    "linear": 0,
    "relu": 1,
    "gelu": 2,
    "gelu_python": 2,
    "gelu_new": 3,
    "gelu_accurate": 3,
    "gelu_pytorch_tanh": 3,
    "gelu_fast": 4,
    "quick_gelu": 5,
    "gelu_10": 6,
    "relu2": 7,
    "relu6": 8,
    "silu": 9,
    "swish": 9,
    "tanh": 10,
    "sigmoid": 11,
    "mish": 12,
    "leaky_relu": 13,
    "laplace": 14,
}
_ELEMENTARY = {"exp": 15, "log": 16, "erf": 17, "tanh": 10}

# A kernel keeps the k largest in order by insertion, which pays while they are few.
_FEW = 256


def _vector(x: Array) -> FloatArray:
    return np.ascontiguousarray(x, _F32)


def _split(table: Array) -> tuple[FloatArray | None, Array | None, bool]:
    """Return the table as (float32, None, False) or (None, its 16-bit patterns, whether they are bfloat16)."""
    if table.dtype in _HALVES:
        return None, np.ascontiguousarray(table).view(_BF16), table.dtype == _BF16
    return np.ascontiguousarray(table, _F32), None, False


def linear(x: FloatArray, weight: Array, bias: FloatArray | None = None, activation: str = "linear") -> FloatArray:
    if x.dtype != _F32 or not x.size:
        return _numpy.linear(x, weight, bias, activation)
    outer, inner = weight.shape
    out = empty((*x.shape[:-1], outer))
    wide, half, bfloat = _split(weight)
    kernels.linear(
        np.ascontiguousarray(x).reshape(-1, inner),
        wide,
        half,
        bfloat,
        None if bias is None else _vector(bias),
        _ACTIVATIONS[activation],
        out.reshape(-1, outer),
    )
    return out


def layer_norm(
    x: FloatArray, weight: FloatArray, bias: FloatArray, eps: float, residual: FloatArray | None = None
) -> FloatArray:
    if x.dtype != _F32 or not x.size:
        return _numpy.layer_norm(x, weight, bias, eps, residual)
    shape, width = x.shape, x.shape[-1]
    out = empty(shape)
    if residual is not None:
        if residual.shape != shape:
            residual = np.broadcast_to(residual, shape)
        residual = _vector(residual).reshape(-1, width)
    x = np.ascontiguousarray(x).reshape(-1, width)
    kernels.layer_norm(x, _vector(weight), _vector(bias), eps, out.reshape(-1, width), residual)
    return out


def _softmax(x: FloatArray, logarithm: bool) -> FloatArray:
    out = np.empty(x.shape, _F32)
    width = x.shape[-1]
    kernels.softmax(np.ascontiguousarray(x).reshape(-1, width), out.reshape(-1, width), logarithm)
    return out


def softmax(x: FloatArray) -> FloatArray:
    return _softmax(x, False) if x.dtype == _F32 and x.size else _numpy.softmax(x)


def log_softmax(x: FloatArray) -> FloatArray:
    return _softmax(x, True) if x.dtype == _F32 and x.size else _numpy.log_softmax(x)


def _elementwise(x: FloatArray, code: int) -> FloatArray:
    x = np.ascontiguousarray(x)
    out = empty(x.shape)
    kernels.activate(x.reshape(-1), out.reshape(-1), code)
    return out


def activate(x: FloatArray, name: str) -> FloatArray:
    return _elementwise(x, _ACTIVATIONS[name]) if x.dtype == _F32 else _numpy.activate(x, name)


def embed(ids: IntArray, table: FloatArray, scale: float = 1.0) -> FloatArray:
    if table.dtype != _F32 and table.dtype not in _HALVES:
        return _numpy.embed(ids, table, scale)
    wide, half, bfloat = _split(table)
    ids = np.ascontiguousarray(ids, np.int64)
    out = np.empty((*ids.shape, table.shape[1]), _F32)
    kernels.embed(ids.reshape(-1), wide, half, bfloat, scale, out.reshape(ids.size, table.shape[1]))
    return out


def sinusoid_table(count: int, width: int) -> FloatArray:
    j = np.arange(width)
    steps = np.power(10000.0, 2 * (j // 2) / width)
    out = np.empty((count, width), _F32)
    kernels.sinusoids(0, np.concatenate([steps[0::2], steps[1::2]]), (width + 1) // 2, False, out)
    return out


def sinusoid_rows(start: int, count: int, width: int, dtype: type = np.float32) -> FloatArray:
    if np.dtype(dtype) != _F32:
        return _numpy.sinusoid_rows(start, count, width, dtype)
    frequency = _numpy.sinusoid_frequencies(width).astype(np.float64)
    out = np.empty((count, width), _F32)
    kernels.sinusoids(start, np.concatenate([frequency, frequency]), width // 2, True, out)
    return out


def top_k(x: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
    if x.dtype != _F32 or not x.size or k > _FEW:
        return _numpy.top_k(x, k)
    values = np.empty((*x.shape[:-1], k), _F32)
    index = np.empty(values.shape, np.int64)
    kernels.top_k(np.ascontiguousarray(x).reshape(-1, x.shape[-1]), values.reshape(-1, k), index.reshape(-1, k))
    return values, index


def _strided(x: Array) -> FloatArray:
    """Float32 with a contiguous last axis: as it is, wherever possible."""
    return x if x.dtype == _F32 and x.strides[-1] == 4 else np.ascontiguousarray(x, _F32)


def attention(
    q_bhtd: FloatArray,
    k_bhsd: FloatArray,
    v_bhsd: FloatArray,
    pattern: "Pattern",
    *,
    scale: float,
    visible_bs: BoolArray | None = None,
    bias_bhts: FloatArray | None = None,
    rows_bs: IntArray | None = None,
    head_scale_h: FloatArray | None = None,
    need_probs: bool = False,
) -> tuple[FloatArray, list[FloatArray] | None]:
    if q_bhtd.dtype != _F32:
        return _numpy.attention(
            q_bhtd,
            k_bhsd,
            v_bhsd,
            pattern,
            scale=scale,
            visible_bs=visible_bs,
            bias_bhts=bias_bhts,
            rows_bs=rows_bs,
            head_scale_h=head_scale_h,
            need_probs=need_probs,
        )
    b, h, t, d = q_bhtd.shape
    out_bthd = empty((b, t, h, d))
    flat, starts, probs = _room_for_probs(pattern, b, h) if need_probs else (None, None, None)
    kernels.attention(
        _strided(q_bhtd),
        _strided(k_bhsd),
        _strided(v_bhsd),
        out_bthd,
        pattern.query_starts,
        pattern.range_starts,
        pattern.ranges,
        pattern.causal_offset or 0,
        pattern.causal_offset is not None,
        scale,
        None if visible_bs is None else np.ascontiguousarray(visible_bs, np.bool_).view(np.uint8),
        None if bias_bhts is None else np.broadcast_to(_strided(bias_bhts), (b, h, t, k_bhsd.shape[2])),
        None if rows_bs is None else np.ascontiguousarray(rows_bs, np.int32),
        None if head_scale_h is None else _vector(head_scale_h),
        flat,
        starts,
    )
    return out_bthd.transpose(0, 2, 1, 3), probs


def _room_for_probs(pattern: "Pattern", b: int, h: int) -> tuple[FloatArray, IntArray, list[FloatArray]]:
    """One flat buffer for all blocks, where each block starts, and the blocks ``[b, h, tq, nk]`` as views of it."""
    lengths = np.diff(pattern.query_starts)
    listed = np.array(
        [[np.diff(pattern.listed(k, p)).sum() for k in range(pattern.blocks)] for p in range(pattern.plans)]
    )
    if (listed != listed[0]).any():
        raise ValueError("attention: expected every head to list equally many keys of a block, found different numbers")
    sizes = b * h * lengths * listed[0]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.empty(int(starts[-1]), _F32)
    shapes: list[Any] = list(zip(starts, sizes, lengths, listed[0], strict=False))
    views = [flat[start : start + size].reshape(b, h, tq, nk) for start, size, tq, nk in shapes]
    return flat, starts[:-1], views


for _name in __all__:  # one text for both twins
    globals()[_name].__doc__ = getattr(_numpy, _name).__doc__
