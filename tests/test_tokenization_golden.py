"""Replays golden/tokenizer: what transformers' slow tokenizers did, call by call."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minipegasus.tokenization import AutoTokenizer

FOLDER = Path(__file__).parent.parent / "golden" / "tokenizer"
CASES = json.loads((FOLDER / "cases.json").read_text())["cases"]
NEEDS_LIBRARY = {"bert", "roberta"}


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        assert value.dtype == np.int64
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", sorted({case["folder"] for case in CASES}))
def test_golden(name: str) -> None:
    if name in NEEDS_LIBRARY and not importlib.util.find_spec("tokenizers"):
        pytest.skip("needs minipegasus[tokenizers]")
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / name, use_fast=False)
    cases = [case for case in CASES if case["folder"] == name]
    assert len(cases) > 150
    for case in cases:
        before = json.dumps(case)
        found = getattr(tokenizer, case["method"])
        if callable(found):
            found = found(*case["arguments"], **case["options"])
        assert plain(found) == case["result"], case
        assert json.dumps(case) == before, "an argument was changed"


def test_sums() -> None:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert sums == {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.mark.parametrize("name", sorted({case["folder"] for case in CASES}))
def test_round_trip_of_files(name: str, tmp_path: Path) -> None:
    if name in NEEDS_LIBRARY and not importlib.util.find_spec("tokenizers"):
        pytest.skip("needs minipegasus[tokenizers]")
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / name, use_fast=False)
    written = tokenizer.save_pretrained(tmp_path)
    assert sorted(Path(path).name for path in written) == sorted(path.name for path in (FOLDER / name).iterdir())
    for path in (FOLDER / name).iterdir():
        if path.name == "tokenizer_config.json":
            config, again = json.loads(path.read_text()), json.loads((tmp_path / path.name).read_text())
            config.pop("do_basic_tokenize", None)  # the library knows no other way
            again.pop("do_basic_tokenize", None)
            assert {**config, "never_split": None} == {**again, "never_split": None}
        else:
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
