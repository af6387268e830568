"""Scores of the tokens that were chosen, read out of what ``generate`` recorded."""

from collections.abc import Sequence

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray

__all__ = ["compute_transition_scores"]


def compute_transition_scores(
    sequences: IntArray,
    scores: Sequence[FloatArray],
    beam_indices: IntArray | None = None,
    normalize_logits: bool = False,
) -> FloatArray:
    """Return the score of each generated token, shape ``(rows, new tokens)``; 0 after the end of a beam.

    With beams, the scores of a row sum to its ``sequences_scores`` times ``length ** length_penalty``.

    Args:
        sequences: ids ``(rows, length)`` as ``generate`` returned them.
        scores: one array ``(rows of the search, vocabulary)`` per step.
        beam_indices: the rows that the tokens were chosen in, from beam search; without it row ``i`` chose its own.
        normalize_logits: take the log-softmax of the scores first.

    Source: ``compute_transition_scores`` of transformers 4.56.2 (``generation/utils.py``).

    >>> import numpy as np
    >>> compute_transition_scores(np.array([[0, 2, 1]]), [np.array([[0.0, 1, 2]]), np.array([[3.0, 4, 5]])]).tolist()
    [[2.0, 4.0]]
    """
    if beam_indices is None:
        beam_indices = np.broadcast_to(np.arange(len(scores[0]))[:, None], (len(scores[0]), len(scores)))
    new_tokens = int((beam_indices >= 0).sum(-1).max())
    rows, tokens = beam_indices[:, :new_tokens], sequences[:, sequences.shape[1] - new_tokens :]
    chosen = np.zeros(rows.shape, scores[0].dtype)
    for step, scores_rv in enumerate(scores[:new_tokens]):
        values_rv = ops.log_softmax(scores_rv) if normalize_logits else scores_rv
        chosen[:, step] = np.where(rows[:, step] < 0, 0, values_rv[rows[:, step], tokens[:, step]])
    return chosen
