"""BigBird-Pegasus beside a live transformers: all five classes, both attention types, lengths around every boundary."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus.nn.patterns import seeded_plan
from parity.reference import assert_same, build, call, flatten, saved, torch, transformers

pytestmark = pytest.mark.parity
PREFIX = "BigBirdPegasus"
CLASSES = ["ForConditionalGeneration", "Model", "ForCausalLM", "ForSequenceClassification", "ForQuestionAnswering"]
EOS = 1


def random_config(rng: np.random.Generator, **values: Any) -> Any:
    heads, layers = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    settings: dict[str, Any] = {
        "vocab_size": int(rng.integers(10, 60)),
        "d_model": heads * int(rng.integers(4, 9)),
        # The reference sizes a decoder's cache by the encoder's layers.
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": int(rng.integers(1, 30)),
        "decoder_ffn_dim": int(rng.integers(1, 30)),
        "max_position_embeddings": 60,
        "activation_function": str(rng.choice(["gelu", "gelu_new", "relu", "silu", "quick_gelu", "tanh"])),
        "scale_embedding": bool(rng.integers(2)),
        "block_size": int(rng.integers(1, 4)),
        "num_random_blocks": int(rng.integers(1, 4)),
        "use_bias": bool(rng.integers(2)),
        "attention_type": str(rng.choice(["block_sparse", "block_sparse", "block_sparse", "original_full"])),
        "num_labels": int(rng.choice([1, 2, 4])),
    }
    return transformers.BigBirdPegasusConfig(**{**settings, **values})


def random_length(rng: np.random.Generator, config: Any) -> int:
    """Return a length at or around the last one with full attention, or a short one."""
    limit, block = (5 + 2 * config.num_random_blocks) * config.block_size, config.block_size
    return int(rng.choice([1, 3, limit, limit + 1, limit + block, limit + block + 1, limit + 3 * block]))


def random_mask(rng: np.random.Generator, b: int, s: int) -> np.ndarray:
    """Return gaps or padding on the right; the first position stays visible."""
    if rng.random() < 0.5:
        mask = np.arange(s) < rng.integers(1, s + 1, (b, 1))
    else:
        mask = rng.random((b, s)) < 0.7
    mask[:, 0] = True
    return mask.astype(int)


def random_arguments(rng: np.random.Generator, config: Any, class_name: str) -> dict[str, Any]:
    b, s, t = int(rng.integers(1, 4)), random_length(rng, config), int(rng.integers(1, 9))
    vocabulary, width = config.vocab_size, config.d_model
    heads = config.decoder_layers, config.decoder_attention_heads

    def perhaps(chance: float) -> bool:
        return bool(rng.random() < chance)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    given: dict[str, Any] = {"output_attentions": perhaps(0.7), "output_hidden_states": perhaps(0.7)}
    target = rng.integers(0, vocabulary, (b, t))
    if class_name == "ForCausalLM":
        given["input_ids"] = target
        if perhaps(0.5):
            given["attention_mask"] = random_mask(rng, b, t)
        if perhaps(0.5):
            given |= {"encoder_hidden_states": floats(b, s, width), "encoder_attention_mask": random_mask(rng, b, s)}
        if perhaps(0.5):
            given["labels"] = target
        return given
    source = rng.integers(2, vocabulary, (b, s))
    source[:, rng.integers(s)] = EOS
    given["input_ids"] = source
    if perhaps(0.6):
        given["attention_mask"] = random_mask(rng, b, s)
    if perhaps(0.3):
        given["decoder_head_mask"] = rng.random(heads).astype(np.float32)
        given["cross_attn_head_mask"] = rng.random(heads).astype(np.float32)
        given["head_mask"] = rng.random(heads).astype(np.float32)
    if class_name == "ForSequenceClassification":
        if perhaps(0.3):
            given["decoder_inputs_embeds"] = floats(b, s, width)
        if perhaps(0.8):
            given["labels"] = _class_labels(rng, config, b)
        return given
    if class_name == "ForQuestionAnswering" and perhaps(0.8):
        given |= {"start_positions": rng.integers(-2, t + 3, b), "end_positions": rng.integers(-2, t + 3, (b, 1))}
    if perhaps(0.3):
        given["inputs_embeds"] = floats(b, s, width)
        del given["input_ids"]
    if perhaps(0.3):
        given["decoder_inputs_embeds"] = floats(b, t, width)
    elif perhaps(0.7) or "inputs_embeds" in given:
        given["decoder_input_ids"] = target
    if perhaps(0.4) and "decoder_input_ids" in given:
        given["decoder_attention_mask"] = (rng.random((b, t)) < 0.8).astype(int)
    if class_name == "ForConditionalGeneration" and perhaps(0.5) and "decoder_inputs_embeds" not in given:
        given["labels"] = target
        target[0, 0] = 3
        if perhaps(0.5):
            given.pop("decoder_input_ids", None)
            given.pop("decoder_attention_mask", None)
    return given


def _class_labels(rng: np.random.Generator, config: Any, b: int) -> np.ndarray:
    if config.num_labels == 1:
        return rng.normal(size=b).astype(np.float32)
    if rng.random() < 0.5:
        return rng.integers(0, config.num_labels, b)
    return rng.integers(0, 2, (b, config.num_labels)).astype(np.float32)


def fresh(class_name: str, config: Any, seed: int, std: float = 0.3) -> Any:
    """Return a reference model: a new one per call, for a short input or a first label changes it for good."""
    return build(PREFIX + class_name, copy.deepcopy(config), seed, std)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("seed", range(8))
def test_forward(class_name: str, seed: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, CLASSES.index(class_name)])
    config = random_config(rng)
    folder = saved(fresh(class_name, config, seed), tmp_path)
    ours = getattr(minipegasus, PREFIX + class_name).from_pretrained(folder, dtype=dtype)
    assert ours.load_report.missing == ours.load_report.unexpected == []
    before = ours.config.to_dict()
    for _ in range(3):
        given = random_arguments(rng, config, class_name)
        expected = call(fresh(class_name, config, seed), given, dtype)
        assert_same(ours(**given), expected, dtype)
        assert len(ours(**given, return_dict=False)) == len(expected.to_tuple())
    assert ours.config.to_dict() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_in_which_everything_is_hidden(dtype: str, tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(3), attention_type="block_sparse", block_size=2, num_random_blocks=2)
    folder = saved(fresh("Model", config, 3), tmp_path)
    ours = minipegasus.BigBirdPegasusModel.from_pretrained(folder, dtype=dtype)
    ids = np.random.default_rng(4).integers(2, config.vocab_size, (3, 21))
    mask = np.ones((3, 21), int)
    mask[1], mask[2, :14] = 0, 0
    given = {"input_ids": ids, "attention_mask": mask, "output_attentions": True, "output_hidden_states": True}
    found, expected = ours(**given), call(fresh("Model", config, 3), given, dtype)
    if dtype == "float32":
        # Scores less 10000 keep three decimals in float32: what is reported of such rows is as good as that.
        for ours_layer, layer in zip(found.encoder_attentions, expected.encoder_attentions, strict=True):
            np.testing.assert_allclose(ours_layer, layer.numpy(), rtol=0, atol=2e-3)
        found = {n: v for n, v in flatten(found) if not n.startswith("encoder_attentions")}
        expected = {n: v for n, v in flatten(expected) if not n.startswith("encoder_attentions")}
    assert_same(found, expected, dtype)


def test_a_short_call_changes_no_later_long_one(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(5), attention_type="block_sparse", block_size=2, num_random_blocks=1)
    folder = saved(fresh("Model", config, 5), tmp_path)
    ours = minipegasus.BigBirdPegasusModel.from_pretrained(folder)
    rng = np.random.default_rng(6)
    long, short = ({"input_ids": rng.integers(2, config.vocab_size, (1, s))} for s in (29, 14))
    for given in (long, short, long):
        assert_same(ours(**given), call(fresh("Model", config, 5), given, "float32"), "float32")


@pytest.mark.parametrize("positions", [1024, 3072, 4096, 8192])
@pytest.mark.parametrize("block", [32, 64, 128, 192, 256])
def test_seeded_plans_of_the_first_lengths(block: int, positions: int) -> None:
    rng = np.random.default_rng(block)
    for length in (1024, 3072, 4096):
        for r in (0, 1, 2, 3):
            if length > positions or length % block or length <= (5 + 2 * r) * block:
                continue
            layer, heads = int(rng.integers(0, 16)), int(rng.integers(1, 4))
            expected = _reference_plan(layer, length, block, r, heads, positions)
            if expected is not None:
                assert seeded_plan(layer, length, block, r, heads, positions) == expected


@pytest.mark.parametrize("seed", range(6))
def test_seeded_plans_of_other_lengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(10):
        block, r, layer = int(rng.integers(1, 65)), int(rng.integers(0, 5)), int(rng.integers(0, 16))
        heads, length = int(rng.integers(1, 5)), block * int(rng.integers(6 + 2 * r, 30))
        case = layer, length, block, r, heads, 4096
        assert seeded_plan(*case) == _reference_plan(*case)


def _reference_plan(layer: int, length: int, block: int, r: int, heads: int, positions: int) -> Any:
    """Return the blocks that a training reference draws, or None where it finds too few."""
    config = transformers.BigBirdPegasusConfig(
        d_model=heads,
        encoder_attention_heads=heads,
        max_position_embeddings=positions,
        block_size=block,
        num_random_blocks=r,
    )
    attention = transformers.models.bigbird_pegasus.modeling_bigbird_pegasus.BigBirdPegasusBlockSparseAttention(config)
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(layer)  # noqa: NPY002
        if length in (1024, 3072, 4096):
            rows = length // block - 2
            draw = attention.train()._bigbird_block_rand_mask
            plan = [draw(positions, positions, block, block, r, last_idx=1024)[:rows] for _ in range(heads)]
        else:
            ends, counts = attention._get_rand_attn_plan(length, block, r)
            plan = attention.train()._bigbird_block_rand_mask_with_head(
                length, length, block, block, heads, ends, counts
            )
    except ValueError:
        return None
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return tuple(tuple(tuple(int(j) for j in row) for row in head) for head in plan)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(4))
def test_seeded_blocks_are_what_the_reference_trains_with(seed: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    config = random_config(rng, attention_type="block_sparse", dropout=0.0)
    folder = saved(fresh("Model", config, seed), tmp_path)
    ours = minipegasus.BigBirdPegasusModel.from_pretrained(folder, dtype=dtype, random_blocks="seeded")
    limit = (5 + 2 * config.num_random_blocks) * config.block_size
    for length in (limit, limit + 1, limit + 3 * config.block_size):
        given: dict[str, Any] = {"input_ids": rng.integers(2, config.vocab_size, (2, length))}
        given |= {"attention_mask": random_mask(rng, 2, length), "output_attentions": True}
        expected = call(fresh("Model", config, seed).train(), given, dtype)
        assert_same(ours(**given), expected, dtype)


def test_a_table_that_ends_within_the_last_block(tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(7), attention_type="block_sparse", encoder_layers=1, decoder_layers=1)
    config.update({"block_size": 64, "num_random_blocks": 1, "max_position_embeddings": 1024})
    model = fresh("Model", config, 7)
    ours = minipegasus.BigBirdPegasusModel.from_pretrained(saved(model, tmp_path))
    # The reference fails at exactly this padded length; longer tables change nothing.
    ours.resize_position_embeddings(1000)
    ids = np.random.default_rng(8).integers(2, config.vocab_size, (1, 1000))
    given = {"input_ids": ids, "decoder_input_ids": ids[:, :3]}
    assert_same(ours(**given), call(model, given, "float32"), "float32")


@pytest.mark.parametrize("one_table", [True, False])
def test_embeddings_that_are_not_tied(one_table: bool, tmp_path: Path) -> None:
    """Tables that are one tensor are written once, as ``shared``; those that are not keep their own values."""
    config = random_config(np.random.default_rng(9), tie_word_embeddings=False)
    model = build(PREFIX + "ForConditionalGeneration", config, 9)
    if not one_table:
        model.model.decoder.embed_tokens.weight = torch.nn.Parameter(model.lm_head.weight + 1)
    ours = minipegasus.BigBirdPegasusForConditionalGeneration.from_pretrained(saved(model, tmp_path))
    assert ours.load_report == type(ours.load_report)()
    given = {"input_ids": np.array([[5, 6, 1]]), "decoder_input_ids": np.array([[2, 3]])}
    assert_same(ours(**given), call(model, given, "float32"), "float32")


@pytest.mark.parametrize("length", [9, 15, 20])
def test_generated_ids(length: int, tmp_path: Path) -> None:
    config = random_config(np.random.default_rng(9), attention_type="block_sparse", block_size=2, num_random_blocks=1)
    model = fresh("ForConditionalGeneration", config, 9)
    ours = minipegasus.BigBirdPegasusForConditionalGeneration.from_pretrained(saved(model, tmp_path))
    ids = np.random.default_rng(length).integers(2, config.vocab_size, (2, length))
    mask = np.array([[1] * length, [1] * (length - 3) + [0] * 3])
    for settings in ({}, {"num_beams": 5, "max_length": 12, "length_penalty": 0.8}, {"num_beams": 2, "min_length": 8}):
        fresh_model = fresh("ForConditionalGeneration", config, 9)
        expected = fresh_model.generate(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), **settings)
        assert np.array_equal(ours.generate(ids, attention_mask=mask, **settings), expected.numpy())


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_we_save_the_reference_loads(class_name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    config = random_config(rng)
    ours = getattr(minipegasus, PREFIX + class_name)(minipegasus.BigBirdPegasusConfig(**config.to_dict()), seed=3)
    ours.save_pretrained(tmp_path)
    model, info = getattr(transformers, PREFIX + class_name).from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    given = random_arguments(rng, config, class_name)
    assert_same(ours(**given), call(model.eval(), given, "float32"), "float32")
