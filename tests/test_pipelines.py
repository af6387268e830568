"""Pipelines: the forms of input and output that transformers had before version 5, options, refusals.

The numbers are compared with a live transformers in tests/parity/test_pipelines_parity.py.
"""

import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from use_folders import BLOCKS, make_folder, make_pair

from minipegasus import (
    BigBirdPegasusForQuestionAnswering,
    ConfigError,
    InputError,
    PegasusForConditionalGeneration,
    PegasusTokenizer,
    pipeline,
    summarize,
)
from minipegasus.models.pipelines.classification import _FUNCTIONS
from minipegasus.models.pipelines.question_answering import QuestionAnsweringPipeline

TEXTS = ["The man was here.", "A cache keeps the results of a function.", "It is the lock of the table."]
CONTEXT = "The man was here. A cache keeps the results of a function; it is the lock of the table. " * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("text2text"), num_beams=3, max_length=9)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> QuestionAnsweringPipeline:
    folder = make_folder(tmp_path_factory.mktemp("spans"), "BigBirdPegasusForQuestionAnswering", **BLOCKS)
    found = pipeline("question-answering", model=folder)
    assert isinstance(found, QuestionAnsweringPipeline)
    return found


def classifier(folder: Path, **values: Any) -> Any:
    make_folder(folder, "BigBirdPegasusForSequenceClassification", **BLOCKS, **values)
    return pipeline("text-classification", model=folder)


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("summarization", "summary"),
        ("text2text-generation", "generated"),
        ("translation", "translation"),
        ("translation_en_to_fr", "translation"),
    ],
)
def test_text_to_text_forms(task: str, key: str, folder: Path) -> None:
    pipe = pipeline(task, model=folder)
    one = pipe(TEXTS[0])
    assert [list(record) for record in one] == [[f"{key}_text"]]
    many = pipe(TEXTS)
    assert many == [pipe(text)[0] for text in TEXTS]
    assert pipe(tuple(TEXTS)) == many == pipe(TEXTS, batch_size=2)
    lazy = pipe(text for text in TEXTS)
    assert isinstance(lazy, Iterator)
    assert list(lazy) == [[record] for record in many]
    several = pipe(TEXTS, num_return_sequences=2)
    assert [len(records) for records in several] == [2, 2, 2]
    assert several == [pipe(text, num_return_sequences=2) for text in TEXTS]
    ids = pipe(TEXTS[0], return_tensors=True)[0][f"{key}_token_ids"]
    assert ids.dtype == np.int64
    assert pipe.tokenizer.decode(ids, skip_special_tokens=True) == one[0][f"{key}_text"]


def test_settings_come_from_the_call_then_the_pipeline_then_the_model(folder: Path) -> None:
    def length(**settings: Any) -> int:
        return len(pipe(TEXTS[0], return_tensors=True, **settings)[0]["summary_token_ids"])

    pipe = pipeline("summarization", model=folder)
    assert pipe.generation_config.num_beams == 4
    assert pipe.generation_config.max_new_tokens is None
    assert length(min_length=9) == 9
    assert length(max_length=6, min_length=6) == 6
    pipe = pipeline("summarization", model=folder, max_length=7, min_length=7, num_beams=2)
    assert pipe.generation_config.num_beams == 2
    assert length() == 7
    assert length(max_length=8, min_length=8) == 8
    assert pipe.model.generation_config.max_length == 9


def test_a_model_without_a_length_gets_the_pipelines(tmp_path: Path) -> None:
    pipe = pipeline("summarization", model=make_folder(tmp_path, max_position_embeddings=300))
    assert pipe.generation_config.max_new_tokens == 256
    pipe = pipeline("summarization", model=make_folder(tmp_path, max_position_embeddings=30))
    with pytest.warns(UserWarning, match="found 257"), pytest.raises(InputError, match="found position 30"):
        pipe(TEXTS[0], min_new_tokens=256)


