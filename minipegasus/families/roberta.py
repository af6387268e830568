"""RoBERTa (Liu et al. 2019), the half that roberta2roberta pairs are made of."""

from dataclasses import dataclass
from typing import ClassVar

from ..nn.stackspec import Positions
from ..spec import ModelSpec
from .bert_like import BertLikeConfig, bert_like_aliases, bert_like_renames, bert_like_spec, post_norm_stack
from .config import integer, token_id
from .family import Family, Role

__all__ = ["ROBERTA", "RobertaConfig"]


@dataclass(init=False, repr=False, eq=False)
class RobertaConfig(BertLikeConfig):
    """Configuration of RoBERTa; the defaults are the reference's (released files say 514 positions and 1e-5).

    Positions are counted from ``pad_token_id + 1``, so that ``max_position_embeddings`` tokens do not quite fit.

    :class:`~minipegasus.families.bert_like.BertLikeConfig` says what the fields are.

    Raises:
        ConfigError: values of a wrong type or range, or that contradict each other; all of them are named.

    >>> RobertaConfig().pad_token_id, RobertaConfig().bos_token_id
    (1, 0)
    """

    model_type: ClassVar[str] = "roberta"

    vocab_size: int = integer(50265)
    type_vocab_size: int = integer(2)
    pad_token_id: int | None = token_id(1)
    bos_token_id: int | None = token_id(0)
    eos_token_id: int | list[int] | None = token_id(2, many=True)

    def contradictions(self) -> list[str]:
        """Return also a missing padding id, from which positions are counted."""
        if self.pad_token_id is None or self.pad_token_id < 0:
            found = f"pad_token_id: expected an id, from which positions are counted, found {self.pad_token_id}"
            return [*super().contradictions(), found]
        return super().contradictions()


def _spec(config: RobertaConfig, role: Role) -> ModelSpec:
    assert config.pad_token_id is not None
    positions = Positions(
        "table" if config.position_embedding_type == "absolute" else "unused",
        rows=config.max_position_embeddings,
        offset=config.pad_token_id + 1,
        skips=config.pad_token_id,
    )
    stack = post_norm_stack(config, positions, config.type_vocab_size)
    # Whatever the stack's activation is, the head's is gelu.
    return bert_like_spec(stack, role, transform="gelu", pooler=True)


ROBERTA = Family(
    model_type="roberta",
    config=RobertaConfig,
    spec=_spec,
    renames=bert_like_renames("roberta", (("lm_head.weight", "lm_head.decoder.weight"),)),
    aliases=bert_like_aliases("roberta", "lm_head", ("decoder.bias", "bias")),
    base_prefix="roberta",
)
