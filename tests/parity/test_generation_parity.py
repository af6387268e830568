"""``generate`` of our models against transformers': random tiny models, random settings, every output."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus.arrays import Array

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

SIZES = {
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,  # the reference's cache fails with a deeper decoder
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_position_embeddings": 64,
    "attn_implementation": "eager",
}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "pegasus": ("PegasusConfig", "PegasusForConditionalGeneration", {}),
    "bigbird": ("BigBirdPegasusConfig", "BigBirdPegasusForConditionalGeneration", {"attention_type": "original_full"}),
    "pegasus_x": ("PegasusXConfig", "PegasusXForConditionalGeneration", {"block_size": 4, "num_global_tokens": 3}),
    "causal": ("PegasusConfig", "PegasusForCausalLM", {"is_encoder_decoder": False, "forced_eos_token_id": None}),
    "bert_decoder": ("BertGenerationConfig", "BertGenerationDecoder", {"is_decoder": True}),
    "encoder_decoder": ("EncoderDecoderConfig", "EncoderDecoderModel", {}),
}
HALF = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 64,
    "attn_implementation": "eager",
}
VOCABULARY = 53
EOS = 1


def random_models(family: str, seed: int, folder: Path) -> tuple[Any, Any]:
    """Return the reference's model and ours with the same weights, large enough that tokens differ."""
    config_name, class_name, values = FAMILIES[family]
    kind = getattr(transformers, config_name)
    if family == "encoder_decoder":
        halves = [transformers.BertGenerationConfig(vocab_size=VOCABULARY, **HALF) for _ in range(2)]
        config = kind.from_encoder_decoder_configs(*halves)
    else:
        config = kind(vocab_size=VOCABULARY, **(HALF if family == "bert_decoder" else SIZES), **values)
    model = getattr(transformers, class_name)(config=config).eval()
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "embed_positions.weight" not in name:
                weight.copy_(torch.randn(weight.shape, generator=source) * 0.5)
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(torch.randn(buffer.shape, generator=source) * 0.3)
    model.save_pretrained(folder)
    return model, getattr(minipegasus, class_name).from_pretrained(folder)


def scale_of(model: Any) -> float:
    return float(np.sqrt(model.config.d_model)) if getattr(model.config, "scale_embedding", False) else 1.0


def random_inputs(rng: np.random.Generator, model: Any) -> dict[str, Any]:
    encoder_decoder = model.config.is_encoder_decoder
    items, length = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    ids = rng.integers(3, VOCABULARY, (items, length))
    for row in ids if rng.random() < 0.5 else []:
        padding = int(rng.integers(0, length))
        row[length - padding :] = 0
        row[:] = row if encoder_decoder else row[::-1]
    given: dict[str, Any] = {"input_ids": ids}
    if rng.random() < 0.3:
        given["attention_mask"] = (ids != 0).astype(np.int64)
    if encoder_decoder and rng.random() < 0.3:
        given["decoder_input_ids"] = rng.integers(0, VOCABULARY, (items, int(rng.integers(1, 4))))
        if rng.random() < 0.5:
            mask = np.ones_like(given["decoder_input_ids"])
            mask[0, 1:2] = 0
            given["decoder_attention_mask"] = mask
    kind = rng.random()
    if kind < 0.15:
        with torch.no_grad():
            embeddings = (model.get_encoder() if encoder_decoder else model).get_input_embeddings()
            given["inputs_embeds"] = (embeddings(torch.from_numpy(ids)) * scale_of(model)).numpy()
        del given["input_ids"]
    elif kind < 0.3 and encoder_decoder:
        with torch.no_grad():
            encoded = model.get_encoder()(torch.from_numpy(ids)).last_hidden_state
        given["encoder_outputs"] = encoded.numpy()
        given.pop("input_ids" if rng.random() < 0.5 else "attention_mask", None)
    return given


