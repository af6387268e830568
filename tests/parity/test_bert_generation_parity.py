"""BertGeneration, BERT, RoBERTa and pairs of them against a live transformers, over random configurations."""

import tempfile
import unittest.mock
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minipegasus
from minipegasus import ops
from parity.reference import TOLERANCE, assert_same, build, saved, torch, transformers
from parity.reference import call as plain_call

pytestmark = pytest.mark.parity

Arrays = dict[str, Any]
CLASSES = {
    "BertGeneration": ("BertGenerationEncoder", "BertGenerationDecoder"),
    "Bert": ("BertModel", "BertLMHeadModel"),
    "Roberta": ("RobertaModel", "RobertaForCausalLM"),
}
families = pytest.mark.parametrize("family", list(CLASSES))
dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE))
seeds = st.integers(0, 2**32 - 1)


# Making models


def sizes(rng: np.random.Generator, family: str, **fixed: Any) -> dict[str, Any]:
    """Return the values of a random small configuration."""
    heads = int(rng.integers(1, 4))
    values: dict[str, Any] = {
        "vocab_size": int(rng.integers(8, 50)),
        "hidden_size": heads * int(rng.integers(4, 8)),
        "num_hidden_layers": int(rng.integers(1, 4)),
        "num_attention_heads": heads,
        "intermediate_size": int(rng.integers(1, 24)),
        "hidden_act": str(rng.choice(["gelu", "gelu_new", "relu", "silu", "tanh"])),
        "max_position_embeddings": 32,
        "layer_norm_eps": float(rng.choice([1e-12, 1e-5])),
        "position_embedding_type": str(rng.choice(["absolute", "absolute", "relative_key", "relative_key_query"])),
        "tie_word_embeddings": bool(rng.random() < 0.8),
    }
    if family != "BertGeneration":
        values["type_vocab_size"] = int(rng.integers(1, 4))
    return values | fixed


def reference(family: str, which: int, values: dict[str, Any], seed: int, std: float = 0.3) -> Any:
    """Return a transformers model: 0 is the bare one, 1 the one with a vocabulary head."""
    config = getattr(transformers, f"{family}Config")(**values)
    return build(CLASSES[family][which], config, seed, std)


def reopened(model: Any, dtype: str) -> Any:
    """Return our class over the folder that transformers writes, which fits it to the last tensor."""
    with tempfile.TemporaryDirectory() as folder:
        ours = getattr(minipegasus, type(model).__name__).from_pretrained(saved(model, Path(folder)), dtype=dtype)
    assert ours.load_report == type(ours.load_report)(), ours.load_report
    return ours


def call(model: Any, arguments: Arrays, dtype: str) -> Any:
    """Call the reference, which warns of much."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plain_call(model, arguments, dtype)


def compare(ours: Any, theirs: Any, dtype: str) -> None:
    """Hold every array of an output against the reference's, whose shifted loss is float32 in any model."""
    ours, theirs = dict(ours.items()), dict(theirs.items())
    if "loss" in theirs and theirs["loss"].dtype == torch.float32:
        assert_same({"loss": ours.pop("loss")}, {"loss": theirs.pop("loss")}, "float32")
    assert_same(ours, theirs, dtype)


# Making inputs


def some(rng: np.random.Generator, share: float = 0.5) -> bool:
    return bool(rng.random() < share)


