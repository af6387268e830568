"""Beam search and beam sampling.

Source: ``_beam_search`` of transformers 4.56.2 (``generation/utils.py``). All arithmetic is float32. A score of -1e9
means "not there": it absorbs any sum of log-probabilities, so such entries are equal, and among equals the first in
order is taken.
"""

from dataclasses import dataclass

import numpy as np

from .. import ops
from ..arrays import BoolArray, FloatArray, IntArray
from .outputs import SearchResult
from .task import Task, generators

__all__ = ["NOWHERE", "beam_search"]

NOWHERE = np.float32(-1e9)


@dataclass(frozen=True)
class Beams:
    """Sequences of every item with their scores: ``ids`` ``(items, k, length)``, ``scores`` ``(items, k)`` and
    ``origins`` ``(items, k, new tokens)``, the global row that each new token was chosen in, -1 where there is none.
    """

    ids: IntArray
    scores: FloatArray
    origins: IntArray

    def longer(self, tokens: IntArray | int, origins: IntArray | int) -> "Beams":
        """Return the sequences with one more token each."""
        ids, origin = (np.broadcast_to(values, self.scores.shape)[..., None] for values in (tokens, origins))
        return Beams(np.concatenate([self.ids, ids], 2), self.scores, np.concatenate([self.origins, origin], 2))

    def take(self, index: IntArray, scores: FloatArray | None = None) -> "Beams":
        """Return entries by their index ``(items, k)`` within each item, with other scores where given."""
        return Beams(
            np.take_along_axis(self.ids, index[..., None], 1),
            np.take_along_axis(self.scores if scores is None else scores, index, 1),
            np.take_along_axis(self.origins, index[..., None], 1),
        )


def beam_search(task: Task) -> SearchResult:
    """Run beam search, or beam sampling with ``do_sample``, and return the best sequences of each item."""
    config, items, beams = task.config, task.items, task.config.num_beams
    running, finished = _start(task), _start(task)
    running.scores[:, 0] = 0
    done_bk = np.zeros((items, beams), np.bool_)
    open_b1 = np.ones((items, 1), np.bool_)
    sources = generators(task.rng, items) if config.do_sample else None
    length = task.prompt_length
    unseen_rt = task.prompt_ids_rt
    while True:
        output, logits_rv = task.step(unseen_rt)
        scores_rv = task.processed(running.ids.reshape(items * beams, -1), ops.log_softmax(logits_rv))
        task.recorder.add(output, logits_rv, scores_rv)
        candidates = _candidates(task, running, scores_rv, sources)
        length += 1
        hit_bk = _hits(task, candidates)
        running = _continue(candidates, hit_bk, beams)
        finished, done_bk = _finish(task, finished, done_bk, open_b1, candidates, hit_bk, length)
        task.decoding.reorder(running.origins[:, :, -1].ravel())
        task.progress(length)
        unseen_rt = running.ids[:, :, -1].reshape(-1, 1)
        open_b1 &= _can_improve(task, running, finished, done_bk, length)
        if not open_b1.any() or (config.early_stopping is True and done_bk.all()) or hit_bk.all():
            return _result(task, finished)


def _start(task: Task) -> Beams:
    """Return the prompts with scores that say that nothing is there."""
    shape = (task.items, task.config.num_beams)
    return Beams(task.prompt_ids_rt.reshape(*shape, -1), np.full(shape, NOWHERE), np.empty((*shape, 0), np.int64))


def _candidates(task: Task, running: Beams, scores_rv: FloatArray, sources: list[np.random.Generator] | None) -> Beams:
    """Return the continuations worth looking at, several per beam: the best, or drawn ones in the order of drawing."""
    items, beams = running.scores.shape
    vocabulary = scores_rv.shape[-1]
    sums = scores_rv.reshape(items, beams, vocabulary) + running.scores[:, :, None]
    sums = sums.reshape(items, beams * vocabulary)
    count = min(task.candidates_per_beam * beams, sums.shape[-1])
    chosen = ops.top_k(sums if sources is None else _perturbed(sums, sources), count)[1]
    parents = chosen // vocabulary
    rows = parents + np.arange(items)[:, None] * beams
    candidates = running.take(parents).longer(chosen % vocabulary, rows)
    return Beams(candidates.ids, np.take_along_axis(sums, chosen, 1), candidates.origins)


