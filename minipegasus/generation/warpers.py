"""Warpers: the processors that shape the distribution which sampling draws from.

Each removes tokens (score minus infinity) or scales scores; ``min_tokens_to_keep`` tokens survive in any case.
They are applied in the order of this file. Rules as in transformers 4.56.2 (``generation/logits_process.py``).
"""

import numpy as np

from .. import ops
from ..arrays import BoolArray, FloatArray, IntArray
from ..errors import InputError
from .processors import LogitsProcessor, positive

__all__ = [
    "EpsilonLogitsWarper",
    "EtaLogitsWarper",
    "MinPLogitsWarper",
    "TemperatureLogitsWarper",
    "TopKLogitsWarper",
    "TopPLogitsWarper",
    "TypicalLogitsWarper",
]


def _between(value: float, low: float, high: float, name: str, *, open_interval: bool = False) -> float:
    inside = low < value < high if open_interval else low <= value <= high
    if not inside:
        bounds = f"({low}, {high})" if open_interval else f"[{low}, {high}]"
        raise InputError(f"{name}: expected a number in {bounds}, found {value}")
    return float(value)


def _remove(scores_rv: FloatArray, removed_rv: BoolArray, filter_value: float) -> FloatArray:
    return np.where(removed_rv, scores_rv.dtype.type(filter_value), scores_rv)


def _largest(scores_rv: FloatArray, count: int) -> FloatArray:
    """Return the ``count``-th largest score of each row, shape ``(rows, 1)``."""
    size = scores_rv.shape[-1]
    position = size - min(count, size)
    return np.partition(scores_rv, position, axis=-1)[:, position, None]


def _cumulative(scores_rv: FloatArray) -> FloatArray:
    """Return the running sum of the softmax, accumulated in double precision and rounded once."""
    return np.cumsum(ops.softmax(scores_rv), axis=-1, dtype=np.float64).astype(scores_rv.dtype)


def _scatter(order_rv: IntArray, flags_rv: BoolArray) -> BoolArray:
    """Bring flags given in sorted order back to the order of the vocabulary."""
    scattered = np.empty_like(flags_rv)
    np.put_along_axis(scattered, order_rv, flags_rv, axis=-1)
    return scattered


class TemperatureLogitsWarper(LogitsProcessor):
    """Divide the scores by the temperature.

    Raises:
        InputError: ``temperature`` is not more than 0.

    >>> import numpy as np
    >>> TemperatureLogitsWarper(0.5)(np.zeros((1, 1), int), np.array([[1.0, 3.0]])).tolist()
    [[2.0, 6.0]]
    """

    def __init__(self, temperature: float) -> None:
        self.temperature = positive(temperature, "temperature")

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return scores_rv / self.temperature


