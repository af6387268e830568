"""What a command reads: plain files, or the records of JSON lines, one after the other."""

import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..errors import InputError, quote

__all__ = ["Documents"]


class Documents:
    """The texts of some files, in order, read no earlier than needed.

    Args:
        files: paths; ``-`` is standard input.
        field: of the records that holds the text; None reads each file as one plain text.
    """

    def __init__(self, files: list[str], field: str | None) -> None:
        self._files, self._field = files, field
        self._skip = 0
        self._where = ""
        self._records: deque[dict[str, Any] | None] = deque()

    def skip(self, count: int) -> None:
        """Leave the first ``count`` records out."""
        self._skip = count

    def texts(self) -> Iterator[str]:
        """Yield the texts."""
        for name in self._files:
            self._where = "standard input" if name == "-" else name
            with _opened(name) as file:
                if self._field is None:
                    self._records.append(None)
                    yield _decoded(file.read(), self._where)
                else:
                    yield from self._fields(file, self._field)

    def next_record(self) -> dict[str, Any] | None:
        """Return the record of the first text that was not asked for yet; None for a plain file."""
        return self._records.popleft()

    @contextmanager
    def naming_problems(self) -> Iterator[None]:
        """Put the name of the current document before every warning and refusal."""
        import warnings

        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            shown(f"{self._where}: {message}" if self._where else message, category, filename, lineno, file, line)

        warnings.showwarning = show
        try:
            yield
        except InputError as error:
            raise InputError(f"{self._where}: {error}" if self._where not in str(error) else str(error)) from error
        finally:
            warnings.showwarning = shown

    def _fields(self, file: BinaryIO, field: str) -> Iterator[str]:
        """Yield one field of each record that is not to be skipped."""
        name = self._where
        for number, line in enumerate(file, 1):
            self._where = f"{name}, line {number}"
            if not line.strip():
                continue
            if self._skip:
                self._skip -= 1
                continue
            record = _parsed(line, self._where)
            text = record.get(field)
            if not isinstance(text, str):
                found = quote(text) if field in record else f"the fields {', '.join(record) or '(none)'}"
                raise InputError(f"{self._where}: {field}: expected a text, found {found}")
            self._records.append(record)
            yield text


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name != "-":
        try:
            file = Path(name).open("rb")  # noqa: SIM115  # closed below; here only opening may fail
        except OSError as error:
            raise InputError(f"{name}: {error.strerror}") from None
        with file:
            yield file
        return
    if sys.stdin is None:
        raise InputError("standard input: expected a file, a pipe or a terminal, found it closed")
    if sys.stdin.isatty():
        print("minipegasus: reading standard input, which ends with Ctrl-D", file=sys.stderr)
    yield sys.stdin.buffer


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {content[error.start]:#04x} at {error.start}"
        raise InputError(f"{where}: expected text in UTF-8, found {found}") from None


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    text = _decoded(line, where)
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: expected a JSON object, found: {error.msg} in column {error.colno}") from None
    except RecursionError:
        raise InputError(f"{where}: expected a JSON object, found too deep a nesting") from None
    except ValueError:  # thousands of digits, which Python does not read
        raise InputError(f"{where}: expected a JSON object, found an integer of too many digits") from None
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(record).__name__}")
    return record