def _perturbed(sums: FloatArray, sources: list[np.random.Generator]) -> FloatArray:
    """Add Gumbel noise: the largest values are then a draw without replacement, in order, from the softmax.

    Each item draws one exponential number per continuation that is possible, in order, from its own generator.
    """
    noisy = np.full(sums.shape, -np.inf)
    for row, source in enumerate(sources):
        possible = np.flatnonzero(sums[row] > -np.inf)
        noisy[row, possible] = sums[row, possible] - np.log(source.exponential(size=possible.size))
    return noisy


def _hits(task: Task, candidates: Beams) -> BoolArray:
    """Say which candidates end here."""
    items, count, length = candidates.ids.shape
    stopped_r = task.criteria(candidates.ids.reshape(items * count, length), task.recorder.scores)
    hit_bk: BoolArray = stopped_r.reshape(items, count) | (length >= task.max_length)
    return hit_bk


def _continue(candidates: Beams, hit_bk: BoolArray, beams: int) -> Beams:
    """Return the best candidates that did not end; ended ones only where there are too few others."""
    scores = candidates.scores + hit_bk * NOWHERE
    return candidates.take(ops.top_k(scores, beams)[1], scores)


def _finish(
    task: Task,
    finished: Beams,
    done_bk: BoolArray,
    open_b1: BoolArray,
    candidates: Beams,
    hit_bk: BoolArray,
    length: int,
) -> tuple[Beams, BoolArray]:
    """Merge what ended in this step into the finished sequences; only the first ``num_beams`` candidates count.

    Where too few have ended, candidates that still run fill up: should nothing ever end, they are the result.
    """
    beams = task.config.num_beams
    ended_bk = hit_bk & (np.arange(hit_bk.shape[1]) < beams)
    full_b1 = done_bk.all(1, keepdims=True) & (task.config.early_stopping is True)
    scores = task.normalised(candidates.scores, length - task.prompt_length)
    scores = scores + full_b1 * NOWHERE + ~open_b1 * NOWHERE + ~ended_bk * NOWHERE
    # As in the reference, a padding id of 0 counts as unset: what follows a sequence is then an end token.
    fill = -1 if task.eos_ids is None else task.pad_id or int(task.eos_ids[0])
    finished = finished.longer(fill, -1)
    merged = Beams(
        np.concatenate([finished.ids, candidates.ids], 1),
        np.concatenate([finished.scores, scores], 1),
        np.concatenate([finished.origins, candidates.origins], 1),
    )
    # An empty place loses against any candidate, also one that still runs and is absorbed to the same score.
    stored = np.where(done_bk, finished.scores, np.nextafter(NOWHERE, np.float32(-np.inf)))
    best = ops.top_k(np.concatenate([stored, scores], 1), beams)[1]
    return merged.take(best), np.take_along_axis(np.concatenate([done_bk, ended_bk], 1), best, 1)


def _can_improve(task: Task, running: Beams, finished: Beams, done_bk: BoolArray, length: int) -> BoolArray:
    """Say per item whether its best running sequence might still displace a finished one."""
    longest = task.config.early_stopping == "never" and task.config.length_penalty > 0
    new_tokens = (task.max_length if longest else length) - task.prompt_length
    best_b1 = task.normalised(running.scores[:, :1], new_tokens)
    worst_bk = np.where(done_bk, finished.scores.min(1, keepdims=True), NOWHERE)
    can_improve_b1: BoolArray = np.any(best_b1 > worst_bk, 1, keepdims=True)
    return can_improve_b1


def _result(task: Task, finished: Beams) -> SearchResult:
    """Cut the best sequences of each item to the longest that is returned."""
    wanted = task.config.num_return_sequences
    origins = finished.origins[:, :wanted].reshape(task.items * wanted, -1)
    new_tokens = int((origins >= 0).sum(1).max())
    ids = finished.ids[:, :wanted].reshape(task.items * wanted, -1)
    return SearchResult(
        ids[:, : task.prompt_length + new_tokens], finished.scores[:, :wanted].ravel(), origins[:, :new_tokens]
    )
