"""Every refusal of minipegasus, one class per cause.

A message names the file, tensor, key or argument, then what was expected, then what was found; where several
things are wrong at once it lists them all (:func:`listing` formats such a list).
"""

from collections.abc import Iterable

__all__ = [
    "BackendError",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "MinipegasusError",
    "TokenizerError",
    "listing",
]


class MinipegasusError(Exception):
    """Base class: catching it catches every refusal that this package raises on purpose."""


class CheckpointError(MinipegasusError, ValueError):
    """A checkpoint folder or file is missing, damaged, unsafe or does not fit the model."""


class ConfigError(MinipegasusError, ValueError):
    """A configuration value has the wrong type, is out of range or contradicts another."""


class TokenizerError(MinipegasusError, ValueError):
    """A tokenizer file is missing or damaged, or a token or id does not exist."""


class InputError(MinipegasusError, ValueError):
    """An argument of a call has the wrong type, shape, range or combination."""


class BackendError(MinipegasusError, RuntimeError):
    """An implementation was asked for (``MINIPEGASUS_OPS``, ``MINIPEGASUS_ISA``) that cannot be had here."""


def listing(head: str, problems: Iterable[str], limit: int = 20) -> str:
    """Return ``head`` followed by one indented line per problem, cut after ``limit`` lines.

    >>> print(listing("config.json: 2 problems", ["d_model: expected int, found 'x'", "vocab_size: missing"]))
    config.json: 2 problems
      - d_model: expected int, found 'x'
      - vocab_size: missing
    """
    lines = list(problems)
    shown = [f"  - {line}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"  ... and {len(lines) - limit} more")
    return "\n".join([head, *shown])
