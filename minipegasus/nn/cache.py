"""Keys and values of the positions already seen."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, IntArray
from ..errors import InputError
from .arguments import checked

__all__ = ["Cache", "LayerCache"]

# Positions that a cache holds at first, however many it may come to hold.
_FIRST = 64


class LayerCache:
    """One layer's keys and values: its own positions, which grow, and the encoder's, which do not.

    ``cross`` is None or the encoder's ``(keys, values)``, each ``[b, h, source length, d]``.

    >>> layer = LayerCache(capacity=8)
    >>> k = np.ones((1, 2, 3, 4), np.float32)
    >>> keys, values = layer.append(k, k)
    >>> layer.append(k, k)[0].shape, layer.length
    ((1, 2, 6, 4), 6)
    """

    __slots__ = ("_k", "_v", "capacity", "cross", "length")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self.cross: tuple[FloatArray, FloatArray] | None = None

    def append(self, k_bhsd: FloatArray, v_bhsd: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Store new positions ``[b, h, new, d]`` behind the old ones and return views ``[b, h, length, d]`` of all."""
        b, h, new, d = k_bhsd.shape
        total = self.length + new
        if self.length == 0:
            self.capacity = max(self.capacity, total)
            self._k = np.empty((b, h, self.capacity, d), k_bhsd.dtype)
            self._v = np.empty((b, h, self.capacity, d), v_bhsd.dtype)
        elif total > self.capacity:
            self.capacity = max(2 * self.capacity, total)
            self._k, self._v = (self._grown(old) for old in (self._k, self._v))
        self._k[:, :, self.length : total] = k_bhsd
        self._v[:, :, self.length : total] = v_bhsd
        self.length = total
        return self.keys

    def _grown(self, old: FloatArray) -> FloatArray:
        b, h, _, d = old.shape
        new = np.empty((b, h, self.capacity, d), old.dtype)
        new[:, :, : self.length] = old[:, :, : self.length]
        return new

    @property
    def keys(self) -> tuple[FloatArray, FloatArray]:
        """Views ``[b, h, length, d]`` of the stored keys and values."""
        return self._k[:, :, : self.length], self._v[:, :, : self.length]


