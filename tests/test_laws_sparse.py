"""Laws of block-sparse attention: it is dense attention with log(multiplicity) added, in linear memory."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minipegasus
from minipegasus import ops
from minipegasus.errors import ConfigError, InputError
from minipegasus.nn import patterns, stacks
from minipegasus.nn.attention import Masking
from minipegasus.nn.patterns import Pattern

NATIVE = ops.config()["ops"] == "native"
SIZES = {
    "vocab_size": 40,
    "d_model": 12,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 64,
    "init_std": 0.4,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "BigBirdPegasus": {"block_size": 2, "num_random_blocks": 1},
    "BigBirdPegasus seeded": {"block_size": 2, "num_random_blocks": 2, "random_blocks": "seeded"},
    "BigBirdPegasus without random blocks": {"block_size": 3, "num_random_blocks": 0},
    "PegasusX": {"block_size": 4, "num_global_tokens": 3},
    "PegasusX without globals": {"block_size": 2, "num_global_tokens": 0},
}
families = pytest.mark.parametrize("family", list(FAMILIES))
bigbirds = pytest.mark.parametrize("family", [name for name in FAMILIES if name.startswith("BigBird")])
seeds = st.integers(0, 2**32 - 1)


def model_of(family: str, dtype: str = "float32", **options: Any) -> Any:
    name = family.split()[0]
    config = getattr(minipegasus, f"{name}Config")(**{**SIZES, **FAMILIES[family], **options})
    return getattr(minipegasus, f"{name}Model")(config, dtype=dtype, seed=5)


@st.composite
def sparse_patterns(draw: st.DrawFn, heads: int) -> Pattern:
    """Draw a pattern of either kind: any block size, lengths that end within a block, plans per head."""
    block = draw(st.integers(1, 6))
    if draw(st.booleans()):
        first = draw(st.booleans())
        return patterns.partitioned(draw(st.integers(1, 30)), 2 * block, draw(st.integers(0, 4)), first)
    r = draw(st.integers(0, 3))
    length = draw(st.integers(block * (2 * r + 5) + 1, block * (2 * r + 11)))
    plan = (
        patterns.seeded_plan(draw(st.integers(0, 9)), length, block, r, heads, length) if draw(st.booleans()) else None
    )
    return patterns.windowed(length, block, r, plan)


def dense_oracle(q: Any, k: Any, v: Any, pattern: Pattern, scale: float, visible_bs: Any) -> Any:
    """Return dense attention with log(multiplicity) added; a query that sees nothing weighs its listings alike."""
    count_htk = np.stack([pattern.multiplicity(p) for p in range(pattern.plans)])[None]
    with np.errstate(divide="ignore"):
        listed = np.log(count_htk.astype(q.dtype))
    seen = np.where(visible_bs[:, None, None], listed, -np.inf)
    scores = q @ k.swapaxes(2, 3) * scale + seen
    nothing = ~np.isfinite(scores).any(axis=3, keepdims=True)
    return ops.softmax(np.where(nothing, listed, scores)) @ v


@given(data=st.data(), seed=seeds, batch=st.integers(1, 3), dtype=st.sampled_from(["float32", "float64"]))
def test_sparse_is_dense_with_log_multiplicity(data: st.DataObject, seed: int, batch: int, dtype: str) -> None:
    heads, width = 2, 5
    pattern, rng = data.draw(sparse_patterns(heads)), np.random.default_rng(seed)
    q, k, v = rng.normal(size=(3, batch, heads, pattern.keys, width)).astype(dtype)
    visible = rng.random((batch, pattern.keys)) < rng.choice([0.1, 0.7, 1.1])
    out, probs = ops.attention(q, k, v, pattern, scale=0.4, visible_bs=visible, need_probs=True)
    expected = dense_oracle(*(x.astype(np.float64) for x in (q, k, v)), pattern, 0.4, visible)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12 if dtype == "float64" else 4e-6)
    for block in probs:
        np.testing.assert_allclose(block.sum(-1), 1, atol=1e-6)


@families
@given(seed=seeds, length=st.integers(1, 40))
def test_an_encoder_is_a_dense_one_with_log_multiplicity(family: str, seed: int, length: int) -> None:
    model, rng = _doubles[family], np.random.default_rng(seed)
    spec, ids = model.spec.encoder, rng.integers(3, 40, (2, length))
    mask = np.arange(length) < rng.integers(1, length + 1, (2, 1))
    found = model.get_encoder()(ids, mask.astype(int)).last_hidden_state

    p = model.params["encoder"]
    x = stacks.embed(p, spec, ids, None)
    g = spec.global_tokens if spec.attention == "partitioned" else 0
    if spec.attention == "partitioned":
        x = np.concatenate([np.broadcast_to(p["embed_global"]["weight"], (2, g, spec.width)), x], axis=1)
    visible = np.pad(mask, ((0, 0), (g, 0)), constant_values=True)
    maskings = []
    for masking in stacks.mask_layers(spec, g + length, g + length):
        count = np.stack([masking.pattern.multiplicity(plan) for plan in range(masking.pattern.plans)])
        bias = np.where(count > 0, np.log(np.maximum(count, 1)), -1e300)[None]
        dense = patterns.full(g + length, g + length)
        zero = visible if spec.is_sparse(length) else None
        maskings.append(Masking(dense, visible, np.broadcast_to(bias, (2, spec.heads, *bias.shape[2:])), zero))
    expected = stacks.run(p, spec, x, maskings).last_btm[:, g:]
    # Rows of hidden tokens that see nothing at all: what they list is another matter.
    np.testing.assert_allclose(found[mask], expected[mask], rtol=0, atol=1e-12 * np.abs(expected).max())


_doubles = {family: model_of(family, "float64") for family in FAMILIES}


@bigbirds
def test_a_short_call_changes_no_later_long_one(family: str) -> None:
    model, rng = model_of(family), np.random.default_rng(1)
    limit = model.spec.encoder.dense_limit
    long, short = rng.integers(3, 40, (1, limit + 9)), rng.integers(3, 40, (1, limit))
    before = model(long, output_attentions=True)
    model(short)
    after = model(long, output_attentions=True)
    assert np.array_equal(before.last_hidden_state, after.last_hidden_state)
    assert all(map(np.array_equal, before.encoder_attentions, after.encoder_attentions))


@families
def test_the_global_random_state_is_untouched(family: str) -> None:
    patterns.seeded_plan.cache_clear()
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    model_of(family)(np.full((1, 40), 5), decoder_input_ids=[[3]], output_attentions=True)
    assert np.random.rand() == expected  # noqa: NPY002


@families
@given(seed=seeds, length=st.integers(1, 40))
def test_reporting_changes_nothing(family: str, seed: int, length: int) -> None:
    encoder, rng = _singles[family].get_encoder(), np.random.default_rng(seed)
    ids, mask = rng.integers(3, 40, (2, length)), (rng.random((2, length)) < rng.choice([0.3, 0.8])).astype(int)
    plain = encoder(ids, mask).last_hidden_state
    same(encoder(ids, mask, output_attentions=True).last_hidden_state, plain)
    same(encoder(ids, mask, output_hidden_states=True).last_hidden_state, plain)


@bigbirds
@given(seed=seeds, rows=st.integers(2, 4), blocks=st.integers(1, 4))
def test_row_of_a_batch_is_the_row_alone(family: str, seed: int, rows: int, blocks: int) -> None:
    model, rng = _singles[family], np.random.default_rng(seed)
    length = model.spec.encoder.dense_limit + blocks * model.spec.encoder.block_size - int(rng.integers(2))
    ids, mask = rng.integers(3, 40, (rows, length)), (rng.random((rows, length)) < 0.8).astype(int)
    whole = model(ids, mask).encoder_last_hidden_state
    for i in range(rows):
        same(model(ids[i : i + 1], mask[i : i + 1]).encoder_last_hidden_state[0], whole[i])


@bigbirds
@given(seed=seeds, missing=st.integers(0, 1))
def test_padding_within_the_last_block_changes_nothing(family: str, seed: int, missing: int) -> None:
    model, rng = _singles[family], np.random.default_rng(seed)
    block = model.spec.encoder.block_size
    whole = model.spec.encoder.dense_limit + int(rng.integers(1, 5)) * block
    length = whole - min(missing, block - 1)
    ids = rng.integers(3, 40, (2, whole))
    mask = np.broadcast_to((np.arange(whole) < length).astype(int), (2, whole))
    padded = model(ids, mask, decoder_input_ids=ids[:, :3])
    plain = model(ids[:, :length], decoder_input_ids=ids[:, :3])
    same(padded.encoder_last_hidden_state[:, :length], plain.encoder_last_hidden_state)
    same(padded.last_hidden_state, plain.last_hidden_state)


_singles = {family: model_of(family) for family in FAMILIES}


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Compare: the same bits where the contract promises them."""
    if NATIVE:
        assert np.array_equal(a, b), f"differs by {np.abs(a - b).max()}"
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize(
    ("family", "length", "options"),
    [
        ("BigBirdPegasus", 4096, {"block_size": 64, "num_random_blocks": 3, "max_position_embeddings": 8192}),
        ("PegasusX", 16384, {"block_size": 512, "num_global_tokens": 8}),
    ],
)
def test_memory_grows_with_length_alone(family: str, length: int, options: dict[str, Any]) -> None:
    narrow = {"d_model": 4, "encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_layers": 1}
    encoder = model_of(family, **{**narrow, **options}).get_encoder()
    peaks = []
    for t in (length // 2, length):
        ids = np.full((1, t), 5)
        encoder(ids)  # patterns and positions, which stay
        tracemalloc.start()
        encoder(ids)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.2 * peaks[0]
    # One float for every pair of positions would be sixteen times this.
    assert peaks[1] < length * length * 4 / 16


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"d_model": 2, "encoder_attention_heads": 1, "decoder_attention_heads": 1},
            "d_model: expected an even number",
        ),
        ({"d_model": 9}, "d_model: expected an even number"),
        ({"block_size": 1}, "block_size: expected an even number with stagger_local_blocks, found 1"),
        ({"block_size": 7}, "block_size: expected an even number with stagger_local_blocks, found 7"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        minipegasus.PegasusXConfig(**{**SIZES, **values})
    if "block_size" in values:
        minipegasus.PegasusXConfig(**{**SIZES, **values}, stagger_local_blocks=False)


def test_no_random_blocks_means_window_and_ends_alone() -> None:
    options = {"block_size": 2, "num_random_blocks": 2}
    left_out = model_of("BigBirdPegasus", **options, random_blocks="none").spec.encoder
    assert left_out.dense_limit == 18
    pattern = stacks.mask_layers(left_out, 24, 24)[0].pattern
    assert pattern is patterns.windowed(24, 2, 0)
    assert pattern.multiplicity().max() == 1
    none_at_all = model_of("BigBirdPegasus", **{**options, "num_random_blocks": 0}).spec.encoder
    assert none_at_all.dense_limit == 10
    assert not none_at_all.is_sparse(10)
    assert none_at_all.is_sparse(11)


def test_each_layer_and_head_draws_its_own_blocks() -> None:
    spec = model_of("BigBirdPegasus seeded").spec.encoder
    first, second = (masking.pattern for masking in stacks.mask_layers(spec, 40, 40))
    assert first.plans == spec.heads
    assert not np.array_equal(first.ranges, second.ranges)
    assert not np.array_equal(first.multiplicity(0), first.multiplicity(1))


def test_positions_that_do_not_exist_are_refused() -> None:
    model = model_of("BigBirdPegasus")
    with pytest.raises(InputError, match=r"encoder input: expected at most 64 positions .*, found position 64"):
        model(np.full((1, 65), 5))
    with pytest.raises(InputError, match="decoder input: expected at most 64 positions"):
        model(np.full((1, 5), 5), decoder_input_ids=np.full((1, 65), 5))
    model.resize_position_embeddings(65)
    assert model(np.full((1, 65), 5)).last_hidden_state.shape == (1, 65, 12)
    with pytest.raises(InputError, match="position embeddings: expected a model with a position table"):
        model_of("PegasusX").resize_position_embeddings(128)
    assert model_of("PegasusX")(np.full((1, 80), 5), decoder_input_ids=[[0]]).last_hidden_state.shape == (1, 1, 12)
