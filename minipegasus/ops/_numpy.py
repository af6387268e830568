"""The definition of every operation: a few lines of NumPy each, for any float dtype.

``dtype="float64"`` runs these alone; they are also the fallback where nothing could be compiled. The native twins
take the same parameters with the same defaults and are judged by these. Their docstrings are these, and so the
examples run on both.

Every result has the dtype of its floating-point input. Nothing is changed in place. Arrays whose shapes do not fit
each other raise ValueError.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.chebyshev import chebval

from ..arrays import Array, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ..nn.patterns import Pattern

__all__ = [
    "ACTIVATIONS",
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

# (1 + 2x) exp(x^2) erfc(x) for x >= 0 as a Chebyshev series in (x - 3.75) / (x + 3.75), computed with 40 digits.
# The erf below is within 4e-16 of the true one everywhere.
_ERFC_CHEBYSHEV = np.array([
    1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189, -0.026658668435305753,
    0.009074997670705265, -0.002413163540417608, 0.0004907758365258086, -6.916973302501207e-05,
    4.13902798607301e-06, 7.74038306619849e-07, -2.1886401049234397e-07, 1.076499946567091e-08,
    4.521959811218287e-09, -7.754400208831351e-10, -6.318088340886684e-11, 2.86879501093067e-11,
    1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14, 3.3478119482868056e-14,
    -1.864562880419313e-15, -1.2507950530688648e-15, 7.418235256624044e-17, 5.068148904796111e-17,
    -2.237056659436e-18,
])  # fmt: skip
# A named function of the reference's table takes no parameter, so its constants stand here.
_SQRT_2_OVER_PI = 0.7978845608028654
_SQRT_HALF = 0.7071067811865476


def widen(table: Array) -> FloatArray:
    """Float16, or bfloat16 whose bits are kept as uint16, as float32 of the same shape: exact.

    Other dtypes stay as they are, without a copy.

    >>> widen(np.array([0x3F80, 0xC000], np.uint16)).tolist()
    [1.0, -2.0]
    """
    if table.dtype == np.uint16:
        return (table.astype(np.uint32) << 16).view(np.float32)
    return table.astype(np.float32) if table.dtype == np.float16 else table


def linear(x: FloatArray, weight: Array, bias: FloatArray | None = None, activation: str = "linear") -> FloatArray:
    """``activate(x @ weight.T + bias)``: x ``[..., k]``, weight ``[n, k]`` as checkpoints store it, bias ``[n]``.

    The weight may be in half precision (:func:`widen`). Returns ``[..., n]`` in the dtype of x.

    Raises:
        KeyError: there is no such activation.

    >>> x = np.array([[1.0, -2.0]], np.float32)
    >>> weight, bias = np.array([[1, 2], [3, 1]], np.float32), np.array([0.5, 0.5], np.float32)
    >>> linear(x, weight, bias).tolist(), linear(x, weight, bias, "relu").tolist()
    ([[-2.5, 1.5]], [[0.0, 1.5]])
    """
    y = x @ widen(weight).T.astype(x.dtype, copy=False)
    return activate(y if bias is None else y + bias, activation)


def layer_norm(
    x: FloatArray, weight: FloatArray, bias: FloatArray, eps: float, residual: FloatArray | None = None
) -> FloatArray:
    """Normalise ``x`` (plus ``residual``, where given) over its last axis with the biased variance.

    x ``[..., m]``, weight and bias ``[m]``, residual broadcast to x; returns ``[..., m]`` in the dtype of x. ``eps`` is
    added to the variance. Source: Ba, Kiros and Hinton 2016.

    >>> x, one = np.array([[1.0, 2.0, 3.0]], np.float32), np.ones(3, np.float32)
    >>> print(layer_norm(x, one, 0 * one, 1e-5).round(2))
    [[-1.22  0.    1.22]]
    """
    if residual is not None:
        x = x + residual
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    normed: FloatArray = centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias
    return normed


def softmax(x: FloatArray) -> FloatArray:
    """Softmax over the last axis, in two passes: maximum, then exponentials and their sum.

    Any shape, which the result has too; rows sum to 1 but for rounding.

    >>> softmax(np.array([[1.0, 1.0], [1e4, -1e4]], np.float32)).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    e = np.exp(x - x.max(-1, keepdims=True))
    probs: FloatArray = e / e.sum(-1, keepdims=True)
    return probs