def test_task_specific_params_and_prefix(folder: Path, tmp_path: Path) -> None:
    params = {"summarization": {"prefix": "the man ", "max_length": 5, "num_beams": 1}}
    make_folder(tmp_path, max_length=9, num_beams=3, task_specific_params=params)
    pipe, plain = pipeline("summarization", model=tmp_path), pipeline("summarization", model=folder)
    assert pipe("was here") == plain("the man was here", max_length=5, num_beams=1)
    assert pipe.model.config.task_specific_params == params
    assert pipeline("text2text-generation", model=tmp_path).generation_config.max_length == 9


def test_long_texts_are_refused_or_truncated(folder: Path, tmp_path: Path) -> None:
    pipe, long = pipeline("summarization", model=folder), "the man " * 60
    with pytest.raises(InputError):
        pipe(long)
    pipe.tokenizer.model_max_length = 40
    first = pipe.tokenizer.decode(pipe.tokenizer(long, truncation=True).input_ids, skip_special_tokens=True)
    assert pipe(long, truncation=True) == pipe(first)
    pipe.tokenizer.model_max_length = int(1e30)
    assert pipe(long, truncation=True) == pipe(first)
    assert pipeline("summarization", model=folder, tokenizer=pipe.tokenizer, truncation=True)(long) == pipe(first)


def test_a_stop_sequence_ends_the_text(folder: Path) -> None:
    pipe = pipeline("text2text-generation", model=folder)
    options: dict[str, Any] = {"num_beams": 1, "return_tensors": True}
    ids = pipe(TEXTS[0], **options)[0]["generated_token_ids"].tolist()
    pipe.tokenizer.encode = lambda text, **_: [ids[2]]
    stopped = pipe(TEXTS[0], stop_sequence="x", **options)[0]["generated_token_ids"].tolist()
    assert stopped == ids[: ids.index(ids[2]) + 1]
    pipe.tokenizer.encode = lambda text, **_: [ids[2], 7]
    with pytest.warns(UserWarning, match="has 2 tokens, only the first one stops"):
        pipe(TEXTS[0], stop_sequence="xy")


def test_a_default_value_given_to_the_pipeline_does_not_count(folder: Path) -> None:
    """As in the reference: the model's own 3 beams come back at the call, which alone can set the default."""
    one, three = (pipeline("summarization", model=folder, num_beams=beams) for beams in (1, 3))
    assert one(TEXTS) == three(TEXTS)
    assert one(TEXTS, num_beams=1) != three(TEXTS)


@pytest.mark.filterwarnings("ignore:min_length")
def test_likely_mistakes_are_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        pipeline("summarization", model=folder)("the", min_length=20, max_length=12)
        pipeline("translation", model=folder)(TEXTS[1])
    assert "min_length is 20, expected no more than max_length, which is 12" in caplog.text
    assert "max_length is 12 although the input has only" in caplog.text
    assert "is much for a max_length of 9" in caplog.text


def test_pairs_of_encoder_and_decoder(tmp_path: Path) -> None:
    make_pair(tmp_path, max_length=8)
    pipe = pipeline("text2text-generation", model=tmp_path)
    assert pipe(TEXTS, batch_size=2) == [pipe(text)[0] for text in TEXTS]
    assert summarize(TEXTS[0], tmp_path, num_beams=4) == pipe(TEXTS[0])[0]["generated_text"]
    with pytest.warns(UserWarning, match="the model reads 42"):
        summarize("the man " * 50, tmp_path)


def test_classification_forms(tmp_path: Path) -> None:
    pipe = classifier(tmp_path, id2label={"0": "bad", "1": "fair", "2": "good"})
    one = pipe(TEXTS[0])
    assert isinstance(one, list)
    assert list(one[0]) == ["label", "score"]
    assert isinstance(one[0]["score"], float)
    many = pipe(TEXTS)
    assert [[record] for record in many] == [pipe(text) for text in TEXTS]
    ranked = pipe(TEXTS[0], top_k=None)
    assert {record["label"] for record in ranked} == {"bad", "fair", "good"}
    assert ranked == sorted(ranked, key=lambda record: -record["score"])
    assert sum(record["score"] for record in ranked) == pytest.approx(1)
    assert ranked[:1] == one == pipe(TEXTS[0], top_k=1)
    assert pipe(TEXTS, top_k=2) == [pipe(text, top_k=2) for text in TEXTS]
    pair = {"text": TEXTS[0], "text_pair": TEXTS[1]}
    assert pipe(pair) == pipe([pair])[0] == pipe([[[TEXTS[0], TEXTS[1]]]])[0]
    assert pipe(pair) != one[0]
    assert list(pipe(text for text in TEXTS)) == many
    assert pipe(TEXTS[1], truncation=True, max_length=3) == pipe(TEXTS[1], truncation="longest_first", max_length=3)


