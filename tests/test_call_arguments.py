"""What calls of the models refuse: every refusal names the argument, what was expected and what was found."""

from typing import Any

import numpy as np
import pytest

from minipegasus import InputError, PegasusConfig, PegasusForCausalLM, PegasusForConditionalGeneration
from minipegasus.nn.cache import Cache

CONFIG = PegasusConfig(
    vocab_size=20,
    d_model=8,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=8,
    decoder_ffn_dim=8,
    max_position_embeddings=16,
)
MODEL = PegasusForConditionalGeneration(CONFIG)
IDS = [[5, 6, 7, 1], [8, 9, 1, 1]]
START = [[0, 4, 5], [0, 9, 2]]
RAGGED = [[1], [1, 1]]


def called(**arguments: Any) -> Any:
    return MODEL(**{"input_ids": IDS, "decoder_input_ids": START, **arguments})


def past(layers: int = 2, rows: int = 2, heads: int = 2, width: int = 4, entries: int = 2) -> Any:
    return ((np.zeros((rows, heads, 1, width)),) * entries,) * layers


@pytest.mark.parametrize("value", [RAGGED, "a", [["a"]], [[None]], np.full((2, 1, 4, 4), "a"), {"a": 1}, 1j])
@pytest.mark.parametrize(
    "name",
    [
        *("input_ids", "attention_mask", "head_mask", "decoder_head_mask", "cross_attn_head_mask"),
        *("decoder_input_ids", "decoder_attention_mask", "labels", "cache_position"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name}: expected"):
        called(**{name: value})


@pytest.mark.parametrize("value", [RAGGED, "a", [["a"]], np.zeros((2, 4, 8), complex), np.zeros((2, 4, 7))])
def test_embeddings(value: Any) -> None:
    with pytest.raises(InputError, match=r"^inputs_embeds: expected"):
        called(input_ids=None, inputs_embeds=value)
    with pytest.raises(InputError, match=r"^decoder_inputs_embeds: expected"):
        called(decoder_input_ids=None, decoder_inputs_embeds=value)
    with pytest.raises(InputError, match=r"^inputs_embeds: expected"):
        MODEL.generate(inputs_embeds=value, max_length=4)


@pytest.mark.parametrize("value", [5, "ab", [], {}, {"last_hidden_state": 3}, (RAGGED,)])
def test_encoder_outputs(value: Any) -> None:
    with pytest.raises(InputError, match=r"^encoder_outputs: expected"):
        called(encoder_outputs=value)
    with pytest.raises(InputError, match=r"^encoder_outputs: expected"):
        MODEL.generate(encoder_outputs=value, max_length=4)


def test_encoder_outputs_may_be_a_dictionary_or_an_array() -> None:
    states = MODEL.get_encoder()(IDS).last_hidden_state
    expected = called().logits
    for value in ({"last_hidden_state": states}, states, (states,), [states, None]):
        np.testing.assert_array_equal(called(input_ids=None, encoder_outputs=value).logits, expected)
        assert len(MODEL.generate(encoder_outputs=value, max_length=4)) == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((), "expected 2 layers, found 0"),
        (past(layers=1), "expected 2 layers, found 1"),
        (past(layers=3), "expected 2 layers, found 3"),
        (past(rows=3), r"\[0\]: expected shape \[2, 2, 1, 4\], found \[3, 2, 1, 4\]"),
        (past(heads=4), r"\[0\]: expected shape"),
        (past(width=8), r"\[0\]: expected shape"),
        (past(entries=3), r"\[0\]: expected 2 or 4 arrays"),
        ((past()[0], (np.zeros((2, 2, 2, 4)),) * 2), r"\[1\]: expected shape \[2, 2, 1, 4\], found \[2, 2, 2, 4\]"),
        ((past()[0] + (np.zeros((3, 2, 1, 4)),) * 2,) * 2, r"\[0\]: expected cross shape"),
        ([[[1], [2]]] * 2, r"\[0\]: expected keys and values"),
        ([["a", "b"]] * 2, r"\[0\]: expected numbers"),
        (["ab", "cd"], "expected a cache or a tuple"),
        (3, "expected a cache or a tuple"),
        (Cache(3), "expected 2 layers, found 3"),
    ],
)
def test_past_key_values(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^past_key_values:? ?{message}"):
        called(past_key_values=value)


def test_a_cache_of_float64_arrays_is_continued_in_the_models_dtype() -> None:
    wide = tuple(tuple(array.astype(np.float64) for array in layer) for layer in called().past_key_values)
    again = called(decoder_input_ids=[[3], [4]], past_key_values=wide)
    assert {array.dtype for layer in again.past_key_values for array in layer} == {np.dtype(np.float32)}
    both = called(decoder_input_ids=np.hstack([START, [[3], [4]]]))
    np.testing.assert_allclose(again.logits[:, -1], both.logits[:, -1], atol=1e-5)


def test_both_sides_have_the_same_rows() -> None:
    with pytest.raises(InputError, match=r"^decoder_input_ids: expected 2 row\(s\), .* found 1"):
        called(decoder_input_ids=[[0, 1]])
    with pytest.raises(InputError, match=r"^decoder_input_ids: expected 1 row\(s\), .* found 2"):
        called(input_ids=[[5, 6]])
    with pytest.raises(InputError, match=r"^decoder_inputs_embeds: expected 2 row\(s\), .* found 4"):
        called(decoder_input_ids=None, decoder_inputs_embeds=np.zeros((4, 3, 8)))
    with pytest.raises(InputError, match=r"^input_ids: expected 3 row\(s\), .* found 2"):
        PegasusForCausalLM(CONFIG)(input_ids=START, encoder_hidden_states=np.zeros((3, 3, 8)))


def test_messages_say_what_was_given() -> None:
    with pytest.raises(InputError, match=r"^input_ids: expected 2 axes and at least one element, found shape \[1, 0\]"):
        called(input_ids=[])
    with pytest.raises(InputError, match=r"^input_ids: expected .* found 9223372036854775809"):
        called(input_ids=np.array([[2**63 + 1, 1]], np.uint64))
    with pytest.raises(InputError, match=r"attention_mask: expected shape \[2, 3, 4\], found \[2, 4, 4\]"):
        called(attention_mask=np.ones((2, 4, 4)))
    with pytest.raises(InputError, match="seed: expected an integer from 0 on, found -1"):
        PegasusForConditionalGeneration(CONFIG, seed=-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention_mask": RAGGED}, "attention_mask: expected rows of equal length"),
        ({"attention_mask": "a"}, "attention_mask: expected numbers"),
        ({"decoder_attention_mask": "a"}, "decoder_attention_mask: expected numbers"),
        (
            {"decoder_attention_mask": np.ones((2, 9), int)},
            r"decoder_attention_mask: expected .* \(2, 1\), found \(2, 9",
        ),
        (
            {"decoder_input_ids": START, "decoder_attention_mask": [[1], [1]]},
            r"decoder_attention_mask: expected .* \(2, 3\), found \(2, 1\)",
        ),
        ({"force_words_ids": [[20]], "num_beams": 2}, "force_words_ids, .*: expected ids below 20, .* found 20"),
        ({"prefix_allowed_tokens_fn": lambda item, ids: [20]}, r"prefix_allowed_tokens_fn: expected ids in \[0, 20\)"),
        ({"prefix_allowed_tokens_fn": lambda item, ids: [-1]}, r"prefix_allowed_tokens_fn: expected ids in \[0, 20\)"),
        ({"generation_config": {}}, "generation_config: expected a GenerationConfig, found dict"),
        ({"streamer": 5}, "streamer: expected an object with put and end, found int"),
        ({"past_key_values": past()}, "past_key_values: this argument is not supported"),
    ],
)
def test_generate(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        MODEL.generate(IDS, max_length=6, **arguments)


def test_the_mask_of_a_lone_decoders_prompt() -> None:
    with pytest.raises(InputError, match=r"^attention_mask: expected the prompt's shape \(2, 3\), found \(2, 5\)"):
        PegasusForCausalLM(CONFIG).generate(START, attention_mask=np.ones((2, 5), int), max_length=8)
