"""The arithmetic: every operation once, as a NumPy definition and a compiled twin; ``backend`` picks.

The compiled twin takes float32 and hands every other dtype to the definition.
"""

from typing import TYPE_CHECKING

from ._numpy import ACTIVATIONS, widen
from .backend import config, get_num_threads, set_num_threads, show_config, twin
from .memory import empty, reused

__all__ = [
    "ACTIVATIONS",
    "activate",
    "attention",
    "config",
    "embed",
    "empty",
    "get_num_threads",
    "layer_norm",
    "linear",
    "log_softmax",
    "reused",
    "set_num_threads",
    "show_config",
    "sinusoid_rows",
    "sinusoid_table",
    "softmax",
    "top_k",
    "widen",
]

if TYPE_CHECKING:  # the readable twin is what a type checker and an editor see
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
else:
    activate = twin.activate
    attention = twin.attention
    embed = twin.embed
    layer_norm = twin.layer_norm
    linear = twin.linear
    log_softmax = twin.log_softmax
    sinusoid_rows = twin.sinusoid_rows
    sinusoid_table = twin.sinusoid_table
    softmax = twin.softmax
    top_k = twin.top_k
