"""Greedy, beam, group and constrained search against exhaustive search, and the laws that hold for any model."""

from typing import Any

import numpy as np
import pytest
from generation_oracle import Rules, beam_oracle, group_oracle
from generation_toy import EOS, PAD, START, ToyModel, all_outputs, trimmed
from hypothesis import given, settings
from hypothesis import strategies as st

from minipegasus.errors import InputError
from minipegasus.generation.generate import generate
from minipegasus.generation.transitions import compute_transition_scores

ITEMS = np.array([[3], [5], [6]])
#: A rule may show in few cases only.
OFTEN = settings(max_examples=6 * settings().max_examples)
DICT = {"return_dict_in_generate": True, "output_scores": True}


def test_greedy_takes_the_best_token_and_pads_finished_rows() -> None:
    lengths = set()
    for seed in range(5):
        model = ToyModel(seed=seed)
        model.table[:, :, EOS] += 1
        found = generate(model, ITEMS, max_length=12)
        for item, row in enumerate(found):
            ids = trimmed(row)
            lengths.add(len(ids) - len(row))
            for end in range(1, len(ids)):
                assert ids[end] == model.log_probs(ids[:end], item).argmax()
            assert set(row[len(ids) :].tolist()) <= {PAD}
        assert found.shape[1] == 12 or any(row[-1] == EOS for row in found)
    assert len(lengths) > 2


@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.7, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_output_of_all(seed: int, length_penalty: float) -> None:
    model = ToyModel(4, seed)
    outputs = list(all_outputs(4, 5))
    found = generate(
        model, ITEMS, num_beams=150, max_length=5, length_penalty=length_penalty, early_stopping="never", **DICT
    )
    for item in range(len(ITEMS)):
        scores = [model.score(ids, item) / (len(ids) - 1) ** length_penalty for ids in outputs]
        assert trimmed(found.sequences[item]) == outputs[int(np.argmax(scores))]
        assert found.sequences_scores[item] == pytest.approx(max(scores), abs=1e-5)


settings_of_beams = st.fixed_dictionaries(
    {
        "num_beams": st.integers(2, 6),
        "length_penalty": st.sampled_from([-1.0, 0.0, 0.8, 2.0]),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "max_length": st.integers(3, 9),
    }
)


def stops_at_four(ids_rt: Any, scores: Any) -> Any:
    return ids_rt[:, -1] == 4


@OFTEN
@given(
    seed=st.integers(0, 9999),
    chosen=settings_of_beams,
    eos=st.sampled_from([(), (EOS,), (EOS, 3)]),
    boost=st.sampled_from([0.0, 1.5]),
    custom=st.booleans(),
)
def test_beams_follow_the_rules(
    seed: int, chosen: dict[str, Any], eos: tuple[int, ...], boost: float, custom: bool
) -> None:
    model = ToyModel(12, seed)
    model.table[:, :, EOS] += boost
    rules = Rules(**chosen, eos_token_id=eos)
    if custom:
        rules.stops = lambda ids: ids[-1] == 4
    found = generate(
        model,
        ITEMS,
        eos_token_id=list(eos) or None,
        pad_token_id=11,
        num_return_sequences=chosen["num_beams"],
        stopping_criteria=[stops_at_four] if custom else None,
        **chosen,
        **DICT,
    )
    wanted = beam_oracle(model, len(ITEMS), rules)
    for row, (score, ids) in enumerate(entry for entries in wanted for entry in entries):
        fill = 11 if eos else -1
        assert found.sequences[row].tolist() == ids + [fill] * (found.sequences.shape[1] - len(ids))
        assert found.sequences_scores[row] == pytest.approx(score, abs=1e-4)


