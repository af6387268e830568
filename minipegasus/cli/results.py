"""Where a command's results go: standard output, a file that appears whole, or lines that can be continued."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import InputError

__all__ = ["Results", "json_line", "open_results", "output_path", "refuse_input_as_output"]


class Results:
    """A text file whose writes are at once where they belong; ``found`` counts the lines it had before."""

    def __init__(self, file: TextIO, found: int = 0) -> None:
        self._file, self.found = file, found

    def write(self, text: str) -> None:
        """Write some text and hand it on."""
        self._file.write(text)
        self._file.flush()


def output_path(given: str) -> str | None:
    """Return the path that an option gives; None, standard output, for ``-``."""
    return None if given == "-" else given


@contextmanager
def open_results(path: str | None, lines: bool, resume: bool) -> Iterator[Results]:
    """Open a place for results.

    Without ``path`` that is standard output. A file of ``lines`` holds only whole ones at any time, so that an
    interrupted run can be continued with ``resume``; another file appears when everything is written, or not at all.
    """
    if path is None:
        reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8")
        yield Results(sys.stdout)
    elif lines or (os.path.exists(path) and not os.path.isfile(path)):  # a pipe or a device cannot be replaced
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        found = _whole_lines(Path(path)) if resume else 0
        with open(path, "a" if resume else "w", encoding="utf-8", newline="\n") as file:
            yield Results(file, found)
    else:
        from ..checkpoints.staging import staged

        with staged(Path(path).parent) as files:
            temporary = files.path(Path(path).name)
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                yield Results(file)


def json_line(record: dict[str, Any]) -> str:
    """Return a record as one line of JSON, readable where UTF-8 can hold it.

    >>> json_line({"text": "\\u00e9"}), json_line({"text": "\\ud800"})
    ('{"text": "é"}\\n', '{"text": "\\\\ud800"}\\n')
    """
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        line = json.dumps(record)
    return line + "\n"


def refuse_input_as_output(inputs: list[str], output: str | None) -> None:
    """Raise where a result would be written over what is still to be read."""
    if output is None or not os.path.exists(output):
        return
    for name in inputs:
        if os.path.exists(name) and os.path.samefile(name, output):
            raise InputError(f"--output: expected another file than the input, found {output}")


def _whole_lines(path: Path) -> int:
    """Return how many lines a file has, and cut off what follows the last one."""
    if not path.is_file():
        return 0
    count = end = 0
    with path.open("rb+") as file:
        for line in file:
            if line.endswith(b"\n"):
                count, end = count + bool(line.strip()), end + len(line)
        file.truncate(end)
    return count
