"""The public BERT classes: the halves of bert2bert pairs."""

from ..families.bert import BERT
from .bert_like import BareStack, StackLM

__all__ = ["BertLMHeadModel", "BertModel"]


class BertModel(BareStack):
    """BERT without a head, and the pooler over its first position.

    >>> from minipegasus import BertConfig
    >>> config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16)
    >>> out = BertModel(config)(input_ids=[[5, 6, 1]], token_type_ids=[[0, 0, 1]])
    >>> out.last_hidden_state.shape, out.pooler_output.shape
    ((1, 3, 8), (1, 8))
    """

    family = BERT


class BertLMHeadModel(StackLM):
    """BERT as a language model: its masked-word head reads the next word where ``is_decoder`` is set.

    >>> from minipegasus import BertConfig
    >>> config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16, is_decoder=True)
    >>> BertLMHeadModel(config)(input_ids=[[5, 6, 1]]).logits.shape
    (1, 3, 20)
    """

    family = BERT
