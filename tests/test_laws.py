"""Laws that hold for every encoder-decoder family: bit for bit on the compiled path, to rounding on NumPy's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minipegasus
from minipegasus import ops

NATIVE = ops.config()["ops"] == "native"
SIZES = {
    "vocab_size": 40,
    "d_model": 12,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 64,
    "scale_embedding": True,
    "init_std": 0.4,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Pegasus": {},
    "BigBirdPegasus": {"block_size": 2, "num_random_blocks": 1},
    "PegasusX": {"block_size": 4, "num_global_tokens": 3},
}
# Pairs: the classes of both halves, and what differs from HALF in either.
HALF = {
    "vocab_size": 40,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
}
PAIRS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "Bert2Bert": ("Bert", "Bert", {}, {}),
    "Roberta2Roberta": ("Roberta", "Roberta", {"hidden_size": 15}, {}),
    "BertGenerationPair": ("BertGeneration", "BertGeneration", {}, {}),
    "RelativePair": (
        *("BertGeneration", "BertGeneration"),
        {"position_embedding_type": "relative_key_query"},
        {"position_embedding_type": "relative_key_query", "hidden_size": 18},
    ),
}
_models: dict[str, Any] = {}


def model_of(family: str) -> Any:
    """Return one small random model per family."""
    if family not in _models:
        _models[family] = _pair(family) if family in PAIRS else _one_family(family)
    return _models[family]


def _one_family(family: str) -> Any:
    config = getattr(minipegasus, f"{family}Config")(**SIZES, **FAMILIES[family])
    return getattr(minipegasus, f"{family}ForConditionalGeneration")(config, seed=5)


def _pair(name: str) -> Any:
    *kinds, of, to = PAIRS[name]
    halves = [
        getattr(minipegasus, f"{kind}Config")(**HALF | values) for kind, values in zip(kinds, (of, to), strict=True)
    ]
    config = minipegasus.EncoderDecoderConfig.from_encoder_decoder_configs(
        *halves, decoder_start_token_id=2, pad_token_id=0, eos_token_id=1
    )
    return minipegasus.EncoderDecoderModel(config, seed=5)


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Compare: the same bits where the contract promises them."""
    assert a.shape == b.shape
    if NATIVE:
        assert np.array_equal(a, b), f"differs by {np.abs(a - b).max()}"
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1.0, float(np.abs(b).max())))


families = pytest.mark.parametrize("family", [*FAMILIES, *PAIRS])
seeds = st.integers(0, 2**32 - 1)


def batch(seed: int, rows: int, length: int, targets: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "input_ids": rng.integers(3, 40, (rows, length)),
        "decoder_input_ids": rng.integers(3, 40, (rows, targets)),
    }


@families
@given(seed=seeds, rows=st.integers(1, 4), length=st.integers(1, 25), targets=st.integers(1, 6))
def test_row_of_a_batch_is_the_row_alone(family: str, seed: int, rows: int, length: int, targets: int) -> None:
    model, inputs = model_of(family), batch(seed, rows, length, targets)
    whole = model(**inputs)
    for i in range(rows):
        alone = model(**{name: ids[i : i + 1] for name, ids in inputs.items()})
        same(whole.logits[i], alone.logits[0])
        same(whole.encoder_last_hidden_state[i], alone.encoder_last_hidden_state[0])


@families
@given(seed=seeds, length=st.integers(1, 20))
def test_permuting_a_batch_permutes_the_result(family: str, seed: int, length: int) -> None:
    model, inputs = model_of(family), batch(seed, 4, length, 3)
    order = np.random.default_rng(seed).permutation(4)
    same(model(**inputs).logits[order], model(**{name: ids[order] for name, ids in inputs.items()}).logits)


