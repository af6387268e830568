"""The compiled twins against the definitions: same signatures, same values, same refusals."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minipegasus import ops
from minipegasus.ops import _numpy

if ops.config()["ops"] != "native":
    pytest.skip("there is one twin only", allow_module_level=True)
from minipegasus.ops import _native

sizes = st.integers(1, 70)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(_numpy._ACTIVATIONS))


def floats(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def close(found: Any, true: Any, tolerance: float = 2e-6, scale: float | None = None) -> None:
    """Equal up to float32 rounding, on the scale of the terms that were summed (the largest value by default)."""
    assert found.dtype == np.float32
    assert found.shape == true.shape
    if found.size:
        assert np.abs(found - true).max() <= tolerance * (np.abs(true).max() if scale is None else scale) + 1e-30


OPERATIONS = [name for name in _numpy.__all__ if name.islower()]


@pytest.mark.parametrize("name", OPERATIONS)
def test_signatures(name: str) -> None:
    definition, compiled = (inspect.signature(getattr(twin, name)) for twin in (_numpy, _native))
    assert compiled == definition
    assert name in ops.__all__


def test_every_operation_has_a_twin() -> None:
    assert _native.__all__ == OPERATIONS


@given(seeds, sizes, sizes, sizes, st.booleans(), names)
def test_linear(seed: int, rows: int, inner: int, outer: int, with_bias: bool, activation: str) -> None:
    x, weight = floats(seed, rows, inner), floats(seed + 1, outer, inner)
    bias = floats(seed + 2, outer) if with_bias else None
    true = _numpy.linear(x.astype(np.float64), weight, bias, activation)
    terms = float((np.abs(x) @ np.abs(weight).T).max()) + 5
    close(ops.linear(x, weight, bias, activation), true, 1e-6, terms * terms if activation == "relu2" else terms)


@pytest.mark.parametrize(("rows", "inner", "outer"), [(3, 1024, 4096), (130, 1024, 100), (700, 5000, 33)])
def test_linear_of_real_sizes(rows: int, inner: int, outer: int) -> None:
    x, weight = floats(0, rows, inner), floats(1, outer, inner)
    close(ops.linear(x, weight), x.astype(np.float64) @ weight.T.astype(np.float64))


@given(seeds, st.integers(1, 40), sizes, sizes)
def test_half_precision_weights_are_widened_exactly(seed: int, rows: int, inner: int, outer: int) -> None:
    x, weight = floats(seed, rows, inner), floats(seed + 1, outer, inner, scale=1e-3)
    weight[0, 0] = 3e-6  # a subnormal float16
    half = weight.astype(np.float16)
    assert np.array_equal(ops.linear(x, half), ops.linear(x, half.astype(np.float32)))
    bfloat = (weight.view(np.uint32) >> 16).astype(np.uint16)
    wide = (bfloat.astype(np.uint32) << 16).view(np.float32)
    assert np.array_equal(ops.linear(x, bfloat), ops.linear(x, wide))
    ids = np.arange(outer)[None, ::-1]
    assert np.array_equal(ops.embed(ids, half, 3.0), ops.embed(ids, half.astype(np.float32), 3.0))
    assert np.array_equal(ops.embed(ids, bfloat, 3.0), ops.embed(ids, wide, 3.0))


@pytest.mark.parametrize("twin", [_numpy, _native])
def test_both_twins_read_half_precision(twin: Any) -> None:
    x, weight = floats(0, 3, 20), floats(1, 5, 20)
    bfloat = (weight.view(np.uint32) >> 16).astype(np.uint16)
    for half, wide in [
        (weight.astype(np.float16), weight.astype(np.float16).astype(np.float32)),
        (bfloat, (bfloat.astype(np.uint32) << 16).view(np.float32)),
    ]:
        close(twin.linear(x, half), _numpy.linear(x.astype(np.float64), wide), scale=20.0)
        assert np.array_equal(twin.embed(np.array([4, 0]), half, 2.0), wide[[4, 0]] * 2)


def test_every_float16_is_widened_exactly() -> None:
    half = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(-1, 16)
    half = half[~np.isnan(half).any(1)]
    assert np.array_equal(ops.embed(np.arange(len(half)), half), half.astype(np.float32))


@given(seeds, st.integers(1, 5), st.integers(1, 100), st.booleans())
def test_layer_norm(seed: int, rows: int, width: int, with_residual: bool) -> None:
    x, weight, bias = floats(seed, rows, width), floats(seed + 1, width), floats(seed + 2, width)
    residual = floats(seed + 3, rows, width) if with_residual else None
    wide = None if residual is None else residual.astype(np.float64)
    true = _numpy.layer_norm(x.astype(np.float64), weight, bias, 1e-5, wide)
    # Nearly equal values leave few bits after the mean is taken off.
    summed = x if residual is None else x + residual
    cancelled = float((np.abs(summed).max(1) / np.sqrt(summed.var(1) + 1e-5)).max())
    close(ops.layer_norm(x, weight, bias, 1e-5, residual), true, 2e-6, 4 * (1 + cancelled))


@given(seeds, st.integers(1, 5), st.integers(1, 100))
def test_softmax(seed: int, rows: int, width: int) -> None:
    x = floats(seed, rows, width, scale=10)
    close(ops.softmax(x), _numpy.softmax(x.astype(np.float64)))
    close(ops.log_softmax(x), _numpy.log_softmax(x.astype(np.float64)), scale=float(np.abs(x).max()) + 1)


@given(seeds, st.integers(0, 100), names)
def test_activate(seed: int, count: int, name: str) -> None:
    x = floats(seed, count, scale=5)
    close(ops.activate(x, name), _numpy.activate(x.astype(np.float64), name), 5e-7, float(np.square(x).max(initial=1)))


@given(st.integers(0, 60), st.integers(1, 40))
def test_sinusoids(count: int, width: int) -> None:
    assert np.array_equal(ops.sinusoid_table(count, width), _numpy.sinusoid_table(count, width))
    even = 2 * width + 2
    assert np.array_equal(ops.sinusoid_rows(5, count, even), _numpy.sinusoid_rows(5, count, even))


@given(seeds, st.integers(1, 4), st.integers(1, 700), st.integers(1, 20))
def test_top_k(seed: int, rows: int, width: int, k: int) -> None:
    x = np.round(floats(seed, rows, width, scale=5))  # many ties
    k = min(k, width)
    for found, true in zip(ops.top_k(x, k), _numpy.top_k(x, k), strict=True):
        assert found.dtype == true.dtype
        assert np.array_equal(found, true)


def test_top_k_of_many_and_of_minus_infinity() -> None:
    x = floats(0, 2, 1000)
    x[0, 3:] = -np.inf
    for k in (5, 300, 1000):
        for found, true in zip(ops.top_k(x, k), _numpy.top_k(x, k), strict=True):
            assert np.array_equal(found, true)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_dtypes_run_the_definition(dtype: type) -> None:
    x = floats(0, 3, 8).astype(dtype)
    for found in (ops.linear(x, x), ops.layer_norm(x, x[0], x[1], 1e-5), ops.softmax(x), ops.activate(x, "gelu")):
        assert found.dtype == dtype


@pytest.mark.parametrize("view", [lambda x: x[::2], lambda x: x.T, lambda x: x[:, ::-1], lambda x: x[:, 3:]])
def test_any_layout_gives_the_same_bits(view: Any) -> None:
    x = view(floats(0, 24, 24))
    assert not x.flags.c_contiguous
    copy, square = np.ascontiguousarray(x), view(floats(1, 24, 24))
    width, weight = x.shape[1], floats(2, 5, x.shape[1])
    assert np.array_equal(ops.linear(x, weight), ops.linear(copy, weight))
    assert np.array_equal(ops.linear(weight, x), ops.linear(weight, copy))
    assert np.array_equal(ops.softmax(x), ops.softmax(copy))
    assert np.array_equal(ops.activate(x, "gelu"), ops.activate(copy, "gelu"))
    a, b = (ops.layer_norm(y, floats(3, width), floats(4, width), 1e-5, square) for y in (x, copy))
    assert np.array_equal(a, b)


def test_inputs_stay_as_they_are() -> None:
    arrays = [floats(i, *shape) for i, shape in enumerate([(5, 16), (7, 16), (7,), (16,), (16,)])]
    x, weight, bias, gain, shift = arrays
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    ops.linear(x, weight, bias, "gelu")
    ops.layer_norm(x, gain, shift, 1e-5, x)
    ops.softmax(x)
    ops.top_k(x, 3)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_empty_arrays() -> None:
    assert ops.linear(np.empty((0, 4), np.float32), floats(0, 3, 4)).shape == (0, 3)
    assert ops.linear(np.empty((2, 0), np.float32), np.empty((3, 0), np.float32), floats(0, 3)).shape == (2, 3)
    assert ops.softmax(np.empty((0, 4), np.float32)).shape == (0, 4)
    assert ops.embed(np.empty((2, 0), np.int64), floats(0, 3, 4)).shape == (2, 0, 4)
    assert ops.activate(np.empty(0, np.float32), "gelu").shape == (0,)


def test_shapes_that_do_not_fit() -> None:
    x = floats(0, 3, 8)
    for call in (
        lambda: ops.linear(x, floats(1, 4, 7)),
        lambda: ops.linear(x, floats(1, 4, 8), floats(1, 5)),
        lambda: ops.layer_norm(x, floats(1, 7), floats(1, 8), 1e-5),
        lambda: ops.top_k(x, 9),
    ):
        with pytest.raises(ValueError):
            call()
    for twin in (ops, _numpy):
        for ids in ([3], [-4], [-1]):
            with pytest.raises(IndexError, match=r"expected ids in \[0, 3\)"):
                twin.embed(np.array(ids), x)
        for width in (7, 2):
            with pytest.raises(ValueError, match="even width above 2"):
                twin.sinusoid_rows(0, 3, width)
    with pytest.raises(KeyError):
        ops.activate(x, "nonsense")
