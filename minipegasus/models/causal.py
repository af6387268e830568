"""Decoder-only classes: a causal stack with a vocabulary head, which may look at an encoder's states."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .. import ops
from ..arrays import FloatArray, IntArray
from ..errors import InputError
from ..families.family import Role
from ..nn.cache import Cache
from ..nn.losses import cross_entropy
from . import inputs
from .calls import run_decoder
from .decoding import RunningDecoding
from .generative import Generative
from .outputs import CausalLMOutputWithCrossAttentions

__all__ = ["CausalLM"]


class CausalLM(Generative):
    """The decoder of an encoder-decoder family alone, with its vocabulary head."""

    role: ClassVar[Role] = "causal"
    config_changes: ClassVar[dict[str, Any]] = {"is_decoder": True, "is_encoder_decoder": False}

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
            attention_mask: 0/1 ``[b, past + t]``, or numbers ``[b, 1, t, past + t]`` added to the scores.
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
            :class:`~minipegasus.models.outputs.CausalLMOutputWithCrossAttentions`.
        """
        probs, states, as_output = self._flags(output_attentions, output_hidden_states, return_dict)
        use_cache = self.config.use_cache if use_cache is None else use_cache
        spec = self._spec.decoder
        assert spec is not None
        if encoder_hidden_states is not None:
            encoder_hidden_states = inputs.embeddings(
                encoder_hidden_states, "encoder_hidden_states", spec.width, self.dtype
            )
        cache = inputs.past(past_key_values)
        if cache is None and use_cache:
            cache = Cache(spec.layers)
        decoded = run_decoder(
            self.params["decoder"],
            spec,
            self.dtype,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            memory_states=encoder_hidden_states,
            memory_mask=encoder_attention_mask,
            head_mask=head_mask,
            cross_attn_head_mask=cross_attn_head_mask,
            cache=cache,
            cache_position=cache_position,
            need_probs=probs,
            need_states=states,
        )
        logits = self._logits(decoded.last)
        out = CausalLMOutputWithCrossAttentions(
            loss=None if labels is None else self._loss(logits, labels),
            logits=logits,
            past_key_values=cache if use_cache else None,
            hidden_states=decoded.states,
            attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
        )
        return out if as_output else out.to_tuple()

    def _loss(self, logits: FloatArray, labels: Any) -> FloatArray:
        targets = inputs.labels(labels, self.config.vocab_size)
        if targets.shape != logits.shape[:2]:
            raise InputError(f"labels: expected shape {list(logits.shape[:2])}, found {list(targets.shape)}")
        return cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))

    def _logits(self, states: FloatArray) -> FloatArray:
        """Return logits ``[..., v]`` of decoder states ``[..., m]``."""
        head = self.params["lm_head"]
        logits: FloatArray = head.record(ops.linear(states, head["weight"], head.get("bias")))
        return logits

    def model_keywords(self) -> AbstractSet[str]:
        """Return what ``generate`` may pass on to the model."""
        return {
            "attention_mask",
            "cross_attn_head_mask",
            "encoder_attention_mask",
            "encoder_hidden_states",
            "head_mask",
            "input_ids",
            "inputs_embeds",
        }

    def start_decoding(
        self,
        *,
        rows_per_item: int,
        max_length: int,
        prompt_ids_rt: IntArray,
        inputs: Mapping[str, Any],
        output_attentions: bool,
        output_hidden_states: bool,
        use_cache: bool,
    ) -> RunningDecoding:
        """Return a decoding at its start."""
        spec = self._spec.decoder
        assert spec is not None
        repeated = partial(np.repeat, repeats=rows_per_item, axis=0)
        columns = {
            name: repeated(np.asarray(inputs[name]))
            for name in ("attention_mask", "position_ids")
            if inputs.get(name) is not None
        }
        embeds = inputs.get("inputs_embeds")
        decoder = partial(
            run_decoder,
            self.params["decoder"],
            spec,
            self.dtype,
            memory_states=inputs.get("encoder_hidden_states"),
            memory_mask=inputs.get("encoder_attention_mask"),
            head_mask=inputs.get("head_mask"),
            cross_attn_head_mask=inputs.get("cross_attn_head_mask"),
            need_probs=output_attentions,
            need_states=output_hidden_states,
        )
        return RunningDecoding(
            decoder,
            self._logits,
            Cache(spec.layers, max_length) if use_cache else None,
            upto={n: v for n, v in columns.items() if n == "attention_mask"},
            per={n: v for n, v in columns.items() if n == "position_ids"},
            first_embeds=None if embeds is None else repeated(np.asarray(embeds, self.dtype)),
        )
