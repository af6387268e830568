"""Array types and the axis legend.

Inside ``ops`` and ``nn`` an array's name ends in its axes, lower case, in order: ``q_bhtd`` has shape
``(batch, heads, queries, head width)``. The letters:

====== =======================================================
letter axis
====== =======================================================
``b``  batch row
``t``  query position (the sequence being computed)
``s``  key position (the sequence being looked at)
``h``  attention head
``d``  width of one head
``m``  model width (``h * d``)
``n``  output width of a projection
``f``  feed-forward width
``v``  vocabulary entry
``k``  block of an attention pattern
``p``  position in a table
``r``  row of a generation batch (batch item times beam)
====== =======================================================
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "BoolArray", "FloatArray", "IntArray"]

#: float32 on the product path, float64 on the definition path.
FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
#: Token ids, positions, lengths: int64 unless stated.
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
#: Masks: True is visible.
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Array: TypeAlias = npt.NDArray[Any]
