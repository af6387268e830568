"""Encoder-decoder classes: the bare model and its heads, for every family whose spec has both stacks."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import InputError
from ..families.family import Role
from ..generation.protocols import Start
from ..nn.cache import Cache
from ..nn.coders import Coded
from ..nn.layers import linear
from ..nn.losses import IGNORED, cross_entropy
from . import inputs
from .calls import needs, run_decoder, run_encoder
from .declared import declared, explained_by
from .decoding import RunningDecoding, last_repeated
from .generative import Generative
from .outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from .pretrained import PreTrainedModel

__all__ = ["ConditionalGeneration", "Seq2SeqBase", "Seq2SeqModel", "shift_tokens_right"]


def shift_tokens_right(ids_bt: IntArray, pad_token_id: int | None, start: int | None) -> IntArray:
    """Return decoder inputs for labels: the start id in front, the last id dropped, -100 replaced by padding.

    >>> shift_tokens_right(np.array([[5, 6, -100]]), 0, 2).tolist()
    [[2, 5, 6]]
    """
    if start is None or pad_token_id is None:
        found = f"decoder_start_token_id = {start}, pad_token_id = {pad_token_id}"
        raise InputError(f"shifting labels: expected both ids in the configuration, found {found}")
    shifted = np.empty_like(ids_bt)
    shifted[:, 0] = start
    shifted[:, 1:] = ids_bt[:, :-1]
    shifted[shifted == IGNORED] = pad_token_id
    return shifted


class Seq2SeqBase(PreTrainedModel):
    """Both stacks, and what calling them in turn returns."""

    #: Whether missing decoder ids are the input ids, shifted; otherwise they are an error.
    shifts_inputs: ClassVar[bool] = False

    def _encode(self, **arguments: Any) -> Coded:
        assert self._spec.encoder is not None
        return run_encoder(self.params["encoder"], self._spec.encoder, self.dtype, **arguments)

    def _encoded(self, encoder_outputs: Any, **arguments: Any) -> Coded:
        """Return what the caller says that the encoder returned, or run it."""
        assert self._spec.encoder is not None
        if encoder_outputs is None:
            return self._encode(**arguments)
        return Coded(*inputs.encoder_states(encoder_outputs, self._spec.encoder.width, self.dtype))

    def _memory(self, encoded: Coded) -> FloatArray:
        """Return the states that the decoder looks at, in its width."""
        return linear(self.params["enc_to_dec_proj"], encoded.last) if self._spec.bridge else encoded.last

    def _decode(self, past_key_values: Any, use_cache: bool | None, **arguments: Any) -> tuple[Coded, Cache | None]:
        """Run the decoder; a given cache is extended and returned in any case."""
        assert self._spec.decoder is not None
        cache = inputs.past(past_key_values, self.dtype)
        if cache is None and (self.config.use_cache if use_cache is None else use_cache):
            cache = Cache(self._spec.decoder.layers)
        return run_decoder(self.params["decoder"], self._spec.decoder, self.dtype, cache=cache, **arguments), cache

    def _decoded(
        self, encoded: Coded, past_key_values: Any, use_cache: bool | None, **arguments: Any
    ) -> Seq2SeqModelOutput:
        """Run the decoder and return everything that the heads' outputs contain."""
        memory = self._memory(encoded)
        decoded, cache = self._decode(past_key_values, use_cache, prefix="decoder_", memory_states=memory, **arguments)
        return Seq2SeqModelOutput(
            last_hidden_state=decoded.last,
            past_key_values=cache,
            decoder_hidden_states=decoded.states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoded.last,
            encoder_hidden_states=encoded.states,
            encoder_attentions=encoded.attentions,
        )

    def get_encoder(self) -> Callable[..., Any]:
        """Return the encoder as a function, ``encoder(input_ids, attention_mask)``, whose result ``encoder_outputs``
        takes.

        Its further arguments are ``head_mask``, ``inputs_embeds``, ``output_attentions``, ``output_hidden_states`` and
        ``return_dict``; it returns a :class:`~minipegasus.models.outputs.BaseModelOutput`.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> encoded = model.get_encoder()([[5, 6, 1]])
        >>> decoded = model.get_decoder()([[0, 7]], encoder_hidden_states=encoded.last_hidden_state)
        >>> whole = model([[5, 6, 1]], decoder_input_ids=[[0, 7]])
        >>> bool((decoded.last_hidden_state == whole.last_hidden_state).all())
        True
        """
        return self._encoder_alone

    def _encoder_alone(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        head_mask: Any = None,
        inputs_embeds: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        coded = self._encode(
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            head_mask=head_mask,
            **needs(self.config, output_attentions, output_hidden_states),
        )
        return self._returned(BaseModelOutput(coded.last, coded.states, coded.attentions), return_dict)

    def get_decoder(self) -> Callable[..., Any]:
        """Return the decoder as a function: ``decoder(input_ids, attention_mask, encoder_hidden_states, ...)``.

        It takes what :class:`~minipegasus.PegasusForCausalLM` takes, without labels, and returns a
        :class:`~minipegasus.models.outputs.BaseModelOutputWithPastAndCrossAttentions`; see :meth:`get_encoder`.

        >>> from minipegasus import PegasusModel
        >>> decoder = PegasusModel.from_pretrained("golden/pegasus").get_decoder()
        >>> decoder([[0, 7]], encoder_hidden_states=np.zeros((1, 3, 20), np.float32)).last_hidden_state.shape
        (1, 2, 20)
        """
        return self._decoder_alone

    def _decoder_alone(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        states = encoder_hidden_states
        if states is not None:
            states = inputs.embeddings(states, "encoder_hidden_states", self.config.d_model, self.dtype)
        coded, cache = self._decode(
            past_key_values,
            use_cache,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            memory_states=states,
            memory_mask=encoder_attention_mask,
            head_mask=head_mask,
            cross_attn_head_mask=cross_attn_head_mask,
            cache_position=cache_position,
            **needs(self.config, output_attentions, output_hidden_states),
        )
        out = BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=coded.last,
            past_key_values=cache,
            hidden_states=coded.states,
            attentions=coded.attentions,
            cross_attentions=coded.cross_attentions,
        )
        return self._returned(out, return_dict)

    def _run(
        self,
        *,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        head_mask: Any = None,
        decoder_head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        cache_position: Any = None,
    ) -> Seq2SeqModelOutput:
        """Run both stacks; the arguments are those of :class:`Seq2SeqModel`."""
        if decoder_input_ids is None and decoder_inputs_embeds is None and self.shifts_inputs:
            if input_ids is None:
                raise InputError("decoder_input_ids: expected ids, or input_ids to make them from, found neither")
            ids = inputs.token_ids(input_ids, "input_ids", self.config.vocab_size)
            decoder_input_ids = shift_tokens_right(ids, self.config.pad_token_id, self.config.decoder_start_token_id)
        wanted = needs(self.config, output_attentions, output_hidden_states)
        encoded = self._encoded(
            encoder_outputs,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            head_mask=head_mask,
            **wanted,
        )
        return self._decoded(
            encoded,
            past_key_values,
            use_cache,
            input_ids=decoder_input_ids,
            inputs_embeds=decoder_inputs_embeds,
            attention_mask=decoder_attention_mask,
            memory_mask=attention_mask,
            head_mask=decoder_head_mask,
            cross_attn_head_mask=cross_attn_head_mask,
            cache_position=cache_position,
            **wanted,
        )


class Seq2SeqModel(Seq2SeqBase):
    """Both stacks without a head."""

    role: ClassVar[Role] = "base"

    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        head_mask: Any = None,
        decoder_head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run encoder and decoder.

        Args:
            input_ids: int ``[b, s]``; or ``inputs_embeds`` float ``[b, s, m]``; or ``encoder_outputs``.
            attention_mask: 0/1 ``[b, s]``; 0 hides a position of the input from both stacks.
            decoder_input_ids: int ``[b, t]``; or ``decoder_inputs_embeds`` float ``[b, t, m]``.
            decoder_attention_mask: 0/1 ``[b, past + t]``, or numbers ``[b, 1, t, past + t]`` added to the scores.
            head_mask, decoder_head_mask, cross_attn_head_mask: float ``[layers, heads]``, a factor on each head.
            encoder_outputs: what :meth:`get_encoder` returned, in place of input ids.
            past_key_values: a cache to continue, which is extended in place.
            use_cache: whether to return a cache; the configuration's by default.
            output_attentions, output_hidden_states: also return every layer's.
            return_dict: False returns a tuple.
            cache_position: int ``[t]``, positions other than those that follow the cache.

        Returns:
            :class:`~minipegasus.models.outputs.Seq2SeqModelOutput`.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(self, *, return_dict: bool | None = None, **arguments: Any) -> Any:
        return self._returned(self._run(**arguments), return_dict)


class ConditionalGeneration(Seq2SeqBase, Generative):
    """Both stacks and a vocabulary head: summarisation, translation, text to text."""

    role: ClassVar[Role] = "seq2seq"
    #: Further inputs of the encoder, passed on by ``generate``.
    encoder_inputs: ClassVar[AbstractSet[str]] = frozenset({"head_mask"})
    #: Further inputs of the decoder, and what its own call names them.
    decoder_inputs: ClassVar[Mapping[str, str]] = {
        "decoder_head_mask": "head_mask",
        "cross_attn_head_mask": "cross_attn_head_mask",
    }
    #: Those with one entry per position, which ``generate`` cuts to a step's.
    positional_inputs: ClassVar[Mapping[str, str]] = {}

    @explained_by(Seq2SeqModel.__call__)
    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        head_mask: Any = None,
        decoder_head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run both stacks and the vocabulary head.

        Args:
            labels: int ``[b, t]``, -100 is ignored; adds the mean cross entropy as ``loss`` and switches the cache off.
                Where no decoder inputs are given they are the labels, shifted right.

        Returns:
            :class:`~minipegasus.models.outputs.Seq2SeqLMOutput`, ``logits`` float ``[b, t, v]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(self, *, labels: Any = None, return_dict: bool | None = None, **arguments: Any) -> Any:
        if labels is not None:
            labels = inputs.labels(labels, self.config.vocab_size)
            arguments["use_cache"] = False
            if arguments.get("decoder_input_ids") is None and arguments.get("decoder_inputs_embeds") is None:
                arguments["decoder_input_ids"] = self._shifted(labels)
        return self._returned(self._with_logits(self._run(**arguments), labels), return_dict)

    def _with_logits(self, out: Seq2SeqModelOutput, labels: IntArray | None) -> Seq2SeqLMOutput:
        """Return the head's output for both stacks'; the loss is not shifted."""
        rest = dict(out.items())
        logits = self._logits(rest.pop("last_hidden_state"))
        loss = None
        if labels is not None:
            if labels.size * logits.shape[-1] != logits.size:
                raise InputError(f"labels: expected shape {list(logits.shape[:2])}, found {list(labels.shape)}")
            loss = cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))
        return Seq2SeqLMOutput(loss=loss, logits=logits, **rest)

    def prepare_decoder_input_ids_from_labels(self, labels: Any) -> IntArray:
        """Return decoder inputs for labels int ``[b, t]``: shifted right, the start id in front, -100 as padding.

        Raises:
            InputError: labels are no ids, or the configuration lacks ``decoder_start_token_id`` or ``pad_token_id``.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> model = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")
        >>> model.prepare_decoder_input_ids_from_labels([[5, 6, -100]]).tolist()
        [[0, 5, 6]]
        """
        assert self._spec.decoder is not None
        return self._shifted(inputs.labels(labels, self._spec.decoder.vocab_size))

    def _shifted(self, labels_bt: IntArray) -> IntArray:
        return shift_tokens_right(labels_bt, self.config.pad_token_id, self.config.decoder_start_token_id)

    def model_keywords(self) -> AbstractSet[str]:
        """Return what ``generate`` may pass on to the model."""
        return {
            "attention_mask",
            "decoder_attention_mask",
            "encoder_outputs",
            "input_ids",
            "inputs_embeds",
            *self.encoder_inputs,
            *self.decoder_inputs,
            *self.positional_inputs,
        }

    def start_decoding(self, start: Start) -> RunningDecoding:
        """Run the encoder once and return a decoding at its start."""
        given = {name: value for name, value in start.inputs.items() if value is not None}
        decoder = self._spec.decoder
        assert decoder is not None
        names = {"input_ids", "inputs_embeds", "attention_mask", *self.encoder_inputs}
        encoded = self._encoded(
            given.get("encoder_outputs"),
            need_probs=start.output_attentions,
            need_states=start.output_hidden_states,
            **{name: value for name, value in given.items() if name in names},
        )
        rows = partial(np.repeat, repeats=start.rows_per_item, axis=0)
        mask = given.get("decoder_attention_mask")
        return RunningDecoding(
            partial(
                run_decoder,
                self.params["decoder"],
                decoder,
                self.dtype,
                prefix="decoder_",
                memory_states=self._memory(encoded),
                memory_mask=given.get("attention_mask"),
                shared_memory=True,
                need_probs=start.output_attentions,
                need_states=start.output_hidden_states,
                **{own: given[name] for name, own in self.decoder_inputs.items() if name in given},
            ),
            self._logits,
            Cache(decoder.layers, start.max_length) if start.use_cache else None,
            upto={} if mask is None else {"attention_mask": rows(np.asarray(mask))},
            per={
                own: rows(last_repeated(given[name], name, start.max_length))
                for name, own in self.positional_inputs.items()
                if name in given
            },
            encoded=encoded,
        )
