"""Reads a SentencePiece model file and checks it before the SentencePiece library sees it.

The library parses the file in C++ and trusts much of it: a crafted normalisation table or an over-long piece made
released versions read outside their memory or overflow the stack. So the structure is checked here first, with a small
bounded reader of the protocol buffer encoding: https://protobuf.dev/programming-guides/encoding, and
``sentencepiece_model.proto`` for the field numbers.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import TokenizerError

__all__ = ["MAX_FILE_BYTES", "SpieceFile", "check_spiece", "read_spiece"]

#: The largest published models have 5 MB and 262,000 pieces. These bounds keep any refusal within about a second.
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_PIECES = 300_000
MAX_PIECE_BYTES = 1024
MAX_SELF_TEST_BYTES = 1024 * 1024  # the library encodes these texts when it loads the model
MAX_REPLACEMENT_BYTES = 512  # NFKC's longest has 33; bounds how much a normalisation can blow a text up

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE_NAMES = {_VARINT: "a varint", _FIXED64: "8 bytes", _BYTES: "a length and bytes", _FIXED32: "4 bytes"}
_UNKNOWN = 2  # SentencePiece.Type of the one unknown piece
_TYPES = range(1, 7)  # NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE
_MODEL_TYPES = range(1, 5)  # UNIGRAM, BPE, WORD, CHAR
_SECTIONS = {2: "trainer_spec", 3: "normalizer_spec", 4: "self_test_data", 5: "denormalizer_spec"}
_FEW_FIELDS = 8  # a piece has three
_score = struct.Struct("<f").unpack_from

Span = tuple[int, int]


@dataclass(frozen=True)
class SpieceFile:
    """A checked model: the file's bytes, its pieces in the order of their ids, the id of the unknown piece."""

    data: bytes
    pieces: list[str]
    unk_id: int


def read_spiece(path: Path) -> SpieceFile:
    """Return the checked contents of the model file ``path``.

    Raises :class:`~minipegasus.errors.TokenizerError` that names the file, what was expected and what was found where
    the file is missing, too large (it is then not read), truncated, damaged or unsafe to hand to SentencePiece.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise TokenizerError(f"{path}: expected a SentencePiece model file, found something that is no file")
        if size > MAX_FILE_BYTES:
            raise TokenizerError(f"{path}: expected at most {MAX_FILE_BYTES} bytes, found {size}")
        data = path.read_bytes()
    except OSError as error:
        raise TokenizerError(f"{path}: expected a SentencePiece model file, found: {error.strerror}") from None
    return check_spiece(data, str(path))


def check_spiece(data: bytes, where: str) -> SpieceFile:
    """Return the checked contents of a model file's bytes; ``where`` is its name in messages.

    >>> check_spiece(b"\\x0a\\x7fabc", "spiece.model")
    Traceback (most recent call last):
        ...
    minipegasus.errors.TokenizerError: spiece.model: byte 0: expected 127 bytes of field 1, found 3 (truncated?)
    """
    try:
        return _check(data)
    except _DamageError as damage:
        raise TokenizerError(f"{where}: {damage}") from None


class _DamageError(Exception):
    """What is wrong, without the file's name."""


def _check(data: bytes) -> SpieceFile:
    if not data:
        raise _DamageError("expected a SentencePiece model, found an empty file")
    sections: dict[int, Span] = {}
    pieces: list[str] = []
    unknown: list[int] = []
    for number, wire, _, start, end in _fields(data, (0, len(data)), MAX_PIECES + 100):
        if number == 1:
            _expect(_BYTES, wire, "pieces", start)
            piece, kind = _piece(data, (start, end), len(pieces))
            if kind == _UNKNOWN:
                unknown.append(len(pieces))
            pieces.append(piece)
        elif number in _SECTIONS:
            _expect(_BYTES, wire, _SECTIONS[number], start)
            if number in sections:
                raise _DamageError(f"byte {start}: expected {_SECTIONS[number]} once, found it again")
            sections[number] = (start, end)
    _check_pieces(pieces, unknown)
    _check_sections(data, sections)
    return SpieceFile(data, pieces, unknown[0])


