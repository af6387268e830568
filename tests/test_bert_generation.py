"""BertGeneration, BERT and RoBERTa on their own: what they refuse, what they warn of, laws of the lone stack, files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import minipegasus
from minipegasus import CheckpointError, ConfigError, InputError, ops

NATIVE = ops.config()["ops"] == "native"
HALF = {
    "vocab_size": 40,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
    "initializer_range": 0.4,
}
FAMILIES = {
    "BertGeneration": ("BertGenerationEncoder", "BertGenerationDecoder"),
    "Bert": ("BertModel", "BertLMHeadModel"),
    "Roberta": ("RobertaModel", "RobertaForCausalLM"),
}
families = pytest.mark.parametrize("family", list(FAMILIES))
relative = pytest.mark.parametrize("kind", ["absolute", "relative_key", "relative_key_query"])
seeds = st.integers(0, 2**32 - 1)


def bare(family: str, **values: Any) -> Any:
    return _made(family, 0, values)


def language_model(family: str, **values: Any) -> Any:
    return _made(family, 1, {"is_decoder": True, **values})


def _made(family: str, which: int, values: dict[str, Any]) -> Any:
    config = getattr(minipegasus, f"{family}Config")(**HALF | values)
    return getattr(minipegasus, FAMILIES[family][which])(config, seed=3)


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Compare: the same bits where the contract promises them."""
    assert a.shape == b.shape
    if NATIVE:
        assert np.array_equal(a, b), f"differs by {np.abs(a - b).max()}"
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1.0, float(np.abs(b).max())))


def ids(seed: int, rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, 40, (rows, length))


# Laws


@families
@relative
@given(seed=seeds, cuts=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_cached_steps_are_the_full_pass(family: str, kind: str, seed: int, cuts: list[int]) -> None:
    """With relative positions, too, however many tokens come at once: the reference gets those wrong."""
    model = language_model(family, position_embedding_type=kind)
    whole = ids(seed, 2, sum(cuts))
    full, cache, at = model(whole).logits, None, 0
    for count in cuts:
        out = model(whole[:, at : at + count], past_key_values=cache)
        same(out.logits, full[:, at : at + count])
        cache, at = out.past_key_values, at + count


@families
@given(seed=seeds, rows=st.integers(1, 4), length=st.integers(1, 20))
def test_row_of_a_batch_is_the_row_alone(family: str, seed: int, rows: int, length: int) -> None:
    model, whole = bare(family), ids(seed, rows, length)
    out = model(whole)
    for i in range(rows):
        alone = model(whole[i : i + 1])
        for name in out:
            same(out[name][i], alone[name][0])


@families
@given(seed=seeds, padding=st.integers(1, 6), beams=st.integers(1, 3))
def test_left_padding_of_prompts_changes_nothing(family: str, seed: int, padding: int, beams: int) -> None:
    model, prompt = language_model(family, pad_token_id=0), ids(seed, 1, 4)
    settings = {"max_new_tokens": 5, "num_beams": beams, "eos_token_id": None, "pad_token_id": 0}
    padded = np.pad(prompt, ((0, 0), (padding, 0)))
    mask = (padded != 0).astype(int)
    plain = model.generate(prompt, attention_mask=np.ones_like(prompt), **settings)
    assert np.array_equal(model.generate(padded, attention_mask=mask, **settings)[:, padding:], plain)


@families
def test_a_mask_per_query_replaces_the_causal_limit(family: str) -> None:
    model, tokens = language_model(family), ids(1, 2, 5)
    everything, causal = np.ones((2, 5, 5), int), np.tril(np.ones((2, 5, 5), int))
    assert not np.allclose(model(tokens, attention_mask=everything).logits, model(tokens).logits)
    np.testing.assert_allclose(model(tokens, attention_mask=causal).logits, model(tokens).logits, atol=1e-5)
    added = np.where(causal[:, None], 0.0, -1e9)
    np.testing.assert_allclose(model(tokens, attention_mask=added).logits, model(tokens).logits, atol=1e-5)


def test_one_head_mask_serves_every_layer_and_cross_attention() -> None:
    model = language_model("BertGeneration", add_cross_attention=True)
    states = np.random.default_rng(1).normal(size=(1, 4, 12))
    tokens, heads = ids(2, 1, 3), np.array([1.0, 0.0, 0.5])
    out = model(tokens, head_mask=heads, encoder_hidden_states=states, output_attentions=True)
    twice = model(tokens, head_mask=np.stack([heads, heads]), encoder_hidden_states=states)
    assert np.array_equal(out.logits, twice.logits)
    for probs in (*out.attentions, *out.cross_attentions):
        np.testing.assert_allclose(probs.sum(-1), np.broadcast_to(heads[:, None], probs.shape[1:3])[None], atol=1e-6)


def test_roberta_counts_positions_over_what_is_no_padding() -> None:
    model = bare("Roberta")
    out = model([[1, 1, 5, 6]], output_hidden_states=True).hidden_states[0]
    explicit = model([[1, 1, 5, 6]], position_ids=[[1, 1, 2, 3]], output_hidden_states=True).hidden_states[0]
    assert np.array_equal(out, explicit)


def test_inputs_stay_as_they_are() -> None:
    model = language_model("Bert", add_cross_attention=True)
    rng = np.random.default_rng(4)
    given = {
        "input_ids": ids(4, 2, 5),
        "attention_mask": rng.integers(0, 2, (2, 5)),
        "token_type_ids": rng.integers(0, 2, (2, 5)),
        "position_ids": rng.integers(0, 32, (2, 5)),
        "head_mask": rng.random((2, 3)),
        "encoder_hidden_states": rng.normal(size=(2, 4, 12)),
        "labels": ids(5, 2, 5),
    }
    before = {name: array.copy() for name, array in given.items()}
    model(**given)
    assert all(np.array_equal(given[name], array) for name, array in before.items())


# Refusals and warnings


def test_a_bidirectional_language_model_warns() -> None:
    with pytest.warns(UserWarning, match="is_decoder=True"):
        model = language_model("BertGeneration", is_decoder=False)
    changed = model([[5, 6, 7]]).logits[0, 0], model([[5, 6, 8]]).logits[0, 0]
    assert not np.array_equal(*changed)


def test_states_that_nobody_looks_at() -> None:
    states = np.zeros((1, 2, 12))
    with pytest.warns(UserWarning, match="no effect with is_decoder=False"):
        bare("BertGeneration")([[5, 6]], encoder_hidden_states=states)
    with pytest.raises(InputError, match="add_cross_attention=True"):
        language_model("BertGeneration")([[5, 6]], encoder_hidden_states=states)
    with pytest.raises(ConfigError, match="add_cross_attention"):
        bare("BertGeneration", add_cross_attention=True)


@families
@relative
def test_too_long(family: str, kind: str) -> None:
    if kind == "absolute" or family == "BertGeneration":
        with pytest.raises(InputError, match="positions"):
            bare(family, position_embedding_type=kind)(ids(1, 1, 33))
    else:
        with pytest.raises(InputError, match="32 relative positions"):
            bare(family, position_embedding_type=kind)(ids(1, 1, 33))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"token_type_ids": [[0, 2]]}, r"token_type_ids: expected ids in \[0, 2\)"),
        ({"token_type_ids": [[0, 1, 0]]}, "token_type_ids: expected shape"),
        ({"position_ids": [[0, 40]]}, "at most 32 positions"),
        ({"position_ids": [[0, -1]]}, "at most 32 positions"),
        ({"head_mask": [1.0, 1.0]}, "head_mask: expected shape"),
        ({"attention_mask": [[1, 2]]}, "only 0 and 1"),
        ({"attention_mask": [[[1, 1]]]}, "attention_mask: expected shape"),
        ({"inputs_embeds": np.zeros((1, 2, 12))}, "exactly one of"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bare("Bert")(input_ids=[[5, 6]], **arguments)


def test_unknown_keywords() -> None:
    with pytest.raises(TypeError, match="atention_mask"):
        bare("Bert")([[5, 6]], atention_mask=[[1, 1]])
    # BERT's tokenizer returns them; this family has none.
    tokens = [[5, 6]]
    model = bare("BertGeneration")
    plain = model(tokens).last_hidden_state
    assert np.array_equal(model(tokens, token_type_ids=[[0, 1]]).last_hidden_state, plain)


def test_configurations() -> None:
    with pytest.raises(ConfigError, match="num_attention_heads: expected a divisor of hidden_size = 12, found 5"):
        minipegasus.BertConfig(hidden_size=12, num_attention_heads=5)
    with pytest.raises(ConfigError, match="pad_token_id"):
        minipegasus.RobertaConfig(pad_token_id=None)
    with pytest.raises(ConfigError, match="position_embedding_type"):
        minipegasus.BertGenerationConfig(position_embedding_type="rotary")


# Files


def rewritten(folder: Path, change: Any) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


@families
@relative
def test_saved_then_loaded_is_the_same(family: str, kind: str, tmp_path: Path) -> None:
    for which, model in enumerate((bare(family, position_embedding_type=kind), language_model(family))):
        model.save_pretrained(tmp_path / str(which))
        again = type(model).from_pretrained(tmp_path / str(which))
        assert again.load_report.missing == again.load_report.unexpected == []
        assert np.array_equal(again([[5, 6, 7]])[0], model([[5, 6, 7]])[0])


@pytest.mark.parametrize(
    ("family", "head", "wins"),
    [
        ("BertGeneration", "lm_head", "decoder.bias"),
        ("Roberta", "lm_head", "decoder.bias"),
        ("Bert", "cls.predictions", "bias"),
    ],
)
def test_two_biases(family: str, head: str, wins: str, tmp_path: Path) -> None:
    """A head's bias has two names in a file; where they differ, one counts, as in the reference, and that is said."""
    model = language_model(family)
    model.save_pretrained(tmp_path)
    values = {"bias": np.full(40, 1, np.float32), "decoder.bias": np.full(40, 2, np.float32)}
    rewritten(tmp_path, lambda tensors: tensors.update({f"{head}.{name}": array for name, array in values.items()}))
    with pytest.warns(UserWarning, match="conflict"):
        opened = type(model).from_pretrained(tmp_path)
    assert np.array_equal(opened.state_dict()[f"{head}.bias"], values[wins])
    rewritten(tmp_path, lambda tensors: tensors.pop(f"{head}.bias"))
    only = type(model).from_pretrained(tmp_path)
    assert np.array_equal(only.state_dict()[f"{head}.bias"], values["decoder.bias"])


@families
def test_the_vocabulary_matrix_under_its_other_name(family: str, tmp_path: Path) -> None:
    model = language_model(family)
    model.save_pretrained(tmp_path)
    prefix = type(model).family.base_prefix
    head = "cls.predictions" if family == "Bert" else "lm_head"

    def move(tensors: dict[str, np.ndarray]) -> None:
        tensors[f"{head}.decoder.weight"] = tensors.pop(f"{prefix}.embeddings.word_embeddings.weight")

    rewritten(tmp_path, move)
    opened = type(model).from_pretrained(tmp_path)
    assert opened.load_report.missing == []
    assert np.array_equal(opened([[5, 6]]).logits, model([[5, 6]]).logits)


@families
@pytest.mark.filterwarnings("ignore:.*were not in the file and are new")
def test_bare_files_open_with_a_head_and_the_reverse(family: str, tmp_path: Path) -> None:
    body = bare(family, is_decoder=True)
    body.save_pretrained(tmp_path / "body")
    kind = getattr(minipegasus, FAMILIES[family][1])
    headed = kind.from_pretrained(tmp_path / "body")
    states = headed([[5, 6]], output_hidden_states=True).hidden_states[-1]
    assert np.array_equal(states, body([[5, 6]]).last_hidden_state)
    headed.save_pretrained(tmp_path / "headed")
    again = type(body).from_pretrained(tmp_path / "headed")
    assert np.array_equal(again([[5, 6]]).last_hidden_state, body([[5, 6]]).last_hidden_state)


def test_a_decoders_file_stays_causal_unless_told_otherwise(tmp_path: Path) -> None:
    model = language_model("BertGeneration", add_cross_attention=True)
    model.save_pretrained(tmp_path)
    body = minipegasus.BertGenerationEncoder.from_pretrained(tmp_path)
    assert body.config.is_decoder
    encoder = minipegasus.BertGenerationEncoder.from_pretrained(tmp_path, is_decoder=False, add_cross_attention=False)
    seen_by_the_first = [
        [opened([[5, 6, last]]).last_hidden_state[0, 0] for last in (7, 8)] for opened in (body, encoder)
    ]
    assert [np.array_equal(*pair) for pair in seen_by_the_first] == [True, False]
    assert any("crossattention" in name for name in encoder.load_report.unexpected)


def test_tensors_of_another_shape(tmp_path: Path) -> None:
    model = bare("Bert")
    model.save_pretrained(tmp_path)
    rewritten(tmp_path, lambda tensors: tensors.update({"pooler.dense.weight": np.zeros(3, np.float32)}))
    with pytest.raises(CheckpointError, match=r"pooler.dense.weight: expected shape \[12, 12\], found \[3\]"):
        minipegasus.BertModel.from_pretrained(tmp_path)


def test_auto_classes(tmp_path: Path) -> None:
    for family, (name, head) in FAMILIES.items():
        bare(family).save_pretrained(tmp_path / name)
        assert type(minipegasus.AutoModel.from_pretrained(tmp_path / name)).__name__ == name
        language_model(family).save_pretrained(tmp_path / head)
        assert type(minipegasus.AutoModelForCausalLM.from_pretrained(tmp_path / head)).__name__ == head
