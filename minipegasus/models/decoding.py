"""One running generation: the decoder's cache, masks cut to the positions seen, one step at a time."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..generation.protocols import StepOutput
from ..nn.cache import Cache
from ..nn.coders import Coded
from . import inputs

__all__ = ["RunningDecoding", "last_repeated"]


def last_repeated(value: Any, name: str, length: int) -> IntArray:
    """Return integers ``[b, t]``, one per position, reaching to ``length`` columns: the last one is repeated.

    >>> last_repeated([[0, 1]], "token_type_ids", 4).tolist()
    [[0, 1, 1, 1]]
    """
    array = inputs.integers(value, name)
    return np.pad(array, ((0, 0), (0, max(length - array.shape[1], 0))), "edge")


#: ``decoder(ids, start, cache, **columns)`` -> what the decoder computed for these positions.
Decoder = Callable[..., Coded]


class RunningDecoding:
    """Rows of equal length and what is cached for them: the :class:`~minipegasus.generation.protocols.Decoding`.

    Args:
        decoder: runs the decoder over some positions, given the cache and the step's slice of ``upto`` and ``per``.
        logits: state ``[r, m]`` -> logits ``[r, v]``.
        cache: extended in place; None recomputes every step from the first position.
        upto: masks ``[r, max length]`` of which a step reads the columns up to its last position.
        per: ids ``[r, max length]`` of which a step reads the columns of its own positions.
        encoded: the encoder's results, where there is one.
        first_embeds: embeddings that stand for the first step's ids.
    """

    def __init__(
        self,
        decoder: Decoder,
        logits: Callable[[FloatArray], FloatArray],
        cache: Cache | None,
        *,
        upto: Mapping[str, IntArray],
        per: Mapping[str, IntArray],
        encoded: Coded | None = None,
        first_embeds: FloatArray | None = None,
    ) -> None:
        self._decoder, self._logits = decoder, logits
        self._upto, self._per = upto, per
        self._encoded, self._first_embeds = encoded, first_embeds
        self._seen: IntArray | None = None
        self.past_key_values = cache

    @property
    def encoder_hidden_states(self) -> tuple[Any, ...] | None:
        """The encoder's states, one row per item."""
        return self._encoded.states if self._encoded is not None else None

    @property
    def encoder_attentions(self) -> tuple[Any, ...] | None:
        """The encoder's attentions, one row per item."""
        return self._encoded.attentions if self._encoded is not None else None

    def step(self, ids_rt: IntArray) -> StepOutput:
        """Feed the positions not yet seen and return the last one's logits."""
        cache = self.past_key_values
        start = cache.get_seq_length() if cache is not None else 0
        if cache is None:
            self._seen = ids_rt if self._seen is None else np.concatenate([self._seen, ids_rt], axis=1)
            ids_rt = self._seen
        embeds, self._first_embeds = self._first_embeds, None
        length = ids_rt.shape[1] if embeds is None else embeds.shape[1]
        columns = {name: values[:, : start + length] for name, values in self._upto.items()}
        columns |= {name: values[:, start : start + length] for name, values in self._per.items()}
        given = {"input_ids": ids_rt} if embeds is None else {"inputs_embeds": embeds}
        coded = self._decoder(**given, cache=cache, **columns)
        return StepOutput(
            logits_rv=self._logits(np.ascontiguousarray(coded.last[:, -1])),
            decoder_hidden_states=coded.states,
            decoder_attentions=coded.attentions,
            cross_attentions=coded.cross_attentions,
        )

    def reorder(self, parents_r: IntArray) -> None:
        """Let row i continue what was row ``parents_r[i]``."""
        if self.past_key_values is not None:
            self.past_key_values.reorder(parents_r)
        elif self._seen is not None:
            self._seen = self._seen[parents_r]
