"""Contract N1 to N4, bit for bit: instruction sets, threads, rows, padding, and the order of a sum itself."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minipegasus
from minipegasus import ops
from minipegasus.nn import patterns

if ops.config()["ops"] != "native":
    pytest.skip("the contract is the kernels'", allow_module_level=True)
from minipegasus.ops import _native
from minipegasus.ops.backend import use_isa

ISAS = ops.config()["isa_available"]
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    isa, threads = ops.config()["isa"], minipegasus.get_num_threads()
    yield
    use_isa(isa)
    minipegasus.set_num_threads(threads)


def floats(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def everywhere(compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Compute with every instruction set and 1, 2 and 3 threads; all must agree."""
    results = []
    for isa in ISAS:
        use_isa(isa)
        for threads in (1, 2, 3):
            minipegasus.set_num_threads(threads)
            results.append((isa, threads, compute()))
    for isa, threads, result in results[1:]:
        assert same_bits(results[0][2], result), f"{isa} with {threads} threads differs from {results[0][:2]}"
    return results[0][2]


def all_exponents(seed: int, count: int) -> np.ndarray:
    """Any bit pattern at all: subnormals, infinities and NaNs included."""
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32).view(np.float32)


@pytest.mark.parametrize("name", [*_native._ACTIVATIONS, *_native._ELEMENTARY])
def test_functions(name: str) -> None:
    code = {**_native._ACTIVATIONS, **_native._ELEMENTARY}[name]
    x = np.concatenate([all_exponents(1, 5000), floats(2, 5000, scale=8)])

    def compute() -> np.ndarray:
        y = _native._elementwise(x, code)
        return np.where(np.isnan(y), np.float32(np.nan), y)  # which NaN it is, no standard says

    everywhere(compute)


@given(seeds, st.integers(1, 100), st.integers(1, 130), st.integers(1, 130))
def test_linear(seed: int, rows: int, inner: int, outer: int) -> None:
    x, weight, bias = floats(seed, rows, inner), floats(seed + 1, outer, inner), floats(seed + 2, outer)
    everywhere(lambda: ops.linear(x, weight, bias, "gelu"))
    everywhere(lambda: ops.linear(x, weight.astype(np.float16), bias))


def test_linear_over_many_magnitudes() -> None:
    """Where a sum in another order, or a rounding more, would show at once."""
    rng = np.random.default_rng(0)
    x, weight = (floats(i, 40, 300) * np.float32(2.0) ** rng.integers(-60, 60, (40, 300)) for i in (1, 2))
    everywhere(lambda: ops.linear(x.astype(np.float32), weight.astype(np.float32)))


@given(seeds, st.integers(1, 4), st.integers(1, 300))
def test_rows(seed: int, rows: int, width: int) -> None:
    x, weight, bias = floats(seed, rows, width, scale=3), floats(seed + 1, width), floats(seed + 2, width)
    everywhere(lambda: ops.layer_norm(x, weight, bias, 1e-5))
    everywhere(lambda: ops.layer_norm(x, weight, bias, 1e-12, x[::-1]))
    everywhere(lambda: ops.softmax(x))
    everywhere(lambda: ops.log_softmax(x))
    everywhere(lambda: ops.top_k(x, min(5, width))[1])


@given(seeds, st.integers(1, 3), st.integers(1, 40), st.sampled_from([1, 8, 20, 64, 72]), st.booleans())
def test_attention(seed: int, batch: int, length: int, width: int, causal: bool) -> None:
    q, k, v = (floats(seed + i, batch, length, 2, width).transpose(0, 2, 1, 3) for i in range(3))
    visible = np.random.default_rng(seed).random((batch, length)) < 0.7
    pattern = patterns.causal(length, length) if causal else patterns.full(length, length)

    def compute() -> np.ndarray:
        out, probs = ops.attention(q, k, v, pattern, scale=0.3, visible_bs=visible, need_probs=True)
        return np.concatenate([out.ravel(), probs[0].ravel()])

    everywhere(compute)