def log_softmax(x: FloatArray) -> FloatArray:
    """Logarithm of :func:`softmax`, without the underflow of taking it afterwards; any shape, which the result has too.

    >>> log_softmax(np.array([0.0, 1000.0], np.float32)).tolist()
    [-1000.0, 0.0]
    """
    shifted: FloatArray = x - x.max(-1, keepdims=True)
    logs: FloatArray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logs


def _erf(x: FloatArray) -> FloatArray:
    a = np.abs(x, dtype=np.float64)
    tail = chebval((a - 3.75) / (a + 3.75), _ERFC_CHEBYSHEV) / (1 + 2 * a) * np.exp(-a * a)
    y: FloatArray = np.copysign(1 - tail, x).astype(x.dtype)
    return y


def _gelu(x: FloatArray) -> FloatArray:
    y: FloatArray = 0.5 * x * (1 + _erf(x * _SQRT_HALF))
    return y


def _gelu_tanh(x: FloatArray) -> FloatArray:
    y: FloatArray = 0.5 * x * (1 + np.tanh(_SQRT_2_OVER_PI * (x + 0.044715 * x**3)))
    return y


def _sigmoid(x: FloatArray) -> FloatArray:
    e = np.exp(-np.abs(x))  # never overflows
    y: FloatArray = np.where(x < 0, e, 1) / (1 + e)
    return y


def _softplus(x: FloatArray) -> FloatArray:
    y: FloatArray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


