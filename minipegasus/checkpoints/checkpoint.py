"""A checkpoint folder as a read-only mapping from tensor names to arrays, each read when it is asked for."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..arrays import Array
from ..errors import CheckpointError, InputError, listing, quote
from .mapped import MappedFile
from .safetensors_file import read_safetensors
from .shards import find_weights, is_index, read_index
from .tensors import cast, named, pieces_of, stored_view
from .torch_bin import read_torch_bin

__all__ = ["Checkpoint", "open_checkpoint"]


def open_checkpoint(folder: str | Path, dtype: npt.DTypeLike = np.float32, variant: str | None = None) -> "Checkpoint":
    """Open the weights of a folder: headers are read and checked, weights are not touched.

    ``model.safetensors`` comes first, then its index, then ``pytorch_model.bin``, then its index. ``dtype`` is what
    floats are given in: float32, float64 or float16. A ``variant`` such as "fp16" has files of its own:
    ``model.fp16.safetensors``.

    Raises:
        CheckpointError: files that are missing, damaged or unsafe.
        InputError: another ``dtype``; a ``variant`` that is no part of a file name.

    >>> import tempfile
    >>> from minipegasus.checkpoints.save import save_checkpoint
    >>> folder = Path(tempfile.mkdtemp())
    >>> save_checkpoint(folder, {"fc1.weight": np.ones((2, 3), np.float32)}, config={})
    >>> checkpoint = open_checkpoint(folder)
    >>> checkpoint["fc1.weight"].shape, checkpoint.info["fc1.weight"].dtype
    ((2, 3), 'float32')
    """
    folder = Path(folder)
    weights = find_weights(folder, variant)
    if not is_index(weights):
        return Checkpoint(folder, [_Shard(weights)], dtype)
    files: dict[str, list[str]] = {}
    for name, file in read_index(weights).items():
        files.setdefault(file, []).append(name)
    shards = [_Shard(folder / file) for file in sorted(files)]
    problems = [problem for shard in shards for problem in shard.keep(files[shard.path.name])]
    if problems:
        raise CheckpointError(listing(f"{weights}: tensors are not where weight_map says", problems))
    return Checkpoint(folder, shards, dtype)


class _Shard:
    """One weight file: its mapping and its tensors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mapped = MappedFile(path)
        self.metadata: dict[str, str] = {}
        self.notes: list[str] = []
        if path.suffix == ".safetensors":
            self.tensors, self.metadata = read_safetensors(self.mapped)
        else:
            self.tensors, self.notes = read_torch_bin(self.mapped)

    def keep(self, names: list[str]) -> list[str]:
        """Keep the tensors that the index names (as transformers does); return those that are not here."""
        wanted = set(names)
        self.notes += [
            f"{self.path.name}: {quote(name)} is not in the index; left out"
            for name in self.tensors
            if name not in wanted
        ]
        missing = [f"{quote(name)}: not in {self.path.name}" for name in names if name not in self.tensors]
        self.tensors = {name: info for name, info in self.tensors.items() if name in wanted}
        return missing


class Checkpoint(Mapping[str, Array]):
    """The tensors of a folder, read-only and lazy.

    ``checkpoint[name]`` gives floats in the dtype chosen at opening, other types as stored. Where the file already
    has that dtype, contiguous and aligned, the array lies over the mapped file; else each access converts anew.

    Attributes:
        folder: where the weights lie.
        format: ``"safetensors"`` or ``"torch"``.
        info: name to :class:`~minipegasus.checkpoints.tensors.TensorInfo` (dtype, shape, file, nbytes).
        metadata: strings from the safetensors headers.
        notes: what was left out of the files, one sentence each.
        files: the weight files.

    A name that is not there is a KeyError.

    >>> from minipegasus import demo
    >>> checkpoint = open_checkpoint(demo.folder())
    >>> checkpoint.format, checkpoint.info["model.shared.weight"].dtype, checkpoint["model.shared.weight"].dtype.name
    ('safetensors', 'float16', 'float32')
    """

    def __init__(self, folder: Path, shards: list[_Shard], dtype: npt.DTypeLike) -> None:
        self.folder = folder
        self.dtype = _float_dtype(dtype)
        self.format = "safetensors" if shards[0].path.suffix == ".safetensors" else "torch"
        self.info = MappingProxyType({name: info for shard in shards for name, info in shard.tensors.items()})
        self.metadata = {key: value for shard in shards for key, value in shard.metadata.items()}
        self.notes = tuple(note for shard in shards for note in shard.notes)
        self.files = tuple(shard.path for shard in shards)
        self._mapped = {shard.path: shard.mapped for shard in shards}

    def __getitem__(self, name: str) -> Array:
        return self.array(name)

    def __contains__(self, name: object) -> bool:
        return name in self.info

    def __iter__(self) -> Iterator[str]:
        return iter(self.info)

    def __len__(self) -> int:
        return len(self.info)

    def array(self, name: str, dtype: npt.DTypeLike | None = None) -> Array:
        """Return tensor ``name`` as a read-only array, floats in ``dtype`` (the one chosen at opening by default).

        Raises:
            KeyError: there is no such tensor.
            InputError: ``dtype`` is not float32, float64 or float16.

        >>> from minipegasus import demo
        >>> open_checkpoint(demo.folder()).array("model.shared.weight", np.float64).dtype.name
        'float64'
        """
        target = self.dtype if dtype is None else _float_dtype(dtype)
        array = cast(self.stored(name), self.info[name].dtype, target)
        array.flags.writeable = False
        return array

    def stored(self, name: str) -> Array:
        """Return tensor ``name`` as the file has it: never copied, bfloat16 as uint16, maybe strided or unaligned.

        Raises:
            KeyError: there is no such tensor.

        >>> from minipegasus import demo
        >>> open_checkpoint(demo.folder()).stored("model.shared.weight").dtype.name
        'float16'
        """
        info = self.info[name]
        return stored_view(self._mapped[info.file], info)

    def same(self, one: str, other: str) -> bool:
        """Tell whether two names hold the same tensor: the same place in a file, or equal bytes.

        >>> import tempfile
        >>> from minipegasus.checkpoints import save_checkpoint
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_checkpoint(folder, {name: np.ones(3, np.float32) for name in ("a", "b")}, config={})
        >>> open_checkpoint(folder).same("a", "b")
        True
        """
        a, b = self.info[one], self.info[other]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return False
        if (a.file, a.offset, a.strides) == (b.file, b.offset, b.strides):
            return True
        pairs = zip(pieces_of(self.stored(one)), pieces_of(self.stored(other)), strict=True)
        return all(x.tobytes() == y.tobytes() for x, y in pairs)

    def release(self) -> None:
        """Let go of the file pages read so far, to stream a checkpoint in little memory; arrays stay valid.

        >>> from minipegasus import demo
        >>> checkpoint, count = open_checkpoint(demo.folder()), 0
        >>> for name in checkpoint:
        ...     count += checkpoint[name].size
        ...     checkpoint.release()
        >>> count == sum(info.size for info in checkpoint.info.values())
        True
        """
        for mapped in self._mapped.values():
            mapped.release()


def _float_dtype(dtype: npt.DTypeLike) -> np.dtype[np.generic]:
    target = named(dtype)
    if not target.is_float or target.name == "bfloat16":
        raise InputError(f"dtype: expected float32, float64 or float16, found {target.name}")
    return target.stored.newbyteorder("=")
