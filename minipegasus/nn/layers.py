"""Bricks without attention: projection, normalisation, feed-forward."""

from .. import ops
from ..arrays import FloatArray
from .params import Params

__all__ = ["feed_forward", "layer_norm", "linear"]

# Positions that a feed-forward takes at once: enough for the matrix product, little beside the weights.
_SLICE = 2048


def linear(p: Params, x: FloatArray, activation: str = "linear") -> FloatArray:
    """``activation(x W^T + b)``; a checkpoint without ``bias`` has none. The recorder sees what precedes it."""
    if p.recorder is None:
        return ops.linear(x, p["weight"], p.get("bias"), activation)
    return ops.activate(p.record(ops.linear(x, p["weight"], p.get("bias"))), activation)


def layer_norm(p: Params, x: FloatArray, eps: float, residual: FloatArray | None = None) -> FloatArray:
    """Normalise ``x`` (plus ``residual``) over the model width."""
    return p.record(ops.layer_norm(x, p["weight"], p["bias"], eps, residual))


def feed_forward(p: Params, x: FloatArray, activation: str) -> FloatArray:
    """``fc2(activation(fc1(x)))``, of long inputs a slice at a time: the wide middle never exists whole."""
    length = x.shape[1]
    recorded = p["fc1"].recorder is not None or p["fc2"].recorder is not None
    if length <= _SLICE or recorded:
        return linear(p["fc2"], linear(p["fc1"], x, activation))
    out = ops.empty((*x.shape[:2], len(p["fc2"]["weight"])), x.dtype)
    for at in range(0, length, _SLICE):
        out[:, at : at + _SLICE] = linear(p["fc2"], linear(p["fc1"], x[:, at : at + _SLICE], activation))
    return out
