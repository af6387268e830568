"""Greedy search and sampling: one token per row and step, until every row has stopped."""

from collections.abc import Iterator

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import InputError
from .outputs import SearchResult
from .streaming import BaseStreamer
from .task import Task, generators

__all__ = ["draw", "search", "search_steps"]


def search_steps(task: Task) -> Iterator[IntArray]:
    """Yield the tokens chosen in each step, one per row; a row that has stopped gets the padding token.

    Sampling draws one uniform number per row and step from the row's own generator
    (:func:`~minipegasus.generation.task.generators`).
    """
    ids_rt = task.prompt_ids_rt
    running_r = np.ones(len(ids_rt), np.bool_)
    sources = generators(task.rng, len(ids_rt)) if task.config.do_sample else None
    pad_id = task.pad_id if any(hasattr(item, "eos_token_id") for item in task.criteria) else None
    unseen_rt = ids_rt
    while running_r.any():
        output, logits_rv = task.step(unseen_rt)
        scores_rv = task.processed(ids_rt, logits_rv)
        task.recorder.add(output, logits_rv, scores_rv)
        tokens_r: IntArray = scores_rv.argmax(-1) if sources is None else draw(scores_rv, sources)
        if pad_id is not None:
            tokens_r = np.where(running_r, tokens_r, pad_id)
        unseen_rt = tokens_r[:, None]
        ids_rt = np.concatenate([ids_rt, unseen_rt], axis=1)
        task.progress(ids_rt.shape[1])
        yield tokens_r
        running_r &= ~task.criteria(ids_rt, task.recorder.scores)


def search(task: Task, streamer: BaseStreamer | None = None) -> SearchResult:
    """Run :func:`search_steps` to the end; a streamer receives the prompt and each step's tokens."""
    if streamer is not None:
        streamer.put(task.prompt_ids_rt)
    tokens_tr = []
    for tokens_r in search_steps(task):
        tokens_tr.append(tokens_r)
        if streamer is not None:
            streamer.put(tokens_r)
    if streamer is not None:
        streamer.end()
    return SearchResult(np.concatenate([task.prompt_ids_rt, np.stack(tokens_tr, axis=1)], axis=1))


def draw(scores_rv: FloatArray, sources: list[np.random.Generator]) -> IntArray:
    """Draw one token per row from the softmax of its scores: inverse of the cumulative sum, in double precision.

    >>> import numpy as np
    >>> draw(np.array([[-np.inf, 0.0], [0.0, -np.inf]]), [np.random.default_rng(s) for s in (0, 1)]).tolist()
    [1, 0]
    """
    tokens = []
    for scores_v, source in zip(scores_rv, sources, strict=True):
        highest = scores_v.max()
        if not np.isfinite(highest):
            raise InputError(f"scores: expected finite numbers or -inf and one token not forbidden, found {highest}")
        possible = np.flatnonzero(scores_v > -np.inf)
        weights = np.exp(scores_v[possible].astype(np.float64) - highest)
        cumulative = np.cumsum(weights)
        tokens.append(possible[np.searchsorted(cumulative, source.random() * cumulative[-1], side="right")])
    return np.array(tokens, np.int64)
