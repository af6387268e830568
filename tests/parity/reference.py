"""Helpers of the parity tests: random tiny reference models, and outputs compared tensor by tensor."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()

#: Worst difference allowed, as a share of the tensor's largest value.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def build(class_name: str, config: Any, seed: int, std: float = 0.3, keep: str = "\0") -> Any:
    """Return a reference model with random weights; names that contain ``keep`` stay as they are."""
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = getattr(transformers, class_name)(config).eval()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if keep in name or not tensor.dtype.is_floating_point:
                continue
            values = rng.normal(0, std, tuple(tensor.shape)).astype(np.float32)
            is_norm = name.endswith(("norm.weight", "layernorm_embedding.weight", "LayerNorm.weight"))
            tensor.copy_(torch.from_numpy(values + 1 if is_norm else values))
    return model


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield dotted names and arrays of either library's output, leaving caches out."""
    if value is None or hasattr(value, "get_seq_length"):
        return
    if isinstance(value, Mapping) or hasattr(value, "to_tuple"):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else key)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}.{index}")
    else:
        yield name, value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


def call(model: Any, arguments: Mapping[str, Any], dtype: str) -> Any:
    """Call the reference with arrays turned into tensors of the dtype."""
    given = {}
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
            value = value.to(getattr(torch, dtype)) if value.dtype.is_floating_point else value
        given[name] = value
    # BigBird-Pegasus collects attentions in an array of torch.float, which double probabilities do not fit.
    with torch.no_grad(), mock.patch.object(torch, "float", getattr(torch, dtype)):
        return model.to(getattr(torch, dtype))(**given)


def assert_same(found: Any, expected: Any, dtype: str) -> None:
    """Compare every tensor of two outputs; the message names all that differ."""
    ours, theirs = dict(flatten(found)), dict(flatten(expected))
    assert list(ours) == list(theirs)
    problems = []
    for name, value in theirs.items():
        assert ours[name].shape == value.shape, (name, ours[name].shape, value.shape)
        if not np.array_equal(np.isnan(value), np.isnan(ours[name])):
            problems.append(f"{name}: NaN in other places")
            continue
        difference = np.abs(np.nan_to_num(ours[name]) - np.nan_to_num(value)).max(initial=0.0)
        allowed = TOLERANCE[dtype] * max(float(np.abs(np.nan_to_num(value)).max(initial=0.0)), 1e-30)
        if not difference <= allowed:
            problems.append(f"{name}: {difference:.3g} > {allowed:.3g}")
    assert not problems, "\n".join(problems)


def saved(model: Any, folder: Path) -> Path:
    """Save a reference model and return the folder."""
    model.save_pretrained(folder)
    return folder
