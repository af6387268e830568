"""The arithmetic."""

from ._numpy import (
    activate,
    attention,
    embed,
    layer_norm,
    linear,
    log_softmax,
    sinusoid_rows,
    sinusoid_table,
    softmax,
    top_k,
)

__all__ = [
    "activate",
    "attention",
    "embed",
    "layer_norm",
    "linear",
    "log_softmax",
    "sinusoid_rows",
    "sinusoid_table",
    "softmax",
    "top_k",
]
