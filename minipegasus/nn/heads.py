"""What stands on the last state of a stack."""

import numpy as np

from .. import ops
from ..arrays import FloatArray
from .layers import layer_norm, linear
from .params import Params

__all__ = ["class_logits", "first_pooled", "span_logits", "vocabulary_logits"]


def vocabulary_logits(p: Params, x: FloatArray, transform: str | None, eps: float) -> FloatArray:
    """Return logits ``[..., v]`` of states ``[..., m]``; ``p`` is the model's own view of the weights.

    With ``transform`` a dense layer, that activation and a norm come first.
    """
    head = p["lm_head"]
    if transform is not None:
        x = layer_norm(head["layer_norm"], linear(head["dense"], x, transform), eps)
    buffer = p.get("final_logits_bias")
    bias = head.get("bias") if buffer is None else buffer[0]
    logits: FloatArray = head.record(ops.linear(x, head["weight"], bias))
    return logits


def first_pooled(p: Params, x_btm: FloatArray) -> FloatArray:
    """Return ``tanh(dense(x))`` of the first position, ``[b, m]``."""
    return p.record(linear(p["dense"], np.ascontiguousarray(x_btm[:, 0]), "tanh"))


def class_logits(p: Params, x_bm: FloatArray) -> FloatArray:
    """Return class logits ``[b, labels]`` of one state per row: a dense layer, tanh, a projection."""
    return p.record(linear(p["out_proj"], linear(p["dense"], x_bm, "tanh")))


def span_logits(p: Params, x_btm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the logits ``[b, t]`` of a span's start and of its end."""
    logits = linear(p, x_btm)
    return logits[..., 0].copy(), logits[..., 1].copy()
