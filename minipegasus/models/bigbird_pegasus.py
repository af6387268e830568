"""The public BigBird-Pegasus classes."""

from ..families.bigbird_pegasus import BIGBIRD_PEGASUS
from .causal import CausalLM
from .heads import QuestionAnswering, SequenceClassification
from .seq2seq import ConditionalGeneration, Seq2SeqModel

__all__ = [
    "BigBirdPegasusForCausalLM",
    "BigBirdPegasusForConditionalGeneration",
    "BigBirdPegasusForQuestionAnswering",
    "BigBirdPegasusForSequenceClassification",
    "BigBirdPegasusModel",
]


class BigBirdPegasusModel(Seq2SeqModel):
    """BigBird-Pegasus without a head. Missing decoder ids are made from the input ids.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> BigBirdPegasusModel(config)(input_ids=[[5, 6, 1]]).last_hidden_state.shape
    (1, 3, 8)
    """

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForConditionalGeneration(ConditionalGeneration):
    """BigBird-Pegasus with its vocabulary head.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> model = BigBirdPegasusForConditionalGeneration(config)
    >>> model.generate([[5, 6, 1]], min_length=4, max_length=4).shape
    (1, 4)
    """

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForSequenceClassification(SequenceClassification):
    """BigBird-Pegasus with a classification head.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1, num_labels=3,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> out = BigBirdPegasusForSequenceClassification(config)(input_ids=[[5, 6, 1]], labels=[2])
    >>> out.logits.shape, out.loss.shape
    ((1, 3), ())
    """

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForQuestionAnswering(QuestionAnswering):
    """BigBird-Pegasus with a span head. Its configuration's ``num_labels`` is 2.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> out = BigBirdPegasusForQuestionAnswering(config)(input_ids=[[5, 6, 1]], start_positions=[0], end_positions=[1])
    >>> out.start_logits.shape, out.end_logits.shape, out.loss.shape
    ((1, 3), (1, 3), ())
    """

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForCausalLM(CausalLM):
    """BigBird-Pegasus' decoder alone. Its loss is not shifted.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> BigBirdPegasusForCausalLM(config)(input_ids=[[2, 5, 6]]).logits.shape
    (1, 3, 20)
    """

    family = BIGBIRD_PEGASUS
