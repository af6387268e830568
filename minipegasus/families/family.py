"""What a family file declares, and how a class of that family lays its weights out in a checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..spec import ModelSpec, Shape, weight_shapes
from .config import Config
from .names import NameMap, Rules

__all__ = ["Family", "Layout", "Role", "Weight"]

#: What a public class is: the bare stacks, a head on both stacks, or a decoder alone with its vocabulary head.
Role = Literal["base", "seq2seq", "causal", "classification", "spans"]


@dataclass(frozen=True)
class Weight:
    """One weight of a class: its shape, and the checkpoint names that hold it, the preferred one first.

    ``formula`` names how a missing one is made: ``"normal"``, ``"zeros"``, ``"ones"`` or ``"sinusoid"``.
    ``silent`` ones may be missing without a word.
    """

    shape: Shape
    sources: tuple[str, ...]
    formula: str
    silent: bool = False


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


@dataclass(frozen=True)
class Family:
    """One family: its configuration and what is made of it. No arithmetic.

    Attributes:
        model_type: the ``model_type`` of config.json.
        config: the configuration class.
        spec: configuration and role -> :class:`~minipegasus.spec.ModelSpec`.
        renames: role -> our prefixes and the checkpoint's.
        aliases: configuration and role -> groups of our names that are one tensor, with the checkpoint's names
            for it, the one that the reference keeps first.
        base_prefix: the reference's ``base_model_prefix``.
        sinusoids: position tables that are a formula when a file lacks them.
    """

    model_type: str
    config: type[Any]
    spec: Callable[[Any, Role], ModelSpec]
    renames: Callable[[Role], Rules]
    aliases: Callable[[Any, Role], list[tuple[tuple[str, ...], tuple[str, ...]]]]
    base_prefix: str
    sinusoids: bool = False

    def layout(self, config: Config, role: Role) -> Layout:
        """Return how a class of this family stores its weights."""
        names = NameMap(self.renames(role))
        groups = {ours: theirs for group, theirs in self.aliases(config, role) for ours in group}
        weights = {
            name: Weight(shape, groups.get(name, (names.theirs(name),)), *self._missing(name))
            for name, shape in weight_shapes(self.spec(config, role)).items()
        }
        return Layout(weights, self.base_prefix, role != "base", names)

    def _missing(self, name: str) -> tuple[str, bool]:
        """Return how a missing weight is made and whether that needs no mention."""
        if name == "final_logits_bias":
            return "zeros", True
        if self.sinusoids and name.endswith("embed_positions.weight"):
            return "sinusoid", True
        if name.endswith("norm.weight"):
            return "ones", False
        return ("zeros" if name.endswith("bias") else "normal"), False