@pytest.mark.parametrize("pattern", [patterns.windowed(300, 16, 3), patterns.partitioned(300, 32, 5, shifted=True)])
def test_attention_over_blocks(pattern: patterns.Pattern) -> None:
    q, k, v = (floats(i, 2, pattern.keys, 3, 32).transpose(0, 2, 1, 3) for i in range(3))
    everywhere(lambda: ops.attention(q, k, v, pattern, scale=0.2)[0])


def test_positions() -> None:
    everywhere(lambda: ops.sinusoid_table(200, 33))
    everywhere(lambda: ops.sinusoid_rows(16_000, 200, 34))


# ---- a row alone = the row among others -------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 3, 5, 8, 9, 30, 81, 200])
@pytest.mark.parametrize("inner", [16, 100, 2048, 2053, 5000])
def test_a_row_of_linear_alone(rows: int, inner: int) -> None:
    x, weight, bias = floats(0, rows, inner), floats(1, 70, inner), floats(2, 70)
    for table in (weight, weight.astype(np.float16)):
        together = ops.linear(x, table, bias, "gelu")
        for i in {0, 1, rows // 2, rows - 2, rows - 1}:
            assert same_bits(together[i : i + 1], ops.linear(x[i : i + 1], table, bias, "gelu"))


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 8, 13])
def test_long_rows_of_linear(rows: int) -> None:
    """Their parts are summed in several visits."""
    x, weight = floats(0, rows, 4100), floats(1, 37, 4100)
    everywhere(lambda: ops.linear(x, weight))
    assert np.abs(ops.linear(x, weight) - x.astype(np.float64) @ weight.T.astype(np.float64)).max() < 1e-3


def test_an_output_of_linear_alone() -> None:
    x, weight = floats(0, 90, 48), floats(1, 70, 48)
    assert same_bits(ops.linear(x, weight)[:, 33:50], ops.linear(x, weight[33:50]))


@given(seeds, st.integers(1, 80), st.integers(1, 30), st.sampled_from([4, 64]))
def test_right_padding_changes_nothing(seed: int, length: int, padding: int, width: int) -> None:
    total = length + padding
    q, k, v = (floats(seed + i, 1, 2, total, width) for i in range(3))
    k[:, :, length:], v[:, :, length:] = 1e30, -1e30
    visible = np.arange(total)[None] < length
    padded, _ = ops.attention(q, k, v, patterns.full(total, total), scale=0.5, visible_bs=visible)
    cut = [x[:, :, :length] for x in (q, k, v)]
    alone, _ = ops.attention(*cut, patterns.full(length, length), scale=0.5)
    assert same_bits(padded[:, :, :length], alone)


