"""Every public name says what it is, what it raises and which shapes it has, with an example; doctest runs those."""

import ast
import doctest
import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The modules whose __all__ is a promise. The others' names are the package's own business.
PUBLIC = (
    "minipegasus",
    "minipegasus.arrays",
    "minipegasus.checkpoints",
    "minipegasus.cli",
    "minipegasus.conformance.attention_picture",
    "minipegasus.conformance.bits",
    "minipegasus.errors",
    "minipegasus.families",
    "minipegasus.generation.config",
    "minipegasus.generation.constraints",
    "minipegasus.generation.generate",
    "minipegasus.generation.processors",
    "minipegasus.generation.stopping",
    "minipegasus.generation.streaming",
    "minipegasus.generation.warpers",
    "minipegasus.models",
    "minipegasus.models.pipelines",
    "minipegasus.models.summarize",
    "minipegasus.nn.cache",
    "minipegasus.ops",
    "minipegasus.outputs",
    "minipegasus.spec",
    "minipegasus.tokenization",
)
# What generate alone calls of a model or its cache, and streamers that are given: no reader writes such a call.
NO_EXAMPLE = {
    "minipegasus.generation.streaming.BaseStreamer.end",
    "minipegasus.generation.streaming.BaseStreamer.put",
    "minipegasus.models.causal.SingleStackLM.model_keywords",
    "minipegasus.models.causal.SingleStackLM.start_decoding",
    "minipegasus.models.configs.PretrainedConfig.from_folder",
    "minipegasus.models.seq2seq.ConditionalGeneration.model_keywords",
    "minipegasus.models.seq2seq.ConditionalGeneration.start_decoding",
    "minipegasus.nn.cache.Cache.check",
    "minipegasus.nn.cache.Cache.rows",
}
SHAPE = re.compile(r"\[[a-z., /0-9]*\]|\(\w+( \w+)*, ?([a-z ]+(, [a-z ]+)*)?\)|\bshape")


def _public() -> dict[str, Any]:
    found = {}
    for module in map(import_module, PUBLIC):
        for name in module.__all__:
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("minipegasus"):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


NAMES = _public()
CLASSES = {path: value for path, value in NAMES.items() if inspect.isclass(value)}


def own(cls: type) -> Iterator[type]:
    """Yield the classes that a class is made of and that are written here, itself first."""
    yield from (one for one in cls.__mro__ if one.__module__.startswith("minipegasus"))


def methods(cls: type) -> dict[str, list[Any]]:
    """Return the public methods of a class by name: every definition of each, the one that counts first."""
    found: dict[str, list[Any]] = {}
    for one in own(cls):
        for name, value in vars(one).items():
            plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            plain = getattr(plain, "__wrapped__", plain)
            if inspect.isfunction(plain) and (not name.startswith("_") or name == "__call__"):
                found.setdefault(name, []).append(plain)
    return found


def _methods() -> dict[str, tuple[list[Any], str]]:
    """Return every public method once: its definitions, and the docstrings of all classes that have it."""
    found: dict[str, tuple[list[Any], str]] = {}
    for cls in CLASSES.values():
        docs = "\n\n".join(inspect.cleandoc(one.__doc__ or "") for one in own(cls))
        for definitions in methods(cls).values():
            path = f"{definitions[0].__module__}.{definitions[0].__qualname__}"
            found[path] = definitions, f"{found.get(path, ([], ''))[1]}\n\n{docs}"
    return found


METHODS = _methods()


def shown(doc: str | None) -> str:
    """Return the code of a docstring's examples."""
    return "".join(example.source for example in doctest.DocTestParser().get_examples(doc or ""))


def raised(function: Any) -> set[str]:
    """Return the errors that a function's own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = {ast.unparse(node.exc).split("(")[0] for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc}
    return {name for name in names if name.endswith("Error")} - {"NotImplementedError", "AttributeError"}


def takes_arrays(function: Any) -> bool:
    return "Array" in " ".join(map(str, inspect.get_annotations(function).values()))


@cache
def collected(module: str) -> set[str]:
    """Return the names of a module whose examples doctest finds and so runs."""
    return {test.name for test in doctest.DocTestFinder().find(sys.modules[module]) if test.examples}


@pytest.mark.parametrize("path", NAMES)
def test_name(path: str) -> None:
    value = NAMES[path]
    assert value.__doc__, "no docstring"
    assert path in NO_EXAMPLE or shown(value.__doc__), "no example"
    assert path in NO_EXAMPLE or path in collected(value.__module__), "an example that doctest does not find"
    if inspect.isfunction(value):
        assert not (missing := {error for error in raised(value) if error not in value.__doc__}), missing
        assert not takes_arrays(value) or SHAPE.search(value.__doc__), "arrays without a shape"


@pytest.mark.parametrize("path", METHODS)
def test_method(path: str) -> None:
    """A method's example stands in its own docstring, in a parent's or in that of a class that has it."""
    definitions, of_classes = METHODS[path]
    name = definitions[0].__name__
    docs = [doc for one in definitions if (doc := one.__doc__)]
    assert docs, "no docstring"
    if name == "__call__":
        return  # the class shows how it is called
    is_shown = any(map(shown, docs)) or f".{name}(" in shown(of_classes)
    assert path in NO_EXAMPLE or is_shown, "no example"
    said = "\n".join(docs)
    assert not (missing := {error for one in definitions for error in raised(one) if error not in said}), missing


@pytest.mark.parametrize("path", CLASSES)
def test_construction(path: str) -> None:
    """What a constructor refuses stands in the docstring of the class."""
    cls = CLASSES[path]
    of_class = "\n".join(one.__doc__ or "" for one in own(cls))
    for made in (vars(cls).get("__init__"), vars(cls).get("__post_init__")):
        if inspect.isfunction(made) and made.__code__.co_filename.startswith(str(ROOT)):  # no dataclass's or protocol's
            assert not (missing := {error for error in raised(made) if error not in of_class}), missing


def test_exceptions_exist() -> None:
    assert {*NAMES, *METHODS} >= NO_EXAMPLE


def test_examples_run_with_the_tests() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "--doctest-modules" in options["addopts"]
    assert "minipegasus" in options["testpaths"]