@given(seed=st.integers(0, 99), chosen=settings_of_beams)
def test_beam_scores_are_those_of_the_sequences(seed: int, chosen: dict[str, Any]) -> None:
    model = ToyModel(12, seed)
    beams = chosen["num_beams"]
    found = generate(model, ITEMS, num_return_sequences=beams, **chosen, **DICT)
    assert found.sequences.shape[0] == beams * len(ITEMS)
    for row, (ids, score) in enumerate(zip(found.sequences, found.sequences_scores, strict=True)):
        tokens = trimmed(ids)
        assert score == pytest.approx(
            model.score(tokens, row // beams) / (len(tokens) - 1) ** chosen["length_penalty"], abs=1e-4
        )
        # After the end stands the end token: padding 0 counts as unset.
        assert set(ids[len(tokens) :].tolist()) <= {EOS}
    per_item = found.sequences_scores.reshape(len(ITEMS), beams)
    assert (np.diff(per_item, axis=1) <= 0).all()
    assert len({tuple(trimmed(ids)) for ids in found.sequences[:beams]}) == beams
    transitions = compute_transition_scores(found.sequences, found.scores, found.beam_indices)
    lengths = (found.beam_indices >= 0).sum(1)
    np.testing.assert_allclose(
        transitions.sum(1) / lengths ** chosen["length_penalty"], found.sequences_scores, atol=1e-4
    )


@given(seed=st.integers(0, 99), chosen=settings_of_beams, order=st.permutations(range(3)))
def test_permuting_a_batch_permutes_the_result(seed: int, chosen: dict[str, Any], order: list[int]) -> None:
    model = ToyModel(12, seed)
    found = generate(model, ITEMS, **chosen, **DICT)
    permuted = generate(model, ITEMS[order], **chosen, **DICT)
    np.testing.assert_array_equal(permuted.sequences, found.sequences[order])
    np.testing.assert_array_equal(permuted.sequences_scores, found.sequences_scores[order])


@given(seed=st.integers(0, 99), chosen=settings_of_beams, item=st.integers(0, 2))
def test_an_item_alone_is_as_in_a_batch(seed: int, chosen: dict[str, Any], item: int) -> None:
    model = ToyModel(12, seed)
    alone = generate(model, ITEMS[item : item + 1], **chosen)
    together = generate(model, ITEMS, **chosen)
    if chosen["early_stopping"] is not True:  # True waits for all items and may improve the others meanwhile
        assert trimmed(alone[0]) == trimmed(together[item])


def test_beams_fill_up_with_a_nonzero_padding_id() -> None:
    found = generate(ToyModel(seed=1), ITEMS, num_beams=3, max_length=12, num_return_sequences=3, pad_token_id=4)
    after = {token for ids in found for token in ids[len(trimmed(ids)) :].tolist()}
    assert after == {4}


def test_without_end_token_all_outputs_have_full_length() -> None:
    for chosen in ({}, {"num_beams": 3}, {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0}):
        found = generate(ToyModel(), ITEMS, max_length=6, eos_token_id=None, **chosen)
        assert found.shape == (3, 6)


def test_where_nothing_can_end_a_running_sequence_is_the_result() -> None:
    model = ToyModel()
    found = generate(model, ITEMS, num_beams=3, max_length=6, suppress_tokens=[EOS], forced_eos_token_id=EOS, **DICT)
    assert found.sequences.shape == (3, 5)
    np.testing.assert_array_equal(found.sequences_scores, np.float32(-1e9))
    assert EOS not in found.sequences[:, 1:]


# ---- groups


@OFTEN
@given(
    seed=st.integers(0, 9999),
    chosen=settings_of_beams,
    shape=st.sampled_from([(2, 1), (2, 2), (3, 1), (3, 2)]),
    penalty=st.sampled_from([0.3, 2.0]),
    boost=st.sampled_from([0.0, 2.5]),
)
def test_groups_follow_the_rules(
    seed: int, chosen: dict[str, Any], shape: tuple[int, int], penalty: float, boost: float
) -> None:
    model = ToyModel(12, seed)
    model.table[:, :, EOS] += boost
    groups, size = shape
    chosen = {**chosen, "num_beams": groups * size}
    found = generate(
        model,
        ITEMS,
        num_beam_groups=groups,
        diversity_penalty=penalty,
        num_return_sequences=groups * size,
        **chosen,
        **DICT,
    )
    rows = zip(found.sequences.tolist(), found.sequences_scores, strict=True)
    for item in range(len(ITEMS)):
        for score, ids in group_oracle(model, item, Rules(**chosen), groups, penalty, PAD):
            row, found_score = next(rows)
            ended = [*ids, EOS][: len(row)]
            assert row == ended + [PAD] * (len(row) - len(ended))
            assert found_score == pytest.approx(score, abs=1e-4)


@given(seed=st.integers(0, 50), groups=st.sampled_from([(2, 1), (2, 2), (3, 2)]), length=st.integers(3, 8))
def test_group_scores_are_those_of_the_sequences(seed: int, groups: tuple[int, int], length: int) -> None:
    model = ToyModel(12, seed)
    count, size = groups
    found = generate(
        model,
        ITEMS,
        num_beams=count * size,
        num_beam_groups=count,
        diversity_penalty=1e-9,
        num_return_sequences=count * size,
        max_length=length,
        **DICT,
    )
    for row, (ids, score) in enumerate(zip(found.sequences, found.sequences_scores, strict=True)):
        tokens = trimmed(ids)
        assert score == pytest.approx(model.score(tokens, row // (count * size)) / (len(tokens) - 1), abs=1e-4)
        assert set(ids[len(tokens) :].tolist()) <= {PAD}
    transitions = compute_transition_scores(found.sequences, found.scores, found.beam_indices)
    lengths = (found.beam_indices >= 0).sum(1)
    np.testing.assert_allclose(transitions.sum(1) / lengths, found.sequences_scores, atol=1e-4)


def test_groups_of_one_beam_choose_different_tokens() -> None:
    found = generate(
        ToyModel(12, 4),
        ITEMS,
        num_beams=4,
        num_beam_groups=4,
        diversity_penalty=1e3,
        num_return_sequences=4,
        max_length=3,
        forced_eos_token_id=EOS,
    )
    for item in range(3):
        assert len(set(found[4 * item : 4 * item + 4, 1].tolist())) == 4


# ---- constraints


def holds(ids: list[int], alternatives: list[list[int]]) -> bool:
    """Whether one of the words occurs, where a token that breaks a word off does not begin it anew."""
    matched: list[int] = []
    for token in ids:
        longer = [*matched, token]
        matched = longer if any(word[: len(longer)] == longer for word in alternatives) else []
        if matched in alternatives:
            return True
    return False


@pytest.mark.parametrize("words", [[[3]], [[0, 3]], [[0, 3, 0]], [[[3, 3], [0, 3]]]])
def test_a_wide_constrained_beam_finds_the_best_output_with_the_word(words: list[Any]) -> None:
    model = ToyModel(4, 5)
    alternatives = words[0] if isinstance(words[0][0], list) else words
    outputs = [ids for ids in all_outputs(4, 5) if ids[-1] == EOS and holds(ids, alternatives)]
    found = generate(
        model,
        ITEMS,
        num_beams=150,
        max_length=5,
        force_words_ids=words,
        forced_eos_token_id=EOS,
        early_stopping="never",
    )
    for item in range(len(ITEMS)):
        best = max(outputs, key=lambda ids: score_with_forced_end(model, ids, item))
        assert trimmed(found[item]) == best


def score_with_forced_end(model: ToyModel, ids: list[int], item: int) -> float:
    """The normalised score, where an end token that was forced at length 5 adds nothing."""
    chosen = ids[:-1] if len(ids) == 5 else ids
    return model.score(chosen, item) / (len(ids) - 1)


def test_two_words_both_occur() -> None:
    chosen = {"num_beams": 4, "max_length": 12, "force_words_ids": [[5, 6], [[7], [8]]]}
    found = generate(ToyModel(12, 1), ITEMS, num_return_sequences=4, **chosen)
    for item in range(3):
        assert len({tuple(ids) for ids in found[4 * item : 4 * item + 4].tolist()}) == 4
    for ids in generate(ToyModel(12, 1), ITEMS, **chosen).tolist():
        assert holds(ids, [[5, 6]])
        assert holds(ids, [[7], [8]])


@pytest.mark.parametrize("words", [[], [[]], [[-1]], [[[1], [1, 2]]], [[[1], [1]]]])
def test_wrong_words_are_refused(words: list[Any]) -> None:
    with pytest.raises(InputError, match=r"constraint|force_words_ids"):
        generate(ToyModel(), ITEMS, num_beams=2, max_length=5, force_words_ids=words)


# ---- damage


SEARCHES: list[dict[str, Any]] = [
    {},
    {"do_sample": True},
    {"num_beams": 2},
    {"num_beams": 2, "do_sample": True},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
    {"num_beams": 2, "force_words_ids": [[5]]},
]


@pytest.mark.parametrize("chosen", SEARCHES)
def test_nan_is_refused_or_removed(chosen: dict[str, Any]) -> None:
    model = ToyModel()
    model.table[:, :, 4] = np.nan
    with pytest.raises(InputError, match="scores: expected numbers, found NaN"):
        generate(model, ITEMS, max_length=5, rng=0, **chosen)
    assert generate(model, ITEMS, max_length=5, rng=0, remove_invalid_values=True, **chosen).shape[0] == 3


@pytest.mark.parametrize("early_stopping", [False, "never", True])
@pytest.mark.parametrize("length_penalty", [1000.0, -1000.0, 3e38, -3e38])
@pytest.mark.parametrize("chosen", SEARCHES[2:])
def test_a_length_penalty_beyond_all_floats(chosen: dict[str, Any], length_penalty: float, early_stopping: Any) -> None:
    settings = {"length_penalty": length_penalty, "early_stopping": early_stopping, **chosen}
    out = generate(ToyModel(), ITEMS, max_length=6, rng=0, return_dict_in_generate=True, output_scores=True, **settings)
    assert out.sequences.shape[0] == 3
    assert not np.isnan(out.sequences_scores).any()


@pytest.mark.parametrize("chosen", SEARCHES)
def test_a_decay_beyond_all_floats_ends(chosen: dict[str, Any]) -> None:
    settings = {"exponential_decay_length_penalty": (1, 1e30), "min_length": 15, **chosen}
    ids = generate(ToyModel(), ITEMS, max_length=20, rng=0, **settings)
    assert 15 < ids.shape[1] <= 17
    assert (ids == EOS).any(1).all()


def test_nothing_that_is_passed_changes() -> None:
    model = ToyModel()
    ids, mask, before = ITEMS.copy(), np.ones_like(ITEMS), model.generation_config.to_dict()
    generate(model, ids, attention_mask=mask, num_beams=2, max_length=6, min_length=4, eos_token_id=[1, 3])
    np.testing.assert_array_equal(ids, ITEMS)
    assert mask.all()
    assert model.generation_config.to_dict() == before
    assert (START, PAD) == (2, 0)
