"""Damages a SentencePiece file in many ways; a damage that the check lets pass must not crash the library.

Run as a script (a crash ends the process): ``python tests/tokenization_fuzz.py FILE FIRST_SEED COUNT``. Prints how many
were refused and how many were loaded and used.
"""

import random
import struct
import sys
from pathlib import Path

from minipegasus.errors import TokenizerError
from minipegasus.tokenization.sentencepiece_backend import SentencePieceModel
from minipegasus.tokenization.spiece_file import check_spiece

TEXTS = [
    "the man wrote one line",
    "\ufb01\uff21\u00bd e\u0301 \u33bf\u3000",
    "\u2603\x00\x01</s><n>" * 20,
    "\U0001f600" * 50,
    "",
]


def damage(data: bytes, rng: random.Random, charsmap: range) -> bytes:
    """Return ``data`` with one kind of damage."""
    changed = bytearray(data)
    kind = rng.randrange(7)
    if kind == 0:  # bits anywhere but in the table, which is most of the file
        outside = len(data) - len(charsmap)
        for _ in range(rng.randint(1, 4)):
            position = rng.randrange(outside)
            changed[position if position < charsmap.start else position + len(charsmap)] ^= 1 << rng.randrange(8)
    elif kind == 1:  # units of the trie
        for _ in range(rng.randint(1, 3)):
            position = charsmap.start + 4 * rng.randrange(len(charsmap) // 4)
            struct.pack_into("<I", changed, position, rng.getrandbits(32))
    elif kind == 2:  # bits of the table
        for _ in range(rng.randint(1, 3)):
            changed[rng.choice(charsmap)] ^= 1 << rng.randrange(8)
    elif kind == 3:
        del changed[rng.randrange(len(data)) :]
    elif kind == 4:  # a stretch lost or doubled
        start = rng.randrange(len(data))
        stretch = changed[start : start + rng.randint(1, 40)]
        changed[start : start + (len(stretch) if rng.random() < 0.5 else 0)] = (
            b"" if rng.random() < 0.5 else stretch * 2
        )
    elif kind == 5:  # lengths and varints
        changed[rng.randrange(charsmap.start)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
    else:  # the table's texts
        position = charsmap.stop - rng.randint(1, 3000)
        changed[position] = rng.choice([0, 0x80, 0xFF, 0x41])
    return bytes(changed)


def charsmap_range(data: bytes) -> range:
    """Return where the normalisation table of a model with pieces before it stands."""
    size_at = data.index(b"nmt_nfkc\x12") + 9
    length = shift = 0
    while True:
        byte = data[size_at]
        size_at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return range(size_at + 4, size_at + length)


def main(path: str, first: int, count: int) -> None:
    data = Path(path).read_bytes()
    charsmap = charsmap_range(data)
    refused = used = 0
    for seed in range(first, first + count):
        try:
            file = check_spiece(damage(data, random.Random(seed), charsmap), "spiece.model")
            model = SentencePieceModel(file, "spiece.model", {})
        except TokenizerError:
            refused += 1
            continue
        for text in TEXTS:
            pieces = model.encode(text)
            model.decode(pieces)
        model.decode(model.pieces)
        used += 1
    print(refused, used)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