def random_settings(rng: np.random.Generator, mode: str, prompt_length: int) -> dict[str, Any]:
    """Settings that do not contradict each other: what is forced is never forbidden, something can always be chosen."""

    def tokens(count: int) -> list[int]:
        return [int(token) for token in rng.integers(2, VOCABULARY, count)]

    def one_of(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    length = prompt_length + int(rng.integers(5, 16))
    chances: list[tuple[float, str, Any]] = [
        (0.7, "max_length", length),
        (0.2, "max_new_tokens", int(rng.integers(3, 14))),
        (0.4, "no_repeat_ngram_size", int(rng.integers(1, 5))),
        (0.2, "encoder_no_repeat_ngram_size", int(rng.integers(1, 4))),
        (0.3, "min_length", int(rng.integers(2, length))),
        (0.2, "min_new_tokens", int(rng.integers(1, 10))),
        (0.3, "bad_words_ids", [tokens(int(rng.integers(1, 4))) for _ in range(4)] + one_of([], [[EOS]])),
        (0.2, "suppress_tokens", tokens(3)),
        (0.2, "begin_suppress_tokens", tokens(3)),
        (0.2, "forced_eos_token_id", one_of(None, EOS)),
        (0.1, "forced_bos_token_id", 2),
        (0.3, "repetition_penalty", one_of(0.7, 1.3, 2.0)),
        (0.2, "sequence_bias", {tuple(tokens(int(rng.integers(1, 3)))): float(rng.normal() * 3) for _ in range(3)}),
        (0.2, "eos_token_id", one_of([EOS], [EOS, 7], [9, EOS, 7])),
        (0.2, "pad_token_id", int(rng.integers(0, VOCABULARY))),
        (0.2, "renormalize_logits", True),
        (0.1, "remove_invalid_values", True),
        (0.15, "use_cache", False),
        (0.3, "output_attentions", True),
        (0.3, "output_hidden_states", True),
        # Not with beams, where the reference reaches only the first rows.
        (0.2 * (mode == "greedy"), "encoder_repetition_penalty", one_of(0.7, 1.3)),
    ]
    settings = {name: value for chance, name, value in chances if rng.random() < chance}
    if not settings.keys() & {"min_length", "min_new_tokens", "no_repeat_ngram_size"} and rng.random() < 0.3:
        settings["exponential_decay_length_penalty"] = (int(rng.integers(0, 5)), one_of(1.1, 1.5, 0.9))
    settings.get("suppress_tokens", []).clear() if settings.get("forced_bos_token_id") else None
    if mode != "greedy":
        groups, size = one_of((2, 1), (2, 2), (3, 2), (4, 2)) if mode == "group" else (1, int(rng.integers(2, 9)))
        settings["num_beams"] = groups * size
        settings["length_penalty"] = one_of(-1.0, -0.5, 0.0, 0.3, 0.8, 1.0, 1.5, 2.0)
        settings["early_stopping"] = one_of(True, False, "never")
        settings["num_return_sequences"] = int(rng.integers(1, groups * size + 1))
        if mode == "group":
            settings |= {"num_beam_groups": groups, "diversity_penalty": one_of(0.2, 0.5, 1.0, 3.0)}
    return settings


def for_torch(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def arrays_of(value: Any) -> list[Array]:
    """Flatten nested tuples of tensors or arrays; PEGASUS-X's encoder of the reference puts names among them."""
    if isinstance(value, tuple | list):
        return [array for part in value for array in arrays_of(part)]
    return [] if isinstance(value, dict | str) else [np.asarray(value)]


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("mode", ["greedy", "beam", "group"])
@pytest.mark.parametrize("family", FAMILIES)
def test_generate(family: str, mode: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, len(mode), *family.encode()])
    theirs, ours = random_models(family, seed, tmp_path)
    given = random_inputs(rng, theirs)
    prompt_length = 3 if theirs.config.is_encoder_decoder else np.shape(next(iter(given.values())))[1]
    settings = random_settings(rng, mode, prompt_length)
    if "input_ids" not in given:
        settings = {name: value for name, value in settings.items() if not name.startswith("encoder_")}
    settings |= {"return_dict_in_generate": True, "output_logits": True}
    # With an empty prompt the reference's group beam search has no room for its beam indices.
    settings["output_scores"] = mode != "group" or theirs.config.is_encoder_decoder
    for_theirs = {name: for_torch(value) for name, value in given.items()}
    if "encoder_outputs" in given:
        encoded = transformers.modeling_outputs.BaseModelOutput(torch.from_numpy(given["encoder_outputs"]))
        for_theirs["encoder_outputs"] = encoded
        given["encoder_outputs"] = (given["encoder_outputs"].copy(),)  # the reference changes its own in place
    wanted = theirs.generate(**for_theirs, **settings)
    found = ours.generate(**given, **settings)
    np.testing.assert_array_equal(found.sequences, wanted.sequences.numpy())
    unneeded = set() if settings["output_scores"] else {"beam_indices"}  # ours come in any case
    assert [name for name in found if name not in unneeded] == list(wanted)
    if mode == "greedy":
        compare(found, wanted, [name for name in wanted if name not in ("sequences", "past_key_values")])
        return
    if settings["output_scores"]:
        np.testing.assert_allclose(found.sequences_scores, wanted.sequences_scores.numpy(), rtol=1e-4, atol=1e-4)
    if mode == "beam":
        np.testing.assert_array_equal(found.beam_indices, wanted.beam_indices.numpy())
        transitions = ours.compute_transition_scores(found.sequences, found.scores, found.beam_indices)
        expected = theirs.compute_transition_scores(wanted.sequences, wanted.scores, wanted.beam_indices)
        np.testing.assert_allclose(transitions, expected.numpy(), rtol=1e-4, atol=1e-4)


def compare(found: Any, wanted: Any, names: list[str]) -> None:
    for name in names:
        pairs = zip(arrays_of(found[name]), arrays_of(wanted[name]), strict=True)
        for number, (array, expected) in enumerate(pairs):
            finite = np.isfinite(expected)
            np.testing.assert_array_equal(np.isfinite(array), finite, err_msg=f"{name}[{number}]")
            np.testing.assert_allclose(
                array[finite], expected[finite], rtol=1e-4, atol=1e-4, err_msg=f"{name}[{number}]"
            )


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("family", ["bigbird", "encoder_decoder", "bert_decoder"])
def test_generate_with_words(family: str, seed: int, tmp_path: Path) -> None:
    """Constrained beam search; of a disjunctive word no two alternatives begin alike, which confuses the reference."""
    rng = np.random.default_rng([seed, *family.encode()])
    theirs, ours = random_models(family, seed, tmp_path)
    ids = rng.integers(3, VOCABULARY, (2, 4))
    tokens = rng.permutation(np.arange(3, VOCABULARY)).tolist()
    settings = {
        "force_words_ids": [tokens[:2], [tokens[2:4], tokens[4:5]], tokens[5:6]][: int(rng.integers(1, 4))],
        "num_beams": int(rng.integers(2, 6)),
        "max_length": 14,
        "length_penalty": float(rng.choice([0.0, 1.0, 2.0])),
        "early_stopping": [True, False, "never"][seed % 3],
    }
    wanted = theirs.generate(torch.from_numpy(ids), trust_remote_code=True, **settings)
    np.testing.assert_array_equal(ours.generate(ids, **settings), wanted.numpy())