@pytest.mark.parametrize(
    ("values", "function"),
    [
        ({"num_labels": 1}, "sigmoid"),
        ({"num_labels": 1, "problem_type": "regression"}, "none"),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "sigmoid"),
        ({"num_labels": 3}, "softmax"),
    ],
)
def test_scores_fit_the_problem(values: dict[str, Any], function: str, tmp_path: Path) -> None:
    pipe = classifier(tmp_path, **values)
    assert pipe(TEXTS) == pipe(TEXTS, function_to_apply=function)
    logits = pipe.model(**pipe.tokenizer(TEXTS[0], return_tensors="np")).logits[0]
    expected = {
        "none": logits,
        "sigmoid": 1 / (1 + np.exp(-logits)),
        "softmax": np.exp(logits) / np.exp(logits).sum(),
    }[function]
    assert pipe(TEXTS[0])[0]["score"] == pytest.approx(expected.max(), rel=1e-5)


def test_return_all_scores_still_works(tmp_path: Path) -> None:
    pipe = classifier(tmp_path, num_labels=3)
    with pytest.warns(UserWarning, match="top_k=None replaces True"):
        found = pipe(TEXTS[0], return_all_scores=True)
    assert [record["label"] for record in found[0]] == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_answers_are_parts_of_the_text(answering: QuestionAnsweringPipeline) -> None:
    for options in ({}, {"max_seq_len": 40, "doc_stride": 8}, {"align_to_words": False}, {"batch_size": 3}):
        for answer in answering(question="Who was here?", context=CONTEXT, top_k=4, **options):
            assert sorted(answer) == ["answer", "end", "score", "start"]
            assert CONTEXT[answer["start"] : answer["end"]] == answer["answer"]
            assert 0 <= answer["score"] <= 1.5
            if options == {}:
                assert CONTEXT[answer["start"] - 1] in " C" or answer["start"] == 0
                assert CONTEXT[answer["end"] : answer["end"] + 1] in ("", " ")


def test_question_answering_forms(answering: QuestionAnsweringPipeline) -> None:
    question = "Who was here?"
    one = answering(question=question, context=CONTEXT)
    assert isinstance(one, dict)
    example = {"question": question, "context": CONTEXT}
    assert one == answering(example) == answering([example]) == answering(question, CONTEXT)
    other = answering(question="What?", context=CONTEXT)
    assert answering(question=[question, "What?"], context=CONTEXT) == [one, other]
    assert answering(question=[question, "What?"], context=[CONTEXT, CONTEXT]) == [one, other]
    assert answering(example, {"question": "What?", "context": CONTEXT}) == [one, other]
    assert len(answering(**example, top_k=3)) == 3
    assert answering(**example, top_k=3)[0]["score"] >= one["score"]


def test_windows_cover_the_context_and_overlap(answering: QuestionAnsweringPipeline) -> None:
    tokens = answering.tokenizer.encode(CONTEXT, add_special_tokens=False)
    windows = list(answering._windows("Who?", CONTEXT, 30, 7, None))
    question = answering.tokenizer.encode("Who?", add_special_tokens=False)
    room = 30 - len(question) - 1
    covered: list[int] = []
    for i, window in enumerate(windows):
        ids = [token.id for token in window.tokens]
        assert window.question_ids == question
        assert ids == tokens[i * (room - 7) : i * (room - 7) + room]
        covered[i * (room - 7) :] = ids
    assert covered == tokens
    assert len(list(answering._windows("Who?", "here", 30, 7, None))) == 1
    assert len(next(answering._windows("one two three four five", "here", 30, 7, 2)).question_ids) == 2


