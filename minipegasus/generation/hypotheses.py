"""The list of finished sequences that group and constrained beam search keep per group, and how they are returned.

Source: ``BeamHypotheses`` and ``BeamSearchScorer.finalize`` of transformers 4.56.2 (``generation/beam_search.py``).
Normalised scores are double precision here, as they are there.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from .outputs import SearchResult
from .task import Task

__all__ = ["Candidates", "Hypotheses", "Hypothesis", "best_hypotheses", "split_candidates"]


class Hypothesis(NamedTuple):
    """A finished sequence: its ids with the prompt and without end token, and the row each new token came from."""

    score: float
    ids: IntArray
    origins: IntArray


@dataclass
class Hypotheses:
    """The best ``size`` finished sequences of one group of beams."""

    size: int
    task: Task
    kept: list[Hypothesis] = field(default_factory=list)
    worst: float = 1e9

    def add(self, total: float, ids: IntArray, origins: IntArray, new_tokens: int) -> None:
        """Keep a sequence whose log-probabilities sum to ``total``, if it is among the best."""
        score = float(self.task.normalised(total, new_tokens))
        if len(self.kept) >= self.size and score <= self.worst:
            return
        self.kept.append(Hypothesis(score, ids, origins))
        if len(self.kept) <= self.size:
            self.worst = min(score, self.worst)
            return
        order = sorted(range(len(self.kept)), key=lambda index: self.kept[index].score)
        self.worst = self.kept[order[1]].score
        del self.kept[order[0]]

    def is_done(self, best_total: float, length: int) -> bool:
        """Say whether no running sequence, ``length`` ids long and the best summing to ``best_total``, may get in."""
        config = self.task.config
        if len(self.kept) < self.size:
            return False
        if config.early_stopping is True:
            return True
        longest = config.early_stopping == "never" and config.length_penalty > 0
        new_tokens = (self.task.max_length if longest else length) - self.task.prompt_length
        return bool(self.worst >= self.task.normalised(best_total, new_tokens))


@dataclass(frozen=True)
class Candidates:
    """What one group of beams may do next: ``ended_*`` are sequences that end now, the others fill the beams."""

    best_total: float
    ended_totals: list[float]
    ended_parents: list[int]
    totals: FloatArray
    tokens: IntArray
    parents: IntArray


def split_candidates(task: Task, sums_rv: FloatArray, rows: IntArray) -> Candidates:
    """Walk the best continuations of the beams ``rows``, whose sums are given, until every beam is filled.

    An end token among the first ``len(rows)`` ends a sequence, a later one is passed over.
    """
    size, vocabulary = sums_rv.shape
    totals, chosen = ops.top_k(sums_rv.ravel(), min(task.candidates_per_beam * size, sums_rv.size))
    parents, tokens = rows[chosen // vocabulary], chosen % vocabulary
    ends = np.isin(tokens, () if task.eos_ids is None else task.eos_ids)
    continued = np.flatnonzero(~ends)[:size]
    ended = np.flatnonzero(ends[: min(size, continued[-1])])
    return Candidates(
        float(totals[0]),
        totals[ended].tolist(),
        parents[ended].tolist(),
        totals[continued],
        tokens[continued],
        parents[continued],
    )


def best_hypotheses(task: Task, per_item: list[list[Hypothesis]]) -> SearchResult:
    """Return the best hypotheses of each item: after a shorter one stand one end token, then padding."""
    wanted = task.config.num_return_sequences
    best = []
    for found in per_item:
        ranked = sorted(found, key=lambda hypothesis: hypothesis.score)
        best += [ranked.pop() for _ in range(wanted)]
    width = max(len(hypothesis.ids) for hypothesis in best) + 1
    if task.criteria.max_length is not None:
        width = min(width, task.criteria.max_length)
    ids = np.full((len(best), width), task.pad_id or 0, np.int64)
    origins = np.full((len(best), width - task.prompt_length), -1, np.int64)
    for row, hypothesis in enumerate(best):
        length = len(hypothesis.ids)
        ids[row, :length] = hypothesis.ids
        origins[row, : len(hypothesis.origins)] = hypothesis.origins
        if length < width and task.eos_ids is not None:
            ids[row, length] = task.eos_ids[0]
    with np.errstate(over="ignore"):  # a length penalty may take scores beyond float32
        scores = np.array([hypothesis.score for hypothesis in best]).astype(np.float32)
    return SearchResult(ids, scores, origins)