def mask(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return a 0/1 mask: padding on the right, on the left, or holes; a row may be hidden as a whole."""
    kind = rng.integers(3)
    if kind < 2 and len(shape) == 2:
        made = (np.arange(shape[1]) < rng.integers(1, shape[1] + 1, (shape[0], 1))).astype(np.int64)
        return made if kind else made[:, ::-1].copy()
    return (rng.random(shape) < 0.7).astype(np.int64)


def stack_inputs(rng: np.random.Generator, family: str, values: dict[str, Any], b: int, t: int) -> Arrays:
    """Return arguments that every class of the stack takes."""
    layers, heads = values["num_hidden_layers"], values["num_attention_heads"]
    given: Arrays = {"input_ids": rng.integers(0, values["vocab_size"], (b, t))}
    if some(rng, 0.25):
        given = {"inputs_embeds": rng.normal(size=(b, t, values["hidden_size"])).astype(np.float32)}
    if some(rng, 0.6):
        given["attention_mask"] = mask(rng, b, t) if some(rng, 0.7) else mask(rng, b, t, t)
    if some(rng, 0.3):
        given["position_ids"] = rng.integers(0, 32, (b if some(rng) else 1, t))
    if some(rng, 0.3):
        given["head_mask"] = rng.random((layers, heads) if some(rng) else (heads,)).astype(np.float32)
    if family != "BertGeneration" and some(rng, 0.4):
        given["token_type_ids"] = rng.integers(0, values["type_vocab_size"], (b, t))
    return given


def reported(rng: np.random.Generator) -> Arrays:
    return {"output_attentions": some(rng), "output_hidden_states": some(rng)}


# The halves


@families
@dtypes
@given(seed=seeds)
def test_stacks(family: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    which = int(rng.integers(2))
    decoder = some(rng, 0.6)
    cross = decoder and some(rng, 0.6)
    values = sizes(rng, family, is_decoder=decoder, add_cross_attention=cross)
    b, t, s = (int(n) for n in rng.integers(1, (4, 9, 9)))
    arguments = stack_inputs(rng, family, values, b, t) | reported(rng)
    # Relative distances are wrong in the reference when several tokens meet a cache.
    arguments["use_cache"] = some(rng) and (values["position_embedding_type"] == "absolute" or t == 1)
    # Without states the reference fails to report attentions.
    if cross and (some(rng, 0.8) or arguments["output_attentions"]):
        arguments["encoder_hidden_states"] = rng.normal(size=(b, s, values["hidden_size"])).astype(np.float32)
        if some(rng, 0.6):
            arguments["encoder_attention_mask"] = mask(rng, b, s) if some(rng, 0.7) else mask(rng, b, t, s)
    if which and some(rng) and t > 1:
        labels = rng.integers(0, values["vocab_size"], (b, t))
        labels[rng.random(labels.shape) < 0.3] = -100
        arguments["labels"] = labels
        if some(rng, 0.4):
            arguments["num_items_in_batch"] = int(rng.integers(1, 9))
    model = reference(family, which, values, seed)
    if which and not decoder:
        with pytest.warns(UserWarning, match="is_decoder"):
            ours = reopened(model, dtype)
    else:
        ours = reopened(model, dtype)
    compare(ours(**arguments), call(model, arguments, dtype), dtype)
    # Tuples, without the loss of which a float64 model of the reference has only float32.
    arguments = {n: v for n, v in arguments.items() if n not in {"labels", "num_items_in_batch"}} | {
        "return_dict": False
    }
    assert_same(ours(**arguments), call(model, arguments, dtype), dtype)


@families
@dtypes
@given(seed=seeds)
def test_cached_steps(family: str, dtype: str, seed: int) -> None:
    """Several calls that continue one cache; masks and positions grow along."""
    rng = np.random.default_rng(seed)
    cross = some(rng)
    values = sizes(rng, family, is_decoder=True, add_cross_attention=cross)
    model = reference(family, 1, values, seed)
    ours = reopened(model, dtype)
    relative = values["position_embedding_type"] != "absolute"
    b, s = (int(n) for n in rng.integers(1, (4, 7)))
    fixed: Arrays = {"use_cache": True}
    if cross:
        fixed["encoder_hidden_states"] = rng.normal(size=(b, s, values["hidden_size"])).astype(np.float32)
    ids, shown = rng.integers(0, values["vocab_size"], (b, 12)), mask(rng, b, 12)
    past: Any = {"ours": None, "theirs": None}
    stop = 0
    while stop < 10:
        start, stop = stop, stop + (1 if relative else int(rng.integers(1, 5)))
        step = fixed | {"input_ids": ids[:, start:stop]}
        if some(rng, 0.7):
            step["attention_mask"] = shown[:, :stop]
        theirs = call(model, step | {"past_key_values": past["theirs"]}, dtype)
        found = ours(**step, past_key_values=past["ours"])
        compare(found, theirs, dtype)
        past = {"ours": found.past_key_values, "theirs": theirs.past_key_values}


@families
@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_relative_distances_are_right_with_a_cache(family: str, kind: str) -> None:
    """A prefill of several tokens gives what the reference gives without a cache (with one it is wrong)."""
    values = sizes(np.random.default_rng(1), family, is_decoder=True, position_embedding_type=kind)
    model = reference(family, 1, values, 1)
    ours = reopened(model, "float32")
    ids = np.random.default_rng(2).integers(2, values["vocab_size"], (2, 6))
    truth = call(model, {"input_ids": ids, "use_cache": False}, "float32")
    assert_same(ours(ids, use_cache=True).logits, truth.logits, "float32")


# Pairs


def pair(
    rng: np.random.Generator, seed: int, std: float = 0.3, **fixed: Any
) -> tuple[Any, str, dict[str, Any], dict[str, Any]]:
    """Return a transformers pair, its encoder's family and the values of both halves."""
    first, last = (str(rng.choice(list(CLASSES))) for _ in range(2))
    if fixed.get("tie_encoder_decoder"):
        first = last
    of = sizes(rng, first, tie_word_embeddings=True)
    one_size = fixed.get("tie_encoder_decoder") or some(rng)
    shape = {"hidden_size": of["hidden_size"], "num_attention_heads": of["num_attention_heads"]} if one_size else {}
    to = dict(of) if fixed.get("tie_encoder_decoder") else sizes(rng, last, **shape)
    to |= {"is_decoder": True, "add_cross_attention": True}
    halves = [getattr(transformers, f"{f}Config")(**v) for f, v in ((first, of), (last, to))]
    ids = {"decoder_start_token_id": 2, "pad_token_id": int(rng.integers(3)), "eos_token_id": 1}
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*halves, **ids, **fixed)
    for part in (config.encoder, config.decoder):
        part._attn_implementation = "eager"
    return build("EncoderDecoderModel", config, seed, std), first, of, to


