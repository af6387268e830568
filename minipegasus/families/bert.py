"""BERT (Devlin et al. 2019), the half that bert2bert pairs are made of."""

from dataclasses import dataclass
from typing import ClassVar

from ..nn.stackspec import Positions
from ..spec import ModelSpec
from .bert_like import BertLikeConfig, bert_like_aliases, bert_like_renames, bert_like_spec, post_norm_stack
from .config import integer
from .family import Family, Role

__all__ = ["BERT", "BertConfig"]


@dataclass(init=False, repr=False, eq=False)
class BertConfig(BertLikeConfig):
    """Configuration of BERT; the defaults are those of the base size.

    :class:`~minipegasus.families.bert_like.BertLikeConfig` says what the fields are.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> BertConfig().hidden_size, BertConfig(type_vocab_size=1).type_vocab_size
    (768, 1)
    """

    model_type: ClassVar[str] = "bert"
    positional = tuple(name for name in BertLikeConfig.positional if name not in {"bos_token_id", "eos_token_id"})

    type_vocab_size: int = integer(2)


def _spec(config: BertConfig, role: Role) -> ModelSpec:
    absolute = config.position_embedding_type == "absolute"
    positions = Positions("table" if absolute else "unused", rows=config.max_position_embeddings)
    stack = post_norm_stack(config, positions, config.type_vocab_size)
    return bert_like_spec(stack, role, transform=config.hidden_act, pooler=True)


BERT = Family(
    model_type="bert",
    config=BertConfig,
    spec=_spec,
    renames=bert_like_renames(
        "bert",
        (
            ("lm_head.dense.", "cls.predictions.transform.dense."),
            ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
            ("lm_head.weight", "cls.predictions.decoder.weight"),
            ("lm_head.bias", "cls.predictions.bias"),
        ),
    ),
    aliases=bert_like_aliases("bert", "cls.predictions", ("bias", "decoder.bias")),
    base_prefix="bert",
)
