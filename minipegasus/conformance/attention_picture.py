"""What every query of a layer sees: as areas of a square, in a terminal or an SVG file, with numbers beside.

An area is a block of queries and a range of keys, so a picture costs as much as the pattern: nothing here is
quadratic in the length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from ..arrays import IntArray
from ..errors import InputError
from ..nn.patterns import Pattern
from ..nn.stacks import mask_layers
from ..nn.stackspec import StackSpec

__all__ = ["Area", "Kind", "Picture", "picture", "svg", "terminal"]


@dataclass(frozen=True)
class Kind:
    """Why a query sees a key: in words, as a colour of SVG and as one of a terminal's 256.

    >>> OWN.words, OWN.colour, OWN.code
    ('the own block', '#009e73', 36)
    """

    words: str
    colour: str
    code: int


EVERY = Kind("every key", "#56b4e9", 74)
EARLIER = Kind("itself and what precedes it", "#56b4e9", 74)
GLOBAL = Kind("global: sees all or is seen by all", "#0072b2", 25)
WINDOW = Kind("window: own block and neighbours", "#009e73", 36)
OWN = Kind("the own block", "#009e73", 36)
RANDOM = Kind("random blocks", "#e69f00", 178)
AGAIN = Kind("block 0, global, listed again", "#d55e00", 166)
_KINDS = [EVERY, EARLIER, GLOBAL, WINDOW, OWN, RANDOM, AGAIN]


@dataclass(frozen=True)
class Area:
    """Queries ``[start, stop)`` that see keys ``[start, stop)``, listed ``times`` times.

    >>> Area(queries=(8, 16), keys=(0, 4), kind=WINDOW).pairs
    32
    """

    queries: tuple[int, int]
    keys: tuple[int, int]
    kind: Kind
    times: int = 1

    @property
    def pairs(self) -> int:
        """Pairs of query and key."""
        return (self.queries[1] - self.queries[0]) * (self.keys[1] - self.keys[0])


@dataclass(frozen=True)
class Picture:
    """One layer and head: areas, later ones above earlier ones, and facts in words.

    >>> from minipegasus.families.pegasus_x import PEGASUS_X, PegasusXConfig
    >>> config = PegasusXConfig(encoder_layers=2, block_size=8, num_global_tokens=2)
    >>> drawn = picture(PEGASUS_X.spec(config, "base").encoder, length=16)
    >>> drawn.title, drawn.queries, len(drawn.areas)
    ('layer 0, 16 tokens behind 2 globals', 18, 5)
    >>> drawn.legend
    ['global: sees all or is seen by all  21 %', 'the own block  39.5 %']
    """

    title: str
    queries: int
    keys: int
    areas: list[Area]
    facts: list[str]

    @property
    def legend(self) -> list[str]:
        """One line per kind of area: its words and its share of all pairs."""
        return [f"{kind.words}  {self._share(kind)}" for kind in self.kinds]

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that occur."""
        present = {area.kind for area in self.areas}
        return [kind for kind in _KINDS if kind in present]

    def _share(self, kind: Kind) -> str:
        of_kind = [area for area in self.areas if area.kind == kind]
        times = max(area.times for area in of_kind)
        more = f", {times} times" if times > 1 else ""
        return f"{_percent(sum(area.pairs for area in of_kind) / (self.queries * self.keys))}{more}"


def picture(spec: StackSpec, length: int, layer: int = 0, head: int = 0, name: str = "") -> Picture:
    """Return the picture of one layer and head of a stack, for an input of ``length`` tokens.

    Args:
        spec: the stack.
        length: tokens; more than the stack has positions for is refused.
        layer: from 0.
        head: from 0; only drawn blocks differ from head to head.
        name: what the title begins with.

    Raises:
        InputError: there is no such layer, head or length.

    >>> from minipegasus.families.bigbird_pegasus import BIGBIRD_PEGASUS, BigBirdPegasusConfig
    >>> spec = BIGBIRD_PEGASUS.spec(BigBirdPegasusConfig(), "base").encoder
    >>> print(*picture(spec, 4096).facts, sep="\\n")
    pairs of query and key: 1,785,856 of 16,777,216 (10.6 %)
    listed, repetitions included: 2,547,712 (15.2 %)
    scores of 16 heads in float32: 155.5 MiB, 1.0 GiB with dense attention
    """
    limit = None if spec.positions.rows is None else spec.positions.rows - spec.positions.offset
    for what, value, low, high in (
        ("length", length, 1, limit),
        ("layer", layer, 0, spec.layers - 1),
        ("head", head, 0, spec.heads - 1),
    ):
        if value < low or (high is not None and value > high):
            expected = f"at least {low}" if high is None else f"{low} to {high}"
            raise InputError(f"{what}: expected {expected}, found {value}")
    total = length + (spec.global_tokens if spec.attention == "partitioned" else 0)
    pattern = mask_layers(spec, total, total)[layer].pattern
    plan = head if pattern.plans > 1 else 0
    areas = list(_areas(spec, pattern, plan))
    tokens = f"{length:,} tokens" + (f" behind {total - length} globals" if total > length else "")
    where = f"layer {layer}" + (f", head {head}" if pattern.plans > 1 else "")
    return Picture(f"{name} {where}, {tokens}".strip(), total, total, areas, _facts(pattern, plan, spec.heads))