def _check_sections(data: bytes, sections: dict[int, Span]) -> None:
    for number in (2, 3):
        if number not in sections:
            raise _DamageError(f"expected {_SECTIONS[number]} after the pieces, found none (truncated?)")
    for number, (start, end) in sections.items():
        if number == 2:
            _check_trainer(data, (start, end))
        elif number == 4 and end - start > MAX_SELF_TEST_BYTES:
            raise _DamageError(f"self_test_data: expected at most {MAX_SELF_TEST_BYTES} bytes, found {end - start}")
        elif number in (3, 5):
            _check_normalizer(data, (start, end), _SECTIONS[number])


def _check_pieces(pieces: list[str], unknown: list[int]) -> None:
    if len(unknown) != 1:
        raise _DamageError(f"expected one unknown piece, found {len(unknown)} among {len(pieces)} pieces")
    if len(set(pieces)) < len(pieces):
        seen: set[str] = set()
        twice = next(piece for piece in pieces if piece in seen or seen.add(piece))  # type: ignore[func-returns-value]
        raise _DamageError(f"expected every piece once, found {twice!r} again")


def _piece(data: bytes, span: Span, index: int) -> tuple[str, int]:
    """Return the text and the type of the piece in ``span``."""
    text, score, kind = _usual_piece(data, *span) or _any_piece(data, span, index)
    if not math.isfinite(score):
        raise _DamageError(f"piece {index}: score: expected a finite number, found {score}")
    if kind not in _TYPES:
        raise _DamageError(f"piece {index}: type: expected 1 to {_TYPES[-1]}, found {kind}")
    if not 0 < len(text) <= MAX_PIECE_BYTES:
        raise _DamageError(f"piece {index}: expected 1 to {MAX_PIECE_BYTES} bytes of text, found {len(text)}")
    if 0 in text:
        raise _DamageError(f"piece {index}: expected text without NUL, found {text[:40]!r}")
    try:
        return text.decode("utf-8"), kind
    except UnicodeDecodeError:
        raise _DamageError(f"piece {index}: expected UTF-8, found {text[:40]!r}") from None


def _usual_piece(data: bytes, start: int, end: int) -> tuple[bytes, float, int] | None:
    """Return text, score and type of a piece in the one layout that the library writes, or None. This is for speed."""
    if end - start < 8 or data[start] != 0x0A or data[start + 1] > 0x7F:
        return None
    behind = start + 2 + data[start + 1]
    typed = end - behind == 7 and data[behind + 5] == 0x18 and data[behind + 6] < 0x80
    if data[behind : behind + 1] != b"\x15" or not (typed or end - behind == 5):
        return None
    return data[start + 2 : behind], _score(data, behind + 1)[0], data[end - 1] if typed else 1


def _any_piece(data: bytes, span: Span, index: int) -> tuple[bytes, float, int]:
    text, score, kind = b"", 0.0, 1
    for number, wire, value, start, end in _fields(data, span, _FEW_FIELDS):
        if number == 1:
            _expect(_BYTES, wire, f"piece {index}: text", start)
            text = data[start:end]
        elif number == 2:
            _expect(_FIXED32, wire, f"piece {index}: score", start)
            score = _score(data, start)[0]
        elif number == 3:
            _expect(_VARINT, wire, f"piece {index}: type", start)
            kind = value
    return text, score, kind


def _check_trainer(data: bytes, span: Span) -> None:
    for number, wire, value, start, _ in _fields(data, span, MAX_PIECES):
        if number == 3:
            _expect(_VARINT, wire, "trainer_spec: model_type", start)
            if value not in _MODEL_TYPES:
                raise _DamageError(f"trainer_spec: model_type: expected 1 to {_MODEL_TYPES[-1]}, found {value}")


