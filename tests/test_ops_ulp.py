"""Every kernel within its stated budget (minipegasus/ops/budgets.py) of mpmath, on every instruction set."""

from collections.abc import Callable, Iterator
from functools import cache

import mpmath as mp
import numpy as np
import pytest

from minipegasus import ops
from minipegasus.ops import _numpy
from minipegasus.ops.budgets import BUDGETS, Budget

if ops.config()["ops"] != "native":
    pytest.skip("budgets are the kernels'", allow_module_level=True)
from minipegasus.ops import _native
from minipegasus.ops.backend import use_isa

SAMPLES = 300
MAX = float(np.finfo(np.float32).max)


@pytest.fixture(params=ops.config()["isa_available"], autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = ops.config()["isa"]
    use_isa(request.param)
    with mp.workdps(40):
        yield request.param
    use_isa(before)


def _sigmoid(x: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-x))


def _gelu(x: mp.mpf) -> mp.mpf:
    return x / 2 * mp.erfc(-x / mp.sqrt(2))


def _gelu_tanh(x: mp.mpf) -> mp.mpf:
    return x * _sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))  # 1 + tanh(u) without cancellation


TRUE: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "exp": mp.exp,
    "log": mp.log,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "gelu": _gelu,
    "gelu_new": _gelu_tanh,
    "gelu_fast": lambda x: x * _sigmoid(2 * x * mp.mpf("0.7978845608") * (1 + mp.mpf("0.044715") * x * x)),
    "gelu_10": lambda x: max(-10, min(10, _gelu(x))),
    "laplace": lambda x: mp.erfc(-(x - mp.mpf("0.707107")) / (mp.mpf("0.282095") * mp.sqrt(2))) / 2,
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "quick_gelu": lambda x: x * _sigmoid(mp.mpf("1.702") * x),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "leaky_relu": lambda x: x if x >= 0 else x * mp.mpf("0.01"),
    "relu": lambda x: max(x, 0),
    "relu2": lambda x: max(x, 0) ** 2,
    "relu6": lambda x: min(max(x, 0), 6),
    "linear": lambda x: x,
}


@cache
def spread(low: float, high: float) -> np.ndarray:
    """Floats over [low, high]: every binade (drawn by their bits), evenly over what is not far from 0, the corners."""
    rng = np.random.default_rng(7)
    x = [np.float32([low, high, 0, 1e-40, 0.6, 0.925, 2 / 3, 1, -5.5426445, -88.7228317, 88.7228317])]
    for sign, least, most in ((1, max(low, 0.0), high), (-1, max(-high, 0.0), -low)):
        if least < most:
            bits = [int(np.float32(end).view(np.uint32)) for end in (abs(least), most)]  # abs: of -0.0
            x.append(sign * rng.integers(*bits, SAMPLES, dtype=np.uint32).view(np.float32))
    near = max(low, -120.0), min(high, 120.0)
    if near[0] < near[1]:
        x.append(rng.uniform(*near, SAMPLES).astype(np.float32))
    drawn = np.concatenate(x)
    return drawn[(drawn >= np.float32(low)) & (drawn <= np.float32(high))]


@cache
def truths(name: str, budget: Budget) -> list[mp.mpf]:
    return [TRUE[name](mp.mpf(float(v))) for v in spread(budget.low, budget.high)]


def errors(found: np.ndarray, true: list[mp.mpf], of: str) -> np.ndarray:
    """Return how far each number is from the true one, in the units of a budget."""
    largest = max(abs(t) for t in true)

    def error(f: float, t: mp.mpf) -> float:
        if abs(t) >= mp.mpf(2) ** 128 - mp.mpf(2) ** 103:  # rounds to infinity
            return 0.0 if f == mp.sign(t) * np.inf else np.inf
        size = max(largest if of == "largest" else abs(t), mp.mpf(2) ** -126)
        unit = 1 if of == "one" else mp.mpf(2) ** (mp.floor(mp.log(size, 2)) - 23)
        return float(abs(mp.mpf(f) - t) / unit)

    return np.array([error(float(f), t) for f, t in zip(found, true, strict=True)])


def check(name: str, budget: Budget, found: np.ndarray, true: list[mp.mpf]) -> None:
    off = errors(found, true, budget.of)
    worst = int(off.argmax())
    assert off[worst] <= budget.error, f"{name}: {off[worst]:.4g} of {budget} at value {mp.nstr(true[worst], 10)}"


@pytest.mark.parametrize("name", list(TRUE))
def test_function(name: str) -> None:
    code = _native._ELEMENTARY[name] if name in _native._ELEMENTARY else _native._ACTIVATIONS[name]
    for budget in BUDGETS[name]:
        found = _native._elementwise(spread(budget.low, budget.high), code)
        check(name, budget, found, truths(name, budget))


@pytest.mark.parametrize("name", [name for name in TRUE if name != "log"])
def test_budgets_cover_every_number(name: str) -> None:
    rows = BUDGETS[name]
    assert [row.low for row in rows] == [-MAX, *(row.high for row in rows[:-1])]
    assert rows[-1].high == MAX


def test_every_activation_is_covered() -> None:
    """Each name is budgeted, or an alias of one that is."""
    budgeted = {_native._ACTIVATIONS[name] for name in TRUE if name in _native._ACTIVATIONS}
    assert set(_native._ACTIVATIONS.values()) == budgeted
    assert set(_native._ACTIVATIONS) == set(_numpy._ACTIVATIONS)


