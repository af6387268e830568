"""Texts and SentencePiece models for the tokenizer tests: what they train on, what they encode, how models differ."""

import argparse
import asyncio
import collections
import io
import json
import random
import re
import string
import textwrap
import typing
import unittest
from collections.abc import Iterator
from typing import Any

# What users type and paste, and what breaks tokenizers.
ODD_TEXTS = [
    "",
    " ",
    "\n",
    "\t \r\n",
    "the man",
    "  leading, trailing  and   inner   spaces ",
    "first line\nsecond line\r\nthird\n\n\nlast",
    "no-break\u00a0space, ideographic\u3000space, thin\u2009space, zero\u200bwidth\ufeff",
    "a\u2581b \u2581c \u2581\u2581",  # the character that stands for a space in pieces
    "NUL\x00inside \x01\x02\x1f controls \x7f\x80\x9f",
    "combining e\u0301 a\u030a\u0323 z\u0335\u0336\u0337 and precomposed \u00e9 \u00e5",
    "ligatures \ufb01 \ufb03, full width \uff21\uff22\uff23\uff1c\uff0fs\uff1e",
    "circled \u2460 \u3392, \u00bd \u2122 \u1d5e",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea",
    "\u2764\ufe0f \U0001f44d\U0001f3fd glued\U0001f680together",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002\u6211\u4eec\u53bb\u516c\u56ed\u5427\uff01",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3001\u534a\u89d2\uff76\uff85\u3068\u5168\u89d2\u30ab\u30ca",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5\uc785\ub2c8\ub2e4. \u1112\u1161\u11ab",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, \u202bRTL\u202c mark\u200f",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u0915\u094d\u0937",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0e01\u0e33\u0e25\u0e31\u0e07",
    "\u039f\u0394\u039f\u03a3 \u03c3\u03c2, \u0130stanbul \u0131, stra\u00dfe STRASSE",
    "\u0410\u0431\u0432\u0433\u0434 \u0451\u0436\u0438\u043a",
    "\ufdfa \u33bf \u01c4 \u1e9b\u0323",  # one character that normalises to many
    "unknown \u2603 \u2603\u2603 x\u2603y \u2603 \u2604\u2605 glued\u2606to\u2607words",
    "\U000e0001\U0010ffff\ue000 private and \ufffe\uffff not characters \ufffd",
    "</s>",
    "the</s>man",
    "the </s> man <pad><pad> <unk> <s> x",
    "the<mask_1>man <mask_2> of <mask_2>, <mask_3> <mask_1",
    "<unk_2><unk_102><unk_103> <unk_1> <unk_7>x<unk_77>",
    "<n> a<n>b <n><n> c <n",
    "[MASK] a[MASK]b  [SEP] [CLS]x [PAD] [UNK] <::::>y",
    "\uff1c/s\uff1e \uff1cpad\uff1e",  # becomes </s> and <pad> only after normalisation
    "don't it's I'm we've they're isn't , . ! ? ' x ' 's",
    "http://example.org/a?b=c&d=%20#e user@example.com C:\\path\\file 1,234.56e-7 $5 #tag @name",
    "def f(x):\n    return {'a': [1, 2, 3], \"b\": None}  # <html><b>bold</b></html>",
    "AbCdEf ALLCAPS cAmElCaSe snake_case kebab-case",
    "a" * 3000,
    "ab" * 700 + " " + "\u4e2d" * 500 + " " + "\u2603" * 300,
    " ".join(f"word{i}" for i in range(400)),
    "\u0301\u0301 starts with a combining mark",
    "x\u200dy\u200cz \u00adsoft\u00adhyphen \u2028line\u2029paragraph\x0b\x0c\x85",
]

# Without the very long ones and those of nothing but marks.
LIVELY_TEXTS = ODD_TEXTS[: ODD_TEXTS.index("a" * 3000)]