def _check_normalizer(data: bytes, span: Span, name: str) -> None:
    for number, wire, _, start, end in _fields(data, span, MAX_PIECES):
        if number == 2 and end > start:
            _expect(_BYTES, wire, f"{name}: precompiled_charsmap", start)
            _check_charsmap(data[start:end], f"{name}: precompiled_charsmap")


def _check_charsmap(blob: bytes, name: str) -> None:
    """Check a normalisation table: a 4-byte size, a double-array trie of that size, NUL-terminated replacements.

    The library walks the trie without bounds: from unit ``p`` it reads unit ``p ^ offset ^ byte`` for any byte, and
    behind a match the replacement at the position that the leaf unit ``p ^ offset`` holds. So no unit that can be
    entered may lead outside, whatever the text. (Unit layout: the double-array library darts-clone.)
    """
    if len(blob) < 4:
        raise _DamageError(f"{name}: expected a 4-byte trie size, found {len(blob)} bytes")
    size = struct.unpack_from("<I", blob)[0]
    texts = blob[4 + size :]
    if size == 0 or size % 1024 or not texts:
        raise _DamageError(
            f"{name}: expected a trie of whole 1024-byte blocks and texts, found size {size} in {len(blob)}"
        )
    units = np.frombuffer(blob, "<u4", size // 4, 4)
    enterable = (units >> 31) == 0  # leaves carry the top bit, which no text byte matches
    offsets = (units >> 10) << ((units & 0x200) >> 6)
    targets = np.arange(len(units), dtype=np.int64) ^ offsets.astype(np.int64)
    if np.any(targets[enterable] >= len(units)):  # whole blocks: then every byte of the target's block is inside
        raise _DamageError(f"{name}: expected a trie that stays inside its {len(units)} units, found a step outside")
    leaves = targets[enterable & (((units >> 8) & 1) == 1)]
    starts = (units[leaves] & 0x7FFFFFFF).astype(np.int64)
    ends = np.flatnonzero(np.frombuffer(texts, np.uint8) == 0)
    if not len(ends) or ends[-1] != len(texts) - 1:
        raise _DamageError(f"{name}: expected replacements that end with NUL, found {texts[-1]:#04x} at the end")
    longest = int(np.max(np.diff(ends, prepend=-1))) - 1
    if longest > MAX_REPLACEMENT_BYTES:
        raise _DamageError(f"{name}: expected replacements of at most {MAX_REPLACEMENT_BYTES} bytes, found {longest}")
    if not np.all(np.isin(starts, np.concatenate([[0], ends[:-1] + 1]))):
        raise _DamageError(f"{name}: expected every leaf to name the start of a replacement, found another position")
    try:
        texts.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _DamageError(f"{name}: expected replacements in UTF-8, found {texts[error.start]:#04x}") from None


def _expect(expected: int, wire: int, name: str, start: int) -> None:
    if wire != expected:
        raise _DamageError(f"byte {start}: {name}: expected {_WIRE_NAMES[expected]}, found {_WIRE_NAMES[wire]}")


def _fields(data: bytes, span: Span, limit: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield ``(number, wire type, varint value, start, end)`` of the at most ``limit`` fields in a message."""
    position, end = span
    while position < end:
        at = position
        limit -= 1
        if limit < 0:
            raise _DamageError(f"byte {at}: expected fewer fields in the message, found one more")
        tag, position = _varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        value = 0
        if number == 0 or wire not in _WIRE_NAMES:
            raise _DamageError(f"byte {at}: expected a field, found tag {tag}")
        if wire == _VARINT:
            body = position
            value, position = _varint(data, position, end)
        else:
            length = 8 if wire == _FIXED64 else 4
            if wire == _BYTES:
                length, position = _varint(data, position, end)
            body = position
            if length > end - position:
                raise _DamageError(
                    f"byte {at}: expected {length} bytes of field {number}, found {end - position} (truncated?)"
                )
            position += length
        yield number, wire, value, body, position


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the variable-length integer at ``position`` and the position behind it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= end:
            raise _DamageError(f"byte {position}: expected more of a number, found the end (truncated?)")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _DamageError(f"byte {position}: expected a number of at most 64 bits, found more")
