"""What calls return: frozen dataclasses that also behave as the reference's dictionaries and tuples do."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["ModelOutput"]


@dataclass(frozen=True)
class ModelOutput:
    """Base of all outputs. Fields that are ``None`` are absent from every dictionary and tuple view.

    A name that is absent is a KeyError, as an attribute None; a number past the end an IndexError. Outputs cannot be
    changed; the arrays in them can.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Pair(ModelOutput):
    ...     first: int | None = None
    ...     second: int | None = None
    >>> out = Pair(second=2)
    >>> out.second, out["second"], out[0], out.to_tuple(), list(out), "first" in out
    (2, 2, 2, (2,), ['second'], False)
    >>> out.keys(), out.values(), dict(out.items()), out.get("first", 7)
    (['second'], [2], {'second': 2}, 7)
    """

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield ``(name, value)`` of the fields that are present, in the declared order."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def keys(self) -> list[str]:
        """Return the names of the fields that are present."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Any]:
        """Return the fields that are present."""
        return [value for _, value in self.items()]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the fields that are present as a tuple: what ``return_dict=False`` returns."""
        return tuple(self.values())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the field ``name`` or ``default`` where it is absent."""
        return dict(self.items()).get(name, default)

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            return dict(self.items())[key]
        return self.to_tuple()[key]

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())
