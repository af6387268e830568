"""Attention over patterns against a dense oracle in float64, on both twins.

The oracle knows nothing of ranges: it looks up every listed key of every query, one after the other.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minipegasus import ops
from minipegasus.nn import patterns
from minipegasus.nn.patterns import Pattern
from minipegasus.ops import _numpy

TWINS: list[Callable[..., Any]] = [_numpy.attention]
if ops.config()["ops"] == "native":
    from minipegasus.ops import _native

    TWINS.append(_native.attention)


@st.composite
def random_patterns(draw: st.DrawFn, heads: int) -> Pattern:
    """Any blocks, any ranges (overlapping, repeated, out of order), per head or shared, causal or not."""
    keys, queries = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    inner = draw(st.lists(st.integers(0, queries), max_size=4, unique=True))
    borders = sorted({0, queries, *inner})
    plans = draw(st.sampled_from([1, heads]))
    lengths = [[draw(st.integers(1, keys)) for _ in range(draw(st.integers(1, 4)))] for _ in borders[1:]]
    ranges, starts = [], []
    for _ in range(plans):
        row = [len(ranges)]
        for block in lengths:
            for length in block:
                first = draw(st.integers(0, keys - length))
                ranges.append((first, first + length))
            row.append(len(ranges))
        starts.append(row)
    offset = draw(st.none() | st.integers(-5, keys))
    return Pattern(np.array(borders), np.array(starts), np.array(ranges).reshape(-1, 2), keys, offset)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    heads, width = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 16, 20, 64]))
    pattern = draw(random_patterns(heads))
    key_batch, sharing = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    batch, t, s = key_batch * sharing, pattern.queries, pattern.keys
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    case: dict[str, Any] = {
        "pattern": pattern,
        "q": rng.standard_normal((batch, t, heads, width)).astype(np.float32).transpose(0, 2, 1, 3),
        "k": rng.standard_normal((key_batch, heads, s + 2, width)).astype(np.float32)[:, :, 1:-1],
        "v": rng.standard_normal((key_batch, s, heads, width)).astype(np.float32).transpose(0, 2, 1, 3),
        "scale": draw(st.sampled_from([1.0, 0.37])),
    }
    if draw(st.booleans()):
        rows = draw(st.sampled_from([n for n in range(1, batch + 1) if batch % n == 0]))
        case["visible_bs"] = rng.random((rows, s)) < draw(st.sampled_from([0.0, 0.1, 0.6, 0.95]))
    if draw(st.booleans()):
        shape = [n if draw(st.booleans()) else 1 for n in (batch, heads)]
        if len(pattern.ranges) == 1 and pattern.blocks == 1 and pattern.is_dense:
            case["bias_bhts"] = rng.standard_normal((*shape, t, s)).astype(np.float32)
    if draw(st.booleans()):
        case["rows_bs"] = rng.integers(0, key_batch, (batch, s)).astype(np.int32)
    if draw(st.booleans()):
        case["head_scale_h"] = rng.uniform(0, 2, heads).astype(np.float32)
    return case


def oracle(case: dict[str, Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    pattern: Pattern = case["pattern"]
    q, k, v = (case[name].astype(np.float64) for name in "qkv")
    batch, heads, _, width = q.shape
    visible, rows, bias, factor = (case.get(n) for n in ("visible_bs", "rows_bs", "bias_bhts", "head_scale_h"))
    out = np.zeros((batch, heads, pattern.queries, width))
    blocks = []
    for block in range(pattern.blocks):
        first, stop = pattern.query_starts[block : block + 2]
        listed = [pattern.key_index(block, p) for p in range(pattern.plans)]
        probs = np.zeros((batch, heads, stop - first, len(listed[0])))
        for b, h, t in np.ndindex(*probs.shape[:3]):
            query, scores, values = first + t, [], []
            for key in listed[h % len(listed)]:
                row = b // (batch // len(k)) if rows is None else rows[b, key]
                score = float(q[b, h, query] @ k[row, h, key]) * case["scale"]
                if bias is not None:
                    score += bias[b % bias.shape[0], h % bias.shape[1], query, key]
                if visible is not None and not visible[b // (batch // len(visible)), key]:
                    score = float(np.finfo(np.float32).min)
                if pattern.causal_offset is not None and key > query + pattern.causal_offset:
                    score = float(np.finfo(np.float32).min)
                scores.append(score)
                values.append(v[row, h, key])
            e = np.exp(np.array(scores) - max(scores))
            probs[b, h, t] = e / e.sum() * (1 if factor is None else factor[h])
            out[b, h, query] = probs[b, h, t] @ np.array(values)
        blocks.append(probs)
    return out, blocks


@pytest.mark.parametrize("attention", TWINS, ids=lambda f: f.__module__)
@given(case=cases())
def test_against_the_oracle(attention: Callable[..., Any], case: dict[str, Any]) -> None:
    true_out, true_probs = oracle(case)
    arguments = {name: case[name] for name in case if name not in "qkv"}
    out, probs = attention(case["q"], case["k"], case["v"], need_probs=True, **arguments)
    assert np.abs(out - true_out).max() <= 1e-5 * max(1.0, np.abs(true_out).max())
    for found, true in zip(probs, true_probs, strict=True):
        assert found.shape == true.shape
        assert np.abs(found - true).max(initial=0) <= 1e-5
    again, none = attention(case["q"], case["k"], case["v"], **arguments)
    assert none is None
    assert np.array_equal(out, again)
    b, h, t, d = out.shape
    assert np.shares_memory(out, out.transpose(0, 2, 1, 3).reshape(b, t, h * d))  # merging heads is free


@pytest.mark.parametrize("attention", TWINS, ids=lambda f: f.__module__)
@pytest.mark.parametrize("queries", [1, 40])
def test_repeated_ranges(attention: Callable[..., Any], queries: int) -> None:
    """Whichever range is repeated, its keys count again."""
    ranges = np.array([[3, 9], [0, 20], [0, 20], [3, 9], [5, 9], [0, 20]])
    rng = np.random.default_rng(0)
    case = {name: rng.standard_normal((1, 2, queries if name == "q" else 20, 16)).astype(np.float32) for name in "qkv"}
    case |= {"pattern": Pattern(np.array([0, queries]), np.array([[0, len(ranges)]]), ranges, 20), "scale": 0.5}
    out, probs = attention(case["q"], case["k"], case["v"], case["pattern"], scale=0.5, need_probs=True)
    true_out, true_probs = oracle(case)
    assert np.abs(out - true_out).max() <= 1e-5
    assert np.abs(probs[0] - true_probs[0]).max() <= 1e-5


@pytest.mark.parametrize("attention", TWINS, ids=lambda f: f.__module__)
@pytest.mark.parametrize("count", [3, 40])
def test_a_row_without_visible_keys_is_uniform(attention: Callable[..., Any], count: int) -> None:
    """Over all it lists, the future and the hidden included, as the reference has it."""
    q, k, v = (np.random.default_rng(i).standard_normal((1, 1, count, 8)).astype(np.float32) for i in range(3))
    visible = np.arange(count)[None] > 0
    out, probs = attention(q, k, v, patterns.causal(count, count), scale=1.0, visible_bs=visible, need_probs=True)
    assert np.allclose(probs[0][0, 0, 0], 1 / count)
    assert np.allclose(out[0, 0, 0], v[0, 0].mean(0), atol=1e-6)
    assert probs[0][0, 0, 1, 1] == 1


@pytest.mark.parametrize("attention", TWINS[1:], ids=lambda f: f.__module__)
@pytest.mark.parametrize(
    "pattern",
    [
        patterns.full(200, 2600),
        patterns.causal(300, 1300),
        patterns.windowed(1500, 64, 3),
        patterns.partitioned(1500, 256, 40, shifted=True),
    ],
    ids=["full", "causal", "windowed", "partitioned"],
)
def test_many_tiles(attention: Callable[..., Any], pattern: Pattern) -> None:
    """Lengths past one tile of queries and past what stays in cache, against the definition in float64."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((1, 2, pattern.queries, 64)).astype(np.float32)
    k, v = (rng.standard_normal((1, 2, pattern.keys, 64)).astype(np.float32) for _ in range(2))
    visible = np.arange(pattern.keys)[None] < pattern.keys - 70
    true, _ = _numpy.attention(*(x.astype(np.float64) for x in (q, k, v)), pattern, scale=0.125, visible_bs=visible)
    out, _ = attention(q, k, v, pattern, scale=0.125, visible_bs=visible)
    assert np.abs(out - true).max() <= 1e-5 * np.abs(true).max()  # thousands of terms, one after the other


@pytest.mark.skipif(len(TWINS) < 2, reason="the definition trusts its caller")
def test_what_does_not_fit_is_refused() -> None:
    q = np.zeros((2, 2, 5, 8), np.float32)
    good = {"pattern": patterns.full(5, 5), "scale": 1.0}
    bad_range = Pattern(np.array([0, 5]), np.array([[0, 1]]), np.array([[0, 6]]), 5)
    for k, v, changes in [
        (q[:, :1], q, {}),
        (q, q[:, :, :4], {}),
        (q, q, {"pattern": patterns.full(4, 5)}),
        (q, q, {"pattern": bad_range}),
        (q, q, {"visible_bs": np.ones((2, 4), bool)}),
        (q, q, {"rows_bs": np.full((2, 5), 2, np.int32)}),
        (q, q, {"rows_bs": np.full((2, 5), -1, np.int32)}),
        (q, q, {"head_scale_h": np.ones(3, np.float32)}),
    ]:
        with pytest.raises(ValueError):
            _native.attention(q, k, v, **{**good, **changes})
