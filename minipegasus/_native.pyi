"""What the compiled extension (``_ext/_native.pyx``) offers to ``minipegasus.ops``; only where C was compiled."""

from .arrays import Array, FloatArray, IntArray

def compiled() -> list[str]: ...
def runnable() -> list[str]: ...
def use(name: str) -> None: ...
def in_use() -> str: ...
def get_num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def layer_norm(
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    eps: float,
    out: FloatArray,
    residual: FloatArray | None = None,
) -> None: ...
def softmax(x: FloatArray, out: FloatArray, logarithm: bool) -> None: ...
def activate(x: FloatArray, out: FloatArray, name: int) -> None: ...
def embed(
    ids: IntArray, wide: FloatArray | None, half: Array | None, bfloat: bool, scale: float, out: FloatArray
) -> None: ...
def sinusoids(start: int, steps: FloatArray, sines: int, narrow: bool, out: FloatArray) -> None: ...
def top_k(x: FloatArray, values: FloatArray, index: IntArray) -> None: ...
def linear(
    x: FloatArray,
    wide: FloatArray | None,
    half: Array | None,
    bfloat: bool,
    bias: FloatArray | None,
    activation: int,
    out: FloatArray,
) -> None: ...
def attention(
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    out: FloatArray,
    query_starts: IntArray,
    range_starts: IntArray,
    ranges: IntArray,
    causal_offset: int,
    causal: bool,
    scale: float,
    visible: Array | None,
    bias: FloatArray | None,
    rows: IntArray | None,
    head_scale: FloatArray | None,
    probs: FloatArray | None,
    probs_starts: IntArray | None,
) -> None: ...