@given(seeds, st.integers(1, 90), st.sampled_from([4, 64]))
def test_cached_steps_are_the_full_pass(seed: int, length: int, width: int) -> None:
    q, k, v = (floats(seed + i, 2, 2, length, width) for i in range(3))
    full, _ = ops.attention(q, k, v, patterns.causal(length, length), scale=0.5)
    for t in sorted({0, length // 2, length - 1}):
        seen = patterns.causal(1, t + 1)
        step, _ = ops.attention(q[:, :, t : t + 1], k[:, :, : t + 1], v[:, :, : t + 1], seen, scale=0.5)
        assert same_bits(full[:, :, t : t + 1], step)


@given(seeds, st.integers(1, 3), st.integers(1, 9), st.integers(1, 40), st.booleans())
def test_beams_are_single_rows(seed: int, batch: int, beams: int, length: int, own_rows: bool) -> None:
    """Rows that share keys, or find them by a table of ancestors, compute as if alone with a copy."""
    rng = np.random.default_rng(seed)
    r = batch * beams
    q = floats(seed, r, 2, 1, 16)
    k, v = (floats(seed + i, r if own_rows else batch, 2, length, 16) for i in (1, 2))
    table = rng.integers(0, len(k), (r, length)).astype(np.int32) if own_rows else None
    pattern = patterns.full(1, length)
    out, _ = ops.attention(q, k, v, pattern, scale=0.4, rows_bs=table)
    for row in range(r):
        sources = table[row] if table is not None else np.full(length, row // beams)
        own_k, own_v = (x[sources, :, np.arange(length)].transpose(1, 0, 2)[None] for x in (k, v))
        alone, _ = ops.attention(q[row : row + 1], own_k, own_v, pattern, scale=0.4)
        assert same_bits(out[row : row + 1], alone)


# ---- the order itself, against exact arithmetic -------------------------------------------------------------------


def nearest(exact: Fraction) -> np.float32:
    """Round a fraction once, to the nearest float32, ties to even."""
    guess = np.float32(float(exact))
    around = [guess, np.nextafter(guess, np.float32(-np.inf)), np.nextafter(guess, np.float32(np.inf))]
    even = lambda f: int(f.view(np.uint32)) & 1  # noqa: E731
    return min(around, key=lambda f: (abs(Fraction(float(f)) - exact), even(f)))


def fma(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    return nearest(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def tree(lanes: list[np.float32]) -> np.float32:
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [np.float32(lanes[i] + lanes[i + half]) for i in range(half)]
    return lanes[0]


def dot(x: np.ndarray, w: np.ndarray) -> np.float32:
    """Contract N1 as it is written."""
    lanes = [np.float32(0)] * 16
    for i, (a, b) in enumerate(zip(x, w, strict=True)):
        lanes[i % 16] = fma(a, b, lanes[i % 16])
    return tree(lanes)


@pytest.mark.parametrize("inner", [1, 7, 16, 17, 50])
@pytest.mark.parametrize("rows", [1, 2, 4, 8, 100])
def test_order_of_a_dot_product(inner: int, rows: int) -> None:
    x, weight = floats(inner, rows, inner), floats(inner + 1, 3, inner)
    found = ops.linear(x, weight)
    for r in {0, rows // 2, rows - 1}:
        for j in range(3):
            assert found[r, j] == dot(x[r], weight[j])


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_one_rounding_where_two_would_show(rows: int) -> None:
    """x^3 + 1 = (x + 1)(x^2 - x + 1), and x^3 - 1 likewise, at x = 2^12, just beside a tie between two float32 numbers.

    A sum that is rounded to double on its way falls onto the tie.
    """
    n = 2.0**12
    for start, a, b, expected in [
        (1.0, n + 1, n * n - n + 1, 1 + 2.0**-23),
        (1 + 2.0**-23, n - 1, n * n + n + 1, 1 + 2.0**-23),
        (-1.0, n + 1, -(n * n - n + 1), -1 - 2.0**-23),
    ]:
        x, weight = np.zeros((rows, 17), np.float32), np.zeros((1, 17), np.float32)
        x[:, 0], weight[:, 0] = start, 1
        x[:, 16], weight[:, 16] = a * 2.0**-30, b * 2.0**-30
        assert (everywhere(lambda x=x, weight=weight: ops.linear(x, weight)) == np.float32(expected)).all()


def test_order_of_a_sum() -> None:
    """Layer norm of one row: two sums, every step written out."""
    x = floats(3, 37)
    lanes = [np.float32(0)] * 16
    for i, value in enumerate(x):
        lanes[i % 16] = np.float32(lanes[i % 16] + value)
    mean = np.float32(tree(lanes) / np.float32(37))
    centred = x - mean
    scale = np.float32(1) / np.sqrt(np.float32(dot(centred, centred) / np.float32(37)) + np.float32(1e-5))
    expected = centred * scale
    assert same_bits(ops.layer_norm(x, np.ones(37, np.float32), np.zeros(37, np.float32), 1e-5), expected)


def test_order_of_the_weighted_sum() -> None:
    """Contract N2: keys in listed order, one fma each, a repeated range again."""
    pattern = patterns.Pattern(
        np.array([0, 2]), np.array([[0, 3]]), np.array([[2, 5], [0, 1], [2, 5]]), keys=5, causal_offset=None
    )
    q, k, v = floats(0, 1, 1, 2, 4), floats(1, 1, 1, 5, 4), floats(2, 1, 1, 5, 4)
    out, probs = ops.attention(q, k, v, pattern, scale=0.7, need_probs=True)
    for t in range(2):
        for d in range(4):
            total = np.float32(0)
            for p, key in zip(probs[0][0, 0, t], [2, 3, 4, 0, 2, 3, 4], strict=True):
                total = fma(p, v[0, 0, key, d], total)
            assert out[0, 0, t, d] == total
