"""The values of ``tokenizer_config.json``, checked: type and range of every key that this package reads."""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import TokenizerError, listing, quote
from .added_tokens import AddedToken, parse_token
from .special_tokens import SPECIAL_TOKEN_NAMES

__all__ = ["parse_added_tokens", "parse_config", "parse_id"]

MAX_OFFSET = 65_536  # the offset makes that many added tokens
MAX_ID = 2**31 - 1

Parser = Callable[[Any, str], Any]


def parse_config(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the values of the known keys; ``where`` names the file in messages.

    Raises :class:`~minipegasus.errors.TokenizerError` with all problems at once.

    >>> parse_config({"offset": -1, "padding_side": "up", "unheard_of": []}, "tokenizer_config.json")
    Traceback (most recent call last):
        ...
    minipegasus.errors.TokenizerError: tokenizer_config.json: 2 problems
      - offset: expected an integer from 0 to 65536, found -1
      - padding_side: expected 'right' or 'left', found 'up'
    """
    config = dict(config)
    for name, other in (("max_len", "model_max_length"), ("extra_special_tokens", "additional_special_tokens")):
        # An older name of the same key, and a newer one, which version 5 of transformers writes with a list.
        if name in config and (name == "max_len" or isinstance(config[name], list)):
            config.setdefault(other, config.pop(name))
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, parser in _PARSERS.items():
        if name not in config:
            continue
        try:
            values[name] = parser(config[name], name)
        except TokenizerError as problem:
            problems.append(str(problem))
    if problems:
        raise TokenizerError(
            f"{where}: {problems[0]}" if len(problems) == 1 else listing(f"{where}: {len(problems)} problems", problems)
        )
    # Null means the default everywhere but for tokens, where it means none.
    return {name: value for name, value in values.items() if value is not None or name in _TOKENS}


def parse_id(value: Any, where: str) -> int:
    """Return a token's id, given as an integer or its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    return int(_number(0, MAX_ID, integer=True)(value, where))


def parse_added_tokens(value: Any, where: str) -> dict[int, AddedToken]:
    """Return added tokens by id from the object of ``tokenizer_config.json`` or the list of ``tokenizer.json``."""
    if isinstance(value, list):
        pairs = [(item.get("id") if isinstance(item, Mapping) else None, item) for item in value]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise TokenizerError(f"{where}: expected tokens by id, found {quote(value)}")
    tokens: dict[int, AddedToken] = {}
    for index, item in pairs:
        token = parse_token(item, f"{where}: {quote(index, 20)}")
        if isinstance(token, str):
            raise _fails(f"{where}: {quote(index, 20)}", "an object with the token's flags", token)
        tokens[parse_id(index, where)] = token
    return tokens


def _fails(where: str, expected: str, found: Any) -> TokenizerError:
    return TokenizerError(f"{where}: expected {expected}, found {quote(found)}")


def _optional(parser: Parser) -> Parser:
    return lambda value, where: None if value is None else parser(value, where)


def _boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _fails(where, "true or false", value)
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _fails(where, "a string", value)
    return value


def _one_of(*allowed: str) -> Parser:
    def parse(value: Any, where: str) -> str:
        if value not in allowed or not isinstance(value, str):
            raise _fails(where, " or ".join(map(repr, allowed)), value)
        return value

    return parse


def _number(least: float, most: float, integer: bool = False) -> Parser:
    def parse(value: Any, where: str) -> float:
        kinds = int if integer else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            raise _fails(where, f"{'an integer' if integer else 'a number'} from {least:g} to {most:g}", value)
        return value

    return parse


def _list_of(parser: Parser) -> Parser:
    def parse(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _fails(where, "a list", value)
        return [parser(item, where) for item in value]

    return parse


def _tokens_by_name(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _fails(where, "an object of tokens by name", value)
    return {name: parse_token(token, f"{where}: {name}") for name, token in value.items()}


def _sentencepiece_options(value: Any, where: str) -> dict[str, Any]:
    """Return options of the SentencePiece library; those that name files are not among them."""
    if not isinstance(value, Mapping) or not value.keys() <= _SENTENCEPIECE_PARSERS.keys():
        raise _fails(where, f"an object with keys among {', '.join(_SENTENCEPIECE_PARSERS)}", value)
    return {name: _SENTENCEPIECE_PARSERS[name](option, f"{where}: {name}") for name, option in value.items()}


_SENTENCEPIECE_PARSERS: dict[str, Parser] = {
    **dict.fromkeys(("add_bos", "add_eos", "reverse", "emit_unk_piece", "enable_sampling"), _boolean),
    "nbest_size": _number(-1, 1_000, integer=True),
    "alpha": _number(0, 1_000),
}
_TOKENS = (*SPECIAL_TOKEN_NAMES, "mask_token_sent")
_BOOLEANS = ("clean_up_tokenization_spaces", "split_special_tokens", "do_lower_case", "tokenize_chinese_chars")
_PARSERS: dict[str, Parser] = {
    **dict.fromkeys(_TOKENS, _optional(parse_token)),
    **dict.fromkeys((*_BOOLEANS, "strip_accents", "add_prefix_space"), _optional(_boolean)),
    "additional_special_tokens": _optional(_list_of(parse_token)),
    "extra_special_tokens": _optional(_tokens_by_name),
    "added_tokens_decoder": _optional(parse_added_tokens),
    "offset": _number(0, MAX_OFFSET, integer=True),
    "model_max_length": _optional(_number(1, float("inf"))),
    "padding_side": _one_of("right", "left"),
    "truncation_side": _one_of("right", "left"),
    "model_input_names": _optional(_list_of(_one_of("input_ids", "attention_mask", "token_type_ids"))),
    "sp_model_kwargs": _optional(_sentencepiece_options),
    "newline": _optional(_string),
    "errors": _one_of("strict", "replace", "ignore"),
}
