"""The public PEGASUS-X classes: as Pegasus', without head masks."""

from typing import Any

from ..families.pegasus_x import PEGASUS_X
from .declared import declared
from .seq2seq import ConditionalGeneration, Seq2SeqModel

__all__ = ["PegasusXForConditionalGeneration", "PegasusXModel"]


class PegasusXModel(Seq2SeqModel):
    """PEGASUS-X without a head.

    With ``output_hidden_states`` the encoder's states are padded to whole blocks and the last entry is a pair (tokens,
    globals); with ``output_attentions`` each layer reports a dictionary with ``global`` and ``local``.
    """

    family = PEGASUS_X

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
    ) -> Any:
        """Run encoder and decoder; the arguments are those of :class:`Seq2SeqModel` without head masks."""


class PegasusXForConditionalGeneration(ConditionalGeneration):
    """PEGASUS-X with its vocabulary head."""

    family = PEGASUS_X

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
    ) -> Any:
        """Run the model; the arguments are those of :class:`ConditionalGeneration` without head masks."""
