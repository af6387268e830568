"""JSON from a checkpoint: bounded, an object at the top, no duplicate keys, no NaN, no bottomless nesting."""

import json
import math
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError, quote
from .mapped import MappedFile

__all__ = ["MAX_JSON_BYTES", "dump_json", "parse_json", "read_json"]

#: pegasus-large's index has 60 kB; a parsed object is up to 25 times its text.
MAX_JSON_BYTES = 2 * 1024 * 1024
_MAX_DEPTH = 64
_MAX_DIGITS = 400  # 1e30 written out is common in tokenizer_config.json; Python's own limit raises at 4300


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return the object that the JSON file ``path`` holds.

    Raises:
        CheckpointError: a missing file, more than ``limit`` bytes, bad UTF-8 or JSON, anything but an object at the
            top, a key given twice, NaN or infinity, or deep nesting.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "config.json"
    >>> _ = path.write_text('{"d_model": 8, "d_model": 16}')
    >>> read_json(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    minipegasus.errors.CheckpointError: ...config.json: key 'd_model' is given twice
    """
    mapped = MappedFile(path)
    if mapped.size > limit:
        raise CheckpointError(f"{path}: expected at most {limit} bytes of JSON, found {mapped.size}")
    return parse_json(mapped.buffer[:], str(path))


def parse_json(text: bytes, where: str) -> dict[str, Any]:
    """Return the object in ``text``, which is named ``where`` in messages; the caller bounds its length."""
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{where}: expected UTF-8, found byte {text[error.start]:#04x} at {error.start}"
        ) from None
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{where}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise CheckpointError(f"{where}: expected at most {_MAX_DEPTH} levels of nesting, found far more") from None
    except ValueError as error:  # from the hooks below
        raise CheckpointError(f"{where}: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: expected a JSON object at the top, found {quote(value)}")
    if _deeper_than(value, _MAX_DEPTH):
        raise CheckpointError(f"{where}: expected at most {_MAX_DEPTH} levels of nesting, found more")
    return value


def dump_json(value: dict[str, Any]) -> bytes:
    """Return ``value`` as transformers writes its JSON files: sorted, two spaces, a final newline.

    >>> dump_json({"b": 1, "a": None}).decode()
    '{\\n  "a": null,\\n  "b": 1\\n}\\n'
    """
    try:
        return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"expected values that JSON can hold: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {quote(twice)} is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"expected finite numbers, found {name}")


def _finite(digits: str) -> float:
    value = float(digits) if len(digits) <= _MAX_DIGITS else math.inf
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, found {digits[:40]}")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"expected integers of at most {_MAX_DIGITS} digits, found {len(digits)}")
    return int(digits)


def _deeper_than(value: Any, limit: int) -> bool:
    """Walk level by level: recursion would fail on the very input this looks for."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
