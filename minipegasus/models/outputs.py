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
    """An encoder's: last state ``[b, s, m]``, every layer's state, every layer's attention.

    >>> from minipegasus import PegasusModel
    >>> out = PegasusModel.from_pretrained("golden/pegasus").get_encoder()([[5, 6, 1]])
    >>> type(out).__name__, out.last_hidden_state.shape
    ('BaseModelOutput', (1, 3, 20))
    """

    last_hidden_state: FloatArray | None = None
    hidden_states: States | None = None
    attentions: States | None = None


@dataclass(frozen=True)
class BaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """A decoder's without a head: last state ``[b, t, m]``, cache, every layer's state and attentions.

    >>> from minipegasus import PegasusModel
    >>> out = PegasusModel.from_pretrained("golden/pegasus").get_decoder()([[0, 5]])
    >>> type(out).__name__, out.last_hidden_state.shape, out.past_key_values.get_seq_length()
    ('BaseModelOutputWithPastAndCrossAttentions', (1, 2, 20), 2)
    """

    last_hidden_state: FloatArray | None = None
    past_key_values: Cache | None = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass(frozen=True)
class BaseModelOutputWithPoolingAndCrossAttentions(ModelOutput):
    """A stack's, with ``pooler_output`` ``[b, m]`` computed from its first position.

    >>> from minipegasus import BertConfig, BertModel
    >>> out = BertModel(BertConfig(20, 8, num_hidden_layers=1, num_attention_heads=2))([[5, 6, 1]])
    >>> type(out).__name__, out.last_hidden_state.shape, out.pooler_output.shape
    ('BaseModelOutputWithPoolingAndCrossAttentions', (1, 3, 8), (1, 8))
    """

    last_hidden_state: FloatArray | None = None
    pooler_output: FloatArray | None = None
    hidden_states: States | None = None
    past_key_values: Cache | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass(frozen=True)
class Seq2SeqModelOutput(ModelOutput):
    """Both stacks': ``last_hidden_state`` is the decoder's ``[b, t, m]``.

    >>> from minipegasus import PegasusModel
    >>> out = PegasusModel.from_pretrained("golden/pegasus")([[5, 6, 1]], decoder_input_ids=[[0, 5]])
    >>> type(out).__name__, out.last_hidden_state.shape, out.encoder_last_hidden_state.shape
    ('Seq2SeqModelOutput', (1, 2, 20), (1, 3, 20))
    """

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
    """Logits ``[b, t, v]`` and, with labels, the loss.

    >>> from minipegasus import PegasusForConditionalGeneration
    >>> out = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")([[5, 6, 1]], labels=[[5, 1]])
    >>> type(out).__name__, out.logits.shape, out.loss.shape
    ('Seq2SeqLMOutput', (1, 2, 223), ())
    """

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
    """Logits ``[b, labels]`` and, with labels, the loss.

    >>> from minipegasus import BigBirdPegasusForSequenceClassification
    >>> model = BigBirdPegasusForSequenceClassification.from_pretrained("golden/bigbird_pegasus/classification")
    >>> out = model([[5, 6, 1]])
    >>> type(out).__name__, out.logits.shape == (1, model.config.num_labels), out.loss
    ('Seq2SeqSequenceClassifierOutput', True, None)
    """


@dataclass(frozen=True)
class Seq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Start and end logits ``[b, t]`` and, with both positions, the loss.

    >>> from minipegasus import BigBirdPegasusForQuestionAnswering
    >>> model = BigBirdPegasusForQuestionAnswering.from_pretrained("golden/bigbird_pegasus/question_answering")
    >>> out = model([[5, 6, 1]])
    >>> type(out).__name__, out.start_logits.shape, out.end_logits.shape
    ('Seq2SeqQuestionAnsweringModelOutput', (1, 3), (1, 3))
    """

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
    """Logits ``[b, t, v]`` of a decoder alone and, with labels, the loss.

    >>> from minipegasus import PegasusForCausalLM
    >>> out = PegasusForCausalLM.from_pretrained("golden/pegasus/causal")([[5, 6]], labels=[[5, 6]])
    >>> type(out).__name__, out.logits.shape, out.loss.shape
    ('CausalLMOutputWithCrossAttentions', (1, 2, 223), ())
    """

    loss: FloatArray | None = None
    logits: FloatArray | None = None
    past_key_values: Cache | None = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None
