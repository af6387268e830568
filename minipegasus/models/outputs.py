"""The outputs of the public classes, with the reference's names and field order."""

from dataclasses import dataclass
from typing import Any

from ..arrays import FloatArray
from ..nn.cache import Cache
from ..outputs import ModelOutput

__all__ = [
    "BaseModelOutput",
    "BaseModelOutputWithPastAndCrossAttentions",
    "BaseModelOutputWithPoolingAndCrossAttentions",
    "CausalLMOutputWithCrossAttentions",
    "Seq2SeqLMOutput",
    "Seq2SeqModelOutput",
    "Seq2SeqQuestionAnsweringModelOutput",
    "Seq2SeqSequenceClassifierOutput",
]

# One entry per layer; a PEGASUS-X encoder reports pairs and dictionaries among them.
States = tuple[Any, ...]


@dataclass(frozen=True)
class BaseModelOutput(ModelOutput):
    """An encoder's: last state ``[b, s, m]``, every layer's state, every layer's attention."""

    last_hidden_state: FloatArray | None = None
    hidden_states: States | None = None
    attentions: States | None = None


@dataclass(frozen=True)
class BaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """A decoder's without a head."""

    last_hidden_state: FloatArray | None = None
    past_key_values: Cache | None = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass(frozen=True)
class BaseModelOutputWithPoolingAndCrossAttentions(ModelOutput):
    """A stack's, with ``pooler_output`` ``[b, m]`` computed from its first position."""

    last_hidden_state: FloatArray | None = None
    pooler_output: FloatArray | None = None
    hidden_states: States | None = None
    past_key_values: Cache | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass(frozen=True)
class Seq2SeqModelOutput(ModelOutput):
    """Both stacks': ``last_hidden_state`` is the decoder's ``[b, t, m]``."""

    last_hidden_state: FloatArray | None = None
    past_key_values: Cache | None = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: FloatArray | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass(frozen=True)
class Seq2SeqLMOutput(ModelOutput):
    """Logits ``[b, t, v]`` and, with labels, the loss."""

    loss: FloatArray | None = None
    logits: FloatArray | None = None
    past_key_values: Cache | None = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: FloatArray | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass(frozen=True)
class Seq2SeqSequenceClassifierOutput(Seq2SeqLMOutput):
    """Logits ``[b, labels]`` and, with labels, the loss."""


@dataclass(frozen=True)
class Seq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Start and end logits ``[b, t]`` and, with both positions, the loss."""

    loss: FloatArray | None = None
    start_logits: FloatArray | None = None
    end_logits: FloatArray | None = None
    past_key_values: Cache | None = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: FloatArray | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass(frozen=True)
class CausalLMOutputWithCrossAttentions(ModelOutput):
    """Logits ``[b, t, v]`` of a decoder alone and, with labels, the loss."""

    loss: FloatArray | None = None
    logits: FloatArray | None = None
    past_key_values: Cache | None = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None
