"""What torch.save's pickles of a state dict may name: storages, tensors over them, and plain containers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap

from ..errors import quote
from .pickle_machine import MAX_BYTES, Function, Machine, PickleError
from .tensors import BY_NAME, DTYPES, MAX_DIMENSIONS, DType

__all__ = ["PickleError", "Storage", "Tensor", "Unpickled", "unpickle"]


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of ``count`` elements kept outside the pickle under ``key``; dtype None is untyped, counted in bytes."""

    key: str
    dtype: DType | None
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * (self.dtype.stored.itemsize if self.dtype else 1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A strided view of a storage, ``offset`` and ``strides`` in elements of ``dtype``; checked to lie inside it."""

    storage: Storage
    dtype: DType
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unpickled:
    """A pickle's value, the storages that it names and where it ends."""

    value: object
    storages: dict[str, Storage]
    end: int


@dataclass(frozen=True, slots=True)
class _StorageType:
    """A torch storage class; dtype None is UntypedStorage."""

    dtype: DType | None


def unpickle(data: mmap | bytes, start: int, end: int) -> Unpickled:
    """Return what the pickle from ``start`` to at most ``end`` holds; raise :class:`PickleError` at any surprise.

    >>> unpickle(b"\\x80\\x02}X\\x01\\x00\\x00\\x00aK\\x07s.", 0, 13).value
    {'a': 7}
    """
    storages: dict[str, Storage] = {}
    machine = Machine(data, start, min(end, start + MAX_BYTES), _GLOBALS, lambda pid: _storage(pid, storages))
    return Unpickled(machine.run(), storages, machine.position)


def _storage(pid: object, storages: dict[str, Storage]) -> Storage:
    """Return the storage that a persistent id names, and remember it."""
    if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage" or type(pid[1]) is not _StorageType:
        raise PickleError("expected a persistent id ('storage', type, key, location, count)")
    _, kind, key, _, count = pid[:5]
    if pid[5:] not in ((), (None,)):
        raise PickleError("views of storages are not supported: torch before 0.4 wrote them")
    if type(key) is not str or type(count) is not int or not 0 <= count < 2**63:
        raise PickleError("storage: expected a text key and a count of elements >= 0")
    storage = Storage(key, kind.dtype, count)
    if storages.setdefault(key, storage) != storage:
        raise PickleError(f"storage {quote(key)} is declared twice, differently")
    return storage


def _empty_dict() -> dict[str, object]:
    """``dict`` itself would also take pairs, whose keys it hashes unchecked."""
    return {}


def _sizes(values: object, what: str) -> tuple[int, ...]:
    if (
        not isinstance(values, (tuple, list))
        or len(values) > MAX_DIMENSIONS
        or not all(type(value) is int and 0 <= value < 2**63 for value in values)
    ):
        raise PickleError(f"tensor {what}: expected at most {MAX_DIMENSIONS} integers from 0 to 2^63 - 1")
    return tuple(values)


def _rebuild(storage: object, offset: object, shape: object, strides: object, dtype: object = None) -> Tensor:
    if not isinstance(storage, Storage):
        raise PickleError(f"tensor: expected a storage, found {quote(storage)}")
    dtype = storage.dtype if dtype is None else dtype
    if not isinstance(dtype, DType) or storage.dtype not in (None, dtype):
        raise PickleError(f"tensor over storage {quote(storage.key)}: its dtype is unknown or not the storage's")
    shape, strides, (offset,) = _sizes(shape, "size"), _sizes(strides, "stride"), _sizes((offset,), "offset")
    if len(shape) != len(strides):
        raise PickleError(f"tensor: expected as many strides as sizes, found {len(shape)} and {len(strides)}")
    # NumPy multiplies the sizes even where one of them is zero.
    if math.prod(max(size, 1) for size in shape) * dtype.stored.itemsize >= 2**63:
        raise PickleError("tensor size: expected fewer than 2^63 bytes")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    capacity = storage.nbytes // dtype.stored.itemsize
    if 0 not in shape and last >= capacity:
        raise PickleError(
            f"tensor over storage {quote(storage.key)}: expected elements below {capacity}, found element {last}"
        )
    return Tensor(storage, dtype, offset, shape, strides)


def _rebuild_v2(
    storage: object, offset: object, shape: object, strides: object, _grad: object, _hooks: object, flags: object = None
) -> Tensor:
    return _rebuild_v3(storage, offset, shape, strides, _grad, _hooks, None, flags)


def _rebuild_v3(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    _grad: object,
    _hooks: object,
    dtype: object,
    flags: object = None,
) -> Tensor:
    if flags:  # conjugate or negative views: the numbers would have to be changed
        raise PickleError("tensor: conjugate and negative views are not supported")
    return _rebuild(storage, offset, shape, strides, dtype)


def _parameter(data: object, _grad: object, _hooks: object, _state: object = None) -> Tensor:
    if not isinstance(data, Tensor):
        raise PickleError(f"parameter: expected a tensor, found {quote(data)}")
    return data


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _empty_dict,
    "torch._utils._rebuild_tensor": lambda storage, offset, shape, strides: _rebuild(storage, offset, shape, strides),
    "torch._utils._rebuild_tensor_v2": _rebuild_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_v3,
    "torch._utils._rebuild_parameter": lambda data, grad, hooks: _parameter(data, grad, hooks),
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": lambda values: _sizes(values, "size"),
}
_GLOBALS: dict[str, object] = {
    **{name: Function(name, apply) for name, apply in _FUNCTIONS.items()},
    **{f"torch.{dtype.torch_storage}": _StorageType(dtype) for dtype in DTYPES if dtype.torch_storage},
    **{f"torch.{name}": dtype for name, dtype in BY_NAME.items()},
    "torch.storage.UntypedStorage": _StorageType(None),
}
