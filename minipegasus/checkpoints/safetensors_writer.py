"""Writing safetensors tensor by tensor: memory holds one piece at a time, never a file.

The bytes are those that the safetensors library writes: tensors by falling element type, then by name.
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import InputError
from .json_file import dump_json
from .safetensors_file import METADATA
from .shards import INDEX, WEIGHTS, of_variant
from .staging import StagedFolder
from .tensors import BY_NAME, DTYPES, TensorInfo

__all__ = ["Pieces", "parse_size", "write_weights"]

#: Given a name, the tensor's elements in C order, in the file's element type (bfloat16 as uint16).
Pieces = Callable[[str], Iterable[Array]]

_RANK = {dtype.name: rank for rank, dtype in enumerate(DTYPES)}
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def write_weights(
    files: StagedFolder,
    tensors: Iterable[TensorInfo],
    pieces: Pieces,
    max_shard_size: int | str = "5GB",
    variant: str | None = None,
) -> None:
    """Stage ``model.safetensors``, or numbered shards with an index where it would pass ``max_shard_size``.

    Tensors are dealt to shards as transformers does it: in the order given, one that is larger than a shard to a
    shard of its own. Weight files of an earlier save of the same variant under other names become stale.
    """
    tensors = list(tensors)
    shards = _shards(tensors, parse_size(max_shard_size))
    whole, index = of_variant(WEIGHTS, variant), of_variant(WEIGHTS + INDEX, variant)
    stem = whole.removesuffix(".safetensors")
    names = [whole]
    if len(shards) > 1:
        names = [f"{stem}-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        _write(files.path(name), shard, pieces)
    if len(shards) > 1:
        weight_map = {info.name: name for name, shard in zip(names, shards, strict=True) for info in shard}
        totals = {
            "total_parameters": sum(info.size for info in tensors),
            "total_size": sum(info.nbytes for info in tensors),
        }
        files.write(index, dump_json({"metadata": totals, "weight_map": weight_map}))
    shard_name = re.compile(re.escape(stem) + r"-\d{5}-of-\d{5}\.safetensors")
    files.stale |= {whole, index} | {e.name for e in files.folder.iterdir() if shard_name.fullmatch(e.name)}


def parse_size(size: int | str) -> int:
    """Return a size in bytes.

    >>> parse_size("5GB"), parse_size("300 KB"), parse_size(7)
    (5000000000, 300000, 7)
    """
    match = re.fullmatch(r"(\d{1,15})\s*([KMGT]?B)?", str(size).strip().upper())
    number = int(match[1]) * _UNITS[(match[2] or "").removeprefix("B")] if match and not isinstance(size, bool) else 0
    if number < 1:
        raise InputError(f"max_shard_size: expected a number of bytes or a text such as '5GB', found {size!r}")
    return number


def _shards(tensors: list[TensorInfo], limit: int) -> list[list[TensorInfo]]:
    shards: list[list[TensorInfo]] = []
    current: list[TensorInfo] = []
    filled = 0
    for info in tensors:
        if info.nbytes > limit:
            shards.append([info])
            continue
        if current and filled + info.nbytes > limit:
            shards.append(current)
            current, filled = [], 0
        current.append(info)
        filled += info.nbytes
    return [*shards, current] if current or not shards else shards


def _write(path: Path, tensors: list[TensorInfo], pieces: Pieces) -> None:
    tensors = sorted(tensors, key=lambda info: (-_RANK[info.dtype], info.name))
    header: dict[str, object] = {METADATA: {"format": "pt"}}  # transformers refuses a file without
    begin = 0
    for info in tensors:
        offsets = [begin, begin + info.nbytes]
        header[info.name] = {"dtype": BY_NAME[info.dtype].code, "shape": list(info.shape), "data_offsets": offsets}
        begin = offsets[1]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for info in tensors:
            stored, written = BY_NAME[info.dtype].stored, 0
            for piece in pieces(info.name):
                written += file.write(np.ascontiguousarray(piece, stored).view(np.uint8).data)
            if written != info.nbytes:
                raise InputError(f"{info.name!r}: expected {info.nbytes} bytes to write, found {written}")
