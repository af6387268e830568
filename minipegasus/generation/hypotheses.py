"""The list of finished sequences that group and constrained beam search keep per group, and how they are returned.

Source: ``BeamHypotheses`` and ``BeamSearchScorer.finalize`` of transformers 4.56.2 (``generation/beam_search.py``).
Normalised scores are double precision here, as they are there.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..arrays import IntArray
from .outputs import SearchResult
from .task import Task

__all__ = ["Hypotheses", "Hypothesis", "best_hypotheses"]


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
        score = total / new_tokens**self.task.config.length_penalty
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
        return bool(self.worst >= best_total / new_tokens**config.length_penalty)


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
    return SearchResult(ids, np.array([hypothesis.score for hypothesis in best], np.float32), origins)
