"""Memory of large results, used again within one run.

An operating system clears every page that it hands out. Over 16,384 tokens one layer of width 1024 makes a dozen
results of 64 MB, and clearing them takes a fifth of the layer's time. Inside :func:`reused`, memory that a large
result no longer needs goes to the next result of the same size; afterwards nothing is kept.
"""

import math
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arrays import FloatArray

__all__ = ["empty", "reused"]

# Smaller blocks come back from the C library without a visit to the operating system.
_LARGE = 4 << 20
_FLOAT32 = np.dtype(np.float32)


class _Blocks(dict[int, list[memoryview]]):
    """Blocks that nobody uses at present, by their size in bytes."""


class _Free(threading.local):
    """This thread's blocks; None outside :func:`reused`."""

    blocks: _Blocks | None = None


_free = _Free()


@contextmanager
def reused() -> Iterator[None]:
    """Let :func:`empty` hand out again, in this thread, what earlier results inside this context gave back.

    >>> with reused():
    ...     first = empty((1024, 1024))
    ...     place = first.ctypes.data
    ...     del first  # and all views of it
    ...     empty((512, 2048)).ctypes.data == place
    True
    """
    if _free.blocks is not None:
        yield
        return
    _free.blocks = _Blocks()
    try:
        yield
    finally:
        _free.blocks = None


def empty(shape: tuple[int, ...], dtype: np.dtype[Any] = _FLOAT32) -> FloatArray:
    """Return an array ``[*shape]`` of any content, whose memory is its own until the last view of it is gone.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    size = dtype.itemsize * math.prod(shape)
    blocks = _free.blocks
    if blocks is None or size < _LARGE:
        return np.empty(shape, dtype)
    unused = blocks.setdefault(size, [])
    block = unused.pop() if unused else np.empty(size, np.uint8).data
    # NumPy makes every view refer to this array, and no further, because a memoryview is no array: it outlives them.
    flat: FloatArray = np.frombuffer(block, dtype)
    weakref.finalize(flat, _give_back, weakref.ref(blocks), size, block).atexit = False
    return flat.reshape(shape)


def _give_back(blocks: weakref.ref[_Blocks], size: int, block: memoryview) -> None:
    """Put a block among the unused ones, if the context still is; results that outlive it keep no others alive."""
    now = blocks()
    if now is not None:
        now[size].append(block)
