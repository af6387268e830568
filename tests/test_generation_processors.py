"""Processors and criteria against slow definitions; their parity with transformers is tested apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from generation_toy import EOS, ToyModel
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minipegasus.errors import InputError
from minipegasus.generation import processors, warpers
from minipegasus.generation.builders import build_criteria, build_processors
from minipegasus.generation.config import GenerationConfig
from minipegasus.generation.generate import generate
from minipegasus.generation.stopping import MaxLengthCriteria, StopStringCriteria

VOCABULARY = 9
few_ids = hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.integers(0, 4))


def scores_for(ids: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(len(ids), VOCABULARY)).astype(np.float32)


@given(ids=few_ids, size=st.integers(1, 5))
def test_no_ngram_comes_twice(ids: Any, size: int) -> None:
    scores = scores_for(ids)
    found = processors.NoRepeatNGramLogitsProcessor(size)(ids, scores)
    for row, tokens in enumerate(ids.tolist()):
        seen = {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
        for token in range(VOCABULARY):
            banned = len(tokens) + 1 >= size and (*tokens[len(tokens) + 1 - size :], token) in seen
            assert found[row, token] == (-np.inf if banned else scores[row, token])


@given(ids=few_ids, penalty=st.sampled_from([0.5, 1.5, 3.0]))
def test_repetition_penalty_is_applied_once_per_token(ids: Any, penalty: float) -> None:
    scores = scores_for(ids)
    found = processors.RepetitionPenaltyLogitsProcessor(penalty)(ids, scores)
    for row, tokens in enumerate(ids.tolist()):
        for token in range(VOCABULARY):
            score = scores[row, token]
            wanted = (score * penalty if score < 0 else score / penalty) if token in tokens else score
            assert found[row, token] == pytest.approx(wanted)


@example(ids=np.array([[2, 3]]), words=[[2, 3, 4]])
@given(ids=few_ids, words=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=5))
def test_bad_words_do_not_end(ids: Any, words: list[list[int]]) -> None:
    scores = scores_for(ids)
    found = processors.NoBadWordsLogitsProcessor(words, [EOS])(ids, scores)
    for row, tokens in enumerate(ids.tolist()):
        for token in range(VOCABULARY):
            banned = any(
                word[-1] == token
                and word != [EOS]
                and len(word) <= len(tokens)
                and [*tokens, token][-len(word) :] == word
                for word in words
            )
            assert found[row, token] == (-np.inf if banned else scores[row, token])


@given(seed=st.integers(0, 99), top_p=st.floats(0.05, 0.95), keep=st.integers(1, 4))
def test_top_p_keeps_the_fewest_that_reach_it(seed: int, top_p: float, keep: int) -> None:
    scores = scores_for(np.zeros((3, 1)), seed)
    found = warpers.TopPLogitsWarper(top_p, min_tokens_to_keep=keep)(np.zeros((3, 1), np.int64), scores)
    for row in range(3):
        probs = np.exp(scores[row].astype(float))
        probs /= probs.sum()
        order = np.argsort(-scores[row])
        count = max(int((np.cumsum(probs[order]) < top_p - 1e-6).sum()) + 1, keep)
        assert set(np.flatnonzero(np.isfinite(found[row])).tolist()) == set(order[:count].tolist())


def test_top_p_removes_the_first_of_equal_tokens() -> None:
    scores = np.array([[1.0, 0.0, 1.0, 1.0, 1.0]], np.float32)
    found = warpers.TopPLogitsWarper(0.5)(np.zeros((1, 1), np.int64), scores)
    assert np.isfinite(found).tolist() == [[False, False, True, True, True]]


@example(text="abab", string="ba", pieces=3)
@given(text=st.text("ab", max_size=9), string=st.text("ab", min_size=1, max_size=4), pieces=st.integers(1, 3))
def test_stop_strings_end_in_the_last_token(text: str, string: str, pieces: int) -> None:
    vocabulary = ["a", "b", "aa", "ab", "ba", "bb", "aba", "bab", ""]

    class Tokenizer:
        def get_vocab(self) -> dict[str, int]:
            return {piece: index for index, piece in enumerate(vocabulary)}

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": []}

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return [vocabulary[index] for index in ids]

        def convert_tokens_to_string(self, tokens: list[str]) -> str:
            return "".join(tokens)

    ids, rest = [], text
    while rest:  # cut into known pieces, none longer than asked for
        piece = next(rest[:size] for size in range(pieces, 0, -1) if rest[:size] in vocabulary)
        ids.append(vocabulary.index(piece))
        rest = rest[len(piece) :]
    if not ids:
        return
    before = len(text) - len(vocabulary[ids[-1]])
    starts = range(len(text) - len(string) + 1)
    wanted = any(text.startswith(string, start) and start + len(string) > before for start in starts)
    assert StopStringCriteria(Tokenizer(), string)(np.array([ids]), None).tolist() == [wanted]


@pytest.mark.parametrize("strings", [[], "", ["a", ""]])
def test_empty_stop_strings_are_refused(strings: Any) -> None:
    with pytest.raises(InputError, match="stop_strings"):
        StopStringCriteria(None, strings)


def test_stop_strings_need_a_tokenizer() -> None:
    with pytest.raises(InputError, match="tokenizer"):
        generate(ToyModel(), np.array([[3]]), max_length=5, stop_strings="x")


def test_order_of_all_processors() -> None:
    config = GenerationConfig(
        num_beams=4,
        num_beam_groups=2,
        diversity_penalty=1.0,
        sequence_bias={(3,): 1.0},
        encoder_repetition_penalty=2.0,
        repetition_penalty=2.0,
        no_repeat_ngram_size=2,
        encoder_no_repeat_ngram_size=2,
        bad_words_ids=[[4]],
        min_length=3,
        min_new_tokens=2,
        forced_bos_token_id=5,
        forced_eos_token_id=1,
        remove_invalid_values=True,
        exponential_decay_length_penalty=(1, 1.1),
        suppress_tokens=[6],
        begin_suppress_tokens=[7],
        renormalize_logits=True,
    )
    ids = np.array([[3, 4]])
    eos_ids = np.array([1])
    names = [type(item).__name__ for item in build_processors(config, 1, ids, eos_ids, lambda item, ids: [1])]
    assert names == [
        "SequenceBiasLogitsProcessor",
        "HammingDiversityLogitsProcessor",
        "EncoderRepetitionPenaltyLogitsProcessor",
        "RepetitionPenaltyLogitsProcessor",
        "NoRepeatNGramLogitsProcessor",
        "EncoderNoRepeatNGramLogitsProcessor",
        "NoBadWordsLogitsProcessor",
        "MinLengthLogitsProcessor",
        "MinNewTokensLengthLogitsProcessor",
        "PrefixConstrainedLogitsProcessor",
        "ForcedBOSTokenLogitsProcessor",
        "ForcedEOSTokenLogitsProcessor",
        "InfNanRemoveLogitsProcessor",
        "ExponentialDecayLengthPenalty",
        "SuppressTokensLogitsProcessor",
        "SuppressTokensAtBeginLogitsProcessor",
        "LogitNormalization",
    ]


def test_order_of_all_warpers() -> None:
    config = GenerationConfig(
        do_sample=True, temperature=2.0, top_p=0.9, min_p=0.1, typical_p=0.9, epsilon_cutoff=0.1, eta_cutoff=0.1
    )
    names = [type(item).__name__ for item in build_processors(config, 1, None, np.array([1]))]
    kinds = ["Temperature", "TopK", "TopP", "MinP", "Typical", "Epsilon", "Eta"]
    assert names == [f"{kind}LogitsWarper" for kind in kinds]


def test_beams_keep_a_token_beside_the_end_tokens() -> None:
    config = GenerationConfig(do_sample=True, num_beams=2, top_k=1)
    for eos_ids, kept in ((np.array([1]), 2), (np.array([1, 2]), 3), (None, 2)):
        warper = build_processors(config, 1, None, eos_ids)[0]
        assert np.isfinite(warper(np.zeros((1, 1), np.int64), scores_for([0]))).sum() == kept


def test_a_forced_first_token_moves_the_beginning() -> None:
    for prompt_length, forced, begin in ((1, None, 1), (1, 5, 2), (2, 5, 2)):
        config = GenerationConfig(begin_suppress_tokens=[3], forced_bos_token_id=forced)
        assert build_processors(config, prompt_length, None, None)[-1].begin_index == begin


def test_no_processors_by_default() -> None:
    assert build_processors(GenerationConfig(), 1, None, np.array([1])) == []


def test_a_custom_processor_takes_the_place_of_its_class() -> None:
    own = processors.RepetitionPenaltyLogitsProcessor(3.0)

    def plain(ids: Any, scores: Any) -> Any:
        return scores

    config = GenerationConfig(repetition_penalty=2.0, min_length=4, suppress_tokens=[3])
    merged = build_processors(config, 1, None, np.array([1]), custom=[own, plain])
    assert merged[0] is own
    assert merged[-1] is plain
    assert len(merged) == 4
    limit = MaxLengthCriteria(3)
    assert build_criteria(config, 9, None, custom=[limit])[0] is limit


def test_custom_processors_and_criteria_are_called() -> None:
    seen: list[int] = []

    def only_four(ids: Any, scores: Any) -> Any:
        forced = np.full_like(scores, -np.inf)
        forced[:, 4] = 0
        return forced

    def stop_at_five(ids: Any, scores: Any) -> Any:
        seen.append(ids.shape[1])
        return ids.shape[1] >= 5

    rules: dict[str, list[Callable[..., Any]]] = {
        "logits_processor": [only_four],
        "stopping_criteria": [stop_at_five],
    }
    assert generate(ToyModel(), np.array([[3]]), max_length=9, **rules).tolist() == [[2, 4, 4, 4, 4]]
    assert seen == [2, 3, 4, 5]
    assert generate(ToyModel(), np.array([[3]]), max_length=9, num_beams=2, **rules).tolist() == [[2, 4, 4, 4, 4]]


def test_prefix_function_decides() -> None:
    model = ToyModel()
    found = generate(model, np.array([[3], [5]]), max_length=4, prefix_allowed_tokens_fn=lambda item, ids: [3 + item])
    assert found.tolist() == [[2, 3, 3, 3], [2, 4, 4, 4]]
    with pytest.raises(InputError, match="prefix_allowed_tokens_fn"):
        generate(model, np.array([[3]]), max_length=4, prefix_allowed_tokens_fn=lambda item, ids: [])


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"encoder_repetition_penalty": -1.0}, "encoder_repetition_penalty"),
        ({"do_sample": True, "temperature": 0.0}, "temperature"),
        ({"do_sample": True, "top_p": -0.5}, "top_p"),
        ({"do_sample": True, "min_p": 1.5}, "min_p"),
        ({"do_sample": True, "typical_p": 0.0}, "typical_p"),
        ({"bad_words_ids": []}, "bad_words_ids"),
        ({"bad_words_ids": [[-1]]}, "bad_words_ids"),
        ({"bad_words_ids": [[700]]}, "bad_words_ids"),
        ({"sequence_bias": {}}, "sequence_bias"),
        ({"sequence_bias": [[[3], "x"]]}, "sequence_bias"),
        ({"forced_bos_token_id": 700}, "forced_bos_token_id"),
        ({"forced_eos_token_id": 700}, "forced_eos_token_id"),
        ({"exponential_decay_length_penalty": (1,)}, "exponential_decay_length_penalty"),
        ({"exponential_decay_length_penalty": (1, 1.1), "eos_token_id": None}, "exponential_decay_length_penalty"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError, match=name):
        generate(ToyModel(), np.array([[3]]), max_length=5, **settings)