def _areas(spec: StackSpec, pattern: Pattern, plan: int) -> Iterator[Area]:
    starts = [int(start) for start in pattern.query_starts]
    if pattern.causal_offset is not None:
        for t in range(pattern.queries):
            yield Area((t, t + 1), (0, t + 1 + pattern.causal_offset), EARLIER)
        return
    for k in range(pattern.blocks):
        queries = starts[k], starts[k + 1]
        ranges = pattern.listed(k, plan).tolist()
        if pattern.is_dense:
            yield Area(queries, (0, pattern.keys), EVERY)
        elif spec.attention == "windowed":
            yield from _windowed_areas(queries, ranges, starts)
        else:
            g = spec.global_tokens
            for start, stop in ranges:
                yield Area(queries, (start, stop), GLOBAL if queries[0] < g or start < g else OWN)


def _windowed_areas(queries: tuple[int, int], ranges: list[list[int]], starts: list[int]) -> Iterator[Area]:
    first, last = starts[1], starts[-2]
    if queries[0] in (0, last):
        yield Area(queries, (0, starts[-1]), GLOBAL)
        return
    for start, stop in (ranges[0], ranges[-1]):
        # The windows beside the first and last blocks are one range with them.
        for a, b, kind in ((0, first, GLOBAL), (first, last, WINDOW), (last, starts[-1], GLOBAL)):
            if max(start, a) < min(stop, b):
                yield Area(queries, (max(start, a), min(stop, b)), kind)
    between = [(start, stop) for start, stop in ranges[1:-1]]
    for start, stop in dict.fromkeys(between):
        times = between.count((start, stop))
        if start < queries[0] < stop:
            yield Area(queries, (start, stop), WINDOW)
        else:
            yield Area(queries, (start, stop), AGAIN if start == 0 else RANDOM, times)


def _facts(pattern: Pattern, plan: int, heads: int) -> list[str]:
    pairs, seen, listed = pattern.queries * pattern.keys, 0, 0
    if pattern.causal_offset is not None:
        seen = listed = sum(t + 1 + pattern.causal_offset for t in range(pattern.queries))
    else:
        for k, count in enumerate(np.diff(pattern.query_starts).tolist()):
            keys = pattern.key_index(k, plan)
            seen, listed = seen + count * len(np.unique(keys)), listed + count * len(keys)
    facts = [f"pairs of query and key: {seen:,} of {pairs:,} ({_percent(seen / pairs)})"]
    if listed != seen:
        facts.append(f"listed, repetitions included: {listed:,} ({_percent(listed / pairs)})")
    sparse, dense = (_size(4 * heads * count) for count in (listed, pairs))
    return [*facts, f"scores of {heads} heads in float32: {sparse}, {dense} with dense attention"]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _size(count: float) -> str:
    if count < 1024:
        return f"{count:.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} GiB"


