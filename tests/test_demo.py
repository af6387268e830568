"""The bundled demo model: its size, its card, and the ids that transformers gets from the same folder."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from minipegasus.demo import folder

EXPECTED = json.loads((Path(__file__).parent / "data" / "demo_expected.json").read_text("utf-8"))
LIMIT = 8_000_000  # bytes
MODEL_FILES = {
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "sample.txt",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer_config.json",
}


@pytest.fixture(scope="module")
def card():
    return (folder() / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def model():
    from minipegasus import PegasusForConditionalGeneration

    return PegasusForConditionalGeneration.from_pretrained(folder())


@pytest.fixture(scope="module")
def tokenizer():
    from minipegasus import PegasusTokenizer

    return PegasusTokenizer.from_pretrained(folder())


def test_folder_is_complete_and_small():
    files = {path.name: path.stat().st_size for path in folder().iterdir() if path.is_file()}
    assert set(files) - {"__init__.py"} == MODEL_FILES
    assert sum(files.values()) <= LIMIT


def test_weights_are_the_ones_the_ids_were_recorded_from():
    weights = (folder() / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == EXPECTED["weights_sha256"]


def scores(card):
    """Return ROUGE-1, -2 and -L of the model and of the first sentence."""
    rows = dict(re.findall(r"^\| (model|first sentence) \| (.*) \|$", card, re.MULTILINE))
    ours, theirs = ([float(cell) for cell in rows[name].split(" | ")] for name in ("model", "first sentence"))
    assert len(ours) == len(theirs) == 3
    assert all(0 < score < 100 for score in ours + theirs)
    return ours, theirs


def test_card_shows_that_the_model_beats_the_first_sentence(card):
    ours, theirs = scores(card)
    assert all(our > their for our, their in zip(ours, theirs, strict=True))


def test_card_names_every_package_with_version_and_licence(card):
    corpus = Path(__file__).parents[1] / "tools" / "demo_corpus.txt"
    if not corpus.exists():
        pytest.skip("the tools are not in this tree")
    lines = [line for line in corpus.read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        name, version, licence = re.fullmatch(r"(\S+)==(\S+)\s+# (.+)", line).groups()
        assert f"| {name} | {version} | {licence} |" in card


def test_card_has_five_samples(card):
    assert len(re.findall(r"^   \*\*model: .+\*\*$", card, re.MULTILINE)) == 5


@pytest.mark.parametrize("case", EXPECTED["cases"], ids=lambda case: case["summary"][:30])
def test_ids_equal_those_of_transformers(model, tokenizer, case):
    ids = tokenizer(case["text"], truncation=True)["input_ids"]
    assert ids == case["input_ids"]
    rows = np.array([ids])
    assert np.asarray(model.generate(rows, num_beams=1, early_stopping=False))[0].tolist() == case["greedy"]
    beams = np.asarray(model.generate(rows))[0].tolist()
    assert beams == case["beams"]
    assert tokenizer.decode(beams, skip_special_tokens=True) == case["summary"]