def test_no_answer_may_win(answering: QuestionAnsweringPipeline) -> None:
    found = answering(question="Who?", context="Nobody was.", handle_impossible_answer=True, top_k=500)
    assert {"score": 0.0, "start": 0, "end": 0, "answer": ""} in found


def test_a_span_is_no_longer_than_asked(answering: QuestionAnsweringPipeline) -> None:
    for answer in answering(question="Who?", context=CONTEXT, max_answer_len=1, align_to_words=False, top_k=20):
        assert len(answering.tokenizer.encode(answer["answer"], add_special_tokens=False)) <= 2


def test_defaults_and_objects(folder: Path) -> None:
    model, tokenizer = PegasusForConditionalGeneration.from_pretrained(folder), PegasusTokenizer.from_pretrained(folder)
    expected = pipeline("summarization", model=str(folder))(TEXTS[0])
    assert pipeline("summarization", model=model, tokenizer=tokenizer)(TEXTS[0]) == expected
    assert (
        pipeline("summarization", model=folder, tokenizer=str(folder), device="cpu", framework="pt")(TEXTS[0])
        == expected
    )
    wide = pipeline("summarization", model=folder, dtype="float64")
    assert wide.model.dtype == np.float64
    assert pipeline("summarization", model=folder, model_kwargs={"dtype": "float64"}).model.dtype == np.float64


def test_options_of_scripts_for_transformers(
    folder: Path, tmp_path: Path, answering: QuestionAnsweringPipeline
) -> None:
    options: dict[str, Any] = {"device_map": "auto", "num_workers": 2, "framework": "pt", "use_fast": True}
    expected = pipeline("summarization", model=folder)(TEXTS[0])
    for device in ("cpu", -1, None):
        pipe = pipeline("summarization", model=folder, torch_dtype="auto", device=device, **options)
        assert pipe(TEXTS[0]) == expected
    assert pipeline("translation", model=folder, torch_dtype="float64", src_lang="en").model.dtype == np.float64
    direct = type(pipe)(pipe.model, pipe.tokenizer, "summarization", device=-1, **options)
    assert direct(TEXTS[0]) == expected
    again = QuestionAnsweringPipeline(answering.model, answering.tokenizer, device="cpu", top_k=2, **options)
    assert len(again(question="who", context=CONTEXT)) == 2
    classify = classifier(tmp_path)
    again = type(classify)(classify.model, classify.tokenizer, top_k=None, truncation=True, **options)
    assert len(again([TEXTS[0]])[0]) == len(classify.model.config.id2label)


def test_options_that_no_call_takes_are_refused_at_once(
    folder: Path, tmp_path: Path, answering: QuestionAnsweringPipeline
) -> None:
    message = r"'colour', 'num_beam' \(did you mean 'num_beams'\?\)"
    with pytest.raises(TypeError, match=rf"SummarizationPipeline got unexpected option\(s\): {message}"):
        pipeline("summarization", model=folder, num_beam=2, colour="red")
    with pytest.raises(TypeError, match=r"QuestionAnsweringPipeline got unexpected option\(s\): 'max_answer_length'"):
        QuestionAnsweringPipeline(answering.model, answering.tokenizer, max_answer_length=3)
    classify = classifier(tmp_path)
    with pytest.raises(TypeError, match=r"TextClassificationPipeline got unexpected option\(s\): 'num_beams'"):
        type(classify)(classify.model, classify.tokenizer, num_beams=3)
    with pytest.raises(InputError, match="device: expected one of None, -1, 'cpu', found 'cuda'"):
        type(classify)(classify.model, classify.tokenizer, device="cuda")


def test_saving_writes_both(folder: Path, tmp_path: Path) -> None:
    pipe = pipeline("summarization", model=folder)
    pipe.save_pretrained(str(tmp_path))
    assert pipeline("summarization", model=tmp_path)(TEXTS) == pipe(TEXTS)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "pegasus"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "fill-mask"}, "task: expected one of question-answering, sentiment-analysis, summarization"),
        ({"task": "question-answering"}, "question-answering, which has no default"),
        ({"task": "summarization", "device": "cuda"}, "device: expected one of None, -1, 'cpu', found 'cuda'"),
        ({"task": "summarization", "framework": "tf"}, "framework: expected one of None, 'np', 'pt', found 'tf'"),
        ({"task": "summarization", "batch_size": 0}, "batch_size: expected an integer from 1 on"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str, folder: Path) -> None:
    model = None if arguments["task"] == "question-answering" else folder
    with pytest.raises(InputError, match=message):
        pipeline(model=model, **arguments)(TEXTS[0])


