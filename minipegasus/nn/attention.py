"""Multi-head attention around :func:`minipegasus.ops.attention`: projections, heads, relative positions."""

from dataclasses import dataclass, replace

import numpy as np

from .. import ops
from ..arrays import BoolArray, FloatArray, IntArray
from ..errors import InputError
from . import reports
from .layers import linear
from .params import Params
from .patterns import NOTHING, Pattern

__all__ = ["Masking", "attend", "project_keys", "relative_bias", "split_heads"]


@dataclass(frozen=True, eq=False)
class Masking:
    """What limits one attention.

    Attributes:
        pattern: which keys each block of queries lists.
        visible_bs: False hides a key.
        bias_bhts: added to the scores (masks that came as numbers, relative positions).
        zero_bt: False zeroes a query's output (block-sparse encoders do so at padding).
        factor_bt: a factor on each query's output.
    """

    pattern: Pattern = NOTHING
    visible_bs: BoolArray | None = None
    bias_bhts: FloatArray | None = None
    zero_bt: BoolArray | None = None
    factor_bt: FloatArray | None = None

    def with_pattern(self, pattern: Pattern) -> "Masking":
        """Return the same limits over another pattern."""
        return replace(self, pattern=pattern)

    def with_bias(self, bias_bhts: FloatArray) -> "Masking":
        """Return the same limits with ``bias_bhts`` added to the scores."""
        return replace(self, bias_bhts=bias_bhts if self.bias_bhts is None else self.bias_bhts + bias_bhts)


def split_heads(x_btm: FloatArray, heads: int) -> FloatArray:
    """Return ``[b, h, t, d]``, a view of ``[b, t, h * d]``."""
    b, t, m = x_btm.shape
    return x_btm.reshape(b, t, heads, m // heads).transpose(0, 2, 1, 3)


def project_keys(p: Params, x_bsm: FloatArray, heads: int) -> tuple[FloatArray, FloatArray]:
    """Return keys and values ``[b, h, s, d]`` of the positions in ``x_bsm``."""
    return split_heads(linear(p["k_proj"], x_bsm), heads), split_heads(linear(p["v_proj"], x_bsm), heads)


def attend(
    q_bhtd: FloatArray,
    k_bhsd: FloatArray,
    v_bhsd: FloatArray,
    masking: Masking,
    *,
    rows_bs: IntArray | None = None,
    head_scale_h: FloatArray | None = None,
    need_probs: bool = False,
) -> tuple[FloatArray, list[FloatArray] | None]:
    """Return what the heads found, ``[b, t, m]``, and, if asked for, the probabilities of each query block."""
    b, h, t, d = q_bhtd.shape
    out_bhtd, probs = ops.attention(
        q_bhtd,
        k_bhsd,
        v_bhsd,
        masking.pattern,
        scale=d**-0.5,
        visible_bs=masking.visible_bs,
        bias_bhts=masking.bias_bhts,
        rows_bs=rows_bs,
        head_scale_h=head_scale_h,
        need_probs=need_probs,
    )
    out_btm = out_bhtd.transpose(0, 2, 1, 3).reshape(b, t, h * d)
    if masking.zero_bt is not None:
        out_btm[~masking.zero_bt] = 0
        if probs is not None:
            probs = reports.of_hidden_queries(masking.pattern, probs, q_bhtd, k_bhsd, masking.zero_bt)
    if masking.factor_bt is not None:
        out_btm *= masking.factor_bt[:, :, None]
    return out_btm, probs


def relative_bias(
    table_pd: FloatArray, q_bhtd: FloatArray, k_bhsd: FloatArray, rows_bs: IntArray | None, *, of_keys: bool
) -> FloatArray:
    """Return the scaled relative-position scores ``[b, h, t, s]``; row ``distance + P - 1`` of the table is used.

    ``of_keys`` adds the keys' half; ``rows_bs`` says where reordered keys lie. The queries are the last of the keys'
    positions. Source: Shaw et al. 2018; Huang et al. 2020 (method 4).
    """
    d, t, s = q_bhtd.shape[3], q_bhtd.shape[2], k_bhsd.shape[2]
    if 2 * s - 1 > len(table_pd):
        raise InputError(f"length: expected at most {(len(table_pd) + 1) // 2} relative positions, found {s}")
    # One product with the rows of all distances at hand, then a gather: rows [t, s, d] never exist.
    first = (len(table_pd) + 1) // 2 - t
    rows_pd = table_pd[first : first + s + t - 1]
    index_ts = np.arange(s - 1, s - 1 + t)[:, None] - np.arange(s)
    scores = np.take_along_axis(ops.linear(q_bhtd, rows_pd), index_ts[None, None], axis=3)
    if of_keys:
        if rows_bs is not None:
            k_bhsd = k_bhsd[rows_bs, :, np.arange(s)].transpose(0, 2, 1, 3)
        of_key = np.take_along_axis(ops.linear(k_bhsd, rows_pd), index_ts.T[None, None], axis=3)
        scores = scores + of_key.swapaxes(2, 3)
    scaled: FloatArray = scores * scores.dtype.type(d**-0.5)
    return scaled
