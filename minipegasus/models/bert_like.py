"""BertGeneration, BERT and RoBERTa: one post-norm stack, bare or with a vocabulary head."""

import warnings
from typing import Any

from ..families.config import Config
from ..nn.heads import first_pooled
from ..nn.losses import cross_entropy
from . import inputs
from .causal import SingleStackLM
from .declared import declared, explained_by
from .outputs import BaseModelOutputWithPastAndCrossAttentions, BaseModelOutputWithPoolingAndCrossAttentions
from .pretrained import Dtype
from .stack import SingleStack

__all__ = ["BareStack", "StackLM"]


class BareStack(SingleStack):
    """The stack without a vocabulary head; an encoder, or with ``is_decoder`` in its configuration a decoder."""

    role = "base"

    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        head_mask: Any = None,
        inputs_embeds: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run the stack.

        Args:
            input_ids: int ``[b, t]``; or ``inputs_embeds`` float ``[b, t, m]``.
            attention_mask: 0/1 ``[b, past + t]``; or 0/1 ``[b, t, past + t]``, which says for every query what it sees,
                in place of the causal limit as well; or numbers ``[b, 1, t, past + t]`` to add to the scores.
            token_type_ids: int ``[b, t]``, zeros by default; ignored by a family without token types.
            position_ids: int ``[b, t]`` or ``[1, t]``, rows of the position table.
            head_mask: float ``[heads]`` or ``[layers, heads]``, a factor on each head, in cross-attention, too.
            encoder_hidden_states: float ``[b, s, m]`` to look at, for a decoder with cross-attention.
            encoder_attention_mask: 0/1 ``[b, s]`` or ``[b, t, s]``.
            past_key_values: a cache to continue, which is extended in place.
            use_cache: whether a decoder returns a cache; the configuration's by default.
            output_attentions, output_hidden_states: also return every layer's.
            return_dict: False returns a tuple.
            cache_position: accepted and without effect, as in the reference.

        Returns:
            :class:`~minipegasus.models.outputs.BaseModelOutputWithPoolingAndCrossAttentions` where the family has a
            pooler, else :class:`~minipegasus.models.outputs.BaseModelOutputWithPastAndCrossAttentions`.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(self, *, return_dict: bool | None = None, cache_position: Any = None, **arguments: Any) -> Any:
        coded, cache = self._run(**arguments)
        out = BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=coded.last,
            past_key_values=cache,
            hidden_states=coded.states,
            attentions=coded.attentions,
            cross_attentions=coded.cross_attentions,
        )
        result = self._returned(out, return_dict)
        if not self._spec.pooler:
            return result
        pooled = first_pooled(self.params["pooler"], coded.last)
        if result is out:
            return BaseModelOutputWithPoolingAndCrossAttentions(pooler_output=pooled, **dict(out.items()))
        # The cache precedes the states in the tuple, and follows them among the fields of the output: the reference's.
        last, *rest = result
        return (last, pooled, *rest)


class StackLM(SingleStackLM):
    """The stack with a vocabulary head. Without ``is_decoder`` in the configuration it sees the future and warns."""

    generation_inputs = SingleStackLM.generation_inputs
    positional_inputs = frozenset({"position_ids", "token_type_ids"})

    def _configure(self, config: Config, dtype: Dtype) -> None:
        super()._configure(config, dtype)
        if not config.is_decoder:
            warnings.warn(
                f"{type(self).__name__}: expected is_decoder=True in the configuration of a language model; with False "
                "every position sees those that follow it",
                stacklevel=3,
            )

    @explained_by(BareStack.__call__)
    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        head_mask: Any = None,
        inputs_embeds: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        labels: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
        num_items_in_batch: float | None = None,
    ) -> Any:
        """Run the stack and the vocabulary head.

        Args:
            labels: int ``[b, t]``; the loss compares position t's logits with label t + 1: it shifts. -100 is ignored.
                Labels switch the cache off.
            num_items_in_batch: divides the summed loss in place of the number of labels.

        Returns:
            :class:`~minipegasus.models.outputs.CausalLMOutputWithCrossAttentions`, ``logits`` float ``[b, t, v]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(
        self,
        *,
        labels: Any = None,
        num_items_in_batch: float | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
        **arguments: Any,
    ) -> Any:
        if labels is not None:
            arguments["use_cache"] = False
        coded, cache = self._run(**arguments)
        logits = self._logits(coded.last)
        loss = None
        if labels is not None:
            targets = inputs.labels(labels, logits.shape[-1], logits.shape[:2])
            loss = cross_entropy(
                logits[:, :-1].reshape(-1, logits.shape[-1]), targets[:, 1:].reshape(-1), divisor=num_items_in_batch
            )
        return self._output(coded, cache, logits, loss, return_dict)
