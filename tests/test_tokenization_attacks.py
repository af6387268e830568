"""Damaged and hostile tokenizer folders: each is one clear TokenizerError, soon, with nothing big allocated."""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minipegasus.errors import TokenizerError
from minipegasus.tokenization import (
    AutoTokenizer,
    BertGenerationTokenizer,
    BertTokenizer,
    PegasusTokenizer,
    RobertaTokenizer,
)
from minipegasus.tokenization.spiece_file import MAX_FILE_BYTES, check_spiece

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "golden" / "tokenizer"
GOOD = (GOLDEN / "pegasus" / "spiece.model").read_bytes()


# -- a model file, field by field


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def piece(text: bytes, score: float = -1.0, kind: int | None = None) -> bytes:
    kind_field = b"" if kind is None else number_field(3, kind)
    return field(1, field(1, text) + b"\x15" + struct.pack("<f", score) + kind_field)


def units(*changes: tuple[int, int], count: int = 256) -> bytes:
    """Return a trie whose root, of offset 1, leads nowhere, with some units changed."""
    values = [1 << 10, *[1 << 31] * (count - 1)]
    for index, value in changes:
        values[index] = value
    return struct.pack(f"<{count}I", *values)


def table(trie: bytes, texts: bytes = b"x\0", size: int | None = None) -> bytes:
    return struct.pack("<I", len(trie) if size is None else size) + trie + texts


START = piece(b"<pad>", 0, 3) + piece(b"</s>", 0, 3) + piece(b"<unk>", 0, 2)
LETTERS = b"".join(piece(letter.encode()) for letter in "\u2581abcdefgh")
TRAINER = field(2, number_field(3, 1))
NORMALIZER = field(3, field(1, b"identity"))
END = TRAINER + NORMALIZER
SMALL = START + LETTERS + END


def with_table(blob: bytes) -> bytes:
    return START + LETTERS + TRAINER + field(3, field(2, blob))


# From the root the byte "a" leads to unit 0x61 ^ 1. It has label "a", a leaf and offset 1.
A_NODE = 0x61 | 1 << 8 | 1 << 10
A, LEAF = 0x61 ^ 1, 0x61

