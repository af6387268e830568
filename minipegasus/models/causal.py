"""Decoder-only classes: a causal stack with a vocabulary head, which may look at an encoder's states."""

from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..arrays import FloatArray
from ..families.family import Role
from ..generation.protocols import Start
from ..nn.cache import Cache
from ..nn.coders import Coded
from ..nn.losses import cross_entropy
from . import inputs
from .calls import run_decoder
from .declared import declared
from .decoding import RunningDecoding, last_repeated
from .generative import Generative
from .outputs import CausalLMOutputWithCrossAttentions
from .stack import SingleStack

__all__ = ["CausalLM", "SingleStackLM"]


class SingleStackLM(SingleStack, Generative):
    """One stack with a vocabulary head."""

    role: ClassVar[Role] = "causal"
    #: Further inputs that ``generate`` passes on, untouched.
    generation_inputs: ClassVar[AbstractSet[str]] = frozenset(
        {"encoder_attention_mask", "encoder_hidden_states", "head_mask"}
    )
    #: Further inputs with one entry per position, which ``generate`` cuts to a step's.
    positional_inputs: ClassVar[AbstractSet[str]] = frozenset()

    def _output(
        self,
        coded: Coded,
        cache: Cache | None,
        logits: FloatArray,
        loss: FloatArray | None,
        return_dict: bool | None,
    ) -> Any:
        out = CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=logits,
            past_key_values=cache,
            hidden_states=coded.states,
            attentions=coded.attentions,
            cross_attentions=coded.cross_attentions,
        )
        return self._returned(out, return_dict)

    def model_keywords(self) -> AbstractSet[str]:
        """Return what ``generate`` may pass on to the model."""
        return {"attention_mask", "input_ids", "inputs_embeds", *self.generation_inputs, *self.positional_inputs}

    def start_decoding(self, start: Start) -> RunningDecoding:
        """Return a decoding at its start."""
        p, spec = self._stack
        inputs = start.inputs
        rows = partial(np.repeat, repeats=start.rows_per_item, axis=0)
        embeds = inputs.get("inputs_embeds")
        mask = inputs.get("attention_mask")
        given: dict[str, Any] = {name: inputs.get(name) for name in self.generation_inputs}
        decoder = partial(
            run_decoder,
            p,
            spec,
            self.dtype,
            memory_states=self._memory_states(given.pop("encoder_hidden_states")),
            memory_mask=given.pop("encoder_attention_mask"),
            shared_memory=True,
            need_probs=start.output_attentions,
            need_states=start.output_hidden_states,
            **given,
        )
        return RunningDecoding(
            decoder,
            self._logits,
            Cache(spec.layers, start.max_length) if start.use_cache else None,
            upto={} if mask is None else {"attention_mask": rows(np.asarray(mask))},
            per={
                name: rows(last_repeated(inputs[name], name, start.max_length))
                for name in self.positional_inputs
                if inputs.get(name) is not None
            },
            first_embeds=None if embeds is None else rows(np.asarray(embeds, self.dtype)),
        )


class CausalLM(SingleStackLM):
    """The decoder of an encoder-decoder family alone, with its vocabulary head."""

    config_changes: ClassVar[dict[str, Any]] = {"is_decoder": True, "is_encoder_decoder": False}
    generation_inputs = SingleStackLM.generation_inputs | {"cross_attn_head_mask"}

    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run the decoder.

        Args:
            input_ids: int ``[b, t]``; or ``inputs_embeds`` float ``[b, t, m]``.
            attention_mask: 0/1 ``[b, past + t]``, or numbers ``[b, 1, t, past + t]`` added to the scores in place of
                the causal limit.
            encoder_hidden_states: float ``[b, s, m]`` to look at; without them cross-attention is left out.
            encoder_attention_mask: 0/1 ``[b, s]``.
            head_mask, cross_attn_head_mask: float ``[layers, heads]``.
            past_key_values: a cache to continue, which is extended in place.
            labels: int ``[b, t]``; the loss compares position t's logits with label t: **not** shifted, as in the
                reference, so labels must be shifted beforehand.
            use_cache: whether to return a cache; the configuration's by default.
            output_attentions, output_hidden_states: also return every layer's.
            return_dict: False returns a tuple.
            cache_position: int ``[t]``, positions other than those that follow the cache.

        Returns:
            :class:`~minipegasus.models.outputs.CausalLMOutputWithCrossAttentions`, ``logits`` float ``[b, t, v]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(self, *, labels: Any = None, return_dict: bool | None = None, **arguments: Any) -> Any:
        coded, cache = self._run(**arguments)
        logits = self._logits(coded.last)
        loss = None
        if labels is not None:
            targets = inputs.labels(labels, logits.shape[-1], logits.shape[:2])
            loss = cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
        return self._output(coded, cache, logits, loss, return_dict)
