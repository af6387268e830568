"""summarize and stream_summary: forms of input, long texts, laziness, caching, progress."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_folders import SIZES, make_folder

from minipegasus import (
    InputError,
    PegasusForConditionalGeneration,
    PegasusTokenizer,
    PegasusXConfig,
    PegasusXForConditionalGeneration,
    pipeline,
    stream_summary,
    summarize,
)
from minipegasus.models import summarize as module
from minipegasus.models.limits import chunks, input_limit, output_limit
from minipegasus.models.summarize import Progress, Summarizer

TEXTS = ["The man was here.", "A cache keeps the results of a function.", "It is the lock of the table."]
LONG = " ".join(f"{text} It was number {i}." for i, text in enumerate(TEXTS * 6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("summarize"), num_beams=2, max_length=9)


def test_one_text_many_texts_and_a_stream_of_texts(folder: Path) -> None:
    expected = [summarize(text, folder) for text in TEXTS]
    assert all(isinstance(one, str) and one for one in expected)
    assert len(set(expected)) > 1
    assert summarize(TEXTS, folder) == expected
    assert summarize(tuple(TEXTS), folder) == expected
    assert summarize(TEXTS, folder, batch_size=2) == expected
    lazy = summarize(iter(TEXTS), folder)
    assert isinstance(lazy, Iterator)
    assert list(lazy) == expected
    assert summarize([], folder) == []


def test_it_is_generate_with_the_models_settings(folder: Path) -> None:
    model = PegasusForConditionalGeneration.from_pretrained(folder)
    tokenizer = PegasusTokenizer.from_pretrained(folder)
    for settings in ({}, {"num_beams": 3, "max_length": 6}, {"num_beams": 1, "min_length": 5}):
        ids = model.generate(**tokenizer(TEXTS[0], return_tensors="np"), **settings)
        assert summarize(TEXTS[0], folder, **settings) == tokenizer.decode(ids[0], skip_special_tokens=True)
    assert summarize(TEXTS[0], model, tokenizer=tokenizer) == summarize(TEXTS[0], folder)


def test_texts_are_taken_one_after_the_other(folder: Path) -> None:
    taken = []

    def source() -> Iterator[str]:
        for text in TEXTS * 2:
            taken.append(text)
            yield text

    summaries = summarize(source(), folder)
    assert taken == []
    next(summaries)
    assert len(taken) == 1
    next(summaries)
    assert len(taken) == 2


def test_a_blank_text_has_a_blank_summary(folder: Path) -> None:
    assert summarize(["", TEXTS[0], " \n"], folder, batch_size=3)[::2] == ["", ""]


def test_too_long_a_text_is_cut_with_a_warning_that_says_how_much(folder: Path) -> None:
    tokenizer = PegasusTokenizer.from_pretrained(folder)
    count = len(tokenizer(LONG).input_ids)
    with pytest.warns(UserWarning, match=rf"has {count} tokens, the model reads 40: the last {count - 40} \(\d\d%\)"):
        cut = summarize(LONG, folder)
    ids = tokenizer(LONG, truncation=True, max_length=40, return_tensors="np")
    model = PegasusForConditionalGeneration.from_pretrained(folder)
    assert cut == tokenizer.decode(model.generate(**ids)[0], skip_special_tokens=True)


def test_too_long_a_text_can_be_refused_or_divided(folder: Path) -> None:
    with pytest.raises(InputError, match=r"expected at most 40 tokens, found \d+"):
        summarize(LONG, folder, long="error")
    summarizer = Summarizer.from_pretrained(folder)
    pieces = chunks(LONG, summarizer.count, 40)
    assert len(pieces) > 2
    assert all(summarizer.count(piece) <= 40 for piece in pieces)
    expected = " ".join(summarize(pieces, folder))
    assert summarize(LONG, folder, long="chunk") == expected
    assert summarize([TEXTS[0], LONG], folder, long="chunk", batch_size=4)[1] == expected
    with pytest.raises(InputError, match="long: expected one of 'truncate', 'error', 'chunk', found 'cut'"):
        summarize(LONG, folder, long="cut")


WORDS = st.lists(st.text("abcé.。! \n", min_size=1, max_size=12), max_size=60).map(" ".join)


@given(WORDS, st.integers(1, 30), st.sampled_from([len, lambda text: len(text.split()), lambda text: 2 * len(text)]))
def test_pieces_fit_and_nothing_is_lost(text: str, limit: int, count) -> None:  # type: ignore[no-untyped-def]
    pieces = chunks(text, count, limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(count(piece) <= limit or len(piece) == 1 for piece in pieces)
    assert pieces == [text.strip()] or all(pieces)


def test_pieces_end_where_sentences_end() -> None:
    text = " ".join("w " * (3 + i % 5) + "end." for i in range(60))
    pieces = chunks(text, lambda piece: len(piece.split()), 40)
    assert all(piece.endswith("end.") for piece in pieces)
    assert len(pieces) <= -(-len(text.split()) // 40) + 2


@pytest.mark.parametrize(
    ("class_name", "values", "expected"),
    [
        ("PegasusForConditionalGeneration", {}, 40),
        ("BigBirdPegasusForConditionalGeneration", {"max_position_embeddings": 96}, 96),
        ("PegasusXForConditionalGeneration", {"max_position_embeddings": 4096, "block_size": 16}, 4096),
    ],
)
def test_the_models_limit_counts_not_the_tokenizers(
    class_name: str, values: dict[str, int], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summarizer = Summarizer.from_pretrained(make_folder(tmp_path, class_name, **values))
    assert summarizer.limit == input_limit(summarizer.model) == output_limit(summarizer.model) == expected
    summarizer.tokenizer.model_max_length = 16
    lengths = []

    def generate(self: object, input_ids: np.ndarray, **rest: object) -> np.ndarray:
        lengths.append(input_ids.shape[1])
        return np.array([[0, 1]])

    monkeypatch.setattr(type(summarizer.model), "generate", generate)
    list(summarizer.summaries(["the man " * 7]))
    with pytest.warns(UserWarning, match=f"the model reads {expected}"):
        list(summarizer.summaries(["the man " * 3000]))
    assert 16 < lengths[0] < expected
    assert lengths[1] == expected


def test_without_a_length_of_the_models_own_the_decoder_may_go_on(tmp_path: Path) -> None:
    make_folder(tmp_path, max_position_embeddings=30, seed=1)
    summarizer = Summarizer.from_pretrained(tmp_path)
    seen: list[Progress] = []
    list(summarizer.summaries(["the man"], progress=seen.append))
    assert {at.total for at in seen if at.stage == "writing"} == {29}


def test_a_length_beyond_the_decoders_positions_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    for settings in ({"max_length": 41}, {"max_new_tokens": 40}, {"max_new_tokens": 3, "max_length": 99}):
        assert isinstance(summarize(TEXTS[0], folder, **settings), str)
    summarizer = Summarizer.from_pretrained(folder)
    ended = {"stopping_criteria": [lambda ids, scores: np.ones(len(ids), bool)]}
    for settings in ({"max_length": 42}, {"max_new_tokens": 41}):
        with pytest.warns(UserWarning, match=r"max_length: expected at most 41, one more than .*, found 42"):
            list(summarizer.summaries(TEXTS[:1], **settings, **ended))
    with (
        pytest.warns(UserWarning, match="found 42"),
        pytest.raises(InputError, match=r"at most 40 positions .*, found position 40"),
    ):
        summarize(TEXTS[0], folder, min_length=42, max_length=42)
    sizes = {name: value for name, value in SIZES.items() if name != "max_position_embeddings"}
    tokenizer = summarizer.tokenizer
    config = PegasusXConfig(vocab_size=len(tokenizer), max_position_embeddings=40, block_size=4, **sizes)
    computed = PegasusXForConditionalGeneration(config)
    assert isinstance(summarize(TEXTS[0], computed, tokenizer=tokenizer, num_beams=1, max_length=44), str)


def test_sampling_is_repeatable_and_differs_between_texts(folder: Path) -> None:
    settings = {"do_sample": True, "num_beams": 1, "max_length": 12}
    first = summarize([TEXTS[0]] * 3, folder, rng=7, **settings)
    assert first == summarize([TEXTS[0]] * 3, folder, rng=7, batch_size=3, **settings)
    assert len(set(first)) == 3
    assert first != summarize([TEXTS[0]] * 3, folder, rng=8, **settings)


def test_a_folder_is_opened_once_until_it_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = Summarizer.from_pretrained.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Summarizer, "from_pretrained", classmethod(lambda cls, *a, **k: opened.append(a) or original(cls, *a, **k))
    )
    module._opened.cache_clear()
    make_folder(tmp_path, max_length=5)
    for _ in range(3):
        summarize(TEXTS[0], tmp_path)
    assert len(opened) == 1
    before = summarize(TEXTS[0], str(tmp_path))
    make_folder(tmp_path, seed=5, max_length=5)
    assert summarize(TEXTS[0], tmp_path) != before
    assert len(opened) == 2
    settings = tmp_path / "generation_config.json"
    longer = summarize(TEXTS[0], tmp_path, min_length=9, max_length=9)
    changed = json.loads(settings.read_text()) | {"max_length": 9, "min_length": 9}
    settings.write_text(json.dumps(changed))  # in place: the folder's own time stays as it was
    assert summarize(TEXTS[0], tmp_path) == longer
    assert len(opened) == 3
    module._opened.cache_clear()


def test_progress_counts_layers_and_tokens(folder: Path) -> None:
    seen: list[Progress] = []
    plain = summarize(TEXTS[:2], folder)
    assert summarize(TEXTS[:2], folder, progress=seen.append) == plain
    reading = [(at.document, at.done, at.total) for at in seen if at.stage == "reading"]
    assert reading == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]
    writing = [(at.done, at.total) for at in seen if at.stage == "writing" and at.document == 0]
    assert writing == [(i, 8) for i in range(1, len(writing) + 1)]
    seen.clear()
    summarize(LONG, folder, long="chunk", progress=seen.append)
    assert {at.part for at in seen} == set(range(seen[0].parts))


def test_a_streamed_summary_is_the_greedy_one(folder: Path) -> None:
    words = stream_summary(TEXTS[1], folder)
    assert isinstance(words, Iterator)
    pieces = list(words)
    assert "".join(pieces) == summarize(TEXTS[1], folder, num_beams=1)
    sampled = {"do_sample": True, "rng": 3, "max_length": 12}
    assert "".join(stream_summary(TEXTS[1], folder, **sampled)) == summarize(TEXTS[1], folder, num_beams=1, **sampled)
    parts = "".join(stream_summary(LONG, folder, long="chunk"))
    assert parts == summarize(LONG, folder, long="chunk", num_beams=1)
    assert list(stream_summary(" ", folder)) == []
    with pytest.raises(InputError, match="num_beams=2"):
        list(stream_summary(TEXTS[0], folder, num_beams=2))


def test_words_come_while_the_rest_is_being_written(folder: Path) -> None:
    seen: list[Progress] = []
    settings = {"do_sample": True, "rng": 1, "max_length": 30, "min_length": 30}
    first = next(stream_summary(TEXTS[0], folder, progress=seen.append, **settings))
    assert first
    assert seen[-1].done < seen[-1].total


def test_stop_strings_of_the_call_or_of_the_model(folder: Path, tmp_path: Path) -> None:
    whole = summarize(TEXTS[0], folder, num_beams=1)
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    cut = summarize(TEXTS[0], folder, num_beams=1, stop_strings=[stop])
    assert whole.startswith(cut)
    assert stop in cut
    assert len(cut) < len(whole)
    assert "".join(stream_summary(TEXTS[0], folder, stop_strings=stop)) == cut
    make_folder(tmp_path, num_beams=2, max_length=9)
    settings = tmp_path / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"stop_strings": [stop]}))
    assert summarize(TEXTS[0], tmp_path, num_beams=1) == cut
    pipe = pipeline("summarization", model=tmp_path)
    assert pipe(TEXTS[0], num_beams=1) == [{"summary_text": cut}]
    pipe = pipeline("summarization", model=folder, stop_strings=[stop])
    assert pipe(TEXTS[0], num_beams=1) == [{"summary_text": cut}]


def test_newline_is_handed_to_the_tokenizer(folder: Path) -> None:
    summarizer = Summarizer.from_pretrained(folder, newline="<n>")
    assert summarizer.tokenizer.newline == "<n>"
    assert isinstance(summarize("one\ntwo", folder, newline="<n>"), str)


def test_wrong_arguments_are_named(folder: Path) -> None:
    model = PegasusForConditionalGeneration.from_pretrained(folder)
    with pytest.raises(TypeError, match=r"'num_beam' \(did you mean 'num_beams'\?\)"):
        summarize(TEXTS[0], folder, num_beam=2)
    with pytest.raises(InputError, match="tokenizer"):
        summarize(TEXTS[0], model)
    with pytest.raises(InputError, match="a folder has its own"):
        summarize(TEXTS[0], folder, tokenizer=object())
    for none in (None, 3, b"bytes"):
        with pytest.raises(InputError, match="text: expected a string or several, found"):
            summarize(none, folder)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"text: expected a string, found 3"):
        summarize(["x", 3], folder)  # type: ignore[list-item]
    with pytest.raises(InputError, match="batch_size: expected an integer from 1 on, found 0"):
        summarize(iter(TEXTS), folder, batch_size=0)
    with pytest.raises(InputError, match="num_return_sequences"):
        summarize(TEXTS[0], folder, num_return_sequences=2)
    with pytest.raises(InputError, match="return_dict_in_generate: expected False"):
        summarize(TEXTS[0], folder, return_dict_in_generate=True)
    causal = PegasusForConditionalGeneration(model.config)
    causal.config.is_encoder_decoder = False
    with pytest.raises(InputError, match="an encoder and a vocabulary head"):
        Summarizer(causal, None)


def test_nothing_that_is_passed_changes(folder: Path) -> None:
    texts, rng = list(TEXTS), np.random.default_rng(0)
    settings = {"do_sample": True, "num_beams": 1, "rng": rng}
    summarize(texts, folder, **settings)
    assert texts == TEXTS
    assert settings == {"do_sample": True, "num_beams": 1, "rng": rng}


def test_progress_of_the_encoder_leaves_the_fast_path_alone() -> None:
    import minipegasus

    config = minipegasus.PegasusConfig(
        vocab_size=20, d_model=8, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8,
    )  # fmt: skip
    seen: list[str] = []
    model = minipegasus.PegasusModel(config).traced(lambda path, _: seen.append(path), only=r"encoder\.layers\.\d+")
    model(input_ids=[[5, 1]], decoder_input_ids=[[0]])
    assert seen == ["encoder.layers.0", "encoder.layers.1"]
    assert model.params["encoder"]["layers"]["0"]["fc1"].recorder is None
