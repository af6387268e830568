"""Streamers, the token iterator, the progress hook and the dictionary output."""

from threading import Thread
from typing import Any

import numpy as np
import pytest
from generation_toy import EOS, START, ToyModel, trimmed

from minipegasus.errors import InputError
from minipegasus.generation.generate import generate, stream
from minipegasus.generation.outputs import GenerateBeamDecoderOnlyOutput, GenerateEncoderDecoderOutput
from minipegasus.generation.streaming import TextIteratorStreamer, TextStreamer

ONE = np.array([[3]])
WORDS = ["<pad>", "</s>", "<s>", " a", " bc", "d", "文", "\n"]


class Tokenizer:
    """Tokens are pieces of text; the special ones can be skipped."""

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return "".join(WORDS[index] for index in ids if index > 2 or not skip_special_tokens)


class Collector:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def put(self, value: Any) -> None:
        self.values.append(value.tolist())

    def end(self) -> None:
        self.values.append("end")


class Parts(TextStreamer):
    """Collects what would be printed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Tokenizer(), **options)
        self.parts: list[str] = []

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.parts.append(text + "|" * stream_end)


def test_stream_yields_what_generate_returns() -> None:
    for settings in ({}, {"do_sample": True, "rng": 4}):
        model = ToyModel(30)
        whole = generate(model, ONE, max_length=12, **settings)[0].tolist()
        assert [START, *stream(model, ONE, max_length=12, **settings)] == whole


def test_stream_yields_before_the_end() -> None:
    model = ToyModel(seed=1)
    steps: list[int] = []
    tokens = stream(model, ONE, max_length=50, eos_token_id=None, on_step=lambda done, limit: steps.append(done))
    assert steps == []
    next(tokens)
    next(tokens)
    assert steps == [1, 2]


@pytest.mark.parametrize("arguments", [{"inputs": [[3], [4]]}, {"inputs": ONE, "num_beams": 2}])
def test_stream_takes_one_sequence(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="one sequence"):
        stream(ToyModel(), max_length=4, **arguments)


def test_a_streamer_sees_the_prompt_each_step_and_the_end() -> None:
    collector = Collector()
    found = generate(ToyModel(), np.array([[3], [5]]), max_length=5, eos_token_id=None, streamer=collector)
    assert collector.values == [[[START], [START]], *found[:, 1:].T.tolist(), "end"]


@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}, {"num_beams": 2, "force_words_ids": [[4]]}])
def test_progress_counts_new_tokens(settings: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    generate(
        ToyModel(),
        ONE,
        max_length=6,
        eos_token_id=None,
        on_step=lambda done, limit: steps.append((done, limit)),
        **settings,
    )
    assert steps == [(count, 5) for count in range(1, 6)]


@pytest.mark.parametrize(
    ("ids", "parts"),
    [
        ([3, 5, 4, 3], [" ", "", "ad ", "bc ", "a|"]),
        ([6, 6, 5], ["文", "文", "", "d|"]),
        ([3, 7, 4], [" ", "a\n", " ", "bc|"]),
        ([], ["|"]),
    ],
)
def test_text_comes_word_by_word(ids: list[int], parts: list[str]) -> None:
    streamer = Parts(skip_prompt=True, skip_special_tokens=True)
    streamer.put(np.array([[START]]))
    for index in ids:
        streamer.put(np.array([index]))
    streamer.end()
    assert streamer.parts == parts


def test_the_prompt_may_be_shown() -> None:
    streamer = Parts()
    streamer.put(np.array([[START, 3]]))
    streamer.end()
    assert streamer.parts == ["<s> ", "a|"]
    with pytest.raises(InputError, match="one sequence"):
        streamer.put(np.array([[3], [4]]))


def test_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    streamer = TextStreamer(Tokenizer(), skip_special_tokens=True)
    found = generate(ToyModel(), ONE, max_length=6, suppress_tokens=[7], streamer=streamer)
    assert capsys.readouterr().out == Tokenizer().decode(found[0].tolist(), skip_special_tokens=True) + "\n"


def test_text_is_iterated_over_from_another_thread() -> None:
    streamer = TextIteratorStreamer(Tokenizer(), timeout=30)
    arguments = {"max_length": 6, "suppress_tokens": [7], "streamer": streamer}
    thread = Thread(target=generate, args=(ToyModel(), ONE), kwargs=arguments)
    thread.start()
    text = "".join(streamer)
    thread.join()
    assert text == Tokenizer().decode(generate(ToyModel(), ONE, max_length=6, suppress_tokens=[7])[0].tolist())


def test_dictionary_outputs() -> None:
    model = ToyModel()
    settings = {"max_length": 6, "output_scores": True, "output_logits": True, "return_dict_in_generate": True}
    found = generate(model, np.array([[3], [5]]), **settings)
    assert isinstance(found, GenerateEncoderDecoderOutput)
    assert list(found) == ["sequences", "scores", "logits", "past_key_values"]
    assert len(found.scores) == len(found.logits) == found.sequences.shape[1] - 1
    assert found[0] is found["sequences"]
    decoder = ToyModel(encoder_decoder=False)
    beams = generate(decoder, np.array([[3, 4], [5, 6]]), num_beams=2, **settings)
    assert isinstance(beams, GenerateBeamDecoderOnlyOutput)
    assert list(beams)[:5] == ["sequences", "sequences_scores", "scores", "logits", "beam_indices"]
    assert beams.scores[0].shape == (4, 7)
    assert beams.scores[0].dtype == np.float32
    plain = generate(decoder, np.array([[3, 4], [5, 6]]), num_beams=2, max_length=6, return_dict_in_generate=True)
    assert list(plain) == ["sequences", "beam_indices", "past_key_values"]
    assert {trimmed(row)[-1] for row in plain.sequences} <= {EOS, *range(7)}
