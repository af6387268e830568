"""One regular file, mapped read-only: opening it reads nothing, arrays over it share the page cache."""

import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import CheckpointError

__all__ = ["MappedFile"]

_LFS_POINTER = b"version https://git-lfs"


class MappedFile:
    """A mapped file; the mapping lives as long as any array over ``buffer`` does.

    Raises :class:`~minipegasus.errors.CheckpointError` for anything that is no readable, non-empty regular file
    (a pipe or device would block or never end) and for a Git LFS pointer in place of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer; it has no effect on a regular file.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(f"{path}: expected a regular file")
            if status.st_size == 0:
                raise CheckpointError(f"{path}: the file is empty")
            self.size = status.st_size
            self.buffer = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be mapped: {error.strerror}") from error
        finally:
            os.close(descriptor)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # Weights are read whole at every step: fewer, larger pages take a few percent off that.
            with suppress(OSError):  # a kernel without them
                self.buffer.madvise(mmap.MADV_HUGEPAGE)
        if self.buffer[: len(_LFS_POINTER)] == _LFS_POINTER:
            raise CheckpointError(f"{path}: a Git LFS pointer, not the file itself; run `git lfs pull` in its folder")

    def release(self) -> None:
        """Let go of the pages read so far; arrays stay valid and read them again when used."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)
