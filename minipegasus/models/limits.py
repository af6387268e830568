"""How long an input may be, and how a longer one is divided."""

import re
from collections.abc import Callable

from ..nn.stackspec import StackSpec
from .pretrained import PreTrainedModel

__all__ = ["chunks", "input_limit", "output_limit"]

# Where a text may be cut, the best kind of place first (behind a paragraph, a sentence, a word, a character), and how
# much shorter than its share a piece may become for it.
_PLACES = (
    (re.compile(r"\n\s*\n"), 0.85),
    (re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f])"), 0.6),
    (re.compile(r"\s+"), 0.3),
    (re.compile(r"(?<=.)", re.DOTALL), 0.0),
)


def input_limit(model: PreTrainedModel) -> int | None:
    """Return how many tokens a model reads at once, the special ones included, or None where nothing limits it.

    The rows of the position table; where positions are computed (PEGASUS-X), the length that the configuration names.
    """
    return _positions(model, model.spec.encoder or model.spec.decoder)


def output_limit(model: PreTrainedModel) -> int | None:
    """Return how many tokens a model's decoder takes, the start token included, or None where nothing limits it."""
    return _positions(model, model.spec.decoder)


def _positions(model: PreTrainedModel, stack: StackSpec | None) -> int | None:
    rows = None if stack is None else stack.positions.limit
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    return limit if rows is None else rows


def chunks(text: str, count: Callable[[str], int], limit: int) -> list[str]:
    """Divide a text into pieces of at most ``limit`` tokens each and of similar length, in order.

    Cuts are made between paragraphs where that does, else between sentences, else words, else characters.

    Args:
        text: to be divided.
        count: text -> number of its tokens.
        limit: at least 1; a single character goes through whatever it counts.

    >>> chunks("One two three. Four five six. Seven eight nine ten.", lambda text: len(text.split()), 4)
    ['One two three.', 'Four five six.', 'Seven eight nine ten.']
    """
    text = text.strip()
    left, pieces = count(text), []
    while left > limit and len(text) > 1:
        cut = _cut(text, len(text) / -(-left // limit), lambda piece: count(piece) <= limit)
        piece, text = text[:cut].rstrip(), text[cut:].lstrip()
        pieces.append(piece)
        left -= count(piece)
        if left <= limit:
            left = count(text)  # counts of pieces need not add up to the count of the whole
    return [*pieces, text] if text or not pieces else pieces


def _cut(text: str, share: float, fits: Callable[[str], bool]) -> int:
    """Return where the first piece of a text ends, as close to its share of characters as may be."""
    for place, least in _PLACES:
        ends = [match.end() for match in place.finditer(text, 0, round(1.2 * share) + 1)]
        ends = [end for end in ends if least * share <= end < len(text)]
        for end in sorted(ends, key=lambda end: abs(end - share)):
            if fits(text[:end]):
                return end
    return 1