def terminal(drawn: Picture, columns: int, colour: bool) -> str:
    """Return lines of block characters: two coloured pixels a character, or four of one colour.

    Pixels are as large as they have to be for ``columns`` characters; one that holds several kinds of area shows the
    one that covers most of it.

    >>> from minipegasus.nn.stackspec import Positions, StackSpec
    >>> spec = StackSpec(1, 2, 9, 4, 4, "relu", 1e-5, "pre", True, False, Positions("computed"),
    ...     attention="partitioned", block_size=4, global_tokens=2)
    >>> print(terminal(picture(spec, 12), 14, colour=False))
    layer 0, 12 tokens behind 2 globals
    ███████
    ███
    ███
    █  ██
    █  ██
    █    ██
    █    ██
    keys to the right, queries down
    - global: sees all or is seen by all  26.5 %
    - the own block  24.5 %
    pairs of query and key: 100 of 196 (51 %)
    scores of 2 heads in float32: 800 bytes, 1.5 KiB with dense attention
    """
    per_line, per_column = 2, 1 if colour else 2
    pixels = _pixels(drawn, columns * per_column, columns // 2 * per_line if not colour else columns)
    lines = [_line(pixels[i : i + per_line], per_column, colour) for i in range(0, len(pixels), per_line)]
    legend = [
        (f"\x1b[38;5;{kind.code}m██\x1b[0m " if colour else "- ") + line
        for kind, line in zip(drawn.kinds, drawn.legend, strict=True)
    ]
    return "\n".join([drawn.title, *lines, "keys to the right, queries down", *legend, *drawn.facts])


def _pixels(drawn: Picture, columns: int, rows: int) -> IntArray:
    """Return for each pixel the number of the kind that covers most of it, -1 where nothing is seen."""
    shape = min(rows, drawn.queries), min(columns, drawn.keys)
    covered = np.zeros((len(_KINDS), *shape))
    borders = [np.linspace(0, count, n + 1) for count, n in zip((drawn.queries, drawn.keys), shape, strict=True)]
    for area in drawn.areas:
        down, right = (
            np.clip(np.minimum(edge[1:], stop) - np.maximum(edge[:-1], start), 0, None)
            for edge, (start, stop) in zip(borders, (area.queries, area.keys), strict=True)
        )
        covered[_KINDS.index(area.kind)] += np.outer(down, right)
    return np.where(covered.any(axis=0), covered.argmax(axis=0), -1)


# Quarter blocks, by the bits upper left, upper right, lower left, lower right.
_QUARTERS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"


def _line(rows: IntArray, per_column: int, colour: bool) -> str:
    """Return one line of text for two rows of pixels (the second may be missing)."""
    padded = np.full((2, -(-rows.shape[1] // per_column) * per_column), -1)
    padded[: len(rows), : rows.shape[1]] = rows
    if not colour:
        bits = (padded >= 0).reshape(2, -1, 2).transpose(1, 0, 2).reshape(-1, 4) @ [1, 2, 4, 8]
        return "".join(_QUARTERS[b] for b in bits).rstrip()
    return "".join(_halves(top, bottom) for top, bottom in padded.T.tolist()) + "\x1b[0m"


def _halves(top: int, bottom: int) -> str:
    """Return a character whose halves have the colours of two kinds."""
    if top < 0 and bottom < 0:
        return "\x1b[0m "
    if bottom < 0:
        return f"\x1b[0;38;5;{_KINDS[top].code}m▀"
    if top < 0:
        return f"\x1b[0;38;5;{_KINDS[bottom].code}m▄"
    return f"\x1b[0;38;5;{_KINDS[top].code};48;5;{_KINDS[bottom].code}m▀"


_SIDE, _LEFT, _TOP, _RIGHT = 560, 90, 70, 330


def svg(drawn: Picture) -> str:
    """Return a self-contained SVG document: the pattern over its axes, the legend, the facts.

    >>> from minipegasus.families.pegasus_x import PEGASUS_X, PegasusXConfig
    >>> config = PegasusXConfig(encoder_layers=2, block_size=8, num_global_tokens=2)
    >>> drawn = picture(PEGASUS_X.spec(config, "base").encoder, length=16)
    >>> svg(drawn).startswith("<svg xmlns="), svg(drawn).count("<path")
    (True, 2)
    """
    scale = _SIDE / max(drawn.queries, drawn.keys)
    height = _TOP + _SIDE + 70 + 20 * len(drawn.facts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _SIDE + _RIGHT} {height}" '
        f'width="{_LEFT + _SIDE + _RIGHT}" height="{height}" font-family="sans-serif" font-size="14" fill="#222">',
        f"<title>{escape(drawn.title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="30" font-size="18">{escape(drawn.title)}</text>',
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="#f2f2f2" stroke="#888"/>',
        f'<g transform="translate({_LEFT} {_TOP}) scale({scale:.9g})" shape-rendering="crispEdges">',
    ]
    # Paths in the order of the legend: what is counted again lies above what it repeats.
    parts += [f'<path fill="{kind.colour}" d="{_path(drawn, kind)}"/>' for kind in drawn.kinds]
    parts += ["</g>", *_axes(drawn), *_legend(drawn)]
    bottom = _TOP + _SIDE + 70
    parts += [f'<text x="{_LEFT}" y="{bottom + 20 * i}">{escape(fact)}</text>' for i, fact in enumerate(drawn.facts)]
    return "\n".join([*parts, "</svg>", ""])


def _path(drawn: Picture, kind: Kind) -> str:
    return "".join(
        f"M{area.keys[0]} {area.queries[0]}H{area.keys[1]}V{area.queries[1]}H{area.keys[0]}z"
        for area in drawn.areas
        if area.kind == kind
    )


def _axes(drawn: Picture) -> Iterator[str]:
    for position in sorted({drawn.keys * i // 4 for i in range(4)} | {drawn.keys - 1}):
        at = _SIDE * (position + 0.5) / drawn.keys
        yield f'<text x="{_LEFT + at:.1f}" y="{_TOP + _SIDE + 20}" text-anchor="middle">{position}</text>'
        yield f'<text x="{_LEFT - 8}" y="{_TOP + at + 5:.1f}" text-anchor="end">{position}</text>'
    middle, down = _LEFT + _SIDE / 2, _TOP + _SIDE / 2
    yield f'<text x="{middle}" y="{_TOP + _SIDE + 42}" text-anchor="middle">keys</text>'
    yield f'<text x="24" y="{down}" text-anchor="middle" transform="rotate(-90 24 {down})">queries</text>'


def _legend(drawn: Picture) -> Iterator[str]:
    for i, (kind, line) in enumerate(zip(drawn.kinds, drawn.legend, strict=True)):
        words, share = line.rsplit("  ", 1)
        x, y = _LEFT + _SIDE + 20, _TOP + 50 * i
        yield f'<rect x="{x}" y="{y}" width="18" height="18" fill="{kind.colour}"/>'
        yield f'<text x="{x + 28}" y="{y + 14}">{escape(words)}</text>'
        yield f'<text x="{x + 28}" y="{y + 33}" fill="#666">{escape(share)}</text>'
