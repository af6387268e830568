"""Every score processor, warper and stopping criterion against transformers' class of the same name."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minipegasus.generation import processors, stopping, warpers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.generation import logits_process as reference
    from transformers.generation import stopping_criteria as reference_stopping

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

ROWS, LENGTH, VOCABULARY = 6, 9, 23
SOURCE = np.random.default_rng(7).integers(0, VOCABULARY, (ROWS, 11))
SEEDS = range(8)


def ids_of(seed: int, high: int = VOCABULARY) -> Any:
    """Ids from few tokens, so that n-grams repeat."""
    return np.random.default_rng(seed).integers(0, high, (ROWS, LENGTH))


def scores_of(seed: int, *, forbidden: bool = True) -> Any:
    rng = np.random.default_rng(seed + 100)
    scores = (3 * rng.normal(size=(ROWS, VOCABULARY))).astype(np.float32)
    if seed % 2:  # log-probabilities, as beams have
        scores -= np.log(np.exp(scores).sum(-1, keepdims=True))
    if forbidden and seed % 3:
        scores[rng.random(scores.shape) < 0.3] = -np.inf
        scores[:, 0] = 0
    return scores


def tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("SequenceBiasLogitsProcessor", ({(3,): 1.5, (4, 2): -2.0, (1, 2, 3): 4.0, (0, 1): float("-inf")},), {}),
    ("SequenceBiasLogitsProcessor", ([[[3], 1.5], [[2, 1], -2.0]],), {}),
    ("NoBadWordsLogitsProcessor", ([[5], [1], [2, 3], [0, 1, 2], [3, 3]],), {"eos_token_id": 1}),
    ("NoBadWordsLogitsProcessor", ([[1]],), {"eos_token_id": [1, 2]}),
    ("EncoderRepetitionPenaltyLogitsProcessor", (1.7, SOURCE), {}),
    ("EncoderRepetitionPenaltyLogitsProcessor", (0.6, SOURCE), {}),
    ("RepetitionPenaltyLogitsProcessor", (1.7,), {}),
    ("RepetitionPenaltyLogitsProcessor", (0.6,), {"prompt_ignore_length": 3}),
    *(("NoRepeatNGramLogitsProcessor", (size,), {}) for size in (1, 2, 3, 4, 9, 10, 12)),
    *(("EncoderNoRepeatNGramLogitsProcessor", (size, SOURCE % 4), {}) for size in (1, 2, 3, 11, 12)),
    ("MinLengthLogitsProcessor", (LENGTH, 1), {}),
    ("MinLengthLogitsProcessor", (LENGTH + 1, [1, 4]), {}),
    ("MinNewTokensLengthLogitsProcessor", (4, LENGTH - 4, 1), {}),
    ("MinNewTokensLengthLogitsProcessor", (4, LENGTH - 3, [1, 30]), {}),
    ("ForcedBOSTokenLogitsProcessor", (5,), {}),
    ("ForcedEOSTokenLogitsProcessor", (LENGTH, 1), {}),
    ("ForcedEOSTokenLogitsProcessor", (LENGTH + 1, [1, 5]), {}),
    ("InfNanRemoveLogitsProcessor", (), {}),
    ("ExponentialDecayLengthPenalty", ((2, 1.3), [0, 3], 2), {}),
    ("ExponentialDecayLengthPenalty", ((7, 0.8), 0, 1), {}),
    ("ExponentialDecayLengthPenalty", ((8, 1.3), 0, 1), {}),
    ("SuppressTokensLogitsProcessor", ([1, 3, 22],), {}),
    ("SuppressTokensAtBeginLogitsProcessor", ([1, 3], LENGTH), {}),
    ("SuppressTokensAtBeginLogitsProcessor", ([1, 3], LENGTH - 1), {}),
    ("LogitNormalization", (), {}),
    ("TemperatureLogitsWarper", (0.7,), {}),
    *(("TopKLogitsWarper", (k,), {"min_tokens_to_keep": keep}) for k, keep in ((1, 1), (5, 1), (2, 4), (99, 1))),
    *(("TopPLogitsWarper", (p,), {"min_tokens_to_keep": keep}) for p, keep in ((0.0, 1), (0.8, 1), (0.3, 3))),
    *(("MinPLogitsWarper", (p,), {"min_tokens_to_keep": keep}) for p, keep in ((0.0, 1), (0.1, 1), (1.0, 3))),
    *(("TypicalLogitsWarper", (p,), {"min_tokens_to_keep": keep}) for p, keep in ((0.2, 1), (0.9, 1), (0.1, 3))),
    *(("EpsilonLogitsWarper", (e,), {"min_tokens_to_keep": keep}) for e, keep in ((0.02, 1), (0.9, 1), (0.5, 3))),
    *(("EtaLogitsWarper", (e,), {"min_tokens_to_keep": keep}) for e, keep in ((0.02, 1), (0.9, 1), (0.5, 3))),
]


@pytest.mark.parametrize(("name", "args", "options"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_scores_equal(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    ours = getattr(processors if hasattr(processors, name) else warpers, name)(*args, **options)
    theirs = getattr(reference, name)(*(tensor(value) for value in args), **options)
    compared = 0
    for seed in SEEDS:
        # The end token's score is finite here: where it is forbidden the reference makes NaN of it.
        scores = scores_of(seed, forbidden=True)
        if name == "ExponentialDecayLengthPenalty":
            scores[:, [0, 3]] = -1.5
        if name == "InfNanRemoveLogitsProcessor":
            scores[:, :3] = np.nan, np.inf, -np.inf
        for high in (3, VOCABULARY):
            ids = ids_of(seed, high)
            before = scores.copy(), ids.copy()
            found = ours(ids, scores)
            wanted = theirs(tensor(ids), tensor(scores.copy())).numpy()
            np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(scores, before[0])
            np.testing.assert_array_equal(ids, before[1])
            compared += 1
    assert compared == 2 * len(SEEDS)


def test_first_token_is_forced_at_length_one() -> None:
    ids, scores = np.zeros((ROWS, 1), np.int64), scores_of(0)
    found = processors.ForcedBOSTokenLogitsProcessor(5)(ids, scores)
    np.testing.assert_array_equal(
        found, reference.ForcedBOSTokenLogitsProcessor(5)(tensor(ids), tensor(scores)).numpy()
    )
    assert found.argmax(-1).tolist() == [5] * ROWS


def test_encoder_processors_serve_the_rows_of_an_item() -> None:
    source = SOURCE[:2] % 4
    ids, scores = ids_of(3, 4), scores_of(3)
    found = processors.EncoderNoRepeatNGramLogitsProcessor(2, source)(ids, scores)
    wanted = reference.EncoderNoRepeatNGramLogitsProcessor(2, tensor(source))(tensor(ids), tensor(scores.copy()))
    np.testing.assert_array_equal(found, wanted.numpy())
    # The reference's penalty reaches the first rows only; ours equals its with the source repeated.
    found = processors.EncoderRepetitionPenaltyLogitsProcessor(1.4, source)(ids, scores)
    repeated = tensor(np.repeat(source, ROWS // 2, 0))
    wanted = reference.EncoderRepetitionPenaltyLogitsProcessor(1.4, repeated)(tensor(ids), tensor(scores))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6)


@pytest.mark.parametrize("group", range(3))
def test_diversity(group: int) -> None:
    current = np.random.default_rng(5).integers(0, 4, 12)
    ids, scores = ids_of(1)[:4], scores_of(1)[:4]
    found = processors.HammingDiversityLogitsProcessor(0.7, 6, 3)(ids, scores, current, group)
    theirs = reference.HammingDiversityLogitsProcessor(0.7, 6, 3)
    np.testing.assert_allclose(
        found, theirs(tensor(ids), tensor(scores.copy()), tensor(current), group).numpy(), rtol=1e-6
    )


def test_prefix_function() -> None:
    def allowed(item: int, ids: Any) -> list[int]:
        return [item, int(ids[-1]), 7]

    ids, scores = ids_of(1), scores_of(1)
    found = processors.PrefixConstrainedLogitsProcessor(allowed, 3)(ids, scores)
    wanted = reference.PrefixConstrainedLogitsProcessor(allowed, 3)(tensor(ids), tensor(scores))
    np.testing.assert_array_equal(found, wanted.numpy())


class Pieces:
    """A tokenizer whose tokens are given strings."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces

    def get_vocab(self) -> dict[str, int]:
        return {piece: index for index, piece in enumerate(self.pieces)}

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [self.pieces.index(letter) for letter in text]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.pieces[index] for index in ids]

    def _convert_id_to_token(self, index: int) -> str:
        return self.pieces[index]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens).replace("_", " ")


