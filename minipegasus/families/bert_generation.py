"""BertGeneration (Rothe, Narayan and Severyn 2020): BERT's stack without token types, as encoder or decoder."""

from dataclasses import dataclass
from typing import ClassVar

from ..nn.stackspec import Positions
from ..spec import ModelSpec
from .bert_like import BertLikeConfig, bert_like_aliases, bert_like_renames, bert_like_spec, post_norm_stack
from .config import integer, token_id
from .family import Family, Role

__all__ = ["BERT_GENERATION", "BertGenerationConfig"]


@dataclass(init=False, repr=False, eq=False)
class BertGenerationConfig(BertLikeConfig):
    """Configuration of BertGeneration; the defaults are those of the released 24-layer checkpoints.

    ``is_decoder`` makes the stack causal, ``add_cross_attention`` lets it look at an encoder's states.

    :class:`~minipegasus.families.bert_like.BertLikeConfig` says what the fields are.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> config = BertGenerationConfig(hidden_size=64, num_attention_heads=4, is_decoder=True)
    >>> config.num_hidden_layers, config.bos_token_id, config.is_decoder
    (24, 2, True)
    """

    model_type: ClassVar[str] = "bert-generation"
    positional = tuple(
        name for name in BertLikeConfig.positional if name not in {"type_vocab_size", "classifier_dropout"}
    )

    vocab_size: int = integer(50358)
    hidden_size: int = integer(1024, high=2**16)
    num_hidden_layers: int = integer(24, low=0, high=1024)
    num_attention_heads: int = integer(16, high=2**12)
    intermediate_size: int = integer(4096, high=2**18)
    bos_token_id: int | None = token_id(2)
    eos_token_id: int | list[int] | None = token_id(1, many=True)


def _spec(config: BertGenerationConfig, role: Role) -> ModelSpec:
    # Learned positions are added with relative ones, too.
    return bert_like_spec(post_norm_stack(config, Positions("table", rows=config.max_position_embeddings)), role)


BERT_GENERATION = Family(
    model_type="bert-generation",
    config=BertGenerationConfig,
    spec=_spec,
    renames=bert_like_renames("bert", (("lm_head.weight", "lm_head.decoder.weight"),)),
    aliases=bert_like_aliases("bert", "lm_head", ("decoder.bias", "bias")),
    base_prefix="bert",
)
