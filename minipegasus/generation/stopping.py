"""Stopping criteria: each says, per row, whether generation ends after the token just chosen.

A criterion is called with ``(ids_rt, scores)``, ids of shape ``(rows, length)`` with the new token last and the scores
collected so far (``None`` unless asked for), and returns a bool array of shape ``(rows,)``. Names and rules are those
of transformers 4.56.2 (``generation/stopping_criteria.py``).
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import BoolArray, IntArray
from ..errors import InputError
from .processors import TokenIds, token_ids

__all__ = [
    "EosTokenCriteria",
    "MaxLengthCriteria",
    "MaxTimeCriteria",
    "StopStringCriteria",
    "StoppingCriteria",
    "StoppingCriteriaList",
]


class StoppingCriteria:
    """Base class of all criteria; any callable with the same parameters does as well.

    >>> import numpy as np
    >>> class AfterToken(StoppingCriteria):
    ...     def __call__(self, ids_rt, scores):
    ...         return (ids_rt == 7).any(axis=1)
    >>> AfterToken()(np.array([[0, 7, 3], [0, 3, 3]]), None).tolist()
    [True, False]
    """

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        """Return whether each row ends, bool ``(rows,)``, for ids ``(rows, length)``, the new token last."""
        raise NotImplementedError(f"{type(self).__name__} has to define __call__(ids_rt, scores)")


class StoppingCriteriaList(list[Callable[..., Any]]):
    """Criteria of which one is enough to end a row.

    >>> import numpy as np
    >>> either = StoppingCriteriaList([EosTokenCriteria(1), MaxLengthCriteria(3)])
    >>> either(np.array([[0, 1], [0, 5]]), None).tolist(), either(np.array([[0, 5, 5]]), None).tolist()
    ([True, False], [True])
    """

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        """Return whether each row ends, bool ``(rows,)``, for ids ``(rows, length)``, the new token last."""
        stopped_r = np.zeros(len(ids_rt), np.bool_)
        for criterion in self:
            stopped_r |= np.asarray(criterion(ids_rt, scores), np.bool_)
        return stopped_r

    @property
    def max_length(self) -> int | None:
        """The length of the first criterion that has one."""
        return next((item.max_length for item in self if isinstance(item, MaxLengthCriteria)), None)


class MaxLengthCriteria(StoppingCriteria):
    """Stop all rows at ``max_length`` ids, prompt and start token included.

    >>> import numpy as np
    >>> MaxLengthCriteria(3)(np.array([[0, 5, 6]]), None).tolist()
    [True]
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        return np.full(len(ids_rt), ids_rt.shape[1] >= self.max_length)


class MaxTimeCriteria(StoppingCriteria):
    """Stop all rows ``max_time`` seconds after this object was made, or after ``initial_timestamp``.

    The token being computed is still finished. ``initial_timestamp`` is a value of :func:`time.time`.

    >>> import numpy as np
    >>> MaxTimeCriteria(5.0)(np.array([[0]]), None).tolist()
    [False]
    >>> MaxTimeCriteria(5.0, initial_timestamp=0.0)(np.array([[0]]), None).tolist()
    [True]
    """

    def __init__(self, max_time: float, initial_timestamp: float | None = None) -> None:
        self.max_time = max_time
        self.initial_timestamp = time.time() if initial_timestamp is None else initial_timestamp

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        return np.full(len(ids_rt), time.time() - self.initial_timestamp > self.max_time)


class EosTokenCriteria(StoppingCriteria):
    """Stop a row whose last token is an end token.

    Raises:
        InputError: ``eos_token_id`` is no token id and no list of them.

    >>> import numpy as np
    >>> EosTokenCriteria([1, 7])(np.array([[0, 1], [1, 5]]), None).tolist()
    [True, False]
    """

    def __init__(self, eos_token_id: TokenIds) -> None:
        self.eos_token_id = token_ids(eos_token_id)

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        ended: BoolArray = (ids_rt[:, -1:] == self.eos_token_id).any(1)
        return ended


class StopStringCriteria(StoppingCriteria):
    """Stop a row where the text of its tokens contains a stop string that reaches into the last token.

    The string may begin inside an earlier token and end inside the last one ("las", "topper" holds "stop"); one that
    ended before the last token does not count. A token's text is what ``tokenizer.convert_tokens_to_string`` adds
    when the token follows a fixed text, and only as many tokens are looked at as the longest stop string has
    characters.

    Args:
        tokenizer: the model's tokenizer.
        stop_strings: one string or several.

    Raises:
        InputError: ``stop_strings`` holds an empty string, or none.

    >>> import numpy as np
    >>> from minipegasus import PegasusTokenizer
    >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
    >>> stop = StopStringCriteria(tokenizer, "man")
    >>> stop(np.array([[108, 427, 117], [108, 427, 193]]), None).tolist()  # "the man" and "the mawrote"
    [True, False]
    """

    #: Text before a token, so that its own leading space is not stripped as the first of the whole text.
    _PREFIX = "abcdef"

    def __init__(self, tokenizer: Any, stop_strings: str | Sequence[str]) -> None:
        self.stop_strings = (stop_strings,) if isinstance(stop_strings, str) else tuple(stop_strings)
        if not self.stop_strings or not all(self.stop_strings):
            raise InputError(f"stop_strings: expected strings of at least one character, found {stop_strings!r}")
        self._window = max(len(string) for string in self.stop_strings)
        self._tokenizer = tokenizer
        self._prefix_tokens = tokenizer.convert_ids_to_tokens(
            tokenizer(self._PREFIX, add_special_tokens=False)["input_ids"]
        )
        self._vocabulary = {index: token for token, index in tokenizer.get_vocab().items()}
        self._texts: dict[int, str | None] = {}

    def _text(self, index: int) -> str | None:
        """Return the text of one token, ``None`` for an id that the vocabulary does not have."""
        if index not in self._texts:
            token = self._vocabulary.get(index)
            self._texts[index] = None if token is None else self._text_after_prefix(token)
        return self._texts[index]

    def _text_after_prefix(self, token: str) -> str:
        whole: str = self._tokenizer.convert_tokens_to_string([*self._prefix_tokens, token])
        found = whole.find(self._PREFIX)
        if found >= 0:
            return whole[found + len(self._PREFIX) :]
        # A vocabulary without these letters: what the token adds to the prefix's own text.
        return whole[len(self._tokenizer.convert_tokens_to_string(list(self._prefix_tokens))) :]

    def _stops(self, ids_t: IntArray) -> bool:
        text, last = "", None
        for index in reversed(ids_t[-self._window :].tolist()):
            piece = self._text(index)
            if piece is None:
                break
            text, last = piece + text, len(piece) if last is None else last
        # The end of an occurrence has to lie inside the last token.
        start = len(text) - (last or 0) + 1
        return any(text.find(string, max(start - len(string), 0)) >= 0 for string in self.stop_strings if last)

    def __call__(self, ids_rt: IntArray, scores: Any) -> BoolArray:
        return np.array([self._stops(ids_t) for ids_t in ids_rt], np.bool_)
