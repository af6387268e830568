"""What one call of a tokenizer asks for, what it returns, and how rows of ids are truncated and made arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import InputError, listing

__all__ = ["BatchEncoding", "EncodeOptions", "to_arrays", "truncate"]

# What may be asked for -> its full name.
_PADDING: dict[Any, str] = {name: name for name in ("longest", "max_length", "do_not_pad")}
_PADDING |= {True: "longest", False: "do_not_pad"}
_TRUNCATION: dict[Any, str] = {name: name for name in ("longest_first", "only_first", "only_second", "do_not_truncate")}
_TRUNCATION |= {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}


class BatchEncoding(dict[str, Any]):
    """What a call returns: a dictionary of lists or arrays whose keys are attributes too.

    Lists of ids, or with ``return_tensors="np"`` int64 arrays ``(batch, length)``. ``model(**encoded)`` takes it as it
    is; a slice takes rows of every entry; a name that it has not is a KeyError, as an attribute an AttributeError.

    >>> encoded = BatchEncoding(input_ids=[[5, 1], [7, 1]], attention_mask=[[1, 1], [1, 1]])
    >>> encoded.input_ids, encoded[:1]
    ([[5, 1], [7, 1]], {'input_ids': [[5, 1]], 'attention_mask': [[1, 1]]})
    """

    @property
    def data(self) -> "BatchEncoding":
        """The dictionary itself."""
        return self

    def to(self, device: str = "cpu") -> Self:
        """Return the dictionary, whose arrays are where they can be: on the CPU.

        Raises:
            InputError: another device is asked for.

        >>> BatchEncoding(input_ids=[[5, 1]]).to("cpu")
        {'input_ids': [[5, 1]]}
        """
        if str(device) != "cpu":
            raise InputError(f"to: expected 'cpu', found {device!r}")
        return self

    def __getitem__(self, key: str | slice) -> Any:
        if isinstance(key, slice):
            return {name: value[key] for name, value in self.items()}
        return super().__getitem__(key)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"BatchEncoding has no {name!r}, it has {', '.join(self)}") from None


@dataclass(frozen=True)
class EncodeOptions:
    """The options of an encoding call; :meth:`PreTrainedTokenizer.__call__` says what each does."""

    add_special_tokens: bool = True
    padding: bool | str = False
    truncation: bool | str | None = None
    max_length: int | None = None
    stride: int = 0
    is_split_into_words: bool = False
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: str | None = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    verbose: bool = True
    split_special_tokens: bool | None = None

    def __post_init__(self) -> None:
        checks = (
            ("padding", _listed(_PADDING), _among(self.padding, _PADDING)),
            ("truncation", _listed(_TRUNCATION), _among(self.truncation, _TRUNCATION)),
            ("max_length", "None or an integer from 0", _is_count(self.max_length, 0, optional=True)),
            ("stride", "an integer from 0", _is_count(self.stride, 0)),
            ("pad_to_multiple_of", "None or an integer from 1", _is_count(self.pad_to_multiple_of, 1, optional=True)),
            ("padding_side", "None, 'right' or 'left'", self.padding_side in (None, "right", "left")),
            ("return_tensors", "'np' or None (NumPy arrays or lists)", self.return_tensors in (None, "np")),
            ("return_offsets_mapping", "False (offsets are not kept)", not self.return_offsets_mapping),
        )
        problems = [
            f"{name}: expected {expected}, found {getattr(self, name)!r}" for name, expected, fits in checks if not fits
        ]
        if problems:
            raise InputError(problems[0] if len(problems) == 1 else listing("tokenizer call", problems))

    @property
    def pads(self) -> str:
        """The padding under its full name."""
        return _PADDING[self.padding]

    @property
    def truncates(self) -> str:
        """The truncation under its full name."""
        return _TRUNCATION[self.truncation]


def _among(value: Any, allowed: Mapping[Any, str]) -> bool:
    return isinstance(value, (bool, str, type(None))) and value in allowed


def _listed(allowed: Iterable[Any]) -> str:
    return "one of " + ", ".join(map(repr, allowed))


def _is_count(value: Any, least: int, optional: bool = False) -> bool:
    if value is None:
        return optional
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= least


def to_arrays(columns: Mapping[str, Any], batch_axis: bool) -> dict[str, Any]:
    """Return ``columns`` as int64 arrays, with a leading axis of one for what is no batch yet.

    Raises :class:`~minipegasus.errors.InputError` that names the column whose rows differ in length.
    """
    arrays: dict[str, Any] = {}
    for name, value in columns.items():
        try:
            array = np.asarray([value] if batch_axis else value)
        except ValueError:
            raise InputError(
                f"return_tensors: expected rows of one length in {name!r}, found several (padding=True and "
                "truncation=True make them equal)"
            ) from None
        arrays[name] = array if array.size else array.astype(np.int64)
    return arrays


def truncate(
    ids: list[int],
    pair_ids: list[int] | None,
    remove: int,
    strategy: str,
    stride: int,
    side: str,
) -> tuple[list[int], list[int] | None, list[int]] | None:
    """Return ``ids`` and ``pair_ids`` without ``remove`` tokens in all, and what overflowed.

    The overflow repeats ``stride`` tokens that are kept. Tokens go at the ``side`` "right" or "left". Returns None
    where the sequence to cut is too short for that.
    """
    if strategy == "longest_first" and pair_ids is not None:
        first, second = _shares(len(ids), len(pair_ids), remove)
        return _cut(ids, first, side), _cut(pair_ids, second, side), []
    target = pair_ids if strategy == "only_second" else ids
    # A single sequence may go entirely; one of a pair may not (the reference's slow tokenizer never empties any).
    if target is None or len(target) < remove + (pair_ids is not None):
        return None
    window = min(len(target), stride + remove)
    overflow = target[:window] if side == "left" else target[len(target) - window :]
    cut = _cut(target, remove, side)
    return (ids, cut, overflow) if strategy == "only_second" else (cut, pair_ids, overflow)


def _cut(ids: list[int], remove: int, side: str) -> list[int]:
    return ids[remove:] if side == "left" else ids[: max(len(ids) - remove, 0)]


def _shares(first: int, second: int, remove: int) -> tuple[int, int]:
    """Return how many of ``remove`` tokens go from each: first the surplus of the longer one, then half each."""
    surplus = min(abs(first - second), remove)
    half = (remove - surplus) // 2
    rest = remove - surplus - half
    return (surplus + half, rest) if first > second else (half, surplus + rest)
