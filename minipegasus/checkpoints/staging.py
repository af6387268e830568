"""Files that appear whole or not at all: written under temporary names, renamed when every one is complete."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CheckpointError

__all__ = ["StagedFolder", "staged"]


class StagedFolder:
    """The files to come in ``folder``: write to :meth:`path`, name what they make obsolete in ``stale``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self.stale: set[str] = set()
        self._tag = os.urandom(4).hex()

    def path(self, name: str) -> Path:
        """Return the temporary path of the file that will be called ``name``."""
        self.files[name] = self.folder / f".{name}.{self._tag}.partial"
        return self.files[name]

    def write(self, name: str, content: bytes) -> None:
        """Stage a small file."""
        self.path(name).write_bytes(content)


@contextmanager
def staged(folder: Path) -> Iterator[StagedFolder]:
    """Create ``folder`` where needed and yield a :class:`StagedFolder`; rename its files on success.

    On any exception, also Ctrl-C, every temporary file goes, and the folder with it where it was new.
    """
    try:
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be made a folder: {error.strerror}") from error
    files = StagedFolder(folder)
    try:
        yield files
        for name, temporary in files.files.items():
            os.replace(temporary, folder / name)
        for name in files.stale - files.files.keys():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        for temporary in files.files.values():
            temporary.unlink(missing_ok=True)
        if new:
            with contextlib.suppress(OSError):  # not empty: it has what was written
                folder.rmdir()
