"""The public BertGeneration classes."""

from typing import Any

from ..families.bert_generation import BERT_GENERATION
from .bert_like import BareStack, StackLM
from .declared import declared, explained_by

__all__ = ["BertGenerationDecoder", "BertGenerationEncoder"]


class BertGenerationEncoder(BareStack):
    """BertGeneration without a head: an encoder, or with ``is_decoder`` in its configuration a decoder's body.

    A :class:`BertGenerationDecoder`'s folder opens as a causal body, because its configuration says so; pass
    ``is_decoder=False, add_cross_attention=False`` for an encoder. A BERT folder opens, too: token types, pooler and
    heads are left out.

    >>> from minipegasus import BertGenerationConfig
    >>> config = BertGenerationConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16)
    >>> out = BertGenerationEncoder(config)(input_ids=[[5, 6, 1]])
    >>> out.last_hidden_state.shape, list(out)
    ((1, 3, 8), ['last_hidden_state'])
    """

    family = BERT_GENERATION

    @explained_by(BareStack.__call__)
    @declared
    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
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
        token_type_ids: Any = None,
    ) -> Any:
        """Run the stack.

        Args:
            token_type_ids: accepted, because BERT's tokenizer returns them, and without effect.

        Returns:
            :class:`~minipegasus.models.outputs.BaseModelOutputWithPastAndCrossAttentions`.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """


class BertGenerationDecoder(StackLM):
    """BertGeneration with its vocabulary head.

    >>> from minipegasus import BertGenerationConfig
    >>> config = BertGenerationConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16, is_decoder=True)
    >>> out = BertGenerationDecoder(config)(input_ids=[[2, 5, 6]], labels=[[2, 5, 6]])
    >>> out.logits.shape, out.loss.shape
    ((1, 3, 20), ())
    """

    family = BERT_GENERATION

    @explained_by(StackLM.__call__)
    @declared
    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
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
        num_items_in_batch: float | None = None,
        token_type_ids: Any = None,
    ) -> Any:
        """Run the stack and the vocabulary head.

        Args:
            token_type_ids: accepted, because BERT's tokenizer returns them, and without effect.

        Returns:
            :class:`~minipegasus.models.outputs.CausalLMOutputWithCrossAttentions`, ``logits`` float ``[b, t, v]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """
