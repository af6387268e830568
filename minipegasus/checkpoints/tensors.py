"""What a checkpoint holds: element types, where a tensor lies in its file, and exact widening.

A tensor in a file is described by a :class:`TensorInfo`; :func:`stored_view` lays a NumPy array over the mapped
bytes without reading them. bfloat16 has no NumPy dtype: it is stored as uint16 and widened by a shift.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import Array
from ..errors import InputError, quote
from .mapped import MappedFile

__all__ = [
    "BY_NAME",
    "DTYPES",
    "MAX_DIMENSIONS",
    "DType",
    "TensorInfo",
    "cast",
    "named",
    "narrow_bfloat16",
    "pieces_of",
    "stored_view",
]

MAX_DIMENSIONS = 32


class DType(NamedTuple):
    """One element type under each of its names."""

    name: str  # as in config.json and in messages
    code: str  # in a safetensors header
    stored: np.dtype[np.generic]  # little-endian layout in a file
    torch_storage: str  # class name in a torch pickle; "" where torch has none

    @property
    def is_float(self) -> bool:
        return "float" in self.name


#: In rising order of the safetensors format, which sorts tensors by falling element type, then by name.
DTYPES = (
    DType("bool", "BOOL", np.dtype("?"), "BoolStorage"),
    DType("uint8", "U8", np.dtype("u1"), "ByteStorage"),
    DType("int8", "I8", np.dtype("i1"), "CharStorage"),
    DType("int16", "I16", np.dtype("<i2"), "ShortStorage"),
    DType("uint16", "U16", np.dtype("<u2"), ""),
    DType("float16", "F16", np.dtype("<f2"), "HalfStorage"),
    DType("bfloat16", "BF16", np.dtype("<u2"), "BFloat16Storage"),
    DType("int32", "I32", np.dtype("<i4"), "IntStorage"),
    DType("uint32", "U32", np.dtype("<u4"), ""),
    DType("float32", "F32", np.dtype("<f4"), "FloatStorage"),
    DType("float64", "F64", np.dtype("<f8"), "DoubleStorage"),
    DType("int64", "I64", np.dtype("<i8"), "LongStorage"),
    DType("uint64", "U64", np.dtype("<u8"), ""),
)
BY_NAME = {dtype.name: dtype for dtype in DTYPES}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies: the view is made from this alone, after every number here was checked.

    ``offset`` and ``strides`` are bytes; ``strides`` is None for a C-contiguous tensor. ``dtype`` is a name such as
    "float32" or "bfloat16".

    >>> from minipegasus import demo
    >>> from minipegasus.checkpoints import open_checkpoint
    >>> info = open_checkpoint(demo.folder()).info["model.shared.weight"]
    >>> info.dtype, info.file.name, len(info.shape), info.nbytes == 2 * info.size
    ('float16', 'model.safetensors', 2, True)
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    strides: tuple[int, ...] | None = None
    big_endian: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, each counted once a position."""
        return self.size * BY_NAME[self.dtype].stored.itemsize


def stored_view(mapped: MappedFile, info: TensorInfo) -> Array:
    """Return a read-only array over the file's bytes: nothing is read, copied or converted.

    bfloat16 comes as uint16. The array may be strided, unaligned or big-endian, as the file has it.
    """
    stored = BY_NAME[info.dtype].stored
    if info.big_endian:
        stored = stored.newbyteorder(">")
    if info.size == 0:
        empty: Array = np.empty(info.shape, stored)
        empty.flags.writeable = False
        return empty
    return np.ndarray(info.shape, stored, mapped.buffer, info.offset, info.strides)


def cast(stored: Array, source: str, target: np.dtype[np.generic]) -> Array:
    """Return floats of element type ``source`` as native, contiguous ``target``; other types keep theirs.

    No copy where the array already is just that. Widening is exact; narrowing rounds to nearest even and
    overflows to infinity.

    >>> cast(np.array([0x3F80, 0xC000], np.uint16), "bfloat16", np.dtype(np.float32))
    array([ 1., -2.], dtype=float32)
    """
    if not BY_NAME[source].is_float:
        target = stored.dtype.newbyteorder("=")
    elif source == "bfloat16":
        bits = stored.astype(np.uint32)
        bits <<= 16
        stored = bits.view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN is "invalid", and stays NaN
        return np.require(stored, target, ["C", "A"])


def narrow_bfloat16(values: Array) -> Array:
    """Return float values as bfloat16 bits (uint16), rounded to nearest even through float32; NaN becomes 0x7FC0.

    >>> [hex(bits) for bits in narrow_bfloat16(np.array([1.0, -2.0, np.nan]))]
    ['0x3f80', '0xc000', '0x7fc0']
    """
    with np.errstate(over="ignore", invalid="ignore"):
        floats = np.array(values, np.float32, order="C")
    bits = floats.view(np.uint32)
    bits += ((bits >> 16) & 1) + np.uint32(0x7FFF)
    bits >>= 16
    rounded = bits.astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FC0
    return rounded


def pieces_of(array: Array, piece: int = 1 << 20) -> Iterator[Array]:
    """Yield the elements of any array in C order, in runs of ``piece``; strided arrays are gathered run by run."""
    run = array.reshape(-1) if array.flags.c_contiguous else array.flat
    for start in range(0, array.size, piece):
        yield run[start : start + piece]


def named(dtype: npt.DTypeLike) -> DType:
    """Return the :class:`DType` of a NumPy dtype or of a name such as ``"bfloat16"``.

    >>> named(np.float32).code, named("bfloat16").code
    ('F32', 'BF16')
    """
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in BY_NAME:
        raise InputError(f"dtype: expected one of {', '.join(BY_NAME)}, found {quote(name)}")
    return BY_NAME[name]
