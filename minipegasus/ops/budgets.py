"""How far the kernels may be from the true value: the one table.

``tests/test_ops_ulp.py`` holds every row against mpmath on every instruction set. The rows of a function cover its
range, those of an activation every finite float32 number. A result that is too large for float32 is infinite.

What loses relative accuracy, and why it is allowed to: the gelu family and ``laplace`` end with ``1 + erf`` or
``1 + tanh``, which cancel for negative arguments, as they do in the reference. ``sigmoid`` divides by ``1 + exp(-x)``,
which overflows at -88.73: it, ``silu`` and ``quick_gelu`` are 0 from there on. ``quick_gelu`` rounds ``1.702 x`` before
it takes the exponential, and results below the normal numbers have fewer digits.
"""

from typing import Literal, NamedTuple

__all__ = ["BUDGETS", "Budget"]


class Budget(NamedTuple):
    """The error allowed for arguments in [low, high], and what it is counted in.

    Attributes:
        low, high: arguments, for rows the range they are drawn from, for positions the first and the last.
        error: in the units of ``of``.
        of: ``"value"``: units in the last place, the spacing of float32 numbers at the true value (of the smallest
            normal number at least). ``"largest"``: the spacing at the largest true value of the output row, in which
            terms cancel. ``"one"``: the absolute error itself.

    >>> BUDGETS["gelu"][0]
    Budget(low=-3.4028234663852886e+38, high=-1.0, error=9e-08, of='one')
    """

    low: float
    high: float
    error: float
    of: Literal["value", "largest", "one"] = "value"


_MAX = 3.4028234663852886e38  # the largest float32 number


def _everywhere(error: float) -> tuple[Budget]:
    return (Budget(-_MAX, _MAX, error),)


BUDGETS: dict[str, tuple[Budget, ...]] = {
    # elementary functions (contract N3)
    "exp": _everywhere(1.0),
    "log": (Budget(1e-45, _MAX, 1.0),),
    "tanh": _everywhere(1.5),
    "erf": _everywhere(1.0),
    # activations
    "gelu": (Budget(-_MAX, -1.0, 9e-8, "one"), Budget(-1.0, 0.0, 3.0), Budget(0.0, _MAX, 1.5)),
    "gelu_new": (Budget(-_MAX, -1.0, 9e-8, "one"), Budget(-1.0, 0.0, 4.0), Budget(0.0, _MAX, 1.5)),
    "gelu_fast": (Budget(-_MAX, -1.0, 9e-8, "one"), Budget(-1.0, 0.0, 4.0), Budget(0.0, _MAX, 1.5)),
    "gelu_10": (Budget(-_MAX, -1.0, 9e-8, "one"), Budget(-1.0, 0.0, 3.0), Budget(0.0, _MAX, 1.5)),
    "laplace": (Budget(-_MAX, _MAX, 9e-8, "one"),),
    "mish": (Budget(-_MAX, -87.0, 2e-43, "one"), Budget(-87.0, _MAX, 4.0)),
    "quick_gelu": (Budget(-_MAX, -52.0, 1.7e-37, "one"), Budget(-52.0, -4.0, 90.0), Budget(-4.0, _MAX, 8.0)),
    "sigmoid": (Budget(-_MAX, -88.0, 3e-39, "one"), Budget(-88.0, _MAX, 2.5)),
    "silu": (Budget(-_MAX, -88.0, 2.7e-37, "one"), Budget(-88.0, _MAX, 3.0)),
    # exact but for one rounding or two
    "leaky_relu": _everywhere(1.0),
    "relu": _everywhere(0.0),
    "relu2": _everywhere(0.5),
    "relu6": _everywhere(0.0),
    "linear": _everywhere(0.0),
    # rows
    "softmax": (Budget(-20.0, 20.0, 2.0, "largest"),),
    "log_softmax": (Budget(-20.0, 20.0, 2.0, "largest"),),
    "layer_norm": (Budget(-20.0, 20.0, 4.0, "largest"),),
    "embed": (Budget(-20.0, 20.0, 0.5),),
    # positions, whose entries are sines: half a spacing below 1.0, and a little
    "sinusoid_table": (Budget(0, 4096, 0.51 / 2**24, "one"),),
    "sinusoid_rows": (Budget(0, 16384, 0.51 / 2**24, "one"),),
}