LEFT_TO_THE_LIBRARY = "bytes missing for byte fallback"
MODELS: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\x0a",
    "text": b"the quick brown fox",
    "a web page": b"<!DOCTYPE html><html><head><title>404</title></head></html>",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 1912529\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "compressed": gzip.compress(GOOD, mtime=0),
    "JSON": b'{"model": {"type": "Unigram"}}',
    "no pieces": END,
    "no unknown piece": piece(b"<pad>", 0, 3) + LETTERS + END,
    "two unknown pieces": START + piece(b"<unk2>", 0, 2) + END,
    "a piece twice": START + LETTERS + piece(b"a") + END,
    "an empty piece": START + piece(b"") + END,
    "a piece without text": START + field(1, b"\x15" + bytes(4)) + END,
    "a piece that overflows the stack": START + piece(b"a" * 200_000) + END,
    "a piece with NUL": START + piece(b"a\0b") + END,
    "a piece of NUL": START + piece(b"\0") + END,
    "a piece that is no UTF-8": START + piece(b"\xff\xfe") + END,
    "a piece with a surrogate": START + piece(b"\xed\xa0\x80") + END,
    "a score that is no number": START + piece(b"a", float("nan")) + END,
    "an endless score": START + piece(b"a", float("inf")) + END,
    "a score as varint": START + field(1, field(1, b"a") + number_field(2, 5)) + END,
    "a text as varint": START + field(1, number_field(1, 97)) + END,
    "a type out of range": START + piece(b"a", -1, 9) + END,
    "a huge type": START + piece(b"a", -1, 1 << 62) + END,
    "a piece of many fields": START + field(1, field(1, b"a") * 50) + END,
    "a piece as varint": START + number_field(1, 3) + END,
    "field number 0": START + b"\x02\x00" + END,
    "a group": START + b"\x0b\x0c" + END,
    "an unknown wire type": START + b"\x0f" + END,
    "a varint without end": START + b"\x08" + b"\xff" * 20 + END,
    "a length beyond the file": START + b"\x0a\xff\xff\xff\x7f",
    "a length of 2**63": START + b"\x0a" + varint(1 << 63) + END,
    "millions of fields": START + number_field(99, 1) * 2_000_000 + END,
    "too many pieces": START + b"".join(piece(b"%d" % i) for i in range(310_000)) + END,
    "no trainer_spec": START + LETTERS + NORMALIZER,
    "no normalizer_spec": START + LETTERS + TRAINER,
    "two normalizer_specs": SMALL + NORMALIZER,
    "an unknown model type": START + LETTERS + field(2, number_field(3, 9)) + NORMALIZER,
    "a trainer_spec cut off": START + LETTERS + field(2, b"\x1a\x50") + NORMALIZER,
    "a huge self test": SMALL + field(4, bytes(2_000_000)),
    "a table of three bytes": with_table(b"\1\2\3"),
    "a table without trie": with_table(table(b"")),
    "a table shorter than its trie": with_table(table(units(), size=1 << 20)),
    "a table whose trie is all of it": with_table(table(units(), b"")),
    "a trie size of 4 GB": with_table(table(units(), size=0xFFFFFC00)),
    "a trie of odd size": with_table(table(units()[:1000])),
    "a root that steps outside": with_table(table(units((0, 0x1FFFFF << 10)))),
    "a root that steps outside in blocks": with_table(table(units((0, 0x1FFFFF << 10 | 1 << 9)))),
    "a node that steps outside": with_table(table(units((A, 0x61 | 300 << 10)))),
    "a leaf beyond the texts": with_table(table(units((A, A_NODE), (LEAF, 1 << 31 | 500)))),
    "a leaf inside of a text": with_table(table(units((A, A_NODE), (LEAF, 1 << 31 | 1)), b"xyz\0")),
    "a bad leaf after a good one": with_table(
        table(units((A, A_NODE), (LEAF, 1 << 31), (A + 3, A_NODE + 1), (LEAF + 1, 1 << 31 | 1)), b"xyz\0")
    ),
    "a text without end": with_table(table(units((A, A_NODE), (LEAF, 1 << 31)), b"xyz")),
    "a text that blows up": with_table(table(units((A, A_NODE), (LEAF, 1 << 31)), b"x" * 100_000 + b"\0")),
    "texts that are no UTF-8": with_table(table(units((A, A_NODE), (LEAF, 1 << 31)), b"\xff\0")),
    "a bad denormalizer": SMALL + field(5, field(2, table(units((0, 0x1FFFFF << 10))))),
    "a table as varint": START + LETTERS + TRAINER + field(3, number_field(2, 1)),
    LEFT_TO_THE_LIBRARY: START + LETTERS + field(2, number_field(3, 1) + number_field(35, 1)) + NORMALIZER,
}


def refusal(call: Callable[[], object]) -> str:
    """Return the message with which ``call`` refuses; it must come within a second or so of this process's time."""
    began = time.process_time()
    with pytest.raises(TokenizerError) as caught:
        call()
    assert time.process_time() - began < 2
    return str(caught.value)