def test_wrong_models_and_inputs_are_refused(folder: Path, answering: QuestionAnsweringPipeline) -> None:
    model = PegasusForConditionalGeneration.from_pretrained(folder)
    tokenizer = PegasusTokenizer.from_pretrained(folder)
    with pytest.raises(InputError, match="tokenizer: expected one beside a model that is no folder"):
        pipeline("summarization", model=model)
    for task in ("question-answering", "text-classification"):
        with pytest.raises(InputError, match=f"head for {task}, found PegasusForConditionalGeneration"):
            pipeline(task, model=model, tokenizer=tokenizer)
    with pytest.raises(InputError, match="vocabulary head for summarization, found BigBirdPegasusForQuestion"):
        pipeline("summarization", model=answering.model, tokenizer=tokenizer)
    pipe = pipeline("summarization", model=folder)
    with pytest.raises(InputError, match="inputs: expected a text or a list of texts, found 3"):
        pipe([TEXTS[0], 3])
    with pytest.raises(TypeError, match="num_beam"):
        pipe(TEXTS[0], num_beam=3)
    with pytest.raises(InputError, match="question: expected a text that is not empty"):
        answering(question="", context="x")
    with pytest.raises(InputError, match="context: expected one for each of 2 questions, found 1"):
        answering(question=["a", "b"], context=["x"])
    with pytest.raises(InputError, match="dictionaries with question and context"):
        answering([{"question": "a"}])
    with pytest.raises(InputError, match="top_k: expected an integer from 1 on, found 0"):
        answering(question="a", context="x", top_k=0)
    with pytest.raises(InputError, match="max_seq_len: expected room for more than doc_stride=128"):
        answering(question="a", context="x", max_seq_len=20, doc_stride=128)


def test_wrong_classification_inputs_are_refused(tmp_path: Path) -> None:
    pipe = classifier(tmp_path)
    with pytest.raises(InputError, match="inputs: expected a text or"):
        pipe([[TEXTS[0], TEXTS[1]]])
    with pytest.raises(InputError, match="only texts or only pairs"):
        pipe([TEXTS[0], {"text": TEXTS[0], "text_pair": TEXTS[1]}], batch_size=2)
    with pytest.raises(InputError, match="function_to_apply: expected one of softmax, sigmoid, none or None"):
        pipe(TEXTS[0], function_to_apply="relu")


def test_a_long_text_never_changes_a_short_one(answering: QuestionAnsweringPipeline) -> None:
    assert isinstance(answering.model, BigBirdPegasusForQuestionAnswering)
    example = {"question": "Who?", "context": CONTEXT}
    before = answering(example)
    answering(question="Who?", context="He.")
    assert answering(example) == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task_specific_params": "x"}, "task_specific_params: expected dict, found 'x'"),
        ({"task_specific_params": {"summarization": 3}}, "summarization: expected dict, found 3"),
        ({"task_specific_params": {"summarization": {"prefix": []}}}, "prefix: expected str"),
        ({"prefix": 5}, "prefix: expected str, found 5"),
    ],
)
def test_a_configuration_with_values_of_another_kind(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    make_folder(tmp_path, **values)
    with pytest.raises(ConfigError, match=re.escape(message)):
        pipeline("summarization", model=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"min_length": "x"}, "min_length: expected an integer"), ({"return_dict_in_generate": True}, "expected False")],
)
def test_calls_that_make_no_texts(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        pipeline("summarization", folder)("the man", **options)


def test_scores_of_large_logits_are_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _FUNCTIONS["sigmoid"](np.array([[-100.0, 100.0]], np.float32)).round(6).tolist() == [[0.0, 1.0]]
