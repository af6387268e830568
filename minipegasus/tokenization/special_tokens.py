"""The named special tokens of a tokenizer (``pad_token``, ``eos_token_id``, ...) and the lists made from them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import TokenizerError
from .added_tokens import AddedToken, Token

__all__ = ["SPECIAL_TOKEN_NAMES", "SpecialTokens"]

SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def _token(name: str) -> property:
    def get(self: "SpecialTokens") -> str | None:
        token = self._named[name]
        return None if token is None else str(token)

    def put(self: "SpecialTokens", value: Token | None) -> None:
        self._named[name] = _checked(value, name)

    return property(get, put, doc=f"The {name} as a string, or None where the tokenizer has none.")


def _token_id(name: str) -> property:
    def get(self: "SpecialTokens") -> int | None:
        token = self._named[name]
        return None if token is None else self._token_to_id(str(token))

    def put(self: "SpecialTokens", value: int | None) -> None:
        self._named[name] = None if value is None else self._id_to_token(value)

    return property(get, put, doc=f"The id of {name}, or None where the tokenizer has none.")


def _checked(value: Token | None, name: str) -> Token | None:
    if value is not None and not isinstance(value, (str, AddedToken)):
        raise TokenizerError(f"{name}: expected a string, an AddedToken or None, found {value!r}")
    return value


class SpecialTokens:
    """What is special to a tokenizer: seven named tokens, further ones under names of their own, and a list."""

    bos_token, bos_token_id = _token("bos_token"), _token_id("bos_token")
    eos_token, eos_token_id = _token("eos_token"), _token_id("eos_token")
    unk_token, unk_token_id = _token("unk_token"), _token_id("unk_token")
    sep_token, sep_token_id = _token("sep_token"), _token_id("sep_token")
    pad_token, pad_token_id = _token("pad_token"), _token_id("pad_token")
    cls_token, cls_token_id = _token("cls_token"), _token_id("cls_token")
    mask_token, mask_token_id = _token("mask_token"), _token_id("mask_token")
    pad_token_type_id = 0

    def __init__(
        self,
        named: Mapping[str, Token | None],
        additional: Iterable[Token],
        extra: Mapping[str, Token],
    ) -> None:
        self._named: dict[str, Token | None] = dict.fromkeys(SPECIAL_TOKEN_NAMES)
        for name in SPECIAL_TOKEN_NAMES:
            token = _checked(named.get(name), name)
            self._named[name] = token if token is None else _special(token)
        self._additional = [_special(token) for token in additional]
        self._extra = {name: _special(token) for name, token in extra.items()}

    def _token_to_id(self, token: str) -> int:
        raise NotImplementedError

    def _id_to_token(self, index: int) -> str:
        raise NotImplementedError

    @property
    def additional_special_tokens(self) -> list[str]:
        """The special tokens that have no name, as strings."""
        return [str(token) for token in self._additional]

    @additional_special_tokens.setter
    def additional_special_tokens(self, value: Iterable[Token]) -> None:
        self._additional = list(value)

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """The ids of :attr:`additional_special_tokens`."""
        return [self._token_to_id(str(token)) for token in self._additional]

    @additional_special_tokens_ids.setter
    def additional_special_tokens_ids(self, value: Iterable[int]) -> None:
        self._additional = [self._id_to_token(index) for index in value]

    @property
    def special_tokens_map_extended(self) -> dict[str, Any]:
        """The special tokens that are set, by name, as they were given: strings or :class:`AddedToken`."""
        found = {**self._named, "additional_special_tokens": list(self._additional), **self._extra}
        return {name: value for name, value in found.items() if value}

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """The special tokens that are set, by name, as strings (the additional ones as a list of strings)."""
        return {
            name: [str(token) for token in value] if isinstance(value, list) else str(value)
            for name, value in self.special_tokens_map_extended.items()
        }

    @property
    def all_special_tokens_extended(self) -> list[Token]:
        """Every special token, in the order of the names, those that have several names once."""
        found: list[Token] = []
        seen: set[str] = set()
        for value in self.special_tokens_map_extended.values():
            tokens = [token for token in (value if isinstance(value, list) else [value]) if str(token) not in seen]
            seen.update(map(str, tokens))
            found += tokens
        return found

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token as a string, in the order of the names."""
        return [str(token) for token in self.all_special_tokens_extended]

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of :attr:`all_special_tokens`."""
        return [self._token_to_id(token) for token in self.all_special_tokens]


def _special(token: Token) -> Token:
    return replace(token, special=True) if isinstance(token, AddedToken) else token
