"""What a family file declares, and how a class of that family lays its weights out in a checkpoint."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..spec import ModelSpec, Shape, weight_shapes
from .config import Config
from .names import NameMap, Rules

__all__ = ["Family", "Layout", "Role", "Tied", "Weight"]

# Weights that are looked up.
_TABLES = tuple(
    f"{name}.weight"
    for name in ("embed_tokens", "embed_positions", "embed_token_types", "embed_global", "distance_embedding")
)

#: What a public class is: the bare stacks, a head on both stacks, or a decoder alone with its vocabulary head.
Role = Literal["base", "seq2seq", "causal", "classification", "spans"]


class Tied(NamedTuple):
    """Weights of ours that are one tensor, and the checkpoint's names for it.

    Attributes:
        ours: our names.
        sources: the checkpoint's names, the one that counts first.
        saved_as: the name that it is written under: the first of ``sources`` where none is given.
        stand_ins: names of other tensors, of which the first serves where none of ``sources`` is in the file.
    """

    ours: tuple[str, ...]
    sources: tuple[str, ...]
    saved_as: str = ""
    stand_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weight:
    """One weight of a class: its shape, and the checkpoint names that hold it, the preferred one first.

    Another tensor (``stand_ins``) may serve in place of them. It is written as ``saved_as``. ``formula`` names how a
    missing one is made: ``"normal"``, ``"zeros"``, ``"ones"`` or ``"sinusoid"``. ``silent`` ones may be missing without
    a word.
    """

    shape: Shape
    sources: tuple[str, ...]
    saved_as: str
    formula: str
    silent: bool = False
    stand_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Every weight of a class under our names, the checkpoint's prefix rule, and the rename of its names.

    Attributes:
        weights: our name -> :class:`Weight`.
        base_prefix: what the reference's ``base_model_prefix`` is; a bare class has the keys without it.
        has_prefix: whether this class's own keys carry the prefix.
        names: our names <-> this class's own keys.
    """

    weights: dict[str, Weight]
    base_prefix: str
    has_prefix: bool
    names: NameMap

    def parameters(self, *, trainable: bool = False, embeddings: bool = True) -> int:
        """Return the number of distinct weights: all, or those that training changes, or without the embeddings'.

        ``final_logits_bias`` does not count: the reference has it as a buffer.
        """
        tables = {w.sources for name, w in self.weights.items() if name.endswith(_TABLES)}
        distinct = {w.sources: w for name, w in self.weights.items() if name != "final_logits_bias"}
        return sum(
            math.prod(w.shape)
            for sources, w in distinct.items()
            if not (trainable and w.formula == "sinusoid") and (embeddings or sources not in tables)
        )


@dataclass(frozen=True)
class Family:
    """One family: its configuration and what is made of it. No arithmetic.

    Attributes:
        model_type: the ``model_type`` of config.json.
        config: the configuration class.
        spec: configuration and role -> :class:`~minipegasus.spec.ModelSpec`.
        renames: configuration and role -> our prefixes and the checkpoint's.
        aliases: configuration and role -> which names are one tensor.
        base_prefix: the reference's ``base_model_prefix``, or nothing where no prefix is ever added or taken away.
    """

    model_type: str
    config: type[Any]
    spec: Callable[[Any, Role], ModelSpec]
    renames: Callable[[Any, Role], Rules]
    aliases: Callable[[Any, Role], list[Tied]]
    base_prefix: str

    def layout(self, config: Config, role: Role) -> Layout:
        """Return how a class of this family stores its weights."""
        spec, names = self.spec(config, role), NameMap(self.renames(config, role))
        tied = {ours: group for group in self.aliases(config, role) for ours in group.ours}
        weights = {}
        for name, shape in weight_shapes(spec).items():
            group = tied.get(name, Tied((name,), (names.theirs(name),)))
            saved_as = group.saved_as or group.sources[0]
            weights[name] = Weight(shape, group.sources, saved_as, *_missing(spec, name), group.stand_ins)
        return Layout(weights, self.base_prefix, role != "base", names)


def _missing(spec: ModelSpec, name: str) -> tuple[str, bool]:
    """Return how a missing weight is made and whether that needs no mention."""
    if name == "final_logits_bias":
        return "zeros", True
    if name.endswith("embed_positions.weight"):
        stack = spec.encoder if name.startswith("encoder.") else spec.decoder
        if stack is not None and stack.positions.sinusoidal:
            return "sinusoid", True
    if name.endswith("norm.weight"):
        return "ones", False
    return ("zeros" if name.endswith("bias") else "normal"), False
