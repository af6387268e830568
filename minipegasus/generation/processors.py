"""Score processors: each takes the ids so far and the scores of the next token and returns new scores.

Class names, parameters and rules are those of transformers 4.56.2 (``generation/logits_process.py``). A
processor is called with ``(ids_rt, scores_rv)``: ids of shape ``(rows, length)``, prompt and start token included,
and scores of shape ``(rows, vocabulary)``: raw logits in greedy search and sampling, log-probabilities in beam
search. It returns scores of the same shape and dtype and leaves its inputs as they are. A forbidden token has the
score minus infinity.

The warpers of sampling are in :mod:`minipegasus.generation.warpers`.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from ..errors import InputError

__all__ = [
    "EncoderNoRepeatNGramLogitsProcessor",
    "EncoderRepetitionPenaltyLogitsProcessor",
    "ExponentialDecayLengthPenalty",
    "ForcedBOSTokenLogitsProcessor",
    "ForcedEOSTokenLogitsProcessor",
    "HammingDiversityLogitsProcessor",
    "InfNanRemoveLogitsProcessor",
    "LogitNormalization",
    "LogitsProcessor",
    "LogitsProcessorList",
    "MinLengthLogitsProcessor",
    "MinNewTokensLengthLogitsProcessor",
    "NoBadWordsLogitsProcessor",
    "NoRepeatNGramLogitsProcessor",
    "PrefixConstrainedLogitsProcessor",
    "RepetitionPenaltyLogitsProcessor",
    "SequenceBiasLogitsProcessor",
    "SuppressTokensAtBeginLogitsProcessor",
    "SuppressTokensLogitsProcessor",
]

TokenIds = int | Sequence[int] | IntArray


class LogitsProcessor:
    """Base class of all processors; any callable with the same parameters does as well.

    ``model.generate(..., logits_processor=[Even()])`` applies the one below after those that the settings ask for.

    >>> import numpy as np
    >>> class Even(LogitsProcessor):
    ...     def __call__(self, ids_rt, scores_rv):
    ...         return forbid(scores_rv, np.arange(1, scores_rv.shape[1], 2))
    >>> Even()(np.array([[0]]), np.zeros((1, 4), np.float32)).tolist()
    [[0.0, -inf, 0.0, -inf]]
    """

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        """Return new scores ``(rows, vocabulary)`` for ids ``(rows, length)``, int64, and scores of that shape."""
        raise NotImplementedError(f"{type(self).__name__} has to define __call__(ids_rt, scores_rv)")


class LogitsProcessorList(list[Callable[..., FloatArray]]):
    """Processors applied one after the other.

    Keyword arguments (group beam search gives ``current_tokens`` and ``beam_group_idx``) reach the processors
    that take more than the two usual parameters.

    >>> import numpy as np
    >>> both = LogitsProcessorList([SuppressTokensLogitsProcessor([0]), SuppressTokensLogitsProcessor([2])])
    >>> both(np.array([[5]]), np.zeros((1, 3), np.float32)).tolist()
    [[-inf, 0.0, -inf]]
    """

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray, **context: Any) -> FloatArray:
        """Return new scores ``(rows, vocabulary)`` for ids ``(rows, length)``, int64, and scores of that shape."""
        for processor in self:
            wants_context = context and len(inspect.signature(processor).parameters) > 2
            scores_rv = processor(ids_rt, scores_rv, **(context if wants_context else {}))
        return scores_rv


def token_ids(tokens: TokenIds, name: str = "eos_token_id") -> IntArray:
    """Return one or several token ids as a 1-D int64 array."""
    array = np.atleast_1d(np.asarray(tokens))
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise InputError(f"{name}: expected an integer or a list of integers, found {tokens!r}")
    return array.astype(np.int64)


def forbid(scores_rv: FloatArray, tokens: IntArray) -> FloatArray:
    """Return a copy in which the tokens have minus infinity; ids outside the vocabulary are passed over."""
    forbidden = scores_rv.copy()
    forbidden[:, tokens[(tokens >= 0) & (tokens < scores_rv.shape[-1])]] = -np.inf
    return forbidden


def force(scores_rv: FloatArray, tokens: IntArray, name: str) -> FloatArray:
    """Return scores in which the tokens have 0 and all others minus infinity."""
    if tokens.min() < 0 or tokens.max() >= scores_rv.shape[-1]:
        raise InputError(f"{name}: expected ids in [0, {scores_rv.shape[-1]}), found {tokens.tolist()}")
    forced = np.full_like(scores_rv, -np.inf)
    forced[:, tokens] = 0.0
    return forced


def penalise(scores_rv: FloatArray, ids_rt: IntArray, penalty: float) -> FloatArray:
    """Multiply the negative and divide the other scores of the listed tokens by ``penalty``, each once."""
    scores_rt = np.take_along_axis(scores_rv, ids_rt, axis=-1)
    penalised = scores_rv.copy()
    np.put_along_axis(penalised, ids_rt, np.where(scores_rt < 0, scores_rt * penalty, scores_rt / penalty), axis=-1)
    return penalised


def positive(value: float, name: str) -> float:
    """Return ``value`` as a float, if it is more than zero."""
    if not value > 0:
        raise InputError(f"{name}: expected more than 0, found {value}")
    return float(value)


def power(base: float, exponent: float) -> float:
    """Return ``base ** exponent``, infinity where a float cannot hold it."""
    try:
        return float(base**exponent)
    except OverflowError:
        return float("inf")


def rows_of_items(array_b: IntArray, rows: int) -> IntArray:
    """Repeat one row per batch item so that there is one per row: row ``b * n + k`` is item ``b``."""
    return np.repeat(array_b, rows // len(array_b), axis=0)


# ---- bias and penalties


class SequenceBiasLogitsProcessor(LogitsProcessor):
    """Add a bias to the last token of each listed sequence where the ids end with the tokens before it.

    A single token's bias always applies. A sequence longer than the ids so far does not apply, even if only its
    last token is missing.

    Args:
        sequence_bias: ``{(token, ...): bias}`` or ``[[[token, ...], bias], ...]``.

    Raises:
        InputError: it has another form; or, in a call, names an id beyond the vocabulary.

    >>> import numpy as np
    >>> processor = SequenceBiasLogitsProcessor({(2,): 1.0, (0, 1): 5.0})
    >>> processor(np.array([[3, 0]]), np.zeros((1, 3), np.float32)).tolist()
    [[0.0, 5.0, 1.0]]
    """

    def __init__(self, sequence_bias: dict[tuple[int, ...], float] | Sequence[Sequence[Any]]) -> None:
        items = sequence_bias.items() if isinstance(sequence_bias, dict) else sequence_bias
        try:
            biases = {tuple(int(token) for token in tokens): float(bias) for tokens, bias in items}
        except (TypeError, ValueError):
            biases = {}
        if not biases or any(not tokens or min(tokens) < 0 or bias != bias for tokens, bias in biases.items()):
            raise InputError(
                "sequence_bias: expected {(token, ...): bias} or [[[token, ...], bias], ...], "
                f"found {sequence_bias!r}"
            )
        self._set(biases)

    def _set(self, biases: dict[tuple[int, ...], float]) -> None:
        self.sequence_bias = biases
        self._largest = max((max(tokens) for tokens in biases), default=-1)
        singles = {tokens[0]: bias for tokens, bias in biases.items() if len(tokens) == 1}
        self._single_tokens = np.array(list(singles), np.int64)
        self._single_biases = np.array(list(singles.values()), np.float32)
        self._longer = [
            (np.array(tokens[:-1], np.int64), tokens[-1], bias) for tokens, bias in biases.items() if len(tokens) > 1
        ]

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        if self._largest >= scores_rv.shape[-1]:
            raise InputError(
                f"sequence_bias or bad_words_ids: expected ids below {scores_rv.shape[-1]}, the vocabulary's "
                f"size, found {self._largest}"
            )
        bias_rv = np.zeros_like(scores_rv)
        bias_rv[:, self._single_tokens] = self._single_biases
        for prefix, last, bias in self._longer:
            if len(prefix) < ids_rt.shape[1]:
                bias_rv[(ids_rt[:, -len(prefix) :] == prefix).all(1), last] += np.float32(bias)
        return scores_rv + bias_rv


class NoBadWordsLogitsProcessor(SequenceBiasLogitsProcessor):
    """Forbid sequences of tokens: the last token of each where the ids end with the tokens before it.

    A one-token word that is an end token is passed over, as in the reference.

    Raises:
        InputError: ``bad_words_ids`` is no list of non-empty lists of ids; or, in a call, an id lies beyond the
            vocabulary.

    >>> import numpy as np
    >>> ban = NoBadWordsLogitsProcessor([[2], [0, 1]], eos_token_id=7)
    >>> ban(np.array([[3, 0]]), np.zeros((1, 4), np.float32)).tolist()
    [[0.0, -inf, -inf, 0.0]]
    """

    def __init__(self, bad_words_ids: Sequence[Sequence[int]], eos_token_id: TokenIds | None = None) -> None:
        words = list(bad_words_ids)
        valid = all(isinstance(word, list | tuple) and word and min(word) >= 0 for word in words)
        if not words or not valid:
            raise InputError(f"bad_words_ids: expected a list of lists of token ids, found {bad_words_ids!r}")
        ends = [] if eos_token_id is None else [(end,) for end in token_ids(eos_token_id).tolist()]
        self._set({tuple(word): -np.inf for word in words if tuple(word) not in ends})


class HammingDiversityLogitsProcessor(LogitsProcessor):
    """Subtract ``diversity_penalty`` times how often earlier groups of beams chose a token in this step.

    Raises:
        InputError: ``diversity_penalty`` is not more than 0.

    >>> import numpy as np
    >>> spread = HammingDiversityLogitsProcessor(0.5, num_beams=2, num_beam_groups=2)
    >>> chosen = np.array([1, 0])  # the first group's token, and the second group's, which is not known yet
    >>> spread(np.array([[5]]), np.zeros((1, 3), np.float32), current_tokens=chosen, beam_group_idx=1).tolist()
    [[0.0, -0.5, 0.0]]
    """

    def __init__(self, diversity_penalty: float, num_beams: int, num_beam_groups: int) -> None:
        self.diversity_penalty = positive(diversity_penalty, "diversity_penalty")
        self.num_beams = num_beams
        self.group_size = num_beams // num_beam_groups

    def __call__(  # type: ignore[override]  # the one processor that needs more than the ids
        self, ids_rt: IntArray, scores_rv: FloatArray, current_tokens: IntArray, beam_group_idx: int
    ) -> FloatArray:
        """Return new scores for the rows of one group, ``(items * group size, vocabulary)``.

        ``current_tokens`` holds a token per row of *all* groups; those of later groups are not looked at.
        """
        earlier = current_tokens.reshape(-1, self.num_beams)[:, : beam_group_idx * self.group_size]
        if not earlier.size:
            return scores_rv
        counts_bv = np.zeros((len(earlier), scores_rv.shape[-1]), scores_rv.dtype)
        np.add.at(counts_bv, (np.arange(len(earlier))[:, None], earlier), 1)
        return scores_rv - np.repeat(self.diversity_penalty * counts_bv, self.group_size, axis=0)


class EncoderRepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Favour (above 1) or disfavour (below 1) the tokens of the encoder's input, in every row of an item.

    ``encoder_input_ids`` has shape ``(items, source length)``.

    Raises:
        InputError: ``penalty`` is not more than 0.

    >>> import numpy as np
    >>> favour = EncoderRepetitionPenaltyLogitsProcessor(2.0, np.array([[2]]))
    >>> favour(np.array([[5]]), np.array([[-1.0, 1.0, 1.0]])).tolist()
    [[-1.0, 1.0, 2.0]]
    """

    def __init__(self, penalty: float, encoder_input_ids: IntArray) -> None:
        self.penalty = 1 / positive(penalty, "encoder_repetition_penalty")
        self.encoder_input_ids = encoder_input_ids

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return penalise(scores_rv, rows_of_items(self.encoder_input_ids, len(scores_rv)), self.penalty)


class RepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Penalise (above 1) or favour (below 1) the tokens that occur in the ids so far.

    A negative score is multiplied, any other divided: log-probabilities are always multiplied.

    ``prompt_ignore_length`` leaves out so many first ids.

    Raises:
        InputError: ``penalty`` is not more than 0.

    >>> import numpy as np
    >>> penalise = RepetitionPenaltyLogitsProcessor(2.0)
    >>> penalise(np.array([[0, 2]]), np.array([[-1.0, 1.0, 1.0]])).tolist()
    [[-2.0, 1.0, 0.5]]
    """

    def __init__(self, penalty: float, prompt_ignore_length: int | None = None) -> None:
        self.penalty = positive(penalty, "repetition_penalty")
        self.prompt_ignore_length = prompt_ignore_length or 0

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return penalise(scores_rv, ids_rt[:, self.prompt_ignore_length :], self.penalty)


class ExponentialDecayLengthPenalty(LogitsProcessor):
    """Raise the end tokens' scores by ``abs(score) * (factor ** steps - 1)``.

    ``steps`` counts the new tokens beyond ``start``. A forbidden end token stays forbidden.

    Args:
        exponential_decay_length_penalty: ``(start, factor)``, ``start`` in new tokens.
        eos_token_id: one end token or several.
        input_ids_seq_length: length of the prompt.

    Raises:
        InputError: not two numbers, a negative factor, or no token ids.

    >>> import numpy as np
    >>> longer = ExponentialDecayLengthPenalty((1, 2.0), eos_token_id=1, input_ids_seq_length=1)
    >>> longer(np.array([[0, 5, 5, 5]]), np.array([[-1.0, -2.0]])).tolist()  # two tokens beyond the first
    [[-1.0, 4.0]]
    """

    def __init__(
        self,
        exponential_decay_length_penalty: Sequence[float],
        eos_token_id: TokenIds,
        input_ids_seq_length: int,
    ) -> None:
        if len(exponential_decay_length_penalty) != 2 or not exponential_decay_length_penalty[1] >= 0:
            raise InputError(
                "exponential_decay_length_penalty: expected (start, factor), the factor from 0 on, "
                f"found {exponential_decay_length_penalty!r}"
            )
        start, self.factor = exponential_decay_length_penalty
        self.start = start + input_ids_seq_length
        self.eos_token_id = token_ids(eos_token_id)

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        steps = ids_rt.shape[1] - self.start
        if steps <= 0:
            return scores_rv
        raised = scores_rv.copy()
        ends = scores_rv[:, self.eos_token_id]
        largest = np.finfo(scores_rv.dtype).max
        factor = scores_rv.dtype.type(min(power(self.factor, steps) - 1, float(largest)))
        with np.errstate(over="ignore"):
            growth = np.abs(np.where(np.isinf(ends), 0, ends)) * factor
            raised[:, self.eos_token_id] = np.minimum(ends + growth, largest)
        return raised


# ---- repeated n-grams


def _check_ngram_size(size: int, name: str) -> int:
    if not isinstance(size, int | np.integer) or size <= 0:
        raise InputError(f"{name}: expected an integer above 0, found {size!r}")
    return int(size)


def _forbid_continuations(scores_rv: FloatArray, ids_rt: IntArray, source_rs: IntArray, size: int) -> FloatArray:
    """Forbid, per row, the tokens that follow in ``source_rs`` the last ``size - 1`` tokens of ``ids_rt``."""
    if ids_rt.shape[1] + 1 < size or source_rs.shape[1] < size:
        return scores_rv
    ngrams = np.lib.stride_tricks.sliding_window_view(source_rs, size, axis=1)
    prefix = ids_rt[:, None, ids_rt.shape[1] + 1 - size :]
    rows, starts = np.nonzero((ngrams[:, :, :-1] == prefix).all(-1))
    forbidden = scores_rv.copy()
    forbidden[rows, ngrams[rows, starts, -1]] = -np.inf
    return forbidden


class NoRepeatNGramLogitsProcessor(LogitsProcessor):
    """Forbid every token that would complete an n-gram which the ids so far hold already.

    Raises:
        InputError: ``ngram_size`` is no integer above 0.

    >>> import numpy as np
    >>> ban = NoRepeatNGramLogitsProcessor(2)
    >>> ban(np.array([[0, 2, 1, 2]]), np.zeros((1, 4), np.float32)).tolist()
    [[0.0, -inf, 0.0, 0.0]]
    """

    def __init__(self, ngram_size: int) -> None:
        self.ngram_size = _check_ngram_size(ngram_size, "no_repeat_ngram_size")

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return _forbid_continuations(scores_rv, ids_rt, ids_rt, self.ngram_size)


class EncoderNoRepeatNGramLogitsProcessor(LogitsProcessor):
    """Forbid every token that would complete an n-gram of the encoder's input.

    ``encoder_input_ids`` has shape ``(items, source length)``.

    Raises:
        InputError: ``encoder_ngram_size`` is no integer above 0.

    >>> import numpy as np
    >>> ban = EncoderNoRepeatNGramLogitsProcessor(2, np.array([[3, 1]]))
    >>> ban(np.array([[0, 3]]), np.zeros((1, 4), np.float32)).tolist()
    [[0.0, -inf, 0.0, 0.0]]
    """

    def __init__(self, encoder_ngram_size: int, encoder_input_ids: IntArray) -> None:
        self.ngram_size = _check_ngram_size(encoder_ngram_size, "encoder_no_repeat_ngram_size")
        self.encoder_input_ids = np.atleast_2d(encoder_input_ids)

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        source_rs = rows_of_items(self.encoder_input_ids, len(scores_rv))
        return _forbid_continuations(scores_rv, ids_rt, source_rs, self.ngram_size)


# ---- tokens forbidden or forced at some lengths


class MinLengthLogitsProcessor(LogitsProcessor):
    """Forbid the end tokens while there are fewer than ``min_length`` ids, the prompt's included.

    >>> import numpy as np
    >>> wait = MinLengthLogitsProcessor(3, eos_token_id=1)
    >>> [wait(np.zeros((1, n), int), np.zeros((1, 2), np.float32)).tolist() for n in (2, 3)]
    [[[0.0, -inf]], [[0.0, 0.0]]]
    """

    def __init__(self, min_length: int, eos_token_id: TokenIds) -> None:
        self.min_length = min_length
        self.eos_token_id = token_ids(eos_token_id)

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return forbid(scores_rv, self.eos_token_id) if ids_rt.shape[1] < self.min_length else scores_rv


class MinNewTokensLengthLogitsProcessor(MinLengthLogitsProcessor):
    """Forbid the end tokens while there are fewer than ``min_new_tokens`` ids after the prompt.

    >>> import numpy as np
    >>> wait = MinNewTokensLengthLogitsProcessor(2, 1, eos_token_id=1)  # a prompt of two tokens
    >>> [wait(np.zeros((1, n), int), np.zeros((1, 2), np.float32)).tolist() for n in (2, 3)]
    [[[0.0, -inf]], [[0.0, 0.0]]]
    """

    def __init__(self, prompt_length_to_skip: int, min_new_tokens: int, eos_token_id: TokenIds) -> None:
        super().__init__(prompt_length_to_skip + min_new_tokens, eos_token_id)


class PrefixConstrainedLogitsProcessor(LogitsProcessor):
    """Forbid every token that ``prefix_allowed_tokens_fn(row // num_beams, row's ids)`` does not list.

    Raises:
        InputError: in a call, where the function lists no token or one beyond the vocabulary.

    >>> import numpy as np
    >>> rising = PrefixConstrainedLogitsProcessor(lambda item, ids_t: range(ids_t[-1] + 1, 4), num_beams=1)
    >>> rising(np.array([[0, 2], [0, 1]]), np.zeros((2, 4), np.float32)).tolist()
    [[-inf, -inf, -inf, 0.0], [-inf, -inf, 0.0, 0.0]]
    """

    def __init__(self, prefix_allowed_tokens_fn: Callable[[int, IntArray], Iterable[int]], num_beams: int) -> None:
        self.prefix_allowed_tokens_fn = prefix_allowed_tokens_fn
        self.num_beams = num_beams

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        constrained = np.full_like(scores_rv, -np.inf)
        for row, ids_t in enumerate(ids_rt):
            allowed = np.asarray(list(self.prefix_allowed_tokens_fn(row // self.num_beams, ids_t)), np.int64)
            if allowed.size == 0:
                raise InputError(
                    f"prefix_allowed_tokens_fn: expected at least one token for row {row} after "
                    f"{ids_t.tolist()}, found none"
                )
            if allowed.min() < 0 or allowed.max() >= scores_rv.shape[-1]:
                expected = f"ids in [0, {scores_rv.shape[-1]})"
                raise InputError(f"prefix_allowed_tokens_fn: expected {expected}, found {allowed.tolist()}")
            constrained[row, allowed] = scores_rv[row, allowed]
        return constrained


class ForcedBOSTokenLogitsProcessor(LogitsProcessor):
    """Force one token after a prompt of one token; later, and after a longer prompt, do nothing.

    The forced token has the score 0.

    Raises:
        InputError: no token id; or, in a call, one beyond the vocabulary.

    >>> import numpy as np
    >>> ForcedBOSTokenLogitsProcessor(2)(np.array([[0]]), np.zeros((1, 3), np.float32)).tolist()
    [[-inf, -inf, 0.0]]
    """

    def __init__(self, bos_token_id: int) -> None:
        self.bos_token_id = token_ids(bos_token_id, "forced_bos_token_id")

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        if ids_rt.shape[1] != 1:
            return scores_rv
        return force(scores_rv, self.bos_token_id, "forced_bos_token_id")


class ForcedEOSTokenLogitsProcessor(LogitsProcessor):
    """Force the end tokens where only one more token fits into ``max_length``.

    The forced tokens have the score 0.

    Raises:
        InputError: no token ids; or, in a call, one beyond the vocabulary.

    >>> import numpy as np
    >>> ForcedEOSTokenLogitsProcessor(3, 1)(np.array([[0, 5]]), np.zeros((1, 3), np.float32)).tolist()
    [[-inf, 0.0, -inf]]
    """

    def __init__(self, max_length: int, eos_token_id: TokenIds) -> None:
        self.max_length = max_length
        self.eos_token_id = token_ids(eos_token_id, "forced_eos_token_id")

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        if ids_rt.shape[1] != self.max_length - 1:
            return scores_rv
        return force(scores_rv, self.eos_token_id, "forced_eos_token_id")


class SuppressTokensLogitsProcessor(LogitsProcessor):
    """Forbid some tokens everywhere.

    >>> import numpy as np
    >>> SuppressTokensLogitsProcessor([2])(np.array([[0]]), np.zeros((1, 3), np.float32)).tolist()
    [[0.0, 0.0, -inf]]
    """

    def __init__(self, suppress_tokens: Sequence[int]) -> None:
        self.suppress_tokens = np.asarray(suppress_tokens, np.int64)

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return forbid(scores_rv, self.suppress_tokens)


class SuppressTokensAtBeginLogitsProcessor(LogitsProcessor):
    """Forbid some tokens at the position ``begin_index`` only.

    >>> import numpy as np
    >>> begin = SuppressTokensAtBeginLogitsProcessor([2], begin_index=1)
    >>> [begin(np.zeros((1, n), int), np.zeros((1, 3), np.float32)).tolist() for n in (1, 2)]
    [[[0.0, 0.0, -inf]], [[0.0, 0.0, 0.0]]]
    """

    def __init__(self, begin_suppress_tokens: Sequence[int], begin_index: int) -> None:
        self.begin_suppress_tokens = np.asarray(begin_suppress_tokens, np.int64)
        self.begin_index = begin_index

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        if ids_rt.shape[1] != self.begin_index:
            return scores_rv
        return forbid(scores_rv, self.begin_suppress_tokens)


# ---- repair and normalisation


class InfNanRemoveLogitsProcessor(LogitsProcessor):
    """Replace NaN by 0 and the infinities by the largest and smallest finite values of the dtype.

    >>> import numpy as np
    >>> repaired = InfNanRemoveLogitsProcessor()(np.array([[0]]), np.array([[np.nan, -np.inf]], np.float32))
    >>> (repaired == [0, np.finfo(np.float32).min]).tolist()
    [[True, True]]
    """

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return np.nan_to_num(scores_rv, nan=0.0)


class LogitNormalization(LogitsProcessor):
    """Make the scores log-probabilities again, after processors that changed their sum.

    >>> import numpy as np
    >>> np.exp(LogitNormalization()(np.array([[0]]), np.array([[2.0, 2.0]]))).tolist()
    [[0.5, 0.5]]
    """

    def __call__(self, ids_rt: IntArray, scores_rv: FloatArray) -> FloatArray:
        return ops.log_softmax(scores_rv)