@pytest.mark.parametrize("strings", ["stop", ["stop", "aba"], ["s", " st"], ["top st"], "opstop"])
def test_stop_strings(strings: Any) -> None:
    pieces = [*"abcdef", *"stop", "_", "st", "op", "opera", "pped", "to", "las", "topper", "stopped", "_st", "", "aba"]
    tokenizer = Pieces(pieces)
    ours = stopping.StopStringCriteria(tokenizer, strings)
    theirs = reference_stopping.StopStringCriteria(tokenizer, strings)
    rng = np.random.default_rng(0)
    hits = 0
    for length in (1, 2, 3, 7):
        ids = rng.integers(6, len(pieces) + 1, (1500, length))  # one id more than the vocabulary has
        found = ours(ids, None)
        np.testing.assert_array_equal(found, theirs(tensor(ids), None).numpy())
        hits += int(found.sum())
    assert hits > 0


COMPARED_CRITERIA: dict[str, Callable[[Any], Any]] = {
    "MaxLengthCriteria": lambda module: module.MaxLengthCriteria(LENGTH),
    "EosTokenCriteria": lambda module: module.EosTokenCriteria([1, 2]),
    "MaxTimeCriteria": lambda module: module.MaxTimeCriteria(0.0, 1.0),
}


@pytest.mark.parametrize("name", COMPARED_CRITERIA)
def test_criteria(name: str) -> None:
    ids = ids_of(0, 4)
    found = COMPARED_CRITERIA[name](stopping)(ids, None)
    np.testing.assert_array_equal(found, COMPARED_CRITERIA[name](reference_stopping)(tensor(ids), None).numpy())
