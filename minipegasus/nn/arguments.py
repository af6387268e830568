"""Arguments as callers pass them, turned into arrays or refused; what each must be is said where it is used."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..arrays import Array
from ..errors import InputError

__all__ = ["checked", "encoder_parts"]

_KINDS = {"integers": "iub", "numbers": "iubf"}


def checked(value: npt.ArrayLike, name: str, kind: Literal["integers", "numbers"] = "numbers") -> Array:
    """Return an argument as an array of integers or of real numbers; booleans count as either.

    >>> checked([[1, 2], [3]], "input_ids")
    Traceback (most recent call last):
    minipegasus.errors.InputError: input_ids: expected rows of equal length, found a ragged list
    >>> checked([0.5], "input_ids", "integers")
    Traceback (most recent call last):
    minipegasus.errors.InputError: input_ids: expected integers, found float64
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected rows of equal length, found a ragged list") from error
    if array.dtype.kind not in _KINDS[kind] and (array.size or array.dtype.kind != "f"):
        raise InputError(f"{name}: expected {kind}, found {array.dtype if array.ndim else type(value).__name__}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name}: expected integers of 64 bits with a sign, found {array.max()}")
    return array


def encoder_parts(value: Any) -> tuple[Any, Any, Any]:
    """Return last state, hidden states and attentions of ``encoder_outputs``.

    These are an output object, a dictionary, a tuple or a list, or the last state alone.

    >>> encoder_parts({"last_hidden_state": 1, "attentions": 3}), encoder_parts((1, 2))
    ((1, None, 3), (1, 2, None))
    """
    names = ("last_hidden_state", "hidden_states", "attentions")
    if isinstance(value, np.ndarray):
        parts: tuple[Any, ...] = (value,)
    elif isinstance(value, Mapping):
        parts = tuple(value.get(name) for name in names)
    elif hasattr(value, "last_hidden_state"):
        parts = tuple(getattr(value, name, None) for name in names)
    elif isinstance(value, (list, tuple)):
        parts = tuple(value)
    else:
        found = type(value).__name__
        raise InputError(
            f"encoder_outputs: expected an output object, a dictionary, a tuple or an array, found {found}"
        )
    last, states, probs, *_ = (*parts, None, None, None)
    if last is None:
        raise InputError("encoder_outputs: expected a last hidden state, found nothing")
    return last, states, probs
