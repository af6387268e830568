"""Training losses, for checking ports: means over what is not ignored, computed in the logits' dtype."""

import math

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray

__all__ = ["IGNORED", "binary_cross_entropy", "cross_entropy", "mean_squared_error"]

#: The label that counts for nothing.
IGNORED = -100


def cross_entropy(
    logits_nv: FloatArray, labels_n: IntArray, ignored: int = IGNORED, divisor: float | None = None
) -> FloatArray:
    """Return the mean cross entropy over labels that are not ``ignored``; NaN where all are, as in the reference.

    ``divisor`` replaces the number of labels.

    >>> cross_entropy(np.zeros((2, 4)), np.array([1, -100])).round(6).item()
    1.386294
    """
    kept = np.flatnonzero(labels_n != ignored)
    count = len(kept) if divisor is None else divisor
    picked = ops.log_softmax(logits_nv[kept])[np.arange(len(kept)), labels_n[kept]] if len(kept) else np.zeros(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(-math.fsum(picked) / np.float64(count), logits_nv.dtype)


def mean_squared_error(values: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the mean of the squared differences."""
    return _mean((values - targets) ** 2)


def binary_cross_entropy(logits: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the mean over all elements of the cross entropy of sigmoid(logits) against targets in [0, 1]."""
    # max(x, 0) - x t + log(1 + exp(-|x|)): no exponential overflows.
    losses = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return _mean(losses)


def _mean(values: FloatArray) -> FloatArray:
    # An exactly rounded sum is the same sum on every machine.
    return np.asarray(math.fsum(values.reshape(-1)) / values.size, values.dtype)
