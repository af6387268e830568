"""Tiny vocabularies for the golden tools: a SentencePiece model, word pieces, byte pairs. All made from one text."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import transformers
from golden_common import TEXT, replace, train_tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode


def write_sentencepiece(folder: Path, pieces: int) -> None:
    """Write ``spiece.model`` with the ids of released BertGeneration files, and what belongs to it."""
    model = train_tokenizer(pieces, bos_id=2, unk_id=3, bos_piece="<s>", user_defined_symbols=["<::::>"])
    replace(folder / "spiece.model", model)
    transformers.BertGenerationTokenizer(str(folder / "spiece.model"), model_max_length=32).save_pretrained(folder)


def write_word_pieces(folder: Path, size: int) -> int:
    """Write ``vocab.txt`` (special tokens, letters, the commonest words) and what belongs to it; return its size."""
    words = Counter(TEXT.lower().replace(".", " . ").replace(",", " , ").split())
    letters = sorted(set("".join(words)))
    common = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0])) if len(word) > 1]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *common]
    replace(folder / "vocab.txt", "".join(f"{piece}\n" for piece in pieces[:size]).encode())
    transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    return len(pieces[:size])


def write_byte_pairs(folder: Path, merges: int, limit: int) -> int:
    """Write ``vocab.json`` and ``merges.txt`` and what belongs to them; return the vocabulary's size.

    Bytes that the text lacks are left out, so other texts contain unknown tokens.
    """
    table = bytes_to_unicode()
    words = Counter(tuple(table[byte] for byte in f" {word}".encode()) for word in TEXT.split())
    letters = sorted({letter for word in words for letter in word})
    rules = []
    for _ in range(merges):
        pairs = Counter[tuple[str, str]]()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        rules.append(best)
        words = Counter({_merged(word, best): count for word, count in words.items()})
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *letters, *("".join(rule) for rule in rules), "<mask>"]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    replace(folder / "vocab.json", json.dumps(vocabulary).encode())
    lines = ["#version: 0.2", *(" ".join(rule) for rule in rules)]
    replace(folder / "merges.txt", "".join(f"{line}\n" for line in lines).encode())
    tokenizer = transformers.RobertaTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=limit
    )
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    parts: list[str] = []
    for letter in word:
        if parts and (parts[-1], letter) == pair:
            parts[-1] += letter
        else:
            parts.append(letter)
    return tuple(parts)
