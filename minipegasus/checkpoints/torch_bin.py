"""``pytorch_model.bin`` without torch: both formats of torch.save, tensors only, mapped in place.

Zip (torch 1.6 and later): ``<root>/data.pkl`` describes the tensors, ``<root>/data/<key>`` holds each storage.
Legacy: five pickles one after the other (magic number, version, system, tensors, storage keys), then the storages,
each an 8-byte count and its elements.
"""

from pathlib import Path
from typing import NamedTuple

from ..errors import CheckpointError, listing, quote
from .mapped import MappedFile
from .tensors import TensorInfo
from .torch_pickle import PickleError, Tensor, Unpickled, unpickle
from .zip_directory import is_zip, read_zip_directory

__all__ = ["read_torch_bin"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT_BYTES = 8
#: Tensors may share storage (up to four names for an embedding matrix), yet a small file must not stand for terabytes.
_MAX_SHARING = 8


class _Contents(NamedTuple):
    value: object
    starts: dict[str, int]  # where each storage's elements begin in the file
    big_endian: bool


def read_torch_bin(mapped: MappedFile) -> tuple[dict[str, TensorInfo], list[str]]:
    """Return the tensors of a torch file by name and notes on entries that are no tensors and are left out.

    Raises :class:`~minipegasus.errors.CheckpointError` for a damaged file and for a pickle that holds anything but
    plain values and tensors; nothing in it is ever executed.
    """
    contents = _read_zip(mapped) if is_zip(mapped) else _read_legacy(mapped)
    if not isinstance(contents.value, dict):
        raise CheckpointError(f"{mapped.path}: expected a dict of tensors, found {quote(contents.value)}")
    tensors: dict[str, TensorInfo] = {}
    notes: list[str] = []
    for name, value in contents.value.items():
        if not isinstance(name, str):
            raise CheckpointError(f"{mapped.path}: expected names of tensors, found {quote(name)}")
        if isinstance(value, Tensor):
            tensors[name] = _info(name, value, contents, mapped.path)
        else:
            notes.append(f"{mapped.path.name}: {quote(name)} is {quote(value)}, no tensor; left out")
    if not tensors:
        raise CheckpointError(listing(f"{mapped.path}: expected tensors by name at the top, found none", notes))
    total = sum(info.nbytes for info in tensors.values())
    if total > _MAX_SHARING * mapped.size:
        raise CheckpointError(f"{mapped.path}: its tensors stand for {total} bytes, the file has only {mapped.size}")
    return tensors, notes


def _info(name: str, tensor: Tensor, contents: _Contents, path: Path) -> TensorInfo:
    item = tensor.dtype.stored.itemsize
    offset = contents.starts[tensor.storage.key] + tensor.offset * item
    info = TensorInfo(name, tensor.dtype.name, tensor.shape, path, offset, None, contents.big_endian)
    # A stride over one element or none says nothing and may be any number.
    strides = tuple(step * item if size > 1 else item for size, step in zip(tensor.shape, tensor.strides, strict=True))
    dense, step = [], item
    for size in reversed(tensor.shape):
        dense.append(step if size > 1 else item)
        step *= size
    if info.size == 0 or strides == tuple(reversed(dense)):
        return info
    return TensorInfo(name, info.dtype, info.shape, path, offset, strides, contents.big_endian)


def _unpickle(mapped: MappedFile, start: int, end: int) -> Unpickled:
    try:
        return unpickle(mapped.buffer, start, end)
    except PickleError as error:
        raise CheckpointError(f"{mapped.path}: pickle: {error}") from None


def _read_zip(mapped: MappedFile) -> _Contents:
    entries = read_zip_directory(mapped)
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(roots) != 1:
        raise CheckpointError(f"{mapped.path}: expected one entry <name>/data.pkl, found {len(roots)}")
    root = roots[0]
    start, size = entries[f"{root}data.pkl"]
    pickled = _unpickle(mapped, start, start + size)
    start, size = entries.get(f"{root}byteorder", (0, 0))
    order = mapped.buffer[start : start + min(size, 16)] or b"little"
    if order not in (b"little", b"big"):
        raise CheckpointError(f"{mapped.path}: entry byteorder: expected little or big, found {quote(order)}")
    starts: dict[str, int] = {}
    for key, storage in pickled.storages.items():
        entry = entries.get(f"{root}data/{key}")
        if entry is None or entry.size != storage.nbytes:
            found = "no entry" if entry is None else f"{entry.size}"
            raise CheckpointError(
                f"{mapped.path}: storage {quote(key)}: expected {storage.nbytes} bytes, found {found}"
            )
        starts[key] = entry.start
    return _Contents(pickled.value, starts, order == b"big")


def _read_legacy(mapped: MappedFile) -> _Contents:
    if mapped.buffer[0] != 0x80:
        raise CheckpointError(f"{mapped.path}: expected a file of torch.save (a zip archive or pickles)")
    at, preamble = 0, []
    for _ in range(3):
        pickled = _unpickle(mapped, at, mapped.size)
        preamble.append(pickled.value)
        at = pickled.end
    if preamble[:2] != [_MAGIC, _VERSION]:
        found = ", ".join(map(quote, preamble[:2]))
        raise CheckpointError(f"{mapped.path}: expected torch.save's magic number and version, found {found}")
    pickled = _unpickle(mapped, at, mapped.size)
    keys = _unpickle(mapped, pickled.end, mapped.size)
    if not isinstance(keys.value, list) or not all(isinstance(key, str) for key in keys.value):
        raise CheckpointError(f"{mapped.path}: expected a list of storage keys, found {quote(keys.value)}")
    if sorted(keys.value) != sorted(pickled.storages):
        raise CheckpointError(f"{mapped.path}: the storages in the file are not those of its tensors")
    at = keys.end
    starts: dict[str, int] = {}
    for key in keys.value:
        storage = pickled.storages[key]
        count = int.from_bytes(mapped.buffer[at : at + _COUNT_BYTES], "little")
        if count != storage.count:
            raise CheckpointError(
                f"{mapped.path}: storage {quote(key)}: expected {storage.count} elements, found {count}"
            )
        starts[key] = at + _COUNT_BYTES
        at += _COUNT_BYTES + storage.nbytes
    if at != mapped.size:
        raise CheckpointError(f"{mapped.path}: expected {at} bytes, found {mapped.size}")
    return _Contents(pickled.value, starts, big_endian=False)