@dtypes
@given(seed=seeds, tied=st.booleans())
def test_pairs(dtype: str, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    model, first, of, to = pair(rng, seed, tie_encoder_decoder=tied)
    b, s, t = (int(n) for n in rng.integers(1, (4, 9, 9)))
    last = {"bert-generation": "BertGeneration", "bert": "Bert", "roberta": "Roberta"}[model.config.decoder.model_type]
    arguments = stack_inputs(rng, first, of, b, s) | reported(rng)
    if np.ndim(arguments.get("attention_mask")) == 3:
        del arguments["attention_mask"]
    arguments |= {f"decoder_{n}": v for n, v in stack_inputs(rng, last, to, b, t).items()}
    arguments["use_cache"] = some(rng) and to["position_embedding_type"] == "absolute"
    if some(rng, 0.4):
        # Id 0 is left out: the start id must not be the padding id, see decision 30.
        labels = rng.integers(3, to["vocab_size"], (b, t))
        labels[rng.random(labels.shape) < 0.3] = -100
        labels[0, 0] = 3
        arguments["labels"] = labels
        model.config.pad_token_id = 0
        if some(rng):
            arguments.pop("decoder_input_ids", None)
            arguments.pop("decoder_inputs_embeds", None)
    if some(rng, 0.2):
        states = rng.normal(size=(b, s, of["hidden_size"])).astype(np.float32)
        arguments = {n: v for n, v in arguments.items() if n not in {"input_ids", "inputs_embeds"}}
        arguments["encoder_outputs"] = (states,)
    ours = reopened(model, dtype)
    given = dict(arguments)
    if "encoder_outputs" in given:
        given["encoder_outputs"] = (torch.from_numpy(states).to(getattr(torch, dtype)),)
    compare(ours(**arguments), call(model, given, dtype), dtype)
    if "encoder_outputs" not in given:
        given["return_dict"] = False
        assert_same(ours(**given), call(model, given, dtype), dtype)


@given(seed=seeds)
def test_pair_with_equal_start_and_padding_ids(seed: int) -> None:
    """The first position is never masked: labels give what the explicit decoder inputs and that mask give."""
    rng = np.random.default_rng(seed)
    model, _, of, to = pair(rng, seed)
    model.config.pad_token_id = model.config.decoder_start_token_id = 2
    source, labels = rng.integers(0, of["vocab_size"], (2, 5)), rng.integers(0, to["vocab_size"], (2, 6))
    ours = reopened(model, "float32")
    inputs = np.concatenate([np.full((2, 1), 2), labels[:, :-1]], axis=1)
    shown = inputs != 2
    shown[:, 0] = True
    explicit = {"decoder_input_ids": inputs, "decoder_attention_mask": shown.astype(np.int64), "labels": labels}
    theirs = call(model, {"input_ids": source, **explicit, "use_cache": False}, "float32")
    compare(ours(source, labels=labels), theirs, "float32")


# Generation


SEARCHES: list[dict[str, Any]] = [
    {"max_length": 9},
    {"num_beams": 3, "max_length": 8},
    {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 2.0, "max_length": 8, "early_stopping": True},
    {"num_beams": 2, "no_repeat_ngram_size": 2, "min_length": 4, "max_length": 10},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5, "max_length": 7},
]


