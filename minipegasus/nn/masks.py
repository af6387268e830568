"""What callers pass as masks, checked and turned into booleans; True is visible."""

import numpy as np
import numpy.typing as npt

from ..arrays import BoolArray, FloatArray
from ..errors import InputError
from .arguments import checked

__all__ = ["head_rows", "visible"]


def visible(mask: npt.ArrayLike | None, shape: tuple[int, ...], name: str) -> BoolArray | None:
    """Return a 0/1 mask of this shape as booleans, or None where it hides nothing (or is absent).

    The reference gives other values a meaning that changes from family to family and helps nobody (0.5 hides in
    an encoder and shows in a decoder), so they are refused.

    >>> visible([[1, 1, 0]], (1, 3), "attention_mask").tolist()
    [[True, True, False]]
    >>> visible([[2, 1]], (1, 2), "attention_mask")
    Traceback (most recent call last):
    minipegasus.errors.InputError: attention_mask: expected only 0 and 1, found 2
    """
    if mask is None:
        return None
    array = checked(mask, name)
    if array.shape != shape:
        raise InputError(f"{name}: expected shape {list(shape)}, found {list(array.shape)}")
    odd = array[(array != 0) & (array != 1)]
    if odd.size:
        raise InputError(f"{name}: expected only 0 and 1, found {odd.flat[0]}")
    shown: BoolArray = array != 0
    return None if shown.all() else shown


def head_rows(
    mask: npt.ArrayLike | None, layers: int, heads: int, name: str, dtype: np.dtype[np.floating]
) -> list[FloatArray | None]:
    """Return one factor per head for each layer: ``mask`` is ``[layers, heads]``, or ``[heads]`` for every layer."""
    if mask is None:
        return [None] * layers
    array = checked(mask, name).astype(dtype)
    if array.shape == (heads,):
        array = np.broadcast_to(array, (layers, heads))
    if array.shape != (layers, heads):
        raise InputError(f"{name}: expected shape {[layers, heads]} (layers, heads), found {list(array.shape)}")
    return list(array)
