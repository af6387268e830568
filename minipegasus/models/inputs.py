"""Arguments of the public classes, checked and turned into arrays. Nothing that a caller passes is modified."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import BoolArray, FloatArray, IntArray
from ..errors import InputError
from ..nn.arguments import checked, encoder_parts
from ..nn.attention import Masking
from ..nn.cache import Cache
from ..nn.losses import IGNORED
from ..nn.masks import visible

__all__ = ["embeddings", "encoder_states", "integers", "labels", "masking", "one_of", "past", "token_ids"]


def integers(value: npt.ArrayLike, name: str, dims: int = 2) -> IntArray:
    """Return an int64 array with ``dims`` axes; one axis fewer is a batch of one."""
    array = checked(value, name, "integers")
    if array.ndim == dims - 1:
        array = array[None]
    if array.ndim != dims or array.size == 0:
        raise InputError(f"{name}: expected {dims} axes and at least one element, found shape {list(array.shape)}")
    return array.astype(np.int64, copy=False)


def token_ids(value: npt.ArrayLike, name: str, vocab_size: int) -> IntArray:
    """Return ids ``[b, t]``, each within the vocabulary."""
    ids = integers(value, name)
    outside = ids[(ids < 0) | (ids >= vocab_size)]
    if outside.size:
        raise InputError(f"{name}: expected ids in [0, {vocab_size}), found {outside[0]}")
    return ids


def labels(value: npt.ArrayLike, vocab_size: int, shape: tuple[int, ...] | None = None) -> IntArray:
    """Return label ids ``[b, t]``; -100 counts for nothing."""
    array = integers(value, "labels")
    token_ids(np.where(array == IGNORED, 0, array), "labels", vocab_size)
    if shape is not None and array.shape != shape:
        raise InputError(f"labels: expected shape {list(shape)}, found {list(array.shape)}")
    return array


def embeddings(value: npt.ArrayLike, name: str, width: int, dtype: np.dtype[Any]) -> FloatArray:
    """Return embeddings ``[b, t, m]`` in the model's dtype."""
    array = checked(value, name)
    if array.ndim != 3 or array.shape[2] != width or not array.size:
        raise InputError(f"{name}: expected shape [batch, length, {width}], found {list(array.shape)}")
    return array.astype(dtype, copy=False)


def one_of(ids: Any, embeds: Any, prefix: str = "") -> None:
    """Check that exactly one of ``input_ids`` and ``inputs_embeds`` is given."""
    if (ids is None) == (embeds is None):
        count = "neither" if ids is None else "both"
        raise InputError(f"expected exactly one of {prefix}input_ids and {prefix}inputs_embeds, found {count}")


def encoder_states(value: Any, width: int, dtype: np.dtype[Any]) -> tuple[FloatArray, Any, Any]:
    """Return last state, hidden states and attentions from an output object, a tuple or a lone array."""
    last, states, probs = encoder_parts(value)
    return embeddings(last, "encoder_outputs", width, dtype), states, probs


def past(value: Any, dtype: np.dtype[Any]) -> Cache | None:
    """Return a cache; legacy tuples of arrays are copied into one, in the model's dtype."""
    if value is None or isinstance(value, Cache):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(entry, (list, tuple)) for entry in value):
        return Cache.from_legacy_cache(value, dtype)
    raise InputError(f"past_key_values: expected a cache or a tuple of tuples, found {type(value).__name__}")


def masking(
    mask: npt.ArrayLike | None, name: str, batch: int, queries: int, keys: int, dtype: np.dtype[Any]
) -> Masking:
    """Return what a mask hides.

    Two axes ``[b, keys]`` hold 0 and 1; three ``[b, queries, keys]`` likewise, per query; four
    ``[b, 1, queries, keys]`` are added to the scores as they are.
    """
    if mask is None:
        return Masking()
    array = checked(mask, name)
    if array.ndim == 4:
        if array.shape not in {(batch, 1, queries, keys), (1, 1, queries, keys)}:
            raise InputError(f"{name}: expected shape {[batch, 1, queries, keys]}, found {list(array.shape)}")
        return Masking(bias_bhts=array.astype(dtype))
    if array.ndim == 3:
        shown = visible(array, (batch, queries, keys), name)
        return Masking() if shown is None else Masking(bias_bhts=hiding(shown[:, None], dtype))
    return Masking(visible_bs=visible(array, (batch, keys), name))


def hiding(visible_bhts: BoolArray, dtype: np.dtype[Any]) -> FloatArray:
    """Return a boolean mask as numbers to add: the dtype's minimum where False."""
    numbers: FloatArray = np.where(visible_bhts, dtype.type(0), np.finfo(dtype).min)
    return numbers
