"""Tell what a checkpoint folder holds: family, sizes, element types, files, names that are missing or not expected,
settings of generation, tokenizer. Weights are read only to compare two tensors that should be one.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

__all__ = ["EXAMPLES", "HELP", "NAME", "add_arguments", "run"]

NAME = "inspect"
HELP = "tell what a checkpoint folder holds"
EXAMPLES = """\
  minipegasus inspect my-model
  minipegasus inspect google/pegasus-xsum --json | jq .parameters
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="checkpoint folder, or a name in the local hub cache")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: Namespace) -> int:
    """Print what was found."""
    from ..models.inspection import inspect_checkpoint

    found = inspect_checkpoint(args.folder)
    if args.json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for name in ("folder", "class"):
        yield _line(name, found[name])
    yield _line("family", found["family"])
    yield _line("parameters", f"{found['parameters']:,}")
    for dtype, counts in found["dtypes"].items():
        yield _line("weights", f"{counts['tensors']} tensors {dtype}, {size(counts['bytes'])}, {found['format']}")
    for side in ("encoder", "decoder"):
        if found[side]:
            yield _line(side, _pairs(found[side]))
    yield _line("files", _pairs({name: size(count) for name, count in found["files"].items()}, " "))
    for name in ("missing", "unexpected", "mismatched", "conflicting", "notes"):
        yield _line(name, "\n".join(map(str, found[name])) or "none")
    yield _line("generation", _pairs(found["generation"]) or "defaults")
    yield _line("tokenizer", _pairs(found["tokenizer"]))


def _line(name: str, text: str) -> str:
    return f"{name:<12}" + text.replace("\n", "\n" + " " * 12)


def _pairs(values: dict[str, Any], between: str = "=") -> str:
    """Return the pairs, a few a line."""
    lines = [""]
    for name, value in values.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        pair = f"{name}{between}{shown}"
        if lines[-1] and len(lines[-1]) + len(pair) > 100:
            lines.append("")
        lines[-1] += f", {pair}" if lines[-1] else pair
    return "\n".join(lines)


def size(count: float) -> str:
    """Return a number of bytes for people.

    >>> size(999), size(2_280_000_000)
    ('999 B', '2.28 GB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
