"""A read-only view of a model's weights under one path, which also knows who wants to see results."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ..arrays import Array, FloatArray

__all__ = ["Params", "Recorder"]

#: Called as ``recorder(path, value)`` with every named result of a brick.
Recorder = Callable[[str, Any], None]
T = TypeVar("T")


class Params:
    """Weights under a path: ``p["layers"]["0"]["fc1"]["weight"]`` uses the checkpoint's own words.

    >>> p = Params({"layers.0.fc1.weight": 1, "layers.0.fc1.bias": 2})
    >>> p["layers"]["0"]["fc1"]["bias"], p["layers"]["0"]["fc1"].path, "fc2" in p["layers"]["0"]
    (2, 'layers.0.fc1', False)
    """

    __slots__ = ("_children", "path", "recorder")

    def __init__(
        self,
        tensors: Mapping[str, Any],
        recorder: Recorder | None = None,
        only: re.Pattern[str] | None = None,
        path: str = "",
    ) -> None:
        self.path = path
        # Where nobody looks, nothing is slowed down: a recorder may want the results of a few paths only.
        self.recorder = recorder if only is None or only.fullmatch(path) else None
        self._children: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for name, value in tensors.items():
            head, _, rest = name.partition(".")
            if rest:
                nested.setdefault(head, {})[rest] = value
            else:
                self._children[head] = value
        for head, inside in nested.items():
            self._children[head] = Params(inside, recorder, only, f"{path}.{head}" if path else head)

    def __getitem__(self, name: str) -> Any:
        return self._children[name]

    def __contains__(self, name: str) -> bool:
        return name in self._children

    def get(self, name: str) -> FloatArray | None:
        """Return the array ``name`` or None where this checkpoint has none (a projection without bias)."""
        return self._children.get(name)

    def record(self, value: T) -> T:
        """Show ``value``, the result computed from these weights, to the recorder, and return it."""
        if self.recorder is not None:
            self.recorder(self.path, value)
        return value

    def flat(self) -> Iterator[tuple[str, Array]]:
        """Yield ``(full path, array)`` for every weight below here."""
        for name, child in self._children.items():
            if isinstance(child, Params):
                yield from child.flat()
            else:
                yield (f"{self.path}.{name}" if self.path else name), child
