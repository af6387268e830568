"""Words that have to occur in the output, and how far a sequence has come with them (constrained beam search).

Source: transformers 4.56.2 (``generation/beam_constraints.py``). The progress of a sequence is a value here, never
changed in place; the reference shares a list between the states of one disjunctive word and so confuses them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..errors import InputError

__all__ = ["Constraint", "DisjunctiveConstraint", "PhrasalConstraint", "Progress", "constraints_of"]


class Constraint:
    """A word: one of several token sequences has to occur.

    Raises:
        InputError: an alternative is empty or holds no token ids, or one begins another.

    >>> word = Constraint([[5, 6], [5, 7, 8]])
    >>> word.next_tokens(()), word.next_tokens((5,)), word.next_tokens((5, 6))
    ([5], [6, 7], [])
    """

    def __init__(self, alternatives: Sequence[Sequence[int]]) -> None:
        if not alternatives or not all(_is_word(word) for word in alternatives):
            raise InputError(f"constraint: expected non-empty lists of token ids, found {alternatives!r}")
        self.alternatives = [tuple(word) for word in alternatives]
        self.longest = max(len(word) for word in self.alternatives)
        if len(set(self.alternatives)) < len(alternatives) or any(
            word != other and other[: len(word)] == word for word in self.alternatives for other in self.alternatives
        ):
            raise InputError(f"constraint: expected no alternative to begin another, found {alternatives!r}")

    def next_tokens(self, matched: tuple[int, ...]) -> list[int]:
        """Return the tokens that continue what is matched; none where a whole alternative is."""
        size = len(matched)
        following = (word[size] for word in self.alternatives if word[:size] == matched and len(word) > size)
        return list(dict.fromkeys(following))


class PhrasalConstraint(Constraint):
    """The tokens have to occur one after the other; errors are those of :class:`Constraint`.

    >>> PhrasalConstraint([5, 6]).next_tokens((5,))
    [6]
    """

    def __init__(self, token_ids: Sequence[int]) -> None:
        super().__init__([token_ids])


class DisjunctiveConstraint(Constraint):
    """One of several token sequences has to occur.

    Errors are those of :class:`Constraint`.

    >>> DisjunctiveConstraint([[5, 6], [7]]).next_tokens(())
    [5, 7]
    """

    def __init__(self, nested_token_ids: Sequence[Sequence[int]]) -> None:
        super().__init__(nested_token_ids)


def _is_word(word: Any) -> bool:
    return (
        isinstance(word, list | tuple)
        and len(word) > 0
        and all(isinstance(token, int) and not isinstance(token, bool) and token >= 0 for token in word)
    )


def constraints_of(constraints: Iterable[Constraint] | None, force_words_ids: Iterable[Any] | None) -> list[Constraint]:
    """Return the constraints of a configuration; a word is a list of ids, or a list of alternatives.

    Raises:
        InputError: a constraint of another kind, a word that is none, or no word at all.

    >>> [type(one).__name__ for one in constraints_of(None, [[5, 6], [[7], [8, 9]]])]
    ['PhrasalConstraint', 'DisjunctiveConstraint']
    """
    found = list(constraints or [])
    if not all(isinstance(constraint, Constraint) for constraint in found):
        raise InputError(f"constraints: expected PhrasalConstraint or DisjunctiveConstraint, found {found!r}")
    for word in force_words_ids or []:
        nested = isinstance(word, list | tuple) and len(word) > 0 and isinstance(word[0], list | tuple)
        found.append(DisjunctiveConstraint(word) if nested else PhrasalConstraint(word))
    if not found:
        raise InputError("force_words_ids, constraints: expected at least one word, found none")
    return found


@dataclass(frozen=True)
class Progress:
    """How far one sequence has come: words not begun, the word being matched and its matched tokens, words done.

    >>> start = Progress((PhrasalConstraint([5, 6]),))
    >>> start.next_tokens(), start.add(5).matched, start.add(5).add(9).completed, start.after([5, 6]).completed
    ([5], (5,), False, True)
    """

    pending: tuple[Constraint, ...]
    active: Constraint | None = None
    matched: tuple[int, ...] = ()
    done: int = 0

    @property
    def completed(self) -> bool:
        """Whether every word has occurred."""
        return not self.pending and self.active is None

    def next_tokens(self) -> list[int]:
        """Return the tokens that lead on: of the word being matched, else the first ones of every pending word."""
        if self.active is not None:
            return self.active.next_tokens(self.matched)
        return [token for constraint in self.pending for token in constraint.next_tokens(())]

    def add(self, token: int) -> Self:
        """Return the progress after one more token; a token that breaks a word off does not begin another."""
        kind = type(self)
        if self.active is not None:
            if token not in self.active.next_tokens(self.matched):
                return kind((*self.pending, self.active), None, (), self.done)
            return self._advanced(self.pending, self.active, (*self.matched, token))
        for index, constraint in enumerate(self.pending):
            if token in constraint.next_tokens(()):
                return self._advanced(self.pending[:index] + self.pending[index + 1 :], constraint, (token,))
        return self

    def _advanced(self, pending: tuple[Constraint, ...], active: Constraint, matched: tuple[int, ...]) -> Self:
        kind = type(self)
        if active.next_tokens(matched):
            return kind(pending, active, matched, self.done)
        return kind(pending, None, (), self.done + 1)

    def after(self, tokens: Iterable[int]) -> Self:
        """Return the progress after several more tokens."""
        progress = self
        for token in tokens:
            if progress.completed:
                break
            progress = progress.add(token)
        return progress

    def bank(self, longest: int) -> int:
        """Return how many tokens count as matched, a finished word as ``longest``.

        >>> Progress((PhrasalConstraint([5, 6]), PhrasalConstraint([7]))).after([7, 5]).bank(2)
        3
        """
        if self.active is None:
            return self.done * longest
        return self.done * longest + longest - (self.active.longest - len(self.matched))
