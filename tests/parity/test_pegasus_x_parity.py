"""PEGASUS-X beside a live transformers: globals, staggered blocks, masks that hide whole blocks, any length."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus import ops
from minipegasus.ops import _numpy
from parity.reference import assert_same, build, call, saved, torch, transformers

pytestmark = pytest.mark.parity
CLASSES = ["PegasusXForConditionalGeneration", "PegasusXModel"]


def random_config(rng: np.random.Generator, **values: Any) -> Any:
    heads, layers = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    staggered = bool(rng.integers(4))
    settings: dict[str, Any] = {
        "vocab_size": int(rng.integers(10, 60)),
        "d_model": heads * 2 * int(rng.integers(2, 5)),
        # The reference sizes a decoder's cache by the encoder's layers.
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": int(rng.integers(1, 30)),
        "decoder_ffn_dim": int(rng.integers(1, 30)),
        # Nothing looks at it: positions are computed.
        "max_position_embeddings": 8,
        "activation_function": str(rng.choice(["gelu", "gelu_new", "relu", "silu", "quick_gelu", "tanh"])),
        "scale_embedding": bool(rng.integers(2)),
        "block_size": 2 * int(rng.integers(1, 4)) if staggered else int(rng.integers(1, 6)),
        "num_global_tokens": int(rng.choice([0, 1, 3, 8])),
        "stagger_local_blocks": staggered,
    }
    return transformers.PegasusXConfig(**{**settings, **values})


def random_mask(rng: np.random.Generator, b: int, s: int) -> np.ndarray:
    """Return gaps, padding on the right, or rows in which everything is hidden."""
    if rng.random() < 0.5:
        return (np.arange(s) < rng.integers(0, s + 1, (b, 1))).astype(int)
    return (rng.random((b, s)) < rng.choice([0.2, 0.7])).astype(int)


def random_arguments(rng: np.random.Generator, config: Any, class_name: str) -> dict[str, Any]:
    b, t, block = int(rng.integers(1, 4)), int(rng.integers(1, 9)), config.block_size
    s = int(rng.choice([1, max(block - 1, 1), block, block + 1, 3 * block, int(rng.integers(1, 40))]))
    vocabulary, width = config.vocab_size, config.d_model

    def perhaps(chance: float) -> bool:
        return bool(rng.random() < chance)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    given: dict[str, Any] = {"output_attentions": perhaps(0.7), "output_hidden_states": perhaps(0.7)}
    if perhaps(0.3):
        given["inputs_embeds"] = floats(b, s, width)
    else:
        given["input_ids"] = rng.integers(0, vocabulary, (b, s))
    target = rng.integers(3, vocabulary, (b, t))
    if perhaps(0.3):
        given["decoder_inputs_embeds"] = floats(b, t, width)
    else:
        given["decoder_input_ids"] = target
    if perhaps(0.7):
        given["attention_mask"] = random_mask(rng, b, s)
    if perhaps(0.4):
        given["decoder_attention_mask"] = (rng.random((b, t)) < 0.8).astype(int)
    if class_name.endswith("Generation") and perhaps(0.5):
        given["labels"] = target
        if perhaps(0.5):
            given.pop("decoder_input_ids", None)
    return given


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("seed", range(12))
def test_forward(class_name: str, seed: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    config = random_config(rng)
    model = build(class_name, config, seed)
    ours = getattr(minipegasus, class_name).from_pretrained(saved(model, tmp_path), dtype=dtype)
    assert ours.load_report.missing == ours.load_report.unexpected == []
    for _ in range(4):
        given = random_arguments(rng, config, class_name)
        expected = call(model, given, dtype)
        assert_same(ours(**given), expected, dtype)
        assert len(ours(**given, return_dict=False)) == len(expected.to_tuple())


def test_frequencies_of_every_width() -> None:
    for width in range(4, 2050, 2):
        half = width // 2
        exponent = torch.arange(half).float() * -(np.log(10000.0) / (half - 1))
        assert np.array_equal(_numpy.sinusoid_frequencies(width), torch.exp(exponent).numpy()), width


@pytest.mark.parametrize("start", [0, 7000, 15360])
@pytest.mark.parametrize("width", [34, 66, 256, 640, 1024, 1280])
def test_positions_up_to_16384(width: int, start: int) -> None:
    table = transformers.models.pegasus_x.modeling_pegasus_x.PegasusXSinusoidalPositionalEmbedding(width)
    expected = table(torch.zeros(1, 1024, 1), past_key_values_length=start)[0].numpy()
    assert np.abs(ops.sinusoid_rows(start, 1024, width) - expected).max() <= 1.2e-7  # one unit below one
    exact = table(torch.zeros(1, 1024, 1, dtype=torch.float64), past_key_values_length=start)[0].numpy()
    # The angles' own rounding: 16384 radians hold 1e-12 or so.
    np.testing.assert_allclose(ops.sinusoid_rows(start, 1024, width, np.float64), exact, rtol=0, atol=1e-11)


@pytest.mark.parametrize("length", [1, 7, 20])
def test_generated_ids(length: int, tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(9), stagger_local_blocks=True, block_size=4)
    model = build("PegasusXForConditionalGeneration", config, 9)
    ours = minipegasus.PegasusXForConditionalGeneration.from_pretrained(saved(model, tmp_path))
    ids = np.random.default_rng(length).integers(2, config.vocab_size, (2, length))
    mask = np.array([[1] * length, [1] * (length // 2 + 1) + [0] * (length - length // 2 - 1)])
    for settings in ({}, {"num_beams": 4, "max_length": 12, "length_penalty": 0.8}, {"num_beams": 2, "min_length": 8}):
        expected = model.generate(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), **settings)
        assert np.array_equal(ours.generate(ids, attention_mask=mask, **settings), expected.numpy())


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_we_save_the_reference_loads(class_name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    config = random_config(rng)
    ours = getattr(minipegasus, class_name)(minipegasus.PegasusXConfig(**config.to_dict()), seed=3)
    ours.save_pretrained(tmp_path)
    model, info = getattr(transformers, class_name).from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    given = random_arguments(rng, config, class_name)
    assert_same(ours(**given), call(model.eval(), given, "float32"), "float32")