@families
@given(seed=seeds, length=st.integers(1, 20), cuts=st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_cached_steps_are_the_full_pass(family: str, seed: int, length: int, cuts: list[int]) -> None:
    model, inputs = model_of(family), batch(seed, 2, length, sum(cuts))
    full = model(**inputs)
    encoded, cache, at = (full.encoder_last_hidden_state,), None, 0
    for count in cuts:
        out = model(
            encoder_outputs=encoded,
            decoder_input_ids=inputs["decoder_input_ids"][:, at : at + count],
            past_key_values=cache,
            use_cache=True,
        )
        same(out.logits, full.logits[:, at : at + count])
        cache, at = out.past_key_values, at + count
    assert cache is not None
    assert cache.get_seq_length() == at


@given(seed=seeds, length=st.integers(1, 15), padding=st.integers(1, 10))
@pytest.mark.parametrize("family", ["Pegasus", "PegasusX", *PAIRS])
def test_right_padding_changes_nothing(family: str, seed: int, length: int, padding: int) -> None:
    model, inputs = model_of(family), batch(seed, 2, length, 3)
    plain = model(**inputs)
    ids = np.pad(inputs["input_ids"], ((0, 0), (0, padding)))
    mask = np.pad(np.ones((2, length), int), ((0, 0), (0, padding)))
    padded = model(input_ids=ids, attention_mask=mask, decoder_input_ids=inputs["decoder_input_ids"])
    same(padded.encoder_last_hidden_state[:, :length], plain.encoder_last_hidden_state)
    same(padded.logits, plain.logits)


@families
@given(seed=seeds, length=st.integers(1, 15))
def test_one_beam_is_greedy(family: str, seed: int, length: int) -> None:
    model, ids = model_of(family), batch(seed, 3, length, 1)["input_ids"]
    greedy = model.generate(ids, max_length=10, return_dict_in_generate=True, output_scores=True)
    logs = [ops.log_softmax(scores) for scores in greedy.scores]
    picked = [log.argmax(-1) for log in logs]
    chosen = np.stack(picked, axis=1)
    for row in range(3):
        kept = greedy.sequences[row, 1:] != 0
        assert np.array_equal(greedy.sequences[row, 1:][kept], chosen[row][kept])


@families
@given(seed=seeds, beams=st.integers(2, 5), length=st.integers(1, 12))
def test_beams_of_a_batch_are_the_beams_alone(family: str, seed: int, beams: int, length: int) -> None:
    model, ids = model_of(family), batch(seed, 3, length, 1)["input_ids"]
    settings = {"num_beams": beams, "max_length": 8, "return_dict_in_generate": True, "output_scores": True}
    whole = model.generate(ids, **settings)
    for i in range(3):
        alone = model.generate(ids[i : i + 1], **settings)
        width = alone.sequences.shape[1]
        assert np.array_equal(whole.sequences[i, :width], alone.sequences[0])
        same(whole.sequences_scores[i : i + 1], alone.sequences_scores)


@families
@given(seed=seeds, beams=st.integers(1, 4))
def test_generating_without_a_cache_is_the_same(family: str, seed: int, beams: int) -> None:
    model, ids = model_of(family), batch(seed, 2, 9, 1)["input_ids"]
    settings = {"num_beams": beams, "max_length": 8}
    cached, recomputed = (model.generate(ids, use_cache=flag, **settings) for flag in (True, False))
    assert np.array_equal(cached, recomputed)


@families
@given(seed=seeds, length=st.integers(1, 25))
def test_inputs_stay_as_they_are_and_calls_leave_no_trace(family: str, seed: int, length: int) -> None:
    model, inputs = model_of(family), batch(seed, 2, length, 3)
    mask = (np.random.default_rng(seed).random((2, length)) < 0.7).astype(int)
    before = {name: ids.copy() for name, ids in inputs.items()}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = model(**inputs, attention_mask=mask, output_attentions=True, output_hidden_states=True)
    assert all(np.array_equal(before[name], ids) for name, ids in inputs.items())
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    model(**batch(seed + 1, 1, 3, 2))
    same(first.logits, model(**inputs, attention_mask=mask).logits)


@families
@given(seed=seeds, length=st.integers(1, 20), targets=st.integers(1, 6))
def test_probabilities_sum_to_one(family: str, seed: int, length: int, targets: int) -> None:
    model, inputs = model_of(family), batch(seed, 2, length, targets)
    out = model(**inputs, output_attentions=True)
    for probs in (*out.decoder_attentions, *out.cross_attentions):
        np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-6)
        assert (probs >= 0).all()


@families
def test_saved_then_loaded_is_the_same(family: str, tmp_path: Any) -> None:
    model = model_of(family)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.load_report.missing == again.load_report.unexpected == []
    inputs = batch(1, 2, 17, 4)
    assert np.array_equal(model(**inputs).logits, again(**inputs).logits)
    assert again.generation_config == model.generation_config
    assert {k: v for k, v in again.config.to_dict().items() if k not in ("architectures", "dtype")} == (
        model.config.to_dict()
    )


@families
def test_float64_is_the_definition(family: str, tmp_path: Any) -> None:
    model = model_of(family)
    model.save_pretrained(tmp_path)
    double = type(model).from_pretrained(tmp_path, dtype="float64")
    inputs = batch(2, 2, 17, 4)
    exact, single = double(**inputs).logits, model(**inputs).logits
    assert exact.dtype == np.float64
    assert single.dtype == np.float32
    assert np.abs(exact - single).max() < 2e-5 * np.abs(exact).max()