class TopKLogitsWarper(LogitsProcessor):
    """Keep the ``top_k`` highest scores, and those equal to the lowest of them.

    Raises:
        InputError: ``top_k`` is not more than 0.

    >>> import numpy as np
    >>> TopKLogitsWarper(1)(np.zeros((1, 1), int), np.array([[1.0, 3.0, 2.0]])).tolist()
    [[-inf, 3.0, -inf]]
    """

    def __init__(self, top_k: int, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        self.top_k = max(int(positive(top_k, "top_k")), min_tokens_to_keep)
        self.filter_value = filter_value

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return _remove(scores_rv, scores_rv < _largest(scores_rv, self.top_k), self.filter_value)


class TopPLogitsWarper(LogitsProcessor):
    """Keep the fewest most probable tokens whose probabilities reach ``top_p``.

    Raises:
        InputError: ``top_p`` lies outside [0, 1].

    >>> import numpy as np
    >>> kept = TopPLogitsWarper(0.7)(np.zeros((1, 1), int), np.log([[0.5, 0.3, 0.2]]))
    >>> np.exp(kept).round(3).tolist()
    [[0.5, 0.3, 0.0]]
    """

    def __init__(self, top_p: float, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        self.top_p = _between(top_p, 0, 1, "top_p")
        self.filter_value = filter_value
        self.min_tokens_to_keep = min_tokens_to_keep

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        # Only values are sorted, which is much faster than indices; among equal scores the first ones go.
        sorted_rv = np.sort(scores_rv, axis=-1)
        removed_r = (_cumulative(sorted_rv) <= 1 - self.top_p).sum(-1)
        removed_r = np.minimum(removed_r, max(scores_rv.shape[-1] - self.min_tokens_to_keep, 0))
        lowest_r1 = np.take_along_axis(sorted_rv, removed_r[:, None], -1)
        equal_rv = scores_rv == lowest_r1
        spare_r = removed_r - (sorted_rv < lowest_r1).sum(-1)
        surplus_rv = equal_rv & (np.cumsum(equal_rv, axis=-1) <= spare_r[:, None])
        return _remove(scores_rv, (scores_rv < lowest_r1) | surplus_rv, self.filter_value)


class MinPLogitsWarper(LogitsProcessor):
    """Keep the tokens at least ``min_p`` times as probable as the most probable one.

    Raises:
        InputError: ``min_p`` lies outside [0, 1].

    >>> import numpy as np
    >>> kept = MinPLogitsWarper(0.5)(np.zeros((1, 1), int), np.log([[0.5, 0.3, 0.2]]))
    >>> np.exp(kept).round(3).tolist()
    [[0.5, 0.3, 0.0]]
    """

    def __init__(self, min_p: float, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        self.min_p = _between(min_p, 0, 1, "min_p")
        self.filter_value = filter_value
        self.min_tokens_to_keep = min_tokens_to_keep

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        probs_rv = ops.softmax(scores_rv)
        removed_rv = probs_rv < self.min_p * probs_rv.max(-1, keepdims=True)
        kept_rk = ops.top_k(scores_rv, min(self.min_tokens_to_keep, scores_rv.shape[-1]))[1]
        np.put_along_axis(removed_rv, kept_rk, False, axis=-1)
        return _remove(scores_rv, removed_rv, self.filter_value)


class TypicalLogitsWarper(LogitsProcessor):
    """Keep the tokens whose surprise is nearest to the entropy, up to the probability ``mass``.

    Source: Meister et al. 2022, "Locally typical sampling".

    Raises:
        InputError: ``mass`` lies outside (0, 1).

    >>> import numpy as np
    >>> # The entropy is 0.9 nats; the tokens' surprises are 0.5, 1.2 and 2.3.
    >>> kept = TypicalLogitsWarper(0.4)(np.zeros((1, 1), int), np.log([[0.6, 0.3, 0.1]]))
    >>> np.exp(kept).round(3).tolist()
    [[0.6, 0.3, 0.0]]
    """

    def __init__(self, mass: float = 0.9, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        self.mass = _between(mass, 0, 1, "typical_p", open_interval=True)
        self.filter_value = filter_value
        self.min_tokens_to_keep = min_tokens_to_keep

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        log_probs_rv = ops.log_softmax(scores_rv)
        distance_rv = np.abs(-log_probs_rv - _entropy(log_probs_rv))
        order_rv = np.argsort(distance_rv, axis=-1, kind="stable")
        distance_rv = np.take_along_axis(distance_rv, order_rv, -1)
        reached_rv = _cumulative(np.take_along_axis(scores_rv, order_rv, -1)) < self.mass
        last_r = np.minimum(reached_rv.sum(-1, keepdims=True), scores_rv.shape[-1] - 1)
        removed_rv = distance_rv > np.take_along_axis(distance_rv, last_r, -1)
        removed_rv[:, : self.min_tokens_to_keep] = False
        return _remove(scores_rv, _scatter(order_rv, removed_rv), self.filter_value)


class EpsilonLogitsWarper(LogitsProcessor):
    """Keep the tokens with a probability of at least ``epsilon``.

    Source: Hewitt et al. 2022, "Truncation sampling as language model desmoothing".

    Raises:
        InputError: ``epsilon`` lies outside (0, 1).

    >>> import numpy as np
    >>> kept = EpsilonLogitsWarper(0.25)(np.zeros((1, 1), int), np.log([[0.5, 0.3, 0.2]]))
    >>> np.exp(kept).round(3).tolist()
    [[0.5, 0.3, 0.0]]
    """

    def __init__(self, epsilon: float, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        self.epsilon = _between(epsilon, 0, 1, "epsilon_cutoff", open_interval=True)
        self.filter_value = filter_value
        self.min_tokens_to_keep = min_tokens_to_keep

    def _threshold(self, scores_rv: FloatArray) -> FloatArray:
        return np.full((len(scores_rv), 1), self.epsilon, scores_rv.dtype)

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        improbable_rv = ops.softmax(scores_rv) < self._threshold(scores_rv)
        removed_rv = improbable_rv & (scores_rv < _largest(scores_rv, self.min_tokens_to_keep))
        return _remove(scores_rv, removed_rv, self.filter_value)


class EtaLogitsWarper(EpsilonLogitsWarper):
    """Keep the tokens with a probability of at least ``min(epsilon, sqrt(epsilon) * exp(-entropy))``.

    Source: Hewitt et al. 2022, "Truncation sampling as language model desmoothing".

    Raises:
        InputError: ``epsilon`` lies outside (0, 1).

    >>> import numpy as np
    >>> kept = EtaLogitsWarper(0.25)(np.zeros((1, 1), int), np.log([[0.5, 0.3, 0.2]]))  # entropy 1.03, threshold 0.18
    >>> np.exp(kept).round(3).tolist()
    [[0.5, 0.3, 0.2]]
    """

    def __init__(self, epsilon: float, filter_value: float = -np.inf, min_tokens_to_keep: int = 1) -> None:
        _between(epsilon, 0, 1, "eta_cutoff", open_interval=True)
        super().__init__(epsilon, filter_value, min_tokens_to_keep)

    def _threshold(self, scores_rv: FloatArray) -> FloatArray:
        epsilon = scores_rv.dtype.type(self.epsilon)
        entropy_r1 = _entropy(ops.log_softmax(scores_rv))
        threshold_r1: FloatArray = np.minimum(epsilon, np.sqrt(epsilon) * np.exp(-entropy_r1))
        return threshold_r1


def _entropy(log_probs_rv: FloatArray) -> FloatArray:
    """Return the entropy of each row, shape ``(rows, 1)``; a token of probability 0 adds nothing."""
    finite_rv = np.where(np.isneginf(log_probs_rv), 0, log_probs_rv)
    entropy_r1: FloatArray = -(finite_rv * np.exp(log_probs_rv)).sum(-1, keepdims=True)
    return entropy_r1
