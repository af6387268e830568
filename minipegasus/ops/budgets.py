"""How far the kernels may be from the true value, in float32 units in the last place: the one table.

``tests/test_ops_ulp.py`` holds every row against mpmath on every instruction set. A unit is the spacing of float32
numbers at the true value (of the smallest normal number at least), or, for the rows "of largest", at the largest
true value of the output row: there terms cancel, and a relative budget would be about the cancellation only.
"""

from typing import NamedTuple

__all__ = ["BUDGETS", "Budget"]


class Budget(NamedTuple):
    """``units`` in the last place for arguments in [low, high]."""

    low: float
    high: float
    units: float
    of_largest: bool = False


BUDGETS: dict[str, Budget] = {
    # elementary functions (contract N3)
    "exp": Budget(-103.0, 88.72, 1.0),
    "log": Budget(1e-45, 3.4e38, 1.0),
    "tanh": Budget(-20.0, 20.0, 1.5),
    "erf": Budget(-5.0, 5.0, 1.0),
    # activations
    "gelu": Budget(0.0, 20.0, 1.5),
    "gelu_new": Budget(0.0, 20.0, 1.5),
    "gelu_fast": Budget(0.0, 20.0, 1.5),
    "gelu_10": Budget(0.0, 20.0, 1.5),
    "laplace": Budget(-20.0, 20.0, 1.0, of_largest=True),
    "mish": Budget(-20.0, 20.0, 4.0),
    "quick_gelu": Budget(-4.0, 20.0, 8.0),
    "sigmoid": Budget(-17.0, 20.0, 2.5),
    "silu": Budget(-17.0, 20.0, 3.0),
    # exact but for one rounding or two
    "leaky_relu": Budget(-20.0, 20.0, 1.0),
    "relu": Budget(-20.0, 20.0, 0.0),
    "relu2": Budget(-20.0, 20.0, 0.5),
    "relu6": Budget(-20.0, 20.0, 0.0),
    "linear": Budget(-20.0, 20.0, 0.0),
    # rows
    "softmax": Budget(-20.0, 20.0, 2.0, of_largest=True),
    "log_softmax": Budget(-20.0, 20.0, 2.0, of_largest=True),
    "layer_norm": Budget(-20.0, 20.0, 4.0, of_largest=True),
    "embed": Budget(-20.0, 20.0, 0.5),
    # positions, in units at 1.0: the table's entries are sines
    "sinusoid_table": Budget(0, 4096, 0.51),
    "sinusoid_rows": Budget(0, 16384, 0.51),
}
