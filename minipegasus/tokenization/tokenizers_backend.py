"""Pieces by the tokenizers library, the extra ``minipegasus[tokenizers]``: for BERT and RoBERTa halves of pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BackendError, TokenizerError, quote
from .files import MAX_VOCABULARY_BYTES, read_json

__all__ = ["LibraryModel", "library", "pieces_by_id", "read_fast_model", "read_lines"]


def library() -> Any:
    """Return the tokenizers library, or refuse and say how to get it."""
    try:
        import tokenizers
    except ImportError:
        raise BackendError(
            "BERT and RoBERTa tokenizers: expected the tokenizers library, found none (pip install "
            "'minipegasus[tokenizers]')"
        ) from None
    return tokenizers


class LibraryModel:
    """A model of the tokenizers library with what prepares its text, without any added tokens.

    ``make`` receives the library and returns its ``Tokenizer``; ``ids`` are those of the pieces, ``join`` makes a text
    of pieces.
    """

    def __init__(
        self,
        where: str,
        ids: dict[str, int],
        unk_token: str,
        make: Callable[[Any], Any],
        join: Callable[[list[str]], str],
    ) -> None:
        self.ids = ids
        self.pieces = pieces_by_id(ids, where)
        self.unk_id = ids.get(unk_token)
        self.decode = join
        if self.unk_id is None:
            raise TokenizerError(f"{where}: expected the unk_token {unk_token!r} among the pieces, found none")
        tokenizers = library()
        try:
            self._tokenizer = make(tokenizers)
        except Exception as error:  # the library has no class of its own
            raise TokenizerError(f"{where}: expected a model that tokenizers loads, found: {error}") from None

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``."""
        tokens: list[str] = self._tokenizer.encode(text, add_special_tokens=False).tokens
        return tokens


def pieces_by_id(ids: dict[str, int], where: str) -> list[str]:
    """Return the pieces in the order of their ids, which must be 0, 1, 2, ... but for repeated lines."""
    size = max(ids.values(), default=-1) + 1
    if not 0 < size <= 2 * len(ids):
        raise TokenizerError(f"{where}: expected ids from 0 without gaps, found {len(ids)} ids up to {size - 1}")
    pieces = [""] * size
    for piece, index in ids.items():
        pieces[index] = piece
    return pieces


def read_lines(path: Path) -> list[str]:
    """Return the lines of a vocabulary or merges file."""
    try:
        size = path.stat().st_size
        if size > MAX_VOCABULARY_BYTES:
            raise TokenizerError(f"{path}: expected at most {MAX_VOCABULARY_BYTES} bytes, found {size}")
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise TokenizerError(f"{path}: expected a text file, found: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path}: expected UTF-8, found byte {error.object[error.start]:#04x}") from None


def read_ids(path: Path, value: Any) -> dict[str, int]:
    """Return the checked ids of pieces from JSON."""
    if not isinstance(value, dict) or any(
        not isinstance(i, int) or isinstance(i, bool) or i < 0 for i in value.values()
    ):
        raise TokenizerError(f"{path}: expected an object of pieces and their ids, found {quote(value)}")
    return value


def read_fast_model(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the whole ``tokenizer.json`` and its ``model``, which must be of the given kind."""
    whole = read_json(path, MAX_VOCABULARY_BYTES)
    if whole is None:
        raise TokenizerError(f"{path}: expected a file, found none")
    model = whole.get("model")
    if not isinstance(model, dict) or model.get("type") != kind:
        found = model.get("type") if isinstance(model, dict) else model
        raise TokenizerError(f"{path}: model: type: expected {kind!r}, found {quote(found)}")
    return whole, model
