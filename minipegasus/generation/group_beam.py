"""Diverse (group) beam search: groups of beams that are kept from choosing the same tokens.

Source: Vijayakumar et al. 2016, "Diverse beam search"; ``_group_beam_search`` and ``BeamSearchScorer`` of
transformers 4.56.2. Two things differ from it: ``beam_indices`` name the global row of ``scores`` (the reference mixes
up the groups), and the rows of a finished group keep their own cache.
"""

from dataclasses import dataclass

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from .beam import NOWHERE
from .hypotheses import Hypotheses, best_hypotheses, split_candidates
from .outputs import SearchResult
from .task import Task

__all__ = ["group_beam_search"]


@dataclass
class _Group:
    """One group of beams of one item: its rows among all rows, its finished sequences, whether it still runs."""

    rows: IntArray
    finished: Hypotheses
    done: bool = False


@dataclass
class _Running:
    """All rows: ids ``(rows, length)``, scores ``(rows,)``, and per new token the row it was chosen in."""

    ids_rt: IntArray
    scores_r: FloatArray
    origins_rt: IntArray


def group_beam_search(task: Task) -> SearchResult:
    """Run group beam search and return the best sequences of each item over all its groups."""
    items, beams = task.items, task.config.num_beams
    size = beams // task.config.num_beam_groups
    rows = np.arange(items * beams).reshape(items, -1, size)
    groups = [[_Group(rows[b, g], Hypotheses(size, task)) for b in range(items)] for g in range(rows.shape[1])]
    running = _Running(
        task.prompt_ids_rt,
        np.where(rows.ravel() % size == 0, np.float32(0), NOWHERE),
        np.empty((items * beams, 0), np.int64),
    )
    unseen_rt = task.prompt_ids_rt
    while True:
        output, logits_rv = task.step(unseen_rt)
        log_probs_rv = ops.log_softmax(logits_rv)
        scores_rv = np.empty_like(log_probs_rv)
        tokens_r = np.zeros(items * beams, np.int64)
        parents_r = np.arange(items * beams)
        for index, group in enumerate(groups):
            own = np.concatenate([part.rows for part in group])
            scores_rv[own] = task.processed(
                running.ids_rt[own], log_probs_rv[own], current_tokens=tokens_r, beam_group_idx=index
            )
            for part in group:
                _advance(task, part, running, scores_rv, tokens_r, parents_r)
        task.recorder.add(output, logits_rv, scores_rv)
        unseen_rt = tokens_r[:, None]
        running.ids_rt = np.concatenate([running.ids_rt[parents_r], unseen_rt], 1)
        running.origins_rt = np.concatenate([running.origins_rt[parents_r], parents_r[:, None]], 1)
        task.decoding.reorder(parents_r)
        task.progress(running.ids_rt.shape[1])
        done = all(part.done for group in groups for part in group)
        if done or task.criteria(running.ids_rt, task.recorder.scores).all():
            return _result(task, groups, running)


def _advance(
    task: Task, group: _Group, running: _Running, scores_rv: FloatArray, tokens_r: IntArray, parents_r: IntArray
) -> None:
    """Choose the next tokens of one group of one item; write them into ``tokens_r`` and ``parents_r``."""
    rows = group.rows
    if group.done:
        tokens_r[rows], running.scores_r[rows] = task.pad_id or 0, 0
        return
    found = split_candidates(task, scores_rv[rows] + running.scores_r[rows, None], rows)
    length = running.ids_rt.shape[1] + 1
    for total, parent in zip(found.ended_totals, found.ended_parents, strict=True):
        origins = np.append(running.origins_rt[parent], parent)
        group.finished.add(total, running.ids_rt[parent], origins, length - task.prompt_length)
    tokens_r[rows], parents_r[rows], running.scores_r[rows] = found.tokens, found.parents, found.totals
    group.done = group.finished.is_done(found.best_total, length)


def _result(task: Task, groups: list[list[_Group]], running: _Running) -> SearchResult:
    """Add the beams that still run to what their groups finished; pool the groups of each item."""
    new_tokens = running.ids_rt.shape[1] - task.prompt_length
    for part in (part for group in groups for part in group if not part.done):
        for row in part.rows:
            part.finished.add(float(running.scores_r[row]), running.ids_rt[row], running.origins_rt[row], new_tokens)
    return best_hypotheses(
        task, [[kept for group in groups for kept in group[item].finished.kept] for item in range(task.items)]
    )
