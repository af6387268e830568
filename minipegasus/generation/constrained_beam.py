"""Constrained beam search: beam search whose results contain given words.

Besides the best continuations, every beam also proposes the tokens that bring it further with a word; the beams of
the next step are then taken in turn from the continuations that have come equally far ("banks").

Source: ``_constrained_beam_search`` and ``ConstrainedBeamSearchScorer`` of transformers 4.56.2; Hu et al. 2019.
The recorded ``scores`` include the beams' sums, as there.
"""

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from ..errors import InputError
from .beam import NOWHERE
from .constraints import Progress, constraints_of
from .hypotheses import Hypotheses, best_hypotheses, split_candidates
from .outputs import SearchResult
from .task import Task

__all__ = ["constrained_beam_search"]


def constrained_beam_search(task: Task) -> SearchResult:
    """Run constrained beam search and return the best sequences of each item."""
    start = Progress(tuple(constraints_of(task.config.constraints, task.config.force_words_ids)))
    largest = max(token for constraint in start.pending for word in constraint.alternatives for token in word)
    items, beams = task.items, task.config.num_beams
    rows_bk = np.arange(items * beams).reshape(items, beams)
    finished = [Hypotheses(beams, task) for _ in range(items)]
    done_b = [False] * items
    ids_rt, scores_r = task.prompt_ids_rt, np.where(rows_bk.ravel() % beams == 0, np.float32(0), NOWHERE)
    origins_rt = np.empty((items * beams, 0), np.int64)
    unseen_rt = ids_rt
    while True:
        output, logits_rv = task.step(unseen_rt)
        if largest >= logits_rv.shape[-1]:
            expected = f"ids below {logits_rv.shape[-1]}, the vocabulary's size"
            raise InputError(f"force_words_ids, constraints: expected {expected}, found {largest}")
        sums_rv = task.processed(ids_rt, ops.log_softmax(logits_rv)) + scores_r[:, None]
        task.recorder.add(output, logits_rv, sums_rv)
        tokens_r, parents_r = np.full(items * beams, task.pad_id or 0), np.arange(items * beams)
        scores_r = np.zeros_like(scores_r)
        length = ids_rt.shape[1] + 1
        for item, rows in enumerate(rows_bk):
            if done_b[item]:
                continue
            found = split_candidates(task, sums_rv[rows], rows)
            for total, parent in zip(found.ended_totals, found.ended_parents, strict=True):
                if start.after(ids_rt[parent].tolist()).completed:
                    origins = np.append(origins_rt[parent], parent)
                    finished[item].add(total, ids_rt[parent], origins, length - task.prompt_length)
            scores_r[rows], tokens_r[rows], parents_r[rows] = _further(
                start, ids_rt, sums_rv, rows, (found.totals, found.tokens, found.parents)
            )
            done_b[item] = finished[item].is_done(found.best_total, length)
        unseen_rt = tokens_r[:, None]
        ids_rt = np.concatenate([ids_rt[parents_r], unseen_rt], 1)
        origins_rt = np.concatenate([origins_rt[parents_r], parents_r[:, None]], 1)
        task.decoding.reorder(parents_r)
        task.progress(length)
        if all(done_b) or task.criteria(ids_rt, task.recorder.scores).all():
            break
    for own, rows, done in zip(finished, rows_bk, done_b, strict=True):
        if not done:
            _add_running(task, start, own, rows, ids_rt, scores_r, origins_rt)
    return best_hypotheses(task, [own.kept for own in finished])


def _further(
    start: Progress,
    ids_rt: IntArray,
    sums_rv: FloatArray,
    rows: IntArray,
    continued: tuple[FloatArray, IntArray, IntArray],
) -> tuple[FloatArray, IntArray, IntArray]:
    """Choose the next beams of one item from the best continuations and those that lead on with a word."""
    scores, tokens, parents = (values.tolist() for values in continued)
    states = [start.after([*ids_rt[parent].tolist(), token]) for token, parent in zip(tokens, parents, strict=True)]
    seen = {(*ids_rt[parent].tolist(), token) for token, parent in zip(tokens, parents, strict=True)}
    for row in rows.tolist():
        ids = ids_rt[row].tolist()
        state = start.after(ids)
        for token in [] if state.completed else state.next_tokens():
            if (*ids, token) not in seen:
                seen.add((*ids, token))
                states.append(state.add(token))
                scores.append(sums_rv[row, token])
                tokens.append(token)
                parents.append(row)
    if len(states) == len(rows):
        return continued
    longest = max(constraint.longest for constraint in start.pending)
    banks = np.array([state.bank(longest) for state in states])
    all_scores = np.array(scores, np.float32)
    order = np.argsort(-(banks * np.float32(100) + all_scores), kind="stable")
    turns = _turns(banks[order])
    chosen = order[np.argsort(turns, kind="stable")][: len(rows)]
    return all_scores[chosen], np.array(tokens)[chosen], np.array(parents)[chosen]


def _turns(banks: IntArray) -> IntArray:
    """Number the entries within each run of equal banks from 0.

    >>> import numpy as np
    >>> _turns(np.array([2, 2, 1, 0, 0, 0])).tolist()
    [0, 1, 0, 0, 1, 2]
    """
    starts = np.flatnonzero(np.append(True, banks[1:] != banks[:-1]))
    return np.arange(len(banks)) - np.repeat(starts, np.diff(np.append(starts, len(banks))))


def _add_running(
    task: Task,
    start: Progress,
    finished: Hypotheses,
    rows: IntArray,
    ids_rt: IntArray,
    scores_r: FloatArray,
    origins_rt: IntArray,
) -> None:
    """Add the beams that still run and hold every word; all others too, should there be too few of those."""
    complete = np.array([start.after(ids_rt[row].tolist()).completed for row in rows])
    enough = complete.sum() >= task.config.num_return_sequences
    for row in [*rows[complete], *([] if enough else rows[~complete])]:
        new_tokens = ids_rt.shape[1] - task.prompt_length
        finished.add(float(scores_r[row]), ids_rt[row], origins_rt[row], new_tokens)
