"""Every refusal of minipegasus, one class per cause.

A message names the file, tensor, key or argument, then what was expected, then what was found; where several
things are wrong at once it lists them all (:func:`listing` formats such a list).
"""

from collections.abc import Iterable
from itertools import islice
from numbers import Number
from typing import Any

__all__ = [
    "BackendError",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "MinipegasusError",
    "TokenizerError",
    "listing",
    "quote",
]


class MinipegasusError(Exception):
    """Base class: catching it catches every refusal that this package raises on purpose.

    >>> import minipegasus
    >>> try:
    ...     minipegasus.summarize("Some text.", model="no-such-folder")
    ... except minipegasus.MinipegasusError as error:
    ...     print(type(error).__name__)
    CheckpointError
    """


class CheckpointError(MinipegasusError, ValueError):
    """A checkpoint folder or file is missing, damaged, unsafe or does not fit the model.

    >>> from minipegasus import AutoModel
    >>> AutoModel.from_pretrained("/no/such/folder")
    Traceback (most recent call last):
    minipegasus.errors.CheckpointError: '/no/such/folder': no such folder
    """


class ConfigError(MinipegasusError, ValueError):
    """A configuration value has the wrong type, is out of range or contradicts another.

    >>> from minipegasus import PegasusConfig
    >>> PegasusConfig(d_model=100, encoder_attention_heads=3, decoder_attention_heads=4)
    Traceback (most recent call last):
    minipegasus.errors.ConfigError: PegasusConfig: 1 problem(s)
      - encoder_attention_heads: expected a divisor of d_model = 100, found 3
    """


class TokenizerError(MinipegasusError, ValueError):
    """A tokenizer file is missing or damaged, or a token or id does not exist.

    >>> from minipegasus import PegasusTokenizer, demo
    >>> PegasusTokenizer.from_pretrained(demo.folder()).decode([-1])
    Traceback (most recent call last):
    minipegasus.errors.TokenizerError: id -1: expected 0 to ... or an added token's, found neither
    """


class InputError(MinipegasusError, ValueError):
    """An argument of a call has the wrong type, shape, range or combination.

    >>> from minipegasus import set_num_threads
    >>> set_num_threads(0)
    Traceback (most recent call last):
    minipegasus.errors.InputError: set_num_threads: expected a positive int, found 0
    """


class BackendError(MinipegasusError, RuntimeError):
    """An implementation was asked for (``MINIPEGASUS_OPS``, ``MINIPEGASUS_ISA``) that cannot be had here.

    >>> from minipegasus.ops.backend import use_isa
    >>> use_isa("z80")
    Traceback (most recent call last):
    minipegasus.errors.BackendError: use_isa: expected one of [...], found 'z80'
    """


def quote(value: object, limit: int = 80) -> str:
    """Return a value that was found, for a message: escaped and cut after ``limit`` characters, at little cost.

    Of containers stand the first entries, of other objects the type.

    >>> quote("a" * 100, limit=8), quote(1e-5), quote({"a": list(range(1000))}), quote(object())
    ("'aaaaaaa...", '1e-05', "{'a': [0, 1, 2, 3, ...]}", 'an object')
    """
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)):
        text = ascii(value[: limit + 1])
    elif value is None or isinstance(value, Number):
        text = ascii(value)
    elif isinstance(value, (list, tuple, dict)) and limit > 9:
        text = _entries(value, limit // 2)
    else:
        name = type(value).__name__.strip("_")
        return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
    return text if len(text) <= limit else text[:limit] + "..."


def _entries(value: list[Any] | tuple[Any, ...] | dict[Any, Any], limit: int) -> str:
    few = list(islice(value, 4))
    if isinstance(value, dict):
        shown = [f"{quote(key, limit)}: {quote(value[key], limit)}" for key in few]
    else:
        shown = [quote(item, limit) for item in few]
    left, right = "{}" if isinstance(value, dict) else "()" if isinstance(value, tuple) else "[]"
    return left + ", ".join([*shown, *(["..."] if len(value) > len(few) else [])]) + right


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
