"""The public PEGASUS-X classes: as Pegasus', without head masks."""

from typing import Any

from ..families.pegasus_x import PEGASUS_X
from .declared import declared, explained_by
from .seq2seq import ConditionalGeneration, Seq2SeqModel

__all__ = ["PegasusXForConditionalGeneration", "PegasusXModel"]


class PegasusXModel(Seq2SeqModel):
    """PEGASUS-X without a head.

    With ``output_hidden_states`` the encoder's states are padded to whole blocks and the last entry is a pair (tokens,
    globals); with ``output_attentions`` each layer reports a dictionary with ``global`` and ``local``.

    >>> from minipegasus import PegasusXConfig
    >>> config = PegasusXConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> PegasusXModel(config)(input_ids=[[5, 6, 1]], decoder_input_ids=[[0, 7]]).last_hidden_state.shape
    (1, 2, 8)
    """

    family = PEGASUS_X

    @explained_by(Seq2SeqModel.__call__)
    @declared
    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any: ...


class PegasusXForConditionalGeneration(ConditionalGeneration):
    """PEGASUS-X with its vocabulary head.

    >>> from minipegasus import PegasusXConfig
    >>> config = PegasusXConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> model = PegasusXForConditionalGeneration(config)
    >>> model(input_ids=[[5, 6, 1]], labels=[[7, 1]]).logits.shape
    (1, 2, 20)
    """

    family = PEGASUS_X

    @explained_by(ConditionalGeneration.__call__)
    @declared
    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
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
    ) -> Any: ...
