"""The files of a tokenizer folder: from JSON to arguments of a constructor, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoints.folder import OFFLINE, resolve_folder
from ..checkpoints.json_file import MAX_JSON_BYTES, parse_json
from ..checkpoints.staging import staged
from ..errors import CheckpointError, TokenizerError, quote
from .added_tokens import AddedToken, parse_token
from .config_values import parse_added_tokens, parse_config, parse_id
from .special_tokens import SPECIAL_TOKEN_NAMES

if TYPE_CHECKING:
    from .base import PreTrainedTokenizer

__all__ = [
    "CONFIG_FILE",
    "FAST_FILE",
    "MAX_VOCABULARY_BYTES",
    "find_folder",
    "json_bytes",
    "read_json",
    "read_settings",
    "save_files",
    "setting_files",
]

CONFIG_FILE = "tokenizer_config.json"
SPECIAL_FILE = "special_tokens_map.json"
ADDED_FILE = "added_tokens.json"
FAST_FILE = "tokenizer.json"

MAX_VOCABULARY_BYTES = 16 * 1024 * 1024  # tokenizer.json and vocab.json hold the whole vocabulary

# Further ones without meaning: there is one kind of tokenizer, in one version.
_IGNORED = OFFLINE | {"from_slow", "legacy", "use_fast"}
# What a saved configuration says about itself and its files: never followed, and not written again.
_NOT_KEPT = {
    *("tokenizer_class", "processor_class", "auto_map", "init_inputs", "device_map", "max_len"),
    *("name_or_path", "tokenizer_file", "special_tokens_map_file", "vocab_file", "merges_file"),
}


def find_folder(name_or_path: str | Path, options: dict[str, Any]) -> Path:
    """Return the folder of a path, or the one that the hub's cache on this machine has for a model name.

    Takes ``revision`` and ``subfolder`` out of the caller's ``options``.
    """
    return resolve_folder(name_or_path, options.pop("revision", None), options.pop("subfolder", ""))


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> dict[str, Any] | None:
    """Return the object in a JSON file of at most ``limit`` bytes, or None where there is no such file."""
    try:
        if not path.is_file():
            return None
        size = path.stat().st_size
        if size > limit:
            raise TokenizerError(f"{path}: expected at most {limit} bytes, found {size}")
        return parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise TokenizerError(f"{path}: expected a readable JSON file, found: {error.strerror}") from None
    except CheckpointError as error:
        raise TokenizerError(str(error)) from None


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return an object as the reference writes it: sorted, two spaces, characters as they are, a final newline."""
    return (json.dumps(dict(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def save_files(folder: str | Path, files: Mapping[str, bytes], prefix: str | None) -> tuple[str, ...]:
    """Write files into ``folder``, ``prefix`` and a hyphen before their names: all of them or none; return the paths.

    Raises:
        CheckpointError: the folder cannot be made or written.
    """
    named = {f"{prefix}-{name}" if prefix else name: content for name, content in files.items()}
    with staged(Path(folder)) as stage:
        for name, content in named.items():
            stage.write(name, content)
    return tuple(str(Path(folder) / name) for name in named)


def read_settings(
    cls: "type[PreTrainedTokenizer]", name_or_path: str | Path, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments with which ``cls`` is constructed for a folder, and what else its configuration holds.

    What the caller has ``given`` goes before what the files say.
    """
    given = {name: value for name, value in given.items() if name not in _IGNORED}
    if Path(name_or_path).is_file():  # the vocabulary file itself
        return {next(iter(cls.vocab_files_names)): name_or_path, "name_or_path": str(name_or_path)} | given, {}
    folder = find_folder(name_or_path, given)
    config = read_json(folder / CONFIG_FILE) or {}
    settings = parse_config(config, str(folder / CONFIG_FILE)) | given
    if "added_tokens_decoder" in settings:
        added = dict(settings["added_tokens_decoder"])
        known = {token.content: token for token in added.values()}
    else:
        added, known = _read_older_files(folder, settings, given)
    for name in SPECIAL_TOKEN_NAMES:
        if settings.get(name) is not None:
            settings[name] = known.get(str(settings[name]), settings[name])
    settings |= {"added_tokens_decoder": added, "name_or_path": str(name_or_path)}
    arguments = cls.setting_names()
    if unexpected := sorted(given.keys() - arguments):
        raise TypeError(f"{cls.__name__}.from_pretrained() got unexpected keyword arguments {', '.join(unexpected)}")
    rest = {name: value for name, value in config.items() if name not in arguments | _NOT_KEPT}
    used = {name: value for name, value in settings.items() if name in arguments}
    return cls.find_vocabulary(folder) | used, rest


def _read_older_files(
    folder: Path, settings: dict[str, Any], given: Mapping[str, Any]
) -> tuple[dict[int, AddedToken], dict[str, AddedToken]]:
    """Read what folders without ``added_tokens_decoder`` say about tokens; complete ``settings`` with it.

    Returns the added tokens by id and those among them that define a special token of the same content.
    """
    _read_special_map(folder / SPECIAL_FILE, settings, given)
    added: dict[int, AddedToken] = {}
    special = {str(settings[name]) for name in SPECIAL_TOKEN_NAMES if settings.get(name) is not None}
    special.update(map(str, settings.get("additional_special_tokens") or ()))
    path = folder / ADDED_FILE
    for content, index in (read_json(path) or {}).items():
        added[parse_id(index, f"{path}: {content}")] = AddedToken(content, special=content in special)
    path = folder / FAST_FILE
    fast = parse_added_tokens(
        (read_json(path, MAX_VOCABULARY_BYTES) or {}).get("added_tokens", []), f"{path}: added_tokens"
    )
    return added | fast, {token.content: token for token in fast.values()}


def _read_special_map(path: Path, settings: dict[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in (read_json(path) or {}).items():
        where = f"{path}: {name}"
        if given.get(name):
            continue
        if name in SPECIAL_TOKEN_NAMES:
            settings[name] = None if value is None else parse_token(value, where, special=True)
        elif name == "additional_special_tokens":
            if not isinstance(value, list):
                raise TokenizerError(f"{where}: expected a list of tokens, found {quote(value)}")
            tokens = list(settings.get(name) or ())
            more = dict.fromkeys(parse_token(item, where, special=True) for item in value)
            for token in tokens:
                more.pop(token, None)
            settings[name] = [*tokens, *more]


def setting_files(tokenizer: "PreTrainedTokenizer") -> dict[str, bytes]:
    """Return the files that say all of a tokenizer but its vocabulary, by name."""
    config = tokenizer.other_config | tokenizer.init_settings() | tokenizer.special_tokens_map
    config["extra_special_tokens"] = {}
    config["added_tokens_decoder"] = {
        str(index): token.to_dict() for index, token in tokenizer.added_tokens_decoder.items()
    }
    config["tokenizer_class"] = type(tokenizer).__name__.removesuffix("Fast")
    special = {
        name: [_plain(token) for token in value] if isinstance(value, list) else _plain(value)
        for name, value in tokenizer.special_tokens_map_extended.items()
    }
    beyond = {name: index for name, index in tokenizer.added_tokens_encoder.items() if index >= tokenizer.vocab_size}
    files = {CONFIG_FILE: config, SPECIAL_FILE: special} | ({ADDED_FILE: beyond} if beyond else {})
    return {name: json_bytes(value) for name, value in files.items()}


def _plain(token: str | AddedToken) -> Any:
    """Return a token as ``special_tokens_map.json`` has it, where every token is special anyway."""
    if isinstance(token, str):
        return token
    return {name: value for name, value in token.to_dict().items() if name != "special"}