class Cache:
    """The ``past_key_values`` of a decoder. A call that is given one extends it in place.

    ``cache[i]`` is layer i's ``(keys, values)`` or ``(keys, values, cross keys, cross values)``, each
    ``[batch, heads, positions, head width]``; ``len(cache)`` is the number of layers.

    Args:
        layers: number of decoder layers.
        capacity: positions to make room for at once, 64 at most: a checkpoint may allow 16,384 and mean 50, and what
            is allocated soon lies in memory. A longer sequence doubles it, which costs a copy.

    Reordering (beam search) never moves keys: ``rows`` notes for every row and position where its keys lie.

    >>> from minipegasus import PegasusForConditionalGeneration, demo
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> out = model([[300, 301, 1]], decoder_input_ids=[[0, 300]], use_cache=True)
    >>> cache = out.past_key_values
    >>> cache.get_seq_length(), cache[0][0].shape[2], cache[0][2].shape[2]  # own keys, the encoder's keys
    (2, 2, 3)
    >>> more = model(encoder_outputs=(out.encoder_last_hidden_state,), decoder_input_ids=[[301]], past_key_values=cache)
    >>> more.logits.shape[1], cache.get_seq_length()
    (1, 3)
    """

    def __init__(self, layers: int, capacity: int = 32) -> None:
        self.layers = [LayerCache(min(capacity, _FIRST)) for _ in range(layers)]
        self._rows: IntArray | None = None

    def get_seq_length(self) -> int:
        """Return the number of positions stored."""
        return self.layers[0].length if self.layers else 0

    @property
    def has_cross(self) -> bool:
        """Whether the encoder's keys and values are stored already."""
        return bool(self.layers) and self.layers[0].cross is not None

    def rows(self, batch: int, length: int) -> IntArray | None:
        """Return int32 ``[batch, length]``: the stored row that holds each row's key at each position.

        None means that every row still lies where it was written.
        """
        if self._rows is None:
            return None
        known = self._rows.shape[1]
        if known < length:
            # Positions written since the last reordering lie in their own row.
            own = np.broadcast_to(np.arange(batch, dtype=np.int32)[:, None], (batch, length - known))
            self._rows = np.concatenate([self._rows, own], axis=1)
        return np.ascontiguousarray(self._rows[:, :length])

    def reorder(self, parents: IntArray) -> None:
        """Let row i continue what row ``parents[i]`` has seen; beams stay within the item whose keys they share.

        >>> cache, k = Cache(1), np.arange(2, dtype=np.float32).reshape(2, 1, 1, 1)
        >>> _ = cache.layers[0].append(k, k)
        >>> cache.reorder(np.array([1, 1]))
        >>> cache[0][0].ravel().tolist()
        [1.0, 1.0]
        """
        length = self.get_seq_length()
        if length == 0 or np.array_equal(parents, np.arange(len(parents))):
            return
        for layer in self.layers:
            if layer.cross is not None and len(layer.cross[0]) == len(parents):
                layer.cross = (layer.cross[0][parents], layer.cross[1][parents])
        rows = self.rows(len(parents), length)
        if rows is None:
            rows = np.broadcast_to(np.arange(len(parents), dtype=np.int32)[:, None], (len(parents), length))
        self._rows = np.ascontiguousarray(rows[parents])

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> tuple[FloatArray, ...]:
        layer = self.layers[index]
        if layer.length == 0:
            return ()
        k, v = layer.keys
        rows = self.rows(len(k), layer.length)
        if rows is not None:
            s = np.arange(layer.length)
            k, v = (x[rows, :, s].transpose(0, 2, 1, 3) for x in (k, v))
        return (k, v, *layer.cross) if layer.cross is not None else (k, v)

    def __iter__(self) -> Iterator[tuple[FloatArray, ...]]:
        return (self[i] for i in range(len(self)))

    def to_legacy_cache(self) -> tuple[tuple[FloatArray, ...], ...]:
        """Return the cache as a tuple of every layer's :meth:`__getitem__`: what :meth:`from_legacy_cache` takes.

        >>> k = np.ones((1, 2, 3, 4))
        >>> [array.shape for array in Cache.from_legacy_cache(((k, k),)).to_legacy_cache()[0]]
        [(1, 2, 3, 4), (1, 2, 3, 4)]
        """
        return tuple(self)

    @classmethod
    def from_legacy_cache(cls, past: Sequence[Sequence[npt.ArrayLike]], dtype: npt.DTypeLike = np.float32) -> "Cache":
        """Copy a tuple of per-layer ``(keys, values[, cross keys, cross values])`` into a new cache.

        Every array is ``[batch, heads, positions, head width]``; the copies have the dtype ``dtype``.

        Raises:
            InputError: a layer with another number of arrays, or keys and values of unequal shape.

        >>> k = np.ones((1, 2, 3, 4))
        >>> Cache.from_legacy_cache(((k, k),)).get_seq_length()
        3
        """
        cache = cls(len(past))
        for index, (layer, entry) in enumerate(zip(cache.layers, past, strict=True)):
            if len(entry) not in (2, 4):
                raise InputError(f"past_key_values[{index}]: expected 2 or 4 arrays, found {len(entry)}")
            arrays = [checked(array, f"past_key_values[{index}]").astype(dtype) for array in entry]
            for k, v in (arrays[:2], arrays[2:4] or arrays[:2]):
                if k.ndim != 4 or k.shape != v.shape:
                    expected = "keys and values of one shape [batch, heads, positions, head width]"
                    raise InputError(
                        f"past_key_values[{index}]: expected {expected}, found {list(k.shape)} and {list(v.shape)}"
                    )
            layer.append(arrays[0], arrays[1])
            if len(arrays) == 4:
                layer.cross = (arrays[2], arrays[3])
        return cache

    def check(self, layers: int, batch: int, heads: int, head_width: int) -> None:
        """Raise where this cache cannot be continued by a decoder of this shape.

        Raises:
            InputError: the number of layers, rows, heads or positions, or the width of a head, differs.
        """
        if len(self) != layers:
            raise InputError(f"past_key_values: expected {layers} layers, found {len(self)}")
        length = self.get_seq_length()
        for index, layer in enumerate(self.layers):
            expected = [batch, heads, length, head_width]
            found = list(layer.keys[0].shape) if layer.length else [batch, heads, 0, head_width]
            if found != expected:
                raise InputError(f"past_key_values[{index}]: expected shape {expected}, found {found}")
            if layer.cross is not None:
                rows, *_, width = cross = layer.cross[0].shape
                # Beams share the encoder's.
                if not rows or batch % rows or (cross[1], width) != (heads, head_width):
                    wanted = f"[{batch}, {heads}, positions, {head_width}]"
                    raise InputError(f"past_key_values[{index}]: expected cross shape {wanted}, found {list(cross)}")
