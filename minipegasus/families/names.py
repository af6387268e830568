"""Reversible renames between our weight names and a checkpoint's."""

import re
from collections.abc import Iterable

__all__ = ["NameMap", "prefixed"]

Rules = tuple[tuple[str, str], ...]


class NameMap:
    """An ordered list of ``(ours, theirs)`` prefixes; ``*`` stands for a layer number. The first match applies.

    >>> names = NameMap((("layers.*.fc1.", "layer.*.intermediate.dense."), ("", "bert.")))
    >>> names.theirs("layers.3.fc1.weight"), names.theirs("embed.weight")
    ('layer.3.intermediate.dense.weight', 'bert.embed.weight')
    >>> names.ours("layer.3.intermediate.dense.weight"), names.ours("bert.embed.weight")
    ('layers.3.fc1.weight', 'embed.weight')
    """

    def __init__(self, rules: Iterable[tuple[str, str]]) -> None:
        rules = tuple(rules)
        self._theirs = [(_pattern(ours), _filling(theirs)) for ours, theirs in rules]
        self._ours = [(_pattern(theirs), _filling(ours)) for ours, theirs in rules]

    def theirs(self, name: str) -> str:
        """Return the checkpoint's name of our weight ``name``."""
        return _rename(self._theirs, name)

    def ours(self, name: str) -> str:
        """Return our name of the checkpoint's weight (or module) ``name``."""
        return _rename(self._ours, name)


def prefixed(rules: Iterable[tuple[str, str]], ours: str, theirs: str) -> Rules:
    """Return ``rules`` moved below a prefix on each side.

    >>> prefixed((("norm.", "LayerNorm."),), "encoder.", "model.encoder.")
    (('encoder.norm.', 'model.encoder.LayerNorm.'),)
    """
    return tuple((ours + a, theirs + b) for a, b in rules)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\*", r"(\d+)"))


def _filling(template: str) -> str:
    return template.replace("*", "{}")


def _rename(rules: list[tuple[re.Pattern[str], str]], name: str) -> str:
    for pattern, filling in rules:
        match = pattern.match(name)
        if match:
            return filling.format(*match.groups()) + name[match.end() :]
    return name