def tensors(arguments: Arrays) -> Arrays:
    return {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in arguments.items()}


def same_ids(ours: Any, model: Any, arguments: Arrays) -> None:
    """Compare ids; they may differ where a search met equal sums, as narrow random models have them."""
    choose, ties = ops.top_k, []

    def watched(x: Any, k: int) -> Any:
        best = np.sort(x, axis=-1)[..., ::-1][..., : k + 1]
        # What is absorbed by -1e9, the score of a place where nothing is, is equal always.
        ties.append((np.isclose(best[..., 1:], best[..., :-1], rtol=1e-6, atol=0) & (best[..., 1:] > -1e8)).any())
        return choose(x, k)

    with warnings.catch_warnings(), unittest.mock.patch.object(ops, "top_k", watched):
        warnings.simplefilter("ignore")
        expected = model.generate(**tensors(arguments)).numpy()
        found = ours.generate(**arguments)
    assert np.array_equal(found, expected) or any(ties), (found, expected)


@given(seed=seeds, search=st.sampled_from(SEARCHES))
def test_pairs_generate(seed: int, search: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    model, first, of, to = pair(rng, seed, std=0.5)
    ours = reopened(model, "float32")
    b, s = (int(n) for n in rng.integers(1, (4, 9)))
    arguments = {"input_ids": rng.integers(3, of["vocab_size"], (b, s)), **search, "use_cache": some(rng, 0.8)}
    if some(rng):
        arguments["attention_mask"] = mask(rng, b, s)
    if first != "BertGeneration" and some(rng, 0.3):
        arguments["token_type_ids"] = rng.integers(0, of["type_vocab_size"], (b, s))
    if some(rng, 0.4) and "num_beams" not in search:
        # With beams the reference repeats a head mask's rows, too, and fails.
        arguments["decoder_head_mask"] = rng.random(to["num_attention_heads"]).astype(np.float32)
    same_ids(ours, model, arguments)


@families
@given(seed=seeds, search=st.sampled_from(SEARCHES))
def test_language_models_generate(family: str, seed: int, search: dict[str, Any]) -> None:
    """A prompt may be padded on the left: positions follow the mask."""
    rng = np.random.default_rng(seed)
    cross = some(rng)
    values = sizes(rng, family, is_decoder=True, add_cross_attention=cross, position_embedding_type="absolute")
    model = reference(family, 1, values, seed, std=0.5)
    ours = reopened(model, "float32")
    b, t = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    arguments = {"input_ids": rng.integers(3, values["vocab_size"], (b, t)), **search}
    arguments["attention_mask"] = (np.arange(t) >= rng.integers(0, t, (b, 1))).astype(np.int64)
    if family != "BertGeneration" and some(rng, 0.3):
        arguments["token_type_ids"] = rng.integers(0, values["type_vocab_size"], (b, t))
    if cross:
        states = rng.normal(size=(b, 4, values["hidden_size"])).astype(np.float32)
        if "num_beams" not in search:
            # With a cache of its own making the reference fails.
            arguments |= {"encoder_hidden_states": states, "use_cache": False}
    same_ids(ours, model, arguments)


# Files


@families
@given(seed=seeds)
def test_transformers_reads_what_we_write(family: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    which, decoder = int(rng.integers(2)), True
    values = sizes(rng, family, is_decoder=decoder, add_cross_attention=some(rng))
    ours = reopened(reference(family, which, values, seed), "float32")
    ids = rng.integers(0, values["vocab_size"], (2, 5))
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        theirs = _loaded(CLASSES[family][which], folder)
    compare(ours(ids, use_cache=False), call(theirs, {"input_ids": ids, "use_cache": False}, "float32"), "float32")


@given(seed=seeds, tied=st.booleans())
def test_transformers_reads_pairs_that_we_write(seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    model, _, of, to = pair(rng, seed, tie_encoder_decoder=tied)
    ours = reopened(model, "float32")
    arguments = {
        "input_ids": rng.integers(0, of["vocab_size"], (2, 5)),
        "decoder_input_ids": rng.integers(0, to["vocab_size"], (2, 4)),
        "use_cache": False,
    }
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        theirs = _loaded("EncoderDecoderModel", folder)
    compare(ours(**arguments), call(theirs, arguments, "float32"), "float32")


def _loaded(name: str, folder: str) -> Any:
    model, info = getattr(transformers, name).from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert not any(info.values()), info
    return model.eval()
