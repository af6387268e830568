"""One line on the terminal that says how far a command is; nothing where standard error is no terminal."""

import sys
import time
from typing import Any

__all__ = ["Status"]

_SECONDS_BETWEEN = 0.1


class Status:
    """A line that is rewritten in place. Use it as a context: at the end the line is gone."""

    def __init__(self) -> None:
        self.on = sys.stderr.isatty()
        self._shown = 0
        self._next = 0.0

    def __enter__(self) -> "Status":
        return self

    def __exit__(self, *_: Any) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Replace the line, unless that was done a moment ago."""
        now = time.monotonic()
        if self.on and now >= self._next:
            self._next = now + _SECONDS_BETWEEN
            self._write(text)

    def clear(self) -> None:
        """Make room for something else on the terminal."""
        if self._shown:
            self._write("")
            self._next = 0.0

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text}{' ' * max(self._shown - len(text), 0)}\r")
        sys.stderr.flush()
        self._shown = len(text)
