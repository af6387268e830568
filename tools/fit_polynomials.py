"""Fit the polynomials of ``_ext/vmath.h`` (contract N3): minimax coefficients, rounded to float32 one by one.

Each function is reduced to a short interval, where a polynomial is fitted by iteratively re-weighted least
squares (Lawson's algorithm, which converges to the minimax fit) in 60 digits. Coefficients are rounded to
float32 from the lowest power up, and the remaining ones are fitted again after each rounding, so that the
rounding of one is compensated by the others. Needs mpmath only: ``python tools/fit_polynomials.py``.
"""

import struct
from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60
POINTS = 161


def to_float32(value: mp.mpf) -> mp.mpf:
    """Round to the nearest float32."""
    return mp.mpf(struct.unpack("f", struct.pack("f", float(value)))[0])


def minimax(
    target: list[mp.mpf], weight: list[mp.mpf], points: list[mp.mpf], powers: list[int]
) -> tuple[list[mp.mpf], mp.mpf]:
    """Return coefficients of ``powers`` minimising ``max |weight * (target - polynomial)|``, and that maximum."""
    lawson = [mp.mpf(1) / len(points)] * len(points)
    best: tuple[list[mp.mpf], mp.mpf] | None = None
    for _ in range(40):
        rows = mp.matrix(len(points), len(powers))
        right = mp.matrix(len(points), 1)
        for i, x in enumerate(points):
            scale = mp.sqrt(lawson[i]) * weight[i]
            for j, power in enumerate(powers):
                rows[i, j] = scale * x**power
            right[i] = scale * target[i]
        solution = mp.lu_solve(rows.T * rows, rows.T * right)
        error = [
            abs(weight[i] * (target[i] - sum(solution[j] * x**p for j, p in enumerate(powers))))
            for i, x in enumerate(points)
        ]
        worst = max(error)
        if best is None or worst < best[1]:
            best = ([solution[j] for j in range(len(powers))], worst)
        total = sum(w * e for w, e in zip(lawson, error, strict=True))
        lawson = [w * e / total for w, e in zip(lawson, error, strict=True)]
    assert best is not None
    return best


def fit(
    name: str,
    function: Callable[[mp.mpf], mp.mpf],
    weight: Callable[[mp.mpf], mp.mpf],
    low: float,
    high: float,
    degree: int,
) -> None:
    """Print the float32 coefficients of the fit of ``function`` on [low, high], lowest power first."""
    middle, radius = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    points = [middle + radius * mp.cos(mp.pi * (2 * i + 1) / (2 * POINTS)) for i in range(POINTS)]
    target = [function(x) for x in points]
    weights = [weight(x) for x in points]
    fixed: list[mp.mpf] = []
    for first in range(degree + 1):
        rest = [t - sum(c * x**p for p, c in enumerate(fixed)) for t, x in zip(target, points, strict=True)]
        solution, _ = minimax(rest, weights, points, list(range(first, degree + 1)))
        fixed.append(to_float32(solution[0]))
    worst = max(
        abs(w * (t - sum(c * x**p for p, c in enumerate(fixed))))
        for t, w, x in zip(target, weights, points, strict=True)
    )
    print(f"{name}  largest weighted error {mp.nstr(worst, 3)} (float32 half unit: 5.96e-8)")
    for power, value in enumerate(fixed):
        print(f"  x^{power}: {float(value).hex()}f")


def main() -> None:
    """Print every table, with the weight that turns its error into a relative error of the final result."""
    half_ln2 = float(mp.log(2) / 2) * 1.01
    one = mp.mpf(1)
    # exp(r) = 1 + r + r^2 P(r)
    fit(
        "exp: (exp(r) - 1 - r) / r^2",
        lambda r: (mp.expm1(r) - r) / r**2 if r else one / 2,
        lambda r: r**2 / mp.exp(r),
        -half_ln2,
        half_ln2,
        4,
    )
    # log(1 + f) = f - f^2/2 + f^3 P(f), m = 1 + f in [2/3, 4/3)
    fit(
        "log: (log1p(f) - f + f^2/2) / f^3",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3 if f else one / 3,
        lambda f: f**3 / mp.log1p(f) if f else mp.mpf(0),
        -1 / 3,
        1 / 3,
        8,
    )
    # tanh(x) = x + x^3 P(x^2), |x| <= 0.6
    fit(
        "tanh: (tanh(x) - x) / x^3 in u = x^2",
        lambda u: (mp.tanh(mp.sqrt(u)) / mp.sqrt(u) - 1) / u if u else -one / 3,
        lambda u: u * mp.sqrt(u) / mp.tanh(mp.sqrt(u)) if u else mp.mpf(0),
        0.0,
        0.6**2,
        5,
    )
    # erf(x) = x + x P(x^2), |x| <= 0.925
    fit(
        "erf: erf(x)/x - 1 in u = x^2",
        lambda u: mp.erf(mp.sqrt(u)) / mp.sqrt(u) - 1 if u else 2 / mp.sqrt(mp.pi) - 1,
        lambda u: mp.sqrt(u) / mp.erf(mp.sqrt(u)) if u else one,
        0.0,
        0.93**2,
        6,
    )
    # erf(x) = 1 - exp(a P(a)), a = |x| in [0.925, 4]
    fit(
        "erfc: log(erfc(a)) / a",
        lambda a: mp.log(mp.erfc(a)) / a,
        lambda a: mp.erfc(a) * a / mp.erf(a),
        0.92,
        4.0,
        8,
    )


if __name__ == "__main__":
    main()