_ALPHABETS = [
    string.ascii_letters + "     ",
    string.printable,
    "etaoin shrdlu",
    "\u00e9\u00e8\u00fc\u00f6\u00df\u00f1\u00e7\u0153 \u0301\u0308\u0323",
    "\u4e00\u4e2d\u56fd\u65e5\u672c\u3042\u30a2\uff71\uff9e\u3002\u3000",
    "\u0627\u0628\u062a\u05d0\u05d1\u05d2\u200f\u200e\u202b ",
    "\U0001f600\U0001f468\u200d\ufe0f\U0001f3fd\u2603\u2764 ",
    "\u2581\u200b\u00a0\u2009\ufeff\x00\x01\t\n\r ",
    "\u0915\u094d\u0937\u093f\u0e01\u0e33\u0e31\uac00\u1100\u1161\u11a8",
]
_WORDS = ("the", "man", "was", "here", "of", "\u2581the", "<n>", "</s>", "<pad>", "<unk>", "<unk_5>", "<mask_1>", "<s>")


def random_texts(count: int, seed: str) -> Iterator[str]:
    """Yield texts of every length up to a paragraph, from mixed alphabets and with special tokens among them."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 6)):
            kind = rng.random()
            if kind < 0.2:
                parts.append(rng.choice(_WORDS))
            elif kind < 0.4:
                parts.append(rng.choice(training_lines())[: rng.randint(1, 80)])
            elif kind < 0.9:
                alphabet = rng.choice(_ALPHABETS)
                parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 25))))
            else:
                parts.append("".join(chr(_scalar(rng)) for _ in range(rng.randint(1, 8))))
        yield rng.choice(["", " ", " ", "\n"]).join(parts)


def _scalar(rng: random.Random) -> int:
    value = rng.randrange(0x10FFFF - 0x800 + 1)
    return value if value < 0xD800 else value + 0x800


_LINES: list[str] = []


def training_lines() -> list[str]:
    """Documentation strings of the standard library, and the texts above: what models are trained on."""
    if not _LINES:
        modules = (argparse, asyncio, collections, io, json, random, re, string, textwrap, typing, unittest)
        objects: list[object] = list(modules)
        objects += [member for module in modules for _, member in sorted(vars(module).items()) if callable(member)]
        docs = [doc for item in objects if isinstance(doc := getattr(item, "__doc__", None), str)]
        lines = [line.strip() for doc in docs for line in doc.splitlines()]
        seen = dict.fromkeys(line for line in lines if 10 < len(line) < 200)
        _LINES.extend([*seen, *(text.replace("\x00", "") for text in LIVELY_TEXTS[4:] if "\n" not in text)])
    return _LINES


# Pegasus' own: <pad> 0, </s> 1, <unk> 2 and no <s>.
PEGASUS_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}

# How models of the field differ, one name a kind.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "newline": {"user_defined_symbols": ["<n>"]},
    "bytes": {"byte_fallback": True, "vocab_size": 900},
    "identity": {"normalization_rule_name": "identity"},
    "folded": {"normalization_rule_name": "nmt_nfkc_cf"},
    "no_prefix": {"add_dummy_prefix": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "spaces": {"remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True},
    "symbols": {"user_defined_symbols": ["<mask_1>", "[MASK]", "<n>", "the man"], "control_symbols": ["<ctl>"]},
    "named": {"control_symbols": ["<s>", "[CLS]", "[SEP]"], "user_defined_symbols": ["[MASK]", "<::::>"]},
    "default_ids": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
    "unk_late": {"unk_id": 5, "user_defined_symbols": ["<x>", "<y>", "<z>"]},
    "unk_named": {"unk_piece": "[UNK]", "pad_piece": "[PAD]", "unk_surface": " ?? "},
    "bpe": {"model_type": "bpe"},
    "bpe_bytes": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 900, "split_digits": True},
    "char": {"model_type": "char"},
    "word": {"model_type": "word"},
}


def train(**options: Any) -> bytes:
    """Return the file of a SentencePiece model trained on the lines above."""
    import sentencepiece

    settings = {"vocab_size": 600, "hard_vocab_limit": False, "character_coverage": 0.999, **PEGASUS_IDS, **options}
    if settings.get("model_type") in ("char", "word"):
        settings["use_all_vocab"] = False
    if settings.get("model_type") == "bpe":
        settings.pop("hard_vocab_limit")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_lines()), model_writer=model, num_threads=1, minloglevel=2, **settings
    )
    return model.getvalue()