def test_the_small_model_is_good(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(SMALL)
    assert PegasusTokenizer.from_pretrained(tmp_path).tokenize("abc z") == ["\u2581", "a", "b", "c", "\u2581", "z"]
    replaced = with_table(table(units((A, A_NODE), (LEAF, 1 << 31)), b"b\0"))
    (tmp_path / "spiece.model").write_bytes(replaced)
    assert PegasusTokenizer.from_pretrained(tmp_path).tokenize("ac") == ["\u2581", "b", "c"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tokenizer", [PegasusTokenizer, BertGenerationTokenizer])
def test_damaged_model(name: str, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "spiece.model"
    path.write_bytes(MODELS[name])
    message = refusal(lambda: tokenizer.from_pretrained(tmp_path))
    assert message.startswith(str(path))
    assert "expected" in message
    assert "found" in message
    assert len(message) < 600 + len(str(path))
    if name != LEFT_TO_THE_LIBRARY:  # of another version it may crash: the check must see it
        assert refusal(lambda: check_spiece(MODELS[name], str(path))) == message


def test_truncated_model() -> None:
    # Every cut, with pieces whole or not; the last one is behind the field that the rest depends on.
    whole = START + LETTERS + END
    for length in range(len(whole)):
        refusal(lambda length=length: check_spiece(whole[:length], "spiece.model"))
    for length in range(0, len(GOOD), len(GOOD) // 97):
        refusal(lambda length=length: check_spiece(GOOD[:length], "spiece.model"))


def test_oversized_files_are_not_read(tmp_path: Path) -> None:
    for name in ("spiece.model", "tokenizer_config.json"):
        folder = tmp_path / name
        shutil.copytree(GOLDEN / "pegasus", folder)
        os.truncate(folder / name, 1 << 36)  # sparse
        tracemalloc.start()
        message = refusal(lambda folder=folder: PegasusTokenizer.from_pretrained(folder))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "expected at most" in message
        assert name in message
        assert str(1 << 36) in message
        assert peak < 1_000_000
    assert MAX_FILE_BYTES < 1 << 36


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "found no file" in refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert "found config.json" in refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path))
    assert "none of them" in refusal(lambda: AutoTokenizer.from_pretrained(tmp_path))
    (tmp_path / "spiece.model").mkdir()
    assert "spiece.model" in refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path))
    assert "no file" in refusal(lambda: PegasusTokenizer(tmp_path / "spiece.model"))
    assert "No such file" in refusal(lambda: PegasusTokenizer(tmp_path / "other.model"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "no file" in refusal(lambda: PegasusTokenizer(tmp_path / "pipe"))


# -- JSON

TOKEN = {"content": "<x>", "special": True}
CONFIGS: dict[str, Any] = {
    "not JSON": "{",
    "no UTF-8": b"\xff\xfe{}",
    "a list": "[]",
    "NaN": '{"model_max_length": NaN}',
    "infinity": '{"model_max_length": 1e999}',
    "twice": '{"offset": 1, "offset": 2}',
    "bottomless": "[" * 100_000,
    "bottomless object": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "many digits": '{"model_max_length": ' + "9" * 10_000 + "}",
    "offset text": {"offset": "103"},
    "offset negative": {"offset": -1},
    "offset huge": {"offset": 10**9},
    "offset boolean": {"offset": True},
    "offset fraction": {"offset": 0.5},
    "offset null": {"offset": None},
    "pad number": {"pad_token": 0},
    "pad null": {"pad_token": None},
    "pad list": {"pad_token": ["<pad>"]},
    "pad without content": {"pad_token": {"lstrip": True}},
    "pad content number": {"pad_token": {"content": 1}},
    "pad flag text": {"pad_token": {"content": "<pad>", "lstrip": "yes"}},
    "mask list": {"mask_token_sent": []},
    "additional text": {"additional_special_tokens": "<x>"},
    "additional numbers": {"additional_special_tokens": [1]},
    "additional twice": {"additional_special_tokens": ["<x>", "<x>"]},
    "additional shifted": {"additional_special_tokens": ["<unk_7>"]},
    "additional twice of many": {"offset": 65_536, "additional_special_tokens": ["<x>", "<x>"]},
    "additional shifted of many": {
        "offset": 65_536,
        "additional_special_tokens": [f"<unk_{i + 20_000}>" for i in range(15_000)],
    },
    "added list of text": {"added_tokens_decoder": ["<x>"]},
    "added text": {"added_tokens_decoder": {"5": "<x>"}},
    "added id text": {"added_tokens_decoder": {"five": TOKEN}},
    "added id negative": {"added_tokens_decoder": {"-5": TOKEN}},
    "added id huge": {"added_tokens_decoder": {str(2**40): TOKEN}},
    "added number": {"added_tokens_decoder": 5},
    "added flags": {"added_tokens_decoder": {"5": {"content": "<x>", "special": 1}}},
    "extra": {"extra_special_tokens": {"x": 1}},
    "length text": {"model_max_length": "512"},
    "length zero": {"model_max_length": 0},
    "length older name": {"max_len": "512"},
    "side": {"padding_side": "top"},
    "side list": {"truncation_side": []},
    "names": {"model_input_names": ["input_ids", "pixel_values"]},
    "names text": {"model_input_names": "input_ids"},
    "cleaning": {"clean_up_tokenization_spaces": "false"},
    "splitting": {"split_special_tokens": 1},
    "library options": {"sp_model_kwargs": {"model_file": "/etc/passwd"}},
    "library option": {"sp_model_kwargs": {"enable_sampling": "yes"}},
    "library list": {"sp_model_kwargs": []},
    "newline": {"newline": ""},
    "newline number": {"newline": 1},
}


def write(path: Path, content: Any) -> None:
    data = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.mark.parametrize("name", CONFIGS)
def test_damaged_config(name: str, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(SMALL)
    write(tmp_path / "tokenizer_config.json", CONFIGS[name])
    message = refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path))
    assert "expected" in message or "not JSON" in message or "twice" in message
    if isinstance(CONFIGS[name], dict) and not name.startswith(("pad null", "additional twice", "additional shifted")):
        assert message.startswith(str(tmp_path / "tokenizer_config.json"))
    assert len(message) < 600 + len(str(tmp_path))


def test_many_tokens_take_no_square_of_their_number(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(SMALL)
    tokens = [{"content": f"<x{i}>"} for i in range(25_000)]
    write(tmp_path / "special_tokens_map.json", {"additional_special_tokens": [*tokens, *tokens]})
    began = time.process_time()
    tokenizer = PegasusTokenizer.from_pretrained(tmp_path)
    assert time.process_time() - began < 4
    assert len(tokenizer.additional_special_tokens) == 25_001


def test_all_problems_of_a_config_at_once(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(SMALL)
    write(tmp_path / "tokenizer_config.json", {"offset": "x", "padding_side": 1, "eos_token": {}, "unheard_of": 1})
    message = refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path))
    assert "3 problems" in message
    assert all(name in message for name in ("offset", "padding_side", "eos_token"))


OLDER_FILES: dict[str, tuple[str, Any]] = {
    "map list": ("special_tokens_map.json", "[]"),
    "map value": ("special_tokens_map.json", {"pad_token": 7}),
    "map additional": ("special_tokens_map.json", {"additional_special_tokens": {"a": 1}}),
    "map additional value": ("special_tokens_map.json", {"additional_special_tokens": [None]}),
    "added value": ("added_tokens.json", {"<x>": "abc"}),
    "added float": ("added_tokens.json", {"<x>": 1.5}),
    "added negative": ("added_tokens.json", {"<x>": -1}),
    "added list": ("added_tokens.json", "[1]"),
    "fast added": ("tokenizer.json", {"added_tokens": [{"content": "<x>"}]}),
    "fast added text": ("tokenizer.json", {"added_tokens": "x"}),
    "fast added id": ("tokenizer.json", {"added_tokens": [{"id": "x", "content": "<x>"}]}),
    "fast not JSON": ("tokenizer.json", "{"),
}


@pytest.mark.parametrize("name", OLDER_FILES)
def test_damaged_older_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(SMALL)
    file, content = OLDER_FILES[name]
    write(tmp_path / file, content)
    assert refusal(lambda: PegasusTokenizer.from_pretrained(tmp_path)).startswith(str(tmp_path / file))


AUTO: dict[str, dict[str, Any]] = {
    "class": {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"}},
    "class number": {"tokenizer_config.json": {"tokenizer_class": 5}},
    "model type": {"config.json": {"model_type": "t5"}},
    "model type list": {"config.json": {"model_type": []}},
    "pair": {"config.json": {"model_type": "encoder-decoder", "encoder": {"model_type": "t5"}}},
    "pair without encoder": {"config.json": {"model_type": "encoder-decoder"}},
    "fast model": {"tokenizer.json": {"model": {"type": "Unigram"}}},
    "fast list": {"tokenizer.json": {"model": []}},
}


@pytest.mark.parametrize("name", AUTO)
def test_unknown_kind(name: str, tmp_path: Path) -> None:
    for file, content in AUTO[name].items():
        write(tmp_path / file, content)
    message = refusal(lambda: AutoTokenizer.from_pretrained(tmp_path))
    assert "expected" in message
    assert "found" in message


def test_configuration_runs_and_follows_nothing(tmp_path: Path) -> None:
    """Keys that name code and files are not followed: the folder's own model file is what is read."""
    shutil.copytree(GOLDEN / "pegasus", tmp_path / "good")
    path = tmp_path / "good" / "tokenizer_config.json"
    hostile = {
        "auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]},
        "vocab_file": "/etc/passwd",
        "tokenizer_file": "/etc/passwd",
        "special_tokens_map_file": "/etc/passwd",
        "init_inputs": ["/etc/passwd"],
        "name_or_path": "../../etc",
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | hostile))
    (tmp_path / "good" / "evil.py").write_text("raise SystemExit('executed')")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "good", trust_remote_code=True)
    assert tokenizer.encode("the man") == PegasusTokenizer.from_pretrained(GOLDEN / "pegasus").encode("the man")
    tokenizer.save_pretrained(tmp_path / "saved")
    assert not json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text()).keys() & hostile.keys()


VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"
IDS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6, "ab": 7}
MERGES = "#version: 0.2\na b\n"
WORDS = {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1}}
BPE = {"type": "BPE", "vocab": IDS, "merges": ["a b"]}
HALVES: dict[str, tuple[Any, dict[str, Any]]] = {
    "no files": (BertTokenizer, {}),
    "lines that are no UTF-8": (BertTokenizer, {"vocab.txt": b"[UNK]\n\xff\n"}),
    "no unknown piece": (BertTokenizer, {"vocab.txt": "a\nb\n"}),
    "no lines": (BertTokenizer, {"vocab.txt": ""}),
    "flag": (BertTokenizer, {"vocab.txt": VOCAB, "tokenizer_config.json": {"do_lower_case": "yes"}}),
    "another model": (BertTokenizer, {"tokenizer.json": {"model": BPE}}),
    "no model": (BertTokenizer, {"tokenizer.json": {}}),
    "another normalizer": (BertTokenizer, {"tokenizer.json": {"model": WORDS, "normalizer": {"type": "NFC"}}}),
    "no vocabulary": (
        BertTokenizer,
        {"tokenizer.json": {"model": {"type": "WordPiece"}, "normalizer": {"type": "BertNormalizer"}}},
    ),
    "no merges": (RobertaTokenizer, {"vocab.json": IDS}),
    "ids as text": (RobertaTokenizer, {"vocab.json": {"a": "0"}, "merges.txt": MERGES}),
    "negative ids": (RobertaTokenizer, {"vocab.json": IDS | {"a": -5}, "merges.txt": MERGES}),
    "a huge id": (RobertaTokenizer, {"vocab.json": IDS | {"a": 2**31}, "merges.txt": MERGES}),
    "a list": (RobertaTokenizer, {"vocab.json": "[]", "merges.txt": MERGES}),
    "three in a merge": (RobertaTokenizer, {"vocab.json": IDS, "merges.txt": MERGES + "a b c\n"}),
    "merges of numbers": (RobertaTokenizer, {"tokenizer.json": {"model": BPE | {"merges": [[1, 2]]}}}),
    "merges as text": (RobertaTokenizer, {"tokenizer.json": {"model": BPE | {"merges": "a b"}}}),
    "errors": (RobertaTokenizer, {"tokenizer.json": {"model": BPE}, "tokenizer_config.json": {"errors": "x"}}),
    "a merge of no pieces": (RobertaTokenizer, {"vocab.json": IDS, "merges.txt": MERGES + "x y\n"}),
}


@pytest.mark.parametrize("name", HALVES)
def test_damaged_halves(name: str, tmp_path: Path) -> None:
    tokenizer, files = HALVES[name]
    if name == "a merge of no pieces":  # this the library says
        pytest.importorskip("tokenizers")
    for file, content in files.items():
        write(tmp_path / file, content)
    message = refusal(lambda: tokenizer.from_pretrained(tmp_path))
    assert message.startswith(str(tmp_path))
    assert "expected" in message
    assert "found" in message


def test_passing_damage_does_not_crash() -> None:
    """A few hundred random damages, in a process of their own; tokenization_fuzz.py runs more."""
    command = [sys.executable, ROOT / "tests" / "tokenization_fuzz.py", GOLDEN / "pegasus" / "spiece.model", "0", "300"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=True
    )
    refused, used = map(int, done.stdout.split())
    assert refused > 100
    assert used > 20
