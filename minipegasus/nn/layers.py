"""Bricks without attention: projection, normalisation, feed-forward."""

from .. import ops
from ..arrays import FloatArray
from .params import Params

__all__ = ["feed_forward", "layer_norm", "linear"]


def linear(p: Params, x: FloatArray, activation: str = "linear") -> FloatArray:
    """``activation(x W^T + b)``; a checkpoint without ``bias`` has none. The recorder sees what precedes it."""
    if p.recorder is None:
        return ops.linear(x, p["weight"], p.get("bias"), activation)
    return ops.activate(p.record(ops.linear(x, p["weight"], p.get("bias"))), activation)


def layer_norm(p: Params, x: FloatArray, eps: float, residual: FloatArray | None = None) -> FloatArray:
    """Normalise ``x`` (plus ``residual``) over the model width."""
    return p.record(ops.layer_norm(x, p["weight"], p["bias"], eps, residual))


def feed_forward(p: Params, x: FloatArray, activation: str) -> FloatArray:
    """``fc2(activation(fc1(x)))``."""
    return linear(p["fc2"], linear(p["fc1"], x, activation))
