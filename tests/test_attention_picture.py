"""Pictures of attention: areas are the pattern, terminal and SVG show them, the command reads any folder."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minipegasus
from minipegasus.cli import main
from minipegasus.conformance import attention_picture
from minipegasus.conformance.attention_picture import picture, svg, terminal
from minipegasus.errors import InputError
from minipegasus.nn.stacks import mask_layers

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
KINDS: dict[str, dict[str, Any]] = {
    "Pegasus": {},
    "BigBirdPegasus": {"block_size": 3, "num_random_blocks": 2},
    "BigBirdPegasus seeded": {"block_size": 2, "num_random_blocks": 2, "random_blocks": "seeded"},
    "BigBirdPegasus none": {"block_size": 2, "num_random_blocks": 0},
    "PegasusX": {"block_size": 4, "num_global_tokens": 3},
    "PegasusX none": {"block_size": 4, "num_global_tokens": 0},
}


def spec_of(kind: str, side: str = "encoder") -> Any:
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    name = kind.split()[0]
    config = getattr(minipegasus, f"{name}Config")(d_model=8, vocab_size=9, **heads, **KINDS[kind])
    return getattr(getattr(minipegasus, f"{name}Model").family.spec(config, "base"), side)


@pytest.mark.parametrize("kind", list(KINDS))
@given(length=st.integers(1, 60), layer=st.integers(0, 3), head=st.integers(0, 1))
def test_areas_are_the_pattern(kind: str, length: int, layer: int, head: int) -> None:
    spec = spec_of(kind)
    drawn = picture(spec, length, layer, head)
    pattern = mask_layers(spec, drawn.queries, drawn.keys)[layer].pattern
    expected = pattern.multiplicity(head if pattern.plans > 1 else 0)
    painted = np.zeros_like(expected)
    for area in drawn.areas:
        painted[slice(*area.queries), slice(*area.keys)] += area.times
    assert np.array_equal(painted, expected)
    assert f"{(expected > 0).sum():,} of {expected.size:,}" in drawn.facts[0]
    assert drawn.facts[1].startswith(f"listed, repetitions included: {expected.sum():,} ") == (expected.max() > 1)


def test_causal_areas() -> None:
    drawn = picture(spec_of("Pegasus", "decoder"), 7)
    painted = np.zeros((7, 7), int)
    for area in drawn.areas:
        painted[slice(*area.queries), slice(*area.keys)] += 1
    assert np.array_equal(painted, np.tri(7))
    assert "28 of 49" in drawn.facts[0]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("length", [1, 2, 45, 700])
@pytest.mark.parametrize("columns", [7, 40])
def test_a_terminal_is_never_overrun(kind: str, length: int, columns: int) -> None:
    drawn = picture(spec_of(kind), length)
    for colour in (False, True):
        lines = terminal(drawn, columns, colour).split("\n")
        rows = lines[1 : lines.index("keys to the right, queries down")]
        plain = [re.sub("\x1b\\[[0-9;]*m", "", row) for row in rows]
        assert 1 <= len(rows) <= columns // 2 + 1
        assert max(map(len, plain)) <= columns
        assert re.search("[\u2580-\u259f]", "".join(plain))
        assert ("\x1b" in "".join(lines)) == colour


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_svg_is_whole_and_stands_alone(kind: str) -> None:
    drawn = picture(spec_of(kind), 45, layer=1, name="<a & b>")
    text = svg(drawn)
    root = ElementTree.fromstring(text)
    words = "".join(root.itertext())
    assert drawn.title in words
    assert all(line.split("  ")[0] in words for line in drawn.legend)
    assert all(fact in words for fact in drawn.facts)
    assert "keys" in words
    assert "queries" in words
    assert not re.search(r"href|url\(|<script|<style", text)
    colours = [path.get("fill") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    assert len(set(colours)) == len(colours) == len(drawn.kinds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length: expected 1 to 4096, found 0"),
        ({"length": 4097}, "length: expected 1 to 4096, found 4097"),
        ({"length": 9, "layer": 16}, "layer: expected 0 to 15, found 16"),
        ({"length": 9, "head": -1}, "head: expected 0 to 1, found -1"),
    ],
)
def test_what_there_is_no_picture_of(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        picture(spec_of("BigBirdPegasus"), **arguments)


@pytest.mark.parametrize("folder", ["pegasus", "pegasus/causal", "bigbird_pegasus", "pegasus_x", "bert_generation"])
def test_the_command(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (GOLDEN / folder).is_dir():
        pytest.skip("no such golden folder")
    assert (
        main(["attention", str(GOLDEN / folder), "--length", "20", "--layer", "1" if "/" not in folder else "0"]) == 0
    )
    printed = capsys.readouterr().out
    assert "20 tokens" in printed
    assert "pairs of query and key" in printed
    assert "\x1b" not in printed
    target = tmp_path / "picture.svg"
    assert main(["attention", str(GOLDEN / folder), "--length", "20", "--svg", str(target)]) == 0
    assert ElementTree.fromstring(target.read_text(encoding="utf-8")).tag.endswith("svg")
    assert f"written: {target}" in capsys.readouterr().out


def test_the_command_refuses_what_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attention", str(GOLDEN / "pegasus_x"), "--length", "20", "--layer", "9"]) == 1
    assert "layer: expected 0 to 2, found 9" in capsys.readouterr().err
    assert main(["attention", str(GOLDEN / "pegasus_x"), "--length", "0"]) == 1
    assert "length: expected at least 1, found 0" in capsys.readouterr().err


def test_every_kind_has_a_colour_of_its_own_beside_the_others() -> None:
    together = [attention_picture.GLOBAL, attention_picture.WINDOW, attention_picture.RANDOM, attention_picture.AGAIN]
    together.append(attention_picture.EVERY)
    assert len({kind.colour for kind in together}) == len({kind.code for kind in together}) == len(together)