# Names and formulas of the reference's table (transformers/activations.py); aliases share a function.
_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "gelu": _gelu,
    "gelu_10": lambda x: np.clip(_gelu(x), -10, 10),
    "gelu_accurate": _gelu_tanh,
    "gelu_fast": lambda x: 0.5 * x * (1 + np.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x))),
    "gelu_new": _gelu_tanh,
    "gelu_python": _gelu,
    "gelu_pytorch_tanh": _gelu_tanh,
    "laplace": lambda x: 0.5 * (1 + _erf((x - 0.707107) / (0.282095 * 2**0.5))),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "quick_gelu": lambda x: x * _sigmoid(1.702 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.square(np.maximum(x, 0)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "swish": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
}


#: Names that :func:`activate` knows.
ACTIVATIONS: tuple[str, ...] = tuple(_ACTIVATIONS)


def activate(x: FloatArray, name: str) -> FloatArray:
    """Apply the activation function ``name``, one of :data:`ACTIVATIONS` (the reference's), to every element.

    Raises:
        KeyError: there is no such activation.

    >>> activate(np.array([-1.0, 2.0], np.float32), "relu").tolist()
    [0.0, 2.0]
    """
    return _ACTIVATIONS[name](x)


def embed(ids: IntArray, table: FloatArray, scale: float = 1.0) -> FloatArray:
    """``table[ids] * scale``: ids of any shape ``[...]``, table ``[v, m]``, maybe in half precision (:func:`widen`).

    Returns ``[..., m]``, float32 for a table in half precision.

    Raises:
        IndexError: an id that the table does not have.

    >>> embed(np.array([1, 0]), np.array([[1, 2], [3, 4]], np.float32), 2.0).tolist()
    [[6.0, 8.0], [2.0, 4.0]]
    """
    outside = ids[(ids < 0) | (ids >= len(table))]
    if outside.size:
        raise IndexError(f"embed: expected ids in [0, {len(table)}), found {outside.flat[0]}")
    rows = widen(table[ids])
    return rows * rows.dtype.type(scale)


def sinusoid_table(count: int, width: int) -> FloatArray:
    """Sinusoidal positions ``[count, width]`` computed in float64 and rounded to float32: sines, then cosines.

    Column j belongs to the angle ``pos / 10000**(2 * (j // 2) / width)``; the even columns' sines come first, then
    the odd columns' cosines. Source: Vaswani et al. 2017, section 3.5, in the order that Pegasus stores.

    >>> print(sinusoid_table(4, 4)[3].round(4))
    [ 0.1411  0.03   -0.99    0.9996]
    """
    j = np.arange(width)
    angle = np.arange(count)[:, None] / np.power(10000.0, 2 * (j // 2) / width)
    return np.concatenate([np.sin(angle[:, 0::2]), np.cos(angle[:, 1::2])], axis=1).astype(np.float32)


def sinusoid_rows(start: int, count: int, width: int, dtype: type = np.float32) -> FloatArray:
    """Sinusoidal positions ``start .. start + count - 1`` evaluated in ``dtype``: ``[count, width]``, width even > 2.

    Frequency i of half = width / 2 is ``10000**(-i / (half - 1))``. In float32 the argument of the exponential, its
    rounded value and the angle are float32 numbers, as PEGASUS-X has them: at position 16,383 the rounding of the angle
    moves the table by up to 1e-3, and checkpoints were trained with it.

    Raises:
        ValueError: an odd width, or one of 2 or less.

    >>> print(sinusoid_rows(1, 2, 6).round(2))
    [[ 0.84  0.01  0.    0.54  1.    1.  ]
     [ 0.91  0.02  0.   -0.42  1.    1.  ]]
    """
    angle = np.arange(start, start + count, dtype=dtype)[:, None] * sinusoid_frequencies(width, dtype)
    angle = angle.astype(np.float64)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(dtype)


def sinusoid_frequencies(width: int, dtype: type = np.float32) -> FloatArray:
    """Return the frequencies ``[width / 2]`` of :func:`sinusoid_rows`."""
    if width % 2 or width <= 2:
        raise ValueError(f"sinusoid_rows: expected an even width above 2, found {width}")
    half = width // 2
    exponent = np.arange(half, dtype=dtype) * dtype(-(np.log(10000.0) / (half - 1)))
    return _exp_float32(exponent) if np.dtype(dtype) == np.float32 else np.exp(exponent)


def _exp_float32(x: FloatArray) -> FloatArray:
    """Return exp(x) with the rounding of the reference's float32 exponential, which is no worse than 0.56 ulp.

    One value in a hundred is not the nearest float32 number, and at position 16,383 a neighbouring frequency moves the
    sine by up to 1e-3. So the frequencies take the same steps, all in float32 without fused operations: exp(x) is
    2**(n / 128) * exp(r) with r = x - n * ln(2) / 128, a table of 128 pairs (nearest number, rest) and a parabola.
    """
    step = np.log(2.0) / 128
    coarse = np.float32(np.round(step * 2**17) / 2**17)  # 10 bits, so that n * coarse is exact
    n = np.round(x * np.float32(1 / step))
    r = x - n * coarse - n * np.float32(step - coarse)
    power = np.exp2(n.astype(np.float64) / 128)
    nearest = power.astype(np.float32)
    rest = (power - nearest).astype(np.float32)
    result: FloatArray = nearest + (nearest * (r * r * np.float32(0.5) + r) + rest)
    return result


def top_k(x: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
    """Return the k largest of the last axis, descending, and their indices; the lowest index first among equals.

    x ``[..., n]`` with ``1 <= k <= n``; returns values ``[..., k]`` in the dtype of x and indices ``[..., k]``, int64.

    >>> values, indices = top_k(np.array([1, 3, 3, 2], np.float32), 3)
    >>> values.tolist(), indices.tolist()
    ([3.0, 3.0, 2.0], [1, 2, 3])
    """
    size = x.shape[-1]
    # Everything that can be among the first k, ties included, then a stable sort of those few.
    bound = np.partition(x, size - k, axis=-1)[..., size - k, None]
    index = np.empty((*x.shape[:-1], k), np.int64)
    for row in np.ndindex(x.shape[:-1]):
        candidates = np.flatnonzero(x[row] >= bound[row])
        index[row] = candidates[np.argsort(-x[row][candidates], kind="stable")[:k]]
    return np.take_along_axis(x, index, -1), index


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
    """Attention of queries over the keys that ``pattern`` lists for their block: the one attention of the package.

    Args:
        q_bhtd: queries; its batch is n times the keys' batch, and row r uses key row ``r // n``, so beams share keys.
        k_bhsd: keys.
        v_bhsd: values.
        pattern: key ranges per block of queries.
        scale: factor on ``q . k``.
        visible_bs: False hides a key; its batch divides the queries'.
        bias_bhts: added to the scaled scores, broadcast over batch and heads; for dense patterns.
        rows_bs: which row of ``k_bhsd`` holds key s of query row b, in place of ``r // n``: reordered beams read
            their ancestors' keys where they lie.
        head_scale_h: factor on each head's probabilities.
        need_probs: also return the probabilities.

    Returns:
        The output ``[b, h, t, d]`` and, if asked for, one array ``[b, h, tq, nk]`` per query block, in listed order.

    A hidden key's score is *set* to the dtype's minimum. It then weighs exactly zero, except in a row in which every
    key is hidden: that row is uniform over all keys its block lists, future ones included, as the reference has it.

    >>> from minipegasus.nn.patterns import causal
    >>> q = k = np.zeros((1, 1, 2, 1), np.float32)
    >>> v = np.array([1.0, 2.0], np.float32).reshape(1, 1, 2, 1)
    >>> out, probs = attention(q, k, v, causal(2, 2), scale=1.0, need_probs=True)
    >>> out.ravel().tolist(), probs[0][0, 0].tolist()
    ([1.0, 1.5], [[1.0, 0.0], [0.5, 0.5]])
    """
    b, h, t, d = q_bhtd.shape
    if rows_bs is not None:
        s = np.arange(k_bhsd.shape[2])
        k_bhsd = k_bhsd[rows_bs, :, s].transpose(0, 2, 1, 3)
        v_bhsd = v_bhsd[rows_bs, :, s].transpose(0, 2, 1, 3)
    # Query rows that share keys form an axis of their own: broadcasting replaces copying.
    groups = len(k_bhsd)
    q = q_bhtd.reshape(groups, b // groups, h, t, d)
    out = np.empty((b, t, h, d), q.dtype).transpose(0, 2, 1, 3)
    probs: list[FloatArray] = []
    for block in range(pattern.blocks):
        rows = slice(*pattern.query_starts[block : block + 2])
        parts = []
        for heads, keys in _plans(pattern, block, h):
            scores = q[:, :, heads, rows] @ k_bhsd[:, None, heads, keys].swapaxes(-1, -2) * q.dtype.type(scale)
            scores = scores.reshape(b, *scores.shape[2:])
            if bias_bhts is not None:
                scores = scores + bias_bhts[:, heads if bias_bhts.shape[1] > 1 else slice(None), rows, keys]
            hidden = _hidden(pattern, rows, keys, visible_bs, b)
            if hidden is not None:
                scores = np.where(hidden, np.finfo(q.dtype).min, scores)
            p = softmax(scores)
            if head_scale_h is not None:
                p = p * head_scale_h[heads, None, None]
            grouped = p.reshape(groups, b // groups, *p.shape[1:])
            out[:, heads, rows] = (grouped @ v_bhsd[:, None, heads, keys]).reshape(b, -1, *p.shape[2:3], d)
            parts.append(p)
        if need_probs:
            probs.append(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))
    return out, probs if need_probs else None


def _plans(pattern: "Pattern", block: int, heads: int) -> Iterator[tuple[slice, slice | IntArray]]:
    """Yield which heads share which keys: all heads one list, or each head its own. One range stays a view."""
    for plan in range(pattern.plans):
        ranges = pattern.listed(block, plan)
        keys = slice(*ranges[0]) if len(ranges) == 1 else pattern.key_index(block, plan)
        yield slice(None) if pattern.plans == 1 else slice(plan, plan + 1), keys


def _hidden(
    pattern: "Pattern", rows: slice, keys: slice | IntArray, visible_bs: BoolArray | None, b: int
) -> BoolArray | None:
    """Return what to hide, broadcastable to ``[b, h, tq, nk]``, or None where nothing is."""
    hidden = None
    if visible_bs is not None:
        hidden = ~np.repeat(visible_bs, b // len(visible_bs), axis=0)[:, None, None, keys]
    if pattern.causal_offset is not None:
        future = np.arange(pattern.keys)[keys] > np.arange(rows.start, rows.stop)[:, None] + pattern.causal_offset
        hidden = future if hidden is None else hidden | future
    return hidden
