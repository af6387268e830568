"""Pegasus beside a live transformers: random configurations, arguments, checkpoints in both directions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from parity.reference import assert_same, build, call, saved, torch, transformers

pytestmark = pytest.mark.parity
CLASSES = ["PegasusForConditionalGeneration", "PegasusModel", "PegasusForCausalLM"]


def random_config(rng: np.random.Generator) -> Any:
    heads = int(rng.integers(1, 5))
    layers = int(rng.integers(1, 4))
    return transformers.PegasusConfig(
        vocab_size=int(rng.integers(10, 60)),
        d_model=heads * int(rng.integers(2, 9)),
        # The reference sizes a decoder's cache by the encoder's layers.
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=int(rng.integers(1, 30)),
        decoder_ffn_dim=int(rng.integers(1, 30)),
        max_position_embeddings=40,
        activation_function=str(rng.choice(["gelu", "gelu_new", "relu", "silu", "quick_gelu", "tanh"])),
        scale_embedding=bool(rng.integers(2)),
    )


def random_arguments(rng: np.random.Generator, config: Any, class_name: str) -> dict[str, Any]:
    b, s, t = int(rng.integers(1, 4)), int(rng.integers(1, 12)), int(rng.integers(1, 9))
    vocabulary, width = config.vocab_size, config.d_model

    def perhaps(chance: float) -> bool:
        return bool(rng.random() < chance)

    def heads(layers: int) -> np.ndarray:
        return rng.random((layers, config.encoder_attention_heads)).astype(np.float32)

    given: dict[str, Any] = {"output_attentions": perhaps(0.7), "output_hidden_states": perhaps(0.7)}
    target, mask = rng.integers(0, vocabulary, (b, t)), (rng.random((b, s)) < 0.7).astype(int)
    target_mask = (rng.random((b, t)) < 0.8).astype(int)
    if class_name == "PegasusForCausalLM":
        given["input_ids"] = target
        if perhaps(0.5):
            given["attention_mask"] = target_mask
        if perhaps(0.5):
            given["encoder_hidden_states"] = rng.normal(size=(b, s, width)).astype(np.float32)
            given["encoder_attention_mask"] = mask
        if perhaps(0.5):
            given["labels"] = target
        return given
    source = "inputs_embeds" if perhaps(0.3) else "input_ids"
    embeds = rng.normal(size=(b, s, width)).astype(np.float32)
    given[source] = rng.integers(0, vocabulary, (b, s)) if source == "input_ids" else embeds
    if perhaps(0.3):
        given["decoder_inputs_embeds"] = rng.normal(size=(b, t, width)).astype(np.float32)
    else:
        given["decoder_input_ids"] = target
    if perhaps(0.6):
        given["attention_mask"] = mask
    if perhaps(0.4):
        given["decoder_attention_mask"] = target_mask
    if perhaps(0.3):
        given["head_mask"] = heads(config.encoder_layers)
    if perhaps(0.4):
        given["decoder_head_mask"] = heads(config.decoder_layers)
        given["cross_attn_head_mask"] = heads(config.decoder_layers)
    if class_name.endswith("Generation") and perhaps(0.6):
        labels = np.where(rng.random((b, t)) < 0.3, -100, target)
        labels[0, 0] = 1
        given["labels"] = labels
        if perhaps(0.5):
            given.pop("decoder_input_ids", None)
    return given


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("seed", range(8))
def test_forward(class_name: str, seed: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    config = random_config(rng)
    model = build(class_name, config, seed, keep="embed_positions")
    ours = getattr(minipegasus, class_name).from_pretrained(saved(model, tmp_path), dtype=dtype)
    assert ours.load_report.missing == ours.load_report.unexpected == []
    for _ in range(3):
        given = random_arguments(rng, config, class_name)
        expected = call(model, given, dtype)
        assert_same(ours(**given), expected, dtype)
        as_tuple = ours(**given, return_dict=False)
        assert len(as_tuple) == len(expected.to_tuple())


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_we_save_the_reference_loads(class_name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    config = random_config(rng)
    ours = getattr(minipegasus, class_name)(minipegasus.PegasusConfig(**config.to_dict()), seed=3)
    ours.save_pretrained(tmp_path)
    model, info = getattr(transformers, class_name).from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    given = random_arguments(rng, config, class_name)
    assert_same(ours(**given), call(model.eval(), given, "float32"), "float32")
    if model.can_generate():
        assert model.generation_config.forced_eos_token_id == ours.generation_config.forced_eos_token_id == 1


def test_a_torch_file_is_the_same_model(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(4))
    model = build("PegasusForConditionalGeneration", config, 4, keep="embed_positions")
    plain, torch_folder = saved(model, tmp_path / "safetensors"), tmp_path / "bin"
    model.save_pretrained(torch_folder, safe_serialization=False)
    assert (torch_folder / "pytorch_model.bin").is_file()
    ids = np.array([[5, 6, 1]])
    a, b = (
        minipegasus.PegasusForConditionalGeneration.from_pretrained(f)(input_ids=ids, decoder_input_ids=ids)
        for f in (plain, torch_folder)
    )
    assert np.array_equal(a.logits, b.logits)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_load_as_float32(dtype: str, tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(5))
    model = build("PegasusModel", config, 5, keep="embed_positions").to(getattr(torch, dtype))
    ours = minipegasus.PegasusModel.from_pretrained(saved(model, tmp_path))
    wide = transformers.PegasusModel.from_pretrained(tmp_path, dtype=torch.float32, attn_implementation="eager")
    given = {"input_ids": np.array([[5, 6, 1]]), "decoder_input_ids": np.array([[0, 3]])}
    assert_same(ours(**given), call(wide.eval(), given, "float32"), "float32")


def test_bare_and_head_files_serve_each_other(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(6))
    head = build("PegasusForConditionalGeneration", config, 6, keep="embed_positions")
    folder = saved(head, tmp_path / "head")
    bare = minipegasus.PegasusModel.from_pretrained(folder)
    given = {"input_ids": np.array([[5, 6, 1]]), "decoder_input_ids": np.array([[0, 3]])}
    expected = call(head.model, given, "float32")
    assert_same(bare(**given), expected, "float32")
    bare.save_pretrained(tmp_path / "bare")
    again = minipegasus.PegasusForConditionalGeneration.from_pretrained(tmp_path / "bare")
    assert_same({"last": again(**given).encoder_last_hidden_state}, {"last": expected[2]}, "float32")


def test_cache_steps(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(7))
    model = build("PegasusForConditionalGeneration", config, 7, keep="embed_positions")
    ours = minipegasus.PegasusForConditionalGeneration.from_pretrained(saved(model, tmp_path))
    ids = np.array([[5, 6, 1]])
    theirs_cache, our_cache = None, None
    for step in ([[0, 3]], [[4]], [[5, 6, 7]]):
        given = {"input_ids": ids, "decoder_input_ids": np.array(step), "use_cache": True}
        expected = call(model, {**given, "past_key_values": theirs_cache}, "float32")
        found = ours(**given, past_key_values=our_cache)
        assert_same(found, expected, "float32")
        theirs_cache, our_cache = expected.past_key_values, found.past_key_values
        for layer in range(config.decoder_layers):
            for a, b in zip(our_cache[layer], theirs_cache[layer], strict=True):
                np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=1e-5 * float(b.abs().max()))


def test_cache_position_moves_positions_and_the_causal_limit(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(8))
    model = build("PegasusForCausalLM", config, 8, keep="embed_positions")
    ours = minipegasus.PegasusForCausalLM.from_pretrained(saved(model, tmp_path))
    given = {"input_ids": np.array([[5, 6, 3, 4]]), "cache_position": np.array([0, 2, 5, 1])}
    assert_same(ours(**given), call(model, given, "float32"), "float32")
