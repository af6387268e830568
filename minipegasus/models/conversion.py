"""From any checkpoint folder to a safetensors folder, each tied tensor once, with a card that lists the sums."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..checkpoints.checkpoint import Checkpoint, open_checkpoint
from ..checkpoints.folder import resolve_folder
from ..checkpoints.loading import match
from ..checkpoints.save import Progress, convert
from ..checkpoints.staging import staged
from .auto import declared_class
from .configs import read_config

__all__ = ["Conversion", "convert_checkpoint"]

CARD = "README.md"
SUMS = "SHA256SUMS"
_HEADING = "## Conversion"
_MAX_CARD_BYTES = 2**20


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        checkpoint: the new weights.
        left_out: names of tensors that are the same as another one and were not written again.
    """

    checkpoint: Checkpoint
    left_out: tuple[str, ...]


def convert_checkpoint(
    name_or_path: str | Path,
    out: str | Path,
    dtype: str | None = None,
    progress: Progress | None = None,
    max_shard_size: int | str = "5GB",
) -> Conversion:
    """Write a checkpoint folder (or hub-cache name) of any format as a safetensors folder.

    Beside what :func:`minipegasus.checkpoints.convert` writes there are ``SHA256SUMS``, which ``sha256sum -c`` checks,
    and ``README.md``: the source's card where it has one, followed by how and from what the folder was made.

    Args:
        name_or_path: the source.
        out: the new folder.
        dtype: "float32", "float16" or "bfloat16" for all floats; None keeps each tensor's.
        progress: called after each tensor with its name, the bytes written and the bytes in all.
        max_shard_size: as transformers' ``save_pretrained``.

    Raises:
        CheckpointError, ConfigError: the source is not what it should be, or a value overflows the narrower dtype.
        InputError: ``out`` is the source.
    """
    source, out = resolve_folder(name_or_path), Path(out)
    config = read_config(source, {})
    model_class = declared_class(config)
    checkpoint = open_checkpoint(source)
    layout = model_class.family.layout(config.copy(**model_class.config_changes), model_class.role)
    left_out = tuple(
        other
        for stored, others in match(checkpoint, layout).copies.items()
        for other in others
        if checkpoint.same(stored, other)
    )
    kept = set(checkpoint) - set(left_out)
    written = convert(source, out, dtype, progress, keep=kept.__contains__, max_shard_size=max_shard_size)
    with staged(out) as files:
        sums = {path.name: _sum(path) for path in sorted(out.iterdir()) if _is_ours(path)}
        files.write(SUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode())
        files.write(CARD, _card(source, str(name_or_path), checkpoint, written, sums).encode())
    return Conversion(written, left_out)


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name not in (CARD, SUMS)


def _sum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(source: Path, name: str, old: Checkpoint, new: Checkpoint, sums: Mapping[str, str]) -> str:
    """Return the new folder's card."""
    from .. import __version__

    card = source / CARD
    own = f"# {Path(name).name}\n"
    if card.is_file() and card.stat().st_size <= _MAX_CARD_BYTES:
        own = card.read_text(encoding="utf-8", errors="replace").split(_HEADING)[0].rstrip() + "\n"
    dtypes = ", ".join(sorted({info.dtype for info in new.info.values()}))
    rows = "".join(f"| {file} | {(new.folder / file).stat().st_size} | `{digest}` |\n" for file, digest in sums.items())
    return (
        f"{own}\n{_HEADING}\n\n"
        f"Written by minipegasus {__version__} from {', '.join(file.name for file in old.files)} of `{Path(name).name}`"
        f" ({len(new)} tensors, {dtypes}). `sha256sum -c {SUMS}` checks the files.\n\n"
        f"| file | bytes | SHA-256 |\n| --- | --- | --- |\n{rows}"
    )