@pytest.mark.parametrize("width", [1, 5, 16, 67, 1024])
def test_softmax(width: int) -> None:
    x = np.random.default_rng(width).uniform(-20, 20, width).astype(np.float32)
    e = [mp.exp(mp.mpf(float(v))) for v in x]
    check("softmax", *BUDGETS["softmax"], ops.softmax(x), [v / mp.fsum(e) for v in e])
    if width == 1:
        assert ops.log_softmax(x) == 0
    else:
        check(
            "log_softmax",
            *BUDGETS["log_softmax"],
            ops.log_softmax(x),
            [mp.mpf(float(v)) - mp.log(mp.fsum(e)) for v in x],
        )


@pytest.mark.parametrize("width", [2, 16, 67, 1024])
def test_layer_norm(width: int) -> None:
    rng = np.random.default_rng(width)
    x, weight, bias = (rng.uniform(-s, s, width).astype(np.float32) for s in (20, 1, 1))
    exact = [mp.mpf(float(v)) for v in x]
    eps = np.float32(1e-5)
    mean = mp.fsum(exact) / width
    deviation = mp.sqrt(mp.fsum((v - mean) ** 2 for v in exact) / width + mp.mpf(float(eps)))
    true = [(v - mean) / deviation * float(w) + float(b) for v, w, b in zip(exact, weight, bias, strict=True)]
    check("layer_norm", *BUDGETS["layer_norm"], ops.layer_norm(x, weight, bias, float(eps)), true)


def test_embed() -> None:
    table = np.random.default_rng(0).uniform(-20, 20, (7, 19)).astype(np.float32)
    found = ops.embed(np.array([3, 0, 6]), table, 1.7)
    true = [mp.mpf(float(v)) * mp.mpf(float(np.float32(1.7))) for v in table[[3, 0, 6]].ravel()]
    check("embed", *BUDGETS["embed"], found.ravel(), true)


def test_sinusoid_table() -> None:
    width, rows = 34, [0, 1, 2, 511, 1023, 4095]
    found = ops.sinusoid_table(4096, width)[rows]
    angles = [[p / mp.mpf(10000) ** (mp.mpf(2 * (j // 2)) / width) for j in range(width)] for p in rows]
    true = [mp.sin(a) for row in angles for a in row[0::2]], [mp.cos(a) for row in angles for a in row[1::2]]
    for part, exact in zip((found[:, :17], found[:, 17:]), true, strict=True):
        off = np.array([float(abs(mp.mpf(float(f)) - t)) for f, t in zip(part.ravel(), exact, strict=True)])
        assert off.max() <= BUDGETS["sinusoid_table"][0].error


def test_sinusoid_rows() -> None:
    """The sines of the float32 angles, which the definition itself prescribes."""
    width, start = 34, 16_300
    found = ops.sinusoid_rows(start, 40, width)
    angle = np.arange(start, start + 40, dtype=np.float32)[:, None] * _numpy.sinusoid_frequencies(width)
    for part, function in ((found[:, :17], mp.sin), (found[:, 17:], mp.cos)):
        pairs = zip(part.ravel(), angle.ravel(), strict=True)
        off = np.array([float(abs(mp.mpf(float(f)) - function(mp.mpf(float(a))))) for f, a in pairs])
        assert off.max() <= BUDGETS["sinusoid_rows"][0].error


# Where torch 2.13.0 misses the nearest float32 number: width, frequency, its value.
TORCH_FREQUENCIES = [
    (66, 3, "0x1.afd136p-2"), (144, 10, "0x1.17d8acp-2"), (144, 31, "0x1.25b9ap-6"), (144, 60, "0x1.b4d5f8p-12"),
    (256, 4, "0x1.7f13ap-1"), (640, 104, "0x1.96bceap-5"), (640, 170, "0x1.e3f856p-8"), (640, 195, "0x1.d64b14p-9"),
    (1024, 96, "0x1.6af67ep-3"), (1024, 239, "0x1.b92c2cp-7"), (1024, 401, "0x1.7cbcf8p-11"),
]  # fmt: skip


def test_sinusoid_frequencies() -> None:
    """Nowhere more than 0.56 ulp from the true power, and the reference's neighbour where that is not the nearest."""
    for width, index, value in TORCH_FREQUENCIES:
        found = _numpy.sinusoid_frequencies(width)
        assert found.dtype == np.float32
        assert float(found[index]) == float.fromhex(value)
    for width in (34, 256, 640, 1024):
        found = _numpy.sinusoid_frequencies(width)
        exponent = np.arange(width // 2, dtype=np.float32) * np.float32(-np.log(10000.0) / (width // 2 - 1))
        for value, x in zip(found, exponent, strict=True):
            assert abs(mp.mpf(float(value)) - mp.exp(mp.mpf(float(x)))) <= 0.56 * float(np.spacing(value))


@pytest.mark.parametrize("name", ["exp", "log", "erf", "tanh"])
def test_ends_of_the_range(name: str) -> None:
    """Infinities, NaN, zeros and overflow as IEEE 754 has them."""
    x = np.float32([np.inf, -np.inf, np.nan, 0.0, -0.0, 200.0, -200.0, 3.4e38, -3.4e38, 1e-45])
    expected = {
        "exp": [np.inf, 0, np.nan, 1, 1, np.inf, 0, np.inf, 0, 1],
        "log": [np.inf, np.nan, np.nan, -np.inf, -np.inf, np.log(200), np.nan, np.log(3.4e38), np.nan, -103.27893],
        "erf": [1, -1, np.nan, 0, -0.0, 1, -1, 1, -1, 1e-45],
        "tanh": [1, -1, np.nan, 0, -0.0, 1, -1, 1, -1, 1e-45],
    }[name]
    found = _native._elementwise(x, _native._ELEMENTARY[name])
    np.testing.assert_allclose(found, np.float32(expected), rtol=2e-7)
    assert np.array_equal(np.signbit(found[3:5]), np.signbit(np.float32(expected[3:5])))
