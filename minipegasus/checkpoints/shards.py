"""Which files of a folder hold its weights: a single file, or the shards that an index names."""

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import CheckpointError, InputError, listing, quote
from .json_file import read_json

__all__ = ["INDEX", "WEIGHTS", "WEIGHT_FILES", "find_weights", "is_index", "of_variant", "read_index"]

WEIGHTS = "model.safetensors"
INDEX = ".index.json"
#: In the order in which transformers looks.
WEIGHT_FILES = (WEIGHTS, WEIGHTS + INDEX, "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
_OTHER_WEIGHTS = ("tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.ckpt.index", "onnx")


def of_variant(name: str, variant: str | None) -> str:
    """Return what a file of weights is called in a variant, say "fp16": ``model.fp16.safetensors``.

    Raises :class:`~minipegasus.errors.InputError` for anything but letters, digits, ``_`` and ``-``.
    """
    if variant is None:
        return name
    if not isinstance(variant, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", variant):
        raise InputError(f"variant: expected letters, digits, _ or -, found {quote(variant)}")
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{variant}.{ending}"


def is_index(path: Path) -> bool:
    """Tell whether a weight file is an index of others."""
    return ".index." in path.name


def find_weights(folder: Path, variant: str | None = None) -> Path:
    """Return the weight file or index that counts: the first of :data:`WEIGHT_FILES` that is there."""
    names = [of_variant(name, variant) for name in WEIGHT_FILES]
    for name in names:
        if os.path.isfile(folder / name):
            return folder / name
    message = f"{folder}: expected one of {', '.join(names)}, found none"
    others = [name for name in _OTHER_WEIGHTS if os.path.exists(folder / name)]
    if others:
        message += f"; {', '.join(others)} cannot be read here (transformers can save them as safetensors)"
    raise CheckpointError(message)


def read_index(path: Path) -> dict[str, str]:
    """Return the checked ``weight_map`` of an index: tensor name to the name of a file beside the index.

    Raises :class:`~minipegasus.errors.CheckpointError` that lists every entry that is no plain file name of the
    index's own format and every file that is not there.
    """
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{path}: weight_map: expected an object with entries, found {quote(weight_map)}")
    suffix = Path(path.name.partition(".index.")[0]).suffix
    problems = [
        f"{quote(name)}: expected the plain name of a {suffix} file, found {quote(file)}"
        for name, file in weight_map.items()
        if not _is_plain(file, suffix)
    ]
    if not problems:
        missing = [file for file in sorted(set(weight_map.values())) if not os.path.isfile(path.parent / file)]
        problems = [f"{quote(file)}: this file is not there" for file in missing]
    if problems:
        raise CheckpointError(listing(f"{path}: weight_map", problems))
    return weight_map


def _is_plain(file: object, suffix: str) -> bool:
    """Tell whether ``file`` names a file in the same folder on any system: no path, drive, dots or controls."""
    return (
        isinstance(file, str)
        and file.isprintable()
        and len(file) <= 255
        and file.endswith(suffix)
        and not file.startswith(".")
        and PurePosixPath(file).name == file == PureWindowsPath(file).name
    )
