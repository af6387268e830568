"""Models whose weights follow a formula, so that numbers printed elsewhere can be checked with no file in between.

For the t-th tensor name in ASCII order and its i-th element in C order, both from 0, the weight is the fraction of
``sin(12.9898 (i + 1) + 78.233 (t + 1)) * 43758.5453`` less one half; norms' weights are 1 plus a fifth of that.
"""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

NORMS = ("norm.weight", "layernorm_embedding.weight", "LayerNorm.weight")


def formula(number: int, shape: tuple[int, ...], norm: bool) -> Any:
    """The values of the ``number``-th tensor (from 0, names sorted)."""
    index = np.arange(int(np.prod(shape)), dtype=np.float64)
    waves = np.sin(12.9898 * (index + 1) + 78.233 * (number + 1)) * 43758.5453
    values = waves - np.floor(waves) - 0.5
    return (1 + 0.2 * values if norm else values).astype(np.float32).reshape(shape)


def filled(model: Any, folder: Path, tables: bool = False) -> Any:
    """Save the model, give its file the formula's weights and load it again."""
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    names = sorted(name for name in weights if tables or "embed_positions" not in name)
    for number, name in enumerate(names):
        weights[name] = formula(number, weights[name].shape, name.endswith(NORMS))
    save_file(weights, path, metadata={"format": "pt"})
    return type(model).from_pretrained(folder)


def ids(rows: int, columns: int) -> Any:
    row, column = np.indices((rows, columns))
    return (7 * column**2 + 3 * column + 11 * row + 5) % 47 + 3


def mask(rows: int, columns: int, seen: int) -> Any:
    mask = np.ones((rows, columns), np.int64)
    mask[1, seen:] = 0
    return mask


def assert_printed(found: np.ndarray, first: list[float], total: float, size: float | None = None) -> None:
    """Compare the first elements, the sum and the sum of sizes with printed ones."""
    np.testing.assert_allclose(found.reshape(-1)[: len(first)], first, rtol=0, atol=5e-6)
    exact = found.astype(np.float64)
    np.testing.assert_allclose(exact.sum(), total, rtol=0, atol=1e-3)
    if size is not None:
        np.testing.assert_allclose(np.abs(exact).sum(), size, rtol=0, atol=1e-3)
