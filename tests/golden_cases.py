"""Read the golden cases and hold a model against them: the tiers of ``golden/README.md``."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

import minipegasus

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
# Tier 3: float64 against float64.
DOUBLE = 1e-12
# Tier 2: float32 may be this many times as far from float64 as transformers' own float32 is,
RATCHET = 4.0
# where "as far" is never less than a few roundings of the tensor's largest value.
ROUNDINGS = 4 * float(np.finfo(np.float32).eps)


def case_paths(family: str) -> list[Path]:
    """Return the cases below ``golden/<family>``, those of nested checkpoint folders included."""
    paths = sorted((GOLDEN / family).rglob("cases/*.safetensors"))
    assert paths, f"no golden cases for {family}"
    return paths


def case_id(path: Path) -> str:
    """Return a short test id."""
    return path.relative_to(GOLDEN).with_suffix("").as_posix().replace("/cases", "")


def read(path: Path, prefix: str = "output.") -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return what the case says about itself, its inputs and its outputs (the tensors named with ``prefix``)."""
    with safetensors.safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["golden"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    inputs = {n.removeprefix("input."): a for n, a in arrays.items() if n.startswith("input.")}
    outputs = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    return about, inputs, outputs


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield dotted names and arrays of an output, leaving caches out."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, (Mapping, minipegasus.outputs.ModelOutput)):
        for key, item in value.items():
            if key != "past_key_values":
                yield from flatten(item, f"{name}.{key}" if name else key)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}.{index}")


def run(model: Any, about: dict[str, Any], inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Call the model as the case says, its further steps included."""
    first = {name: array for name, array in inputs.items() if not name.startswith("step.")}
    call = getattr(model, about["method"])
    out = call(**first, **about["arguments"])
    found = dict(flatten(out if not isinstance(out, np.ndarray) else {"sequences": out}))
    for index, step in enumerate(about["steps"]):
        prefix = f"step.{index}."
        arrays = {n.removeprefix(prefix): a for n, a in inputs.items() if n.startswith(prefix)}
        out = call(**arrays, **step, past_key_values=out.past_key_values, use_cache=True)
        found |= {prefix + name: value for name, value in flatten(out)}
    return found


def check(path: Path, dtype: str) -> None:
    """Run a case in ``dtype`` and compare every output; all that is wrong is reported at once."""
    about, inputs, outputs = read(path)
    model_class = getattr(minipegasus, about["class"])
    # In training the reference draws its random blocks.
    options = about["options"] | ({"random_blocks": "seeded"} if about.get("training") else {})
    model = model_class.from_pretrained(path.parent.parent, dtype=dtype, **options)
    before = {name: array.copy() for name, array in inputs.items()}
    found = run(model, about, inputs)
    assert all(np.array_equal(inputs[n], a) for n, a in before.items()), "inputs were modified"
    problems = [f"{name}: missing" for name in outputs if name not in found]
    problems += [
        f"{name}: not expected" for name in found if name not in outputs and not is_left_out(name, about, outputs)
    ]
    for name, expected in outputs.items():
        if name in found:
            problems += compare(name, expected, found[name], dtype, about["float32_error"].get(name))
    assert not problems, "\n".join(problems)


def is_left_out(name: str, about: dict[str, Any], outputs: Mapping[str, np.ndarray]) -> bool:
    """Whether a case lacks a whole field that its call asked for: to stay small, it leaves out what others hold."""
    step, field = re.fullmatch(r"(?:step\.(\d+)\.)?(\w+).*", name).groups()  # type: ignore[union-attr]
    prefix = "" if step is None else f"step.{step}."
    if any(other == prefix + field or other.startswith(f"{prefix}{field}.") for other in outputs):
        return False
    arguments = about["arguments"] | ({} if step is None else about["steps"][int(step)])
    for ending in ("attentions", "hidden_states", "scores"):
        if field.endswith(ending):
            return bool(arguments.get(f"output_{ending}"))
    return field in ("beam_indices", "encoder_last_hidden_state", "pooler_output")


def compare(name: str, expected: np.ndarray, found: np.ndarray, dtype: str, error: float | None) -> list[str]:
    """Return what is wrong about one tensor."""
    # Generation computes its scores in float32 whatever the model's dtype, as the reference does.
    is_score = name.split(".")[0] in ("scores", "sequences_scores")
    kind = {"f": "float32" if is_score else dtype, "i": "int64"}.get(expected.dtype.kind, expected.dtype.name)
    if (found.dtype.name, found.shape) != (kind, expected.shape):
        return [f"{name}: expected {kind} {expected.shape}, found {found.dtype} {found.shape}"]
    if expected.dtype.kind in "iub":
        return (
            [] if np.array_equal(expected, found) else [f"{name}: expected {expected.tolist()}, found {found.tolist()}"]
        )
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], found[~finite], equal_nan=True):
        return [f"{name}: infinities or NaN differ"]
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    if found.dtype == np.float64:
        limit = DOUBLE * largest
    else:
        limit = RATCHET * max(error or 0.0, ROUNDINGS * largest)
    worst = float(np.abs(expected[finite] - found[finite]).max(initial=0.0))
    return [] if worst <= limit else [f"{name}: differs by {worst:.3g}, allowed {limit:.3g} (largest {largest:.3g})"]
