"""Tokens that stand beside the pieces of the model: special ones and those that a user adds."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import TokenizerError, quote

__all__ = ["AddedToken", "Token", "TokenSplitter", "parse_token"]


@dataclass(frozen=True)
class AddedToken:
    """A string that is never split, and how it treats the text around it.

    ``lstrip`` and ``rstrip`` make it swallow the whitespace on that side; ``single_word`` makes it match only beside a
    space or an end of the text; ``special`` marks it as no text (it can be skipped in decoding); ``normalized`` says
    that lower-casing tokenizers lower-case it too, and is by default the opposite of ``special``.

    >>> AddedToken("<mask_1>", special=True).normalized, str(AddedToken("<n>"))
    (False, '<n>')
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    special: bool = False
    normalized: bool | None = None

    def __post_init__(self) -> None:
        if self.normalized is None:
            object.__setattr__(self, "normalized", not self.special)

    def __str__(self) -> str:
        return self.content

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under the names that ``tokenizer_config.json`` uses.

        >>> AddedToken("<n>", special=True).to_dict()["content"]
        '<n>'
        """
        return asdict(self)


Token = str | AddedToken

_FLAGS = ("single_word", "lstrip", "rstrip", "special", "normalized")


def parse_token(value: Any, where: str, **forced: bool) -> Token:
    """Return the token that ``value``, read from JSON at ``where``, stands for: a string, or an object with flags.

    ``forced`` flags replace those of an object. Keys that are no flags are ignored, as the reference does.

    >>> parse_token({"content": "[MASK]", "lstrip": True, "__type": "AddedToken"}, "tokenizer_config.json: mask_token")
    AddedToken(content='[MASK]', single_word=False, lstrip=True, rstrip=False, special=False, normalized=True)
    >>> parse_token(7, "tokenizer_config.json: pad_token")
    Traceback (most recent call last):
        ...
    minipegasus.errors.TokenizerError: tokenizer_config.json: pad_token: expected a token (a string or an object with \
"content"), found 7
    """
    if isinstance(value, (str, AddedToken)):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("content"), str):
        expected = 'a token (a string or an object with "content")'
        raise TokenizerError(f"{where}: expected {expected}, found {quote(value)}")
    flags = {name: value[name] for name in _FLAGS if name in value} | forced
    for name, flag in flags.items():
        if not isinstance(flag, bool) and not (name == "normalized" and flag is None):
            raise TokenizerError(f"{where}: {name}: expected true or false, found {quote(flag)}")
    return AddedToken(value["content"], **flags)


class TokenSplitter:
    """Cuts a text at every occurrence of some strings: the leftmost first, there the longest.

    >>> TokenSplitter(["<n>", "<unk_1>", "<unk_10>"]).split("a<n><unk_10>b <unk_1")
    ['a', '<n>', '<unk_10>', 'b <unk_1']
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = frozenset(token for token in tokens if token)
        lengths: dict[str, set[int]] = {}
        for token in self._tokens:
            lengths.setdefault(token[0], set()).add(len(token))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        firsts = "".join(re.escape(first) for first in sorted(lengths))
        self._first = re.compile(f"[{firsts}]") if firsts else None

    def split(self, text: str) -> list[str]:
        """Return the parts of ``text`` in order, none of them empty; joined they are ``text``."""
        parts: list[str] = []
        done = position = 0  # text[:done] is cut up, text[done:position] begins with no token
        while self._first and (hit := self._first.search(text, position)):
            start = hit.start()
            for length in self._lengths[text[start]]:
                if text[start : start + length] in self._tokens:
                    parts += [text[done:start], text[start : start + length]]
                    done = position = start + length
                    break
            else:
                position = start + 1
        parts.append(text[done:])
        return [part for part in parts if part]
