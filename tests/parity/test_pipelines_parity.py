"""Pipelines beside a live transformers: same records for the same folder."""

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from use_folders import BLOCKS, make_folder, make_pair

import minipegasus

from .reference import transformers

pytestmark = pytest.mark.parity

TEXTS = ["The man was here.", "A cache keeps the results of a function.", "It is the lock of the table."]
PROSE = (
    "The cache keeps results, of a function; under its arguments: so that calls (with the same ones) need no second "
    "computation. An entry's dropped when the table is full \N{EM DASH} the least recently used one. Statistics count "
    "hits and misses, 1024 of them at most. Is it thread-safe? Yes, a lock protects it."
)
WORDS = PROSE.split()


def both(task: str, folder: Path, use_fast: bool = False, **options: Any) -> tuple[Any, Any]:
    """Return the reference's pipeline and ours over one folder."""
    theirs = transformers.pipeline(task, model=str(folder), device="cpu", use_fast=use_fast, **options)
    return theirs, minipegasus.pipeline(task, model=folder, **options)


def assert_close(found: Any, expected: Any) -> None:
    """Compare nested lists of records; scores to rounding, everything else exactly."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
        return
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key == "score":
            assert found[key] == pytest.approx(value, rel=2e-5, abs=1e-7)
        elif key.endswith("_token_ids"):
            np.testing.assert_array_equal(found[key], value.numpy())
        else:
            assert found[key] == value


@pytest.fixture(scope="module")
def generating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("generating"), num_beams=3, max_length=14, length_penalty=0.8, seed=4)


@pytest.mark.parametrize(
    ("task", "init"),
    [
        ("summarization", {}),
        ("summarization", {"max_length": 12, "truncation": True}),
        ("text2text-generation", {"num_beams": 2, "length_penalty": 2.0}),
        ("translation", {"num_beams": 1}),
    ],
)
def test_text_to_text(task: str, init: dict[str, Any], generating: Path) -> None:
    theirs, ours = both(task, generating, **init)
    settings = [pipe.generation_config.to_diff_dict() for pipe in (theirs, ours)]
    for one in settings:
        one.pop("_from_model_config", None)
    assert settings[0] == settings[1]
    for call in (
        {},
        {"max_length": 9, "min_length": 6},
        {"num_return_sequences": 2},
        {"batch_size": 2},
        {"num_beams": 1},
        {"max_new_tokens": 5},
        {"return_tensors": True},
        {"return_text": False},
        {"clean_up_tokenization_spaces": True},
    ):
        for inputs in (TEXTS[0], TEXTS, TEXTS[:1]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = theirs(inputs, **call)
                assert_close(ours(inputs, **call), expected)
    assert_close(list(ours(iter(TEXTS))), list(theirs(text for text in TEXTS)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_close(ours(TEXTS, stop_sequence="the"), theirs(TEXTS, stop_sequence="the"))


def test_text_to_text_without_settings_of_the_models_own(tmp_path: Path) -> None:
    make_folder(tmp_path, max_position_embeddings=300, seed=9)
    theirs, ours = both("summarization", tmp_path)
    assert_close(ours(TEXTS[0], max_new_tokens=9), theirs(TEXTS[0], max_new_tokens=9))
    assert ours.generation_config.max_new_tokens == theirs.generation_config.max_new_tokens == 256


def test_prefix_and_task_specific_params(tmp_path: Path) -> None:
    params = {"summarization": {"prefix": "the man ", "max_length": 8, "num_beams": 2}}
    make_folder(tmp_path, max_length=12, num_beams=3, task_specific_params=params)
    theirs, ours = both("summarization", tmp_path)
    assert_close(ours(TEXTS), theirs(TEXTS))


@pytest.mark.parametrize("kind", ["bert_generation", "bert", "roberta"])
def test_pairs_of_encoder_and_decoder(kind: str, tmp_path: Path) -> None:
    make_pair(tmp_path, kind, max_length=12, num_beams=2, seed=1)
    theirs, ours = both("text2text-generation", tmp_path, use_fast=kind != "bert_generation")
    for call in ({}, {"num_beams": 3, "batch_size": 2}, {"return_tensors": True}):
        assert_close(ours(TEXTS, **call), theirs(TEXTS, **call))


@pytest.mark.parametrize(
    ("values", "init"),
    [
        ({"num_labels": 3}, {}),
        ({"num_labels": 3}, {"return_all_scores": True}),
        ({"num_labels": 1}, {"top_k": None}),
        ({"num_labels": 4, "problem_type": "multi_label_classification"}, {"top_k": 2}),
        ({"num_labels": 1, "problem_type": "regression"}, {}),
        ({"num_labels": 3}, {"function_to_apply": "none"}),
    ],
)
def test_classification(values: dict[str, Any], init: dict[str, Any], tmp_path: Path) -> None:
    make_folder(tmp_path, "BigBirdPegasusForSequenceClassification", **BLOCKS, **values)
    pair = {"text": TEXTS[0], "text_pair": TEXTS[1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = both("text-classification", tmp_path, **init)
        for call in (
            {},
            {"top_k": 1},
            {"top_k": None},
            {"top_k": 2, "function_to_apply": "sigmoid"},
            {"truncation": True, "max_length": 6},
            {"return_all_scores": False},
            {"batch_size": 2},
        ):
            for inputs in (TEXTS[0], TEXTS, TEXTS[:1], pair, [pair, pair], [[[TEXTS[0], TEXTS[1]]]]):
                # A short text would switch the reference's model to full attention for good.
                theirs.model.model.encoder.set_attention_type("block_sparse")
                assert_close(ours(inputs, **call), theirs(inputs, **call))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_question_answering(tmp_path: Path) -> None:
    """As with the reference's fast tokenizer, which its pipeline picks by default: the slow one crashes it."""
    make_folder(tmp_path, "BigBirdPegasusForQuestionAnswering", **BLOCKS, seed=2)
    theirs, ours = both("question-answering", tmp_path, use_fast=True)
    rng = random.Random(3)
    calls: list[dict[str, Any]] = [
        {},
        {"top_k": 3},
        {"max_seq_len": 60, "doc_stride": 20},
        {"max_answer_len": 3, "top_k": 2},
        {"handle_impossible_answer": True},
        {"padding": "max_length", "max_seq_len": 100, "doc_stride": 10},
        {"max_seq_len": 50, "doc_stride": 11, "batch_size": 3},
        {"align_to_words": False, "top_k": 2},
    ]
    for i in range(48):
        context = " ".join(rng.choice(WORDS) for _ in range(rng.randint(12, 120)))
        question = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 6)))
        call = {"question": question, "context": context, **calls[i % len(calls)]}
        theirs.model.model.encoder.set_attention_type("block_sparse")
        expected = theirs(**call)
        assert_close(ours(**call), expected)
    pairs = {"question": ["What?", "Who was it?"], "context": " ".join(WORDS)}
    theirs.model.model.encoder.set_attention_type("block_sparse")
    assert_close(ours(**pairs), theirs(**pairs))
