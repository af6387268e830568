"""The public Pegasus classes."""

from ..families.pegasus import PEGASUS
from .causal import CausalLM
from .seq2seq import ConditionalGeneration, Seq2SeqModel

__all__ = ["PegasusForCausalLM", "PegasusForConditionalGeneration", "PegasusModel"]


class PegasusModel(Seq2SeqModel):
    """Pegasus without a head.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> out = PegasusModel(config)(input_ids=[[5, 6, 1]], decoder_input_ids=[[0, 7]])
    >>> out.last_hidden_state.shape, out.last_hidden_state.dtype.name
    ((1, 2, 8), 'float32')
    """

    family = PEGASUS


class PegasusForConditionalGeneration(ConditionalGeneration):
    """Pegasus with its vocabulary head: the class that summarises.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> model = PegasusForConditionalGeneration(config)
    >>> out = model(input_ids=[[5, 6, 1]], labels=[[7, 1]])
    >>> out.logits.shape, out.loss.shape
    ((1, 2, 20), ())
    """

    family = PEGASUS


class PegasusForCausalLM(CausalLM):
    """Pegasus' decoder alone. Its loss is not shifted.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> PegasusForCausalLM(config)(input_ids=[[0, 5, 6]]).logits.shape
    (1, 3, 20)
    """

    family = PEGASUS
