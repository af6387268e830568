"""Writing checkpoint folders that transformers reads: from arrays, or streamed from another folder."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import CheckpointError, InputError, listing, quote
from .checkpoint import Checkpoint, open_checkpoint
from .json_file import dump_json, read_json
from .safetensors_writer import write_weights
from .staging import staged
from .tensors import BY_NAME, TensorInfo, cast, named, narrow_bfloat16, pieces_of

__all__ = ["CONFIG", "COPIED_FILES", "GENERATION_CONFIG", "Progress", "convert", "save_checkpoint"]

#: Called after each tensor with its name, the bytes written so far and the bytes in all.
Progress = Callable[[str, int, int], None]

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
#: Beside the configs, what belongs to a checkpoint and is no weight.
COPIED_FILES = (
    "spiece.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def save_checkpoint(
    folder: str | Path,
    tensors: Mapping[str, Array],
    config: Mapping[str, Any],
    generation_config: Mapping[str, Any] | None = None,
    max_shard_size: int | str = "5GB",
    variant: str | None = None,
) -> None:
    """Write ``config.json``, ``generation_config.json`` and safetensors weights, sharded past ``max_shard_size``.

    Every file appears whole, and only when all are complete. Tensors are written in their own dtype, any that
    safetensors has. ``max_shard_size`` is bytes, or a string such as "200MB"; with several files an index names them.
    A ``variant`` such as "fp16" becomes part of the names of weight files, beside which others may lie.

    Raises:
        InputError: what the formats cannot hold, or a size that is none.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> tensors = {"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float16)}
    >>> save_checkpoint(folder, tensors, config={"model_type": "pegasus"}, max_shard_size=24)
    >>> sorted(path.name for path in folder.iterdir())[1:]
    ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']
    """
    problems = [
        f"{name!r}: expected an array of {', '.join(BY_NAME)}, found {_kind(array)}"
        for name, array in tensors.items()
        if _kind(array) not in BY_NAME
    ]
    if problems:
        raise InputError(listing(f"{folder}: tensors that cannot be saved", problems))
    infos = [TensorInfo(name, array.dtype.name, array.shape, Path(), 0) for name, array in tensors.items()]
    with staged(Path(folder)) as files:
        files.write(CONFIG, dump_json(dict(config)))
        if generation_config is not None:
            files.write(GENERATION_CONFIG, dump_json(dict(generation_config)))
        write_weights(files, infos, lambda name: pieces_of(tensors[name]), max_shard_size, variant)


def convert(
    source: str | Path,
    out: str | Path,
    dtype: str | None = None,
    progress: Progress | None = None,
    keep: Callable[[str], bool] | None = None,
    max_shard_size: int | str = "5GB",
) -> Checkpoint:
    """Write folder ``source`` as a safetensors folder ``out``, streaming, and return the new checkpoint.

    Args:
        source: a checkpoint folder of any format.
        out: another folder, made where it is missing.
        dtype: "float32", "float16" or "bfloat16" for all floats (rounded to nearest even); None keeps each tensor's.
        progress: see :data:`Progress`.
        keep: tells which names to write; all by default. Leave out a name only where another holds the same tensor
            (:meth:`~minipegasus.checkpoints.checkpoint.Checkpoint.same`).
        max_shard_size: as transformers' ``save_pretrained``.

    Configs and tokenizer files are copied. Memory stays below twice the largest tensor.

    Raises:
        CheckpointError: files that are missing, damaged or unsafe, or a value that overflows the narrower dtype.
        InputError: ``out`` is ``source``, or another ``dtype``.

    >>> import tempfile
    >>> from minipegasus import demo
    >>> checkpoint = convert(demo.folder(), Path(tempfile.mkdtemp()) / "wide", dtype="float32")
    >>> {info.dtype for info in checkpoint.info.values()}
    {'float32'}
    """
    source, out = Path(source), Path(out)
    if out.exists() and out.resolve() == source.resolve():
        raise InputError(f"{out}: expected another folder than the one that is converted")
    checkpoint = open_checkpoint(source)
    target = _target(dtype)
    infos = [
        replace(info, dtype=target) if target and BY_NAME[info.dtype].is_float else info
        for name, info in checkpoint.info.items()
        if keep is None or keep(name)
    ]
    total, done = sum(info.nbytes for info in infos), 0

    def pieces(name: str) -> Iterable[Array]:
        nonlocal done
        for piece in pieces_of(checkpoint.stored(name)):
            yield _converted(piece, checkpoint.info[name], target)
            checkpoint.release()
        done += written[name]
        if progress is not None:
            progress(name, done, total)

    written = {info.name: info.nbytes for info in infos}
    with staged(out) as files:
        for name in (CONFIG, GENERATION_CONFIG, *COPIED_FILES):
            if (source / name).is_file():
                shutil.copyfile(source / name, files.path(name))
        if target and CONFIG in files.files:
            config = read_json(source / CONFIG)
            config.pop("torch_dtype", None)  # the name before transformers 4.56
            files.write(CONFIG, dump_json(config | {"dtype": target}))
        write_weights(files, infos, pieces, max_shard_size)
    return open_checkpoint(out)


def _kind(array: object) -> str:
    return array.dtype.name if isinstance(array, np.ndarray) else type(array).__name__


def _target(dtype: str | None) -> str | None:
    if dtype is not None and not named(dtype).is_float:
        raise InputError(f"dtype: expected float32, float16, bfloat16 or None, found {quote(dtype)}")
    return dtype


def _converted(piece: Array, info: TensorInfo, target: str | None) -> Array:
    """Return a piece in the target's bits, or as it is."""
    if target is None or target == info.dtype or not BY_NAME[info.dtype].is_float:
        return piece
    wide = np.dtype(np.float64 if info.dtype == "float64" else np.float32)
    values = cast(piece, info.dtype, wide)
    if target == "bfloat16":
        narrow = narrow_bfloat16(values)
        result = cast(narrow, target, wide)
    else:
        narrow = result = cast(values, wide.name, BY_NAME[target].stored)
    if np.isinf(result).any() and not np.isinf(values).any():
        raise CheckpointError(f"{info.file}: {quote(info.name)}: a value is too large for {target}")
    return narrow
