"""The public RoBERTa classes: the halves of roberta2roberta pairs."""

from ..families.roberta import ROBERTA
from .bert_like import BareStack, StackLM

__all__ = ["RobertaForCausalLM", "RobertaModel"]


class RobertaModel(BareStack):
    """RoBERTa without a head, and the pooler over its first position.

    Positions are counted from ``pad_token_id + 1`` over what is no padding; a decoder counts all cached positions.

    >>> from minipegasus import RobertaConfig
    >>> config = RobertaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16)
    >>> out = RobertaModel(config)(input_ids=[[0, 6, 2]])
    >>> out.last_hidden_state.shape, out.pooler_output.shape
    ((1, 3, 8), (1, 8))
    """

    family = ROBERTA


class RobertaForCausalLM(StackLM):
    """RoBERTa as a language model.

    Alone it generates with positions counted from 0, because the reference's ``generate`` derives them so from the
    attention mask; within an :class:`~minipegasus.EncoderDecoderModel` they are counted from ``pad_token_id + 1``.

    >>> from minipegasus import RobertaConfig
    >>> config = RobertaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16, is_decoder=True)
    >>> RobertaForCausalLM(config)(input_ids=[[0, 6, 2]]).logits.shape
    (1, 3, 20)
    """

    family = ROBERTA
