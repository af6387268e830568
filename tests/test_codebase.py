"""The code base keeps its own rules: floors, families without arithmetic, imports, no names of people or machines."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "minipegasus"
# A module imports only from floors below its own (and from its own folder).
FLOORS = [
    {"arrays", "errors", "outputs"},
    {"ops"},
    {"nn"},
    {"spec"},
    {"families"},
    {"checkpoints"},
    {"tokenization"},
    {"generation"},
    {"demo"},
    {"models"},
    {"conformance"},
    {"cli"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """Return the part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, for_types: bool = True) -> Iterator[str]:
    """Yield the absolute dotted name of everything that a file imports, wherever the statement stands.

    Without ``for_types`` what type checkers alone import is passed over.
    """
    package = ["minipegasus", *path.relative_to(PACKAGE).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [n.body for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    type_only = {inner for body in blocks for statement in body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in type_only and not for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*stem, alias.name]) for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    own = room(path)
    if own in {"__init__", "__main__"}:
        return
    for name in imports(path, for_types=False):
        parts = name.split(".")
        if parts[0] != "minipegasus" or len(parts) == 1:
            continue
        other = parts[1]
        if other == own or other not in FLOOR:
            continue
        assert FLOOR[other] < FLOOR[own], f"{path.name} imports {name}"


def test_every_room_has_a_floor() -> None:
    rooms = {room(path) for path in SOURCES} - {"__init__", "__main__"}
    assert rooms <= set(FLOOR), f"no floor for {sorted(rooms - set(FLOOR))}"


def test_nothing_below_checkpoints_opens_a_file() -> None:
    for path in SOURCES:
        if FLOOR.get(room(path), 99) >= FLOOR["checkpoints"]:
            continue
        calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
        opening = {c for c in calls if c == "open" or c.endswith((".read_text", ".read_bytes", ".open", ".write_text"))}
        assert not opening, f"{path}: {opening}"


# What the families may import: data, and what checks and names it.
DATA = {
    *("collections.abc", "dataclasses", "types", "typing"),
    *("minipegasus.errors", "minipegasus.nn.stackspec", "minipegasus.spec"),
}
DATA_NAMES = {"math", "minipegasus.ops.ACTIVATIONS", "re"}
# And the little that they compute: bounds of values, counts of weights, the number that a scaled embedding stands for.
COMPUTED = {
    "config.py": {"math.inf", "math.isfinite"},
    "family.py": {"math.prod", "sum"},
    "seq2seq.py": {"math.sqrt"},
}
ARITHMETIC = {"abs", "divmod", "max", "min", "pow", "round", "sum"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "families").glob("*.py")), ids=lambda p: p.name)
def test_families_hold_no_arithmetic(path: Path) -> None:
    allowed = COMPUTED.get(path.name, set())
    for name in imports(path):
        module = name.rpartition(".")[0]
        assert name in DATA_NAMES or module in DATA or module.startswith("minipegasus.families"), name
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    used = {ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "math"}
    used |= {n.id for n in nodes if isinstance(n, ast.Name) and n.id in ARITHMETIC}
    assert used == allowed
    for node in nodes:
        if isinstance(node, ast.BinOp | ast.AugAssign):  # joined texts and sets, divisors, powers of two
            assert isinstance(node.op, ast.Add | ast.BitOr | ast.Mod | ast.Pow), ast.unparse(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            assert all(isinstance(side, ast.Constant) for side in (node.left, node.right)), ast.unparse(node)


def test_nothing_below_families_names_a_family() -> None:
    names = re.compile(r"bigbird|pegasus_?x|bert|roberta", re.IGNORECASE)
    for path in SOURCES:
        if FLOOR.get(room(path), 99) >= FLOOR["families"]:
            continue
        tree = ast.parse(path.read_text())
        words = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        words |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        words |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert not {w for w in words if names.search(w)}, path


def test_run_time_dependencies_are_three() -> None:
    allowed = {"numpy", "sentencepiece", "safetensors", "tokenizers", "minipegasus"}
    import sys

    for path in SOURCES:
        outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - allowed
        assert not outside, f"{path}: {outside}"
        assert "pickle" not in {name.split(".")[0] for name in imports(path)}, path


def test_root_holds_what_it_should() -> None:
    expected = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "minipegasus",
        "_ext",
        "tests",
        "golden",
        "tools",
    }
    built = {"build", "dist"}
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.suffix != ".egg-info"} - built
    if (ROOT / ".git").exists():
        assert found == expected
