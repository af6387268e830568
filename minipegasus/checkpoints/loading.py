"""From a checkpoint's tensors to a class's weights: prefixes, aliases, what is missing and what is left over."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import ops
from ..arrays import Array, FloatArray
from ..errors import CheckpointError, InputError, listing
from ..families.family import Layout, Weight
from .checkpoint import Checkpoint

__all__ = ["LoadReport", "Match", "initial", "load_weights", "match"]

# Names that old BERT files use; only with this capital spelling, as in the reference.
_OLD_NAMES = (
    (re.compile(r"LayerNorm\.gamma$"), "LayerNorm.weight"),
    (re.compile(r"LayerNorm\.beta$"), "LayerNorm.bias"),
)
# Two axes, and yet nothing that a product or a look-up reads.
_NO_MATRICES = ("embed_global.weight", "final_logits_bias")
# What a file may lack in bytes before it is no checkpoint of this class: as much again as it holds, or this.
_MAY_LACK = 256 << 20
# Constant index buffers that old files carry: never weights, never worth a word.
_BUFFERS = re.compile(r"(^|\.)embeddings\.(position_ids|token_type_ids)$")


@dataclass(frozen=True)
class LoadReport:
    """How a checkpoint fitted a class, in the checkpoint's names.

    Attributes:
        missing: weights that no tensor held and that were made instead.
        unexpected: tensors that the class has no use for.
        mismatched: tensors of another shape that were replaced (only with ``ignore_mismatched_sizes``), each with
            ``: expected shape ..., found ...`` behind its name.
        conflicting: names of one tied tensor that hold different values; the first was taken.
    """

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Match:
    """Which tensor holds each weight of a class: known from the headers alone.

    Attributes:
        found: our name -> the file's name.
        absent: weights that no tensor holds, or only one of another shape.
        copies: the file's name -> the other names under which the file has the same weight (tied names).
        report: how it went, but for :attr:`LoadReport.conflicting`, which needs a look at the values.
    """

    found: dict[str, str]
    absent: dict[str, Weight]
    copies: dict[str, list[str]]
    report: LoadReport


def match(checkpoint: Checkpoint, layout: Layout) -> Match:
    """Find the weights of a class in a checkpoint, without reading any."""
    here, unexpected = _class_names(checkpoint, layout)
    result = Match({}, {}, {}, LoadReport(unexpected=unexpected))
    used: set[str] = set()
    for name, weight in layout.weights.items():
        present = [source for source in weight.sources if source in here]
        standing_in = [source for source in weight.stand_ins if source in here]
        used.update(present, standing_in)
        present = present or standing_in[:1]
        if not present:
            result.absent[name] = weight
            if not weight.silent and weight.saved_as not in result.report.missing:
                result.report.missing.append(weight.saved_as)
            continue
        stored, *others = (here[source] for source in present)
        shape = checkpoint.info[stored].shape
        if tuple(shape) != weight.shape:
            problem = f"{stored}: expected shape {list(weight.shape)}, found {list(shape)}"
            if problem not in result.report.mismatched:
                result.report.mismatched.append(problem)
            result.absent[name] = weight
            continue
        result.found[name] = stored
        result.copies[stored] = others
    unexpected.extend(original for name, original in here.items() if name not in used and not _BUFFERS.search(name))
    return result


def load_weights(
    checkpoint: Checkpoint, layout: Layout, std: float, seed: int, ignore_mismatched_sizes: bool = False
) -> tuple[dict[str, FloatArray], LoadReport]:
    """Return the class's weights under our names, and how it went.

    Shapes are compared with the file's header before anything is read. Weights that the file lacks are made as a new
    model's are (``std``, ``seed``).

    Raises:
        CheckpointError: shapes differ (all of them are named), unless ``ignore_mismatched_sizes``; or a file with the
            body of a whole model lacks its vocabulary head, which is not tied; or most of a large model is missing.
    """
    matched = match(checkpoint, layout)
    report = matched.report
    _refuse_lost_head(checkpoint, layout, matched)
    _refuse_mostly_absent(checkpoint, matched)
    if report.mismatched and not ignore_mismatched_sizes:
        raise CheckpointError(listing(f"{checkpoint.folder}: tensors of another shape", report.mismatched))
    report.conflicting.extend(
        f"{other}: differs from {stored}, which is used for both"
        for stored, others in matched.copies.items()
        for other in others
        if not checkpoint.same(stored, other)
    )
    # Tied names share one array.
    arrays: dict[str, Array] = {stored: _taken(checkpoint, stored) for stored in matched.copies}
    weights = {name: arrays[stored] for name, stored in matched.found.items()}
    weights |= initial(matched.absent, checkpoint.dtype, std, seed)
    return {name: weights[name] for name in layout.weights}, report


def _refuse_lost_head(checkpoint: Checkpoint, layout: Layout, matched: Match) -> None:
    """Refuse a file whose matrices were written once, as tied, under a configuration that says that they are not.

    The reference goes on with a random head. A bare model's file may be opened with a new one.
    """
    head = matched.absent.get("lm_head.weight")
    if head is None or head.saved_as not in matched.report.missing or not _is_prefixed(checkpoint, layout):
        return
    if "decoder.embed_tokens.weight" in matched.found:
        raise CheckpointError(
            f"{checkpoint.folder}: {head.saved_as}: expected it in the file, as config.json says "
            "tie_word_embeddings = false, found nothing (with true the head is the embedding matrix)"
        )


def _refuse_mostly_absent(checkpoint: Checkpoint, matched: Match) -> None:
    """Refuse to make a model of the size that config.json claims where the file holds next to nothing of it."""
    held = sum(math.prod(checkpoint.info[stored].shape) for stored in matched.copies) * checkpoint.dtype.itemsize
    shapes = {weight.sources: weight.shape for weight in matched.absent.values()}
    lacking = sum(map(math.prod, shapes.values())) * checkpoint.dtype.itemsize
    if lacking > max(_MAY_LACK, held):
        raise CheckpointError(
            f"{checkpoint.folder}: expected the weights of the model that config.json describes, found {held} bytes of "
            f"them; {lacking} are missing, {', '.join(matched.report.missing[:3])} ..."
        )


def _is_prefixed(names: Iterable[str], layout: Layout) -> bool:
    """Whether the body is named as in a head class; the reference asks for no dot behind the prefix."""
    return any(name.startswith(layout.base_prefix) for name in names)


def _taken(checkpoint: Checkpoint, name: str) -> Array:
    """Return a tensor as the model keeps it: wide, or a matrix in half precision as it lies in the file.

    The kernels widen a matrix in registers: half the memory to hold and to read, the same numbers. The NumPy twins
    would widen it anew in every call.
    """
    is_half = checkpoint.info[name].dtype in ("float16", "bfloat16") and checkpoint.dtype == np.float32
    if is_half and ops.config()["ops"] == "native" and not name.endswith(_NO_MATRICES):
        stored = checkpoint.stored(name)
        if stored.ndim == 2 and stored.flags.c_contiguous and stored.flags.aligned:
            return stored
    return checkpoint.array(name)


def initial(
    weights: Mapping[str, Weight], dtype: np.dtype[np.generic] | type, std: float, seed: int
) -> dict[str, FloatArray]:
    """Make weights as a new model has them: normal(0, std), zeros, ones, or the sinusoid; read-only."""
    if seed < 0:
        raise InputError(f"seed: expected an integer from 0 on, found {seed}")
    rng = np.random.default_rng(seed)
    made: dict[tuple[str, ...], FloatArray] = {}
    for weight in weights.values():
        if weight.sources not in made:
            made[weight.sources] = _made(weight, np.dtype(dtype), std, rng)
            made[weight.sources].flags.writeable = False
    return {name: made[weight.sources] for name, weight in weights.items()}


def _made(weight: Weight, dtype: np.dtype[np.generic], std: float, rng: np.random.Generator) -> Array:
    if weight.formula == "sinusoid":
        return ops.sinusoid_table(*weight.shape).astype(dtype)
    if weight.formula == "normal":
        values = rng.standard_normal(weight.shape, np.float32) * np.float32(std)
        return values.astype(dtype)
    return np.full(weight.shape, 1 if weight.formula == "ones" else 0, dtype)


def _class_names(checkpoint: Checkpoint, layout: Layout) -> tuple[dict[str, str], list[str]]:
    """Return the class's name -> the file's name, and the file's names that the prefix rule drops.

    A checkpoint of the bare model serves a head class (the prefix is added), and the reverse (it is taken away).
    """
    names = {name: name for name in checkpoint}
    for old, new in _OLD_NAMES:
        names = {old.sub(new, name): original for name, original in names.items()}
    prefix = layout.base_prefix
    file_has = _is_prefixed(names, layout)
    if layout.has_prefix and not file_has:
        return {f"{prefix}.{name}": original for name, original in names.items()}, []
    if file_has and not layout.has_prefix:
        inside = {n.removeprefix(f"{prefix}."): o for n, o in names.items() if n.startswith(f"{prefix}.")}
        return inside, [o for n, o in names.items() if not n.startswith(f"{prefix}.")]
    return names, []
