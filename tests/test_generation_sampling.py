"""Sampling: what is drawn follows the scores, and a row's tokens depend on nothing but the seed and the row."""

from typing import Any

import numpy as np
import pytest
from generation_toy import EOS, START, ToyModel, trimmed

from minipegasus.errors import InputError
from minipegasus.generation.beam import _perturbed
from minipegasus.generation.generate import generate
from minipegasus.generation.search import draw
from minipegasus.generation.task import generators

ITEMS = np.array([[3], [5], [6]])


def surprise(counts: Any, probs: Any) -> float:
    """Chi-square divided by its degrees of freedom: near 1 when the counts follow the probabilities."""
    expected = counts.sum() * probs
    return float(((counts - expected) ** 2 / expected).sum() / (len(probs) - 1))


def test_draws_follow_the_softmax() -> None:
    scores = np.array([0.5, -np.inf, 2.0, -1.0, 0.0], np.float32)
    weights = np.exp(scores)
    sources = generators(np.random.default_rng(1), 1)
    tokens = [draw(scores[None], sources)[0] for _ in range(20000)]
    counts = np.bincount(tokens, minlength=5)
    assert counts[1] == 0
    kept = weights > 0
    assert surprise(counts[kept], (weights / weights.sum())[kept]) < 3


def test_a_draw_of_zero_is_not_an_impossible_token() -> None:
    class Zero(np.random.Generator):
        def random(self) -> float:  # type: ignore[override]
            return 0.0

    scores = np.array([[-1e30, -np.inf, 0.0]], np.float32)
    assert draw(scores, [Zero(np.random.PCG64())]).tolist() == [2]


def test_noise_orders_as_draws_without_replacement() -> None:
    sums = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], np.float32))
    sources = generators(np.random.default_rng(2), 1)
    orders = [tuple(np.argsort(-_perturbed(sums, sources)[0])[:2].tolist()) for _ in range(20000)]
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    probs = np.exp(sums[0].astype(float))
    expected = np.array([probs[a] * probs[b] / (1 - probs[a]) for a, b in pairs])
    assert surprise(np.array([orders.count(pair) for pair in pairs]), expected) < 3


def test_noise_leaves_the_impossible_impossible() -> None:
    noisy = _perturbed(np.array([[-np.inf, 0.0]], np.float32), generators(np.random.default_rng(0), 1))
    assert noisy[0, 0] == -np.inf
    assert np.isfinite(noisy[0, 1])


@pytest.mark.parametrize("settings", [{}, {"num_return_sequences": 3}, {"num_beams": 3}])
def test_the_seed_decides(settings: dict[str, Any]) -> None:
    model = ToyModel(30)

    def run(rng: Any) -> list[list[int]]:
        tokens: list[list[int]] = generate(model, ITEMS, do_sample=True, max_length=12, rng=rng, **settings).tolist()
        return tokens

    assert run(7) == run(7) == run(np.random.default_rng(7))
    assert run(7) != run(8)
    assert run(None) != run(None)


def test_a_generator_goes_on() -> None:
    model, rng = ToyModel(30), np.random.default_rng(3)
    first, second = (generate(model, ITEMS, do_sample=True, max_length=12, rng=rng) for _ in range(2))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("settings", [{}, {"num_beams": 3, "early_stopping": False}])
def test_a_row_does_not_depend_on_the_rows_after_it(settings: dict[str, Any]) -> None:
    model = ToyModel(30)
    together = generate(model, ITEMS, do_sample=True, max_length=12, rng=5, **settings)
    for count in (1, 2):
        fewer = generate(model, ITEMS[:count], do_sample=True, max_length=12, rng=5, **settings)
        assert [trimmed(row) for row in fewer] == [trimmed(row) for row in together[:count]]


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]  # noqa: NPY002
    generate(ToyModel(), ITEMS, do_sample=True, max_length=12)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]  # noqa: NPY002


def test_one_candidate_is_greedy() -> None:
    model = ToyModel(30)
    sampled = generate(model, ITEMS, do_sample=True, top_k=1, max_length=12)
    np.testing.assert_array_equal(sampled, generate(model, ITEMS, max_length=12))


def test_fifty_tokens_are_kept_by_default() -> None:
    found = generate(
        ToyModel(60), ITEMS, do_sample=True, max_length=4, output_scores=True, return_dict_in_generate=True, rng=0
    )
    assert np.isfinite(found.scores[0]).sum(1).tolist() == [50] * 3


def test_several_sequences_per_item_differ() -> None:
    found = generate(ToyModel(30), ITEMS, do_sample=True, num_return_sequences=4, max_length=12, rng=0)
    assert found.shape[0] == 12
    assert len({tuple(row) for row in found[:4].tolist()}) > 1
    assert set(found[:, 0].tolist()) == {START}


def test_beam_sampling_returns_ended_sequences_by_score() -> None:
    found = generate(
        ToyModel(12),
        ITEMS,
        do_sample=True,
        num_beams=4,
        num_return_sequences=4,
        max_length=8,
        forced_eos_token_id=EOS,
        output_scores=True,
        return_dict_in_generate=True,
        rng=1,
    )
    assert all(trimmed(row)[-1] == EOS for row in found.sequences)
    assert (np.diff(found.sequences_scores.reshape(3, 4)) <= 0).all()


@pytest.mark.parametrize("rng", ["7", -1, 1.5, True, np.random.RandomState(0)])
def test_other_sources_are_refused(rng: Any) -> None:
    with pytest.raises(InputError, match="rng"):
        generate(ToyModel(), ITEMS, do_sample=True, max_length=4, rng=rng)
