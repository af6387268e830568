"""What BertGeneration, BERT and RoBERTa share: the fields of their configurations, one post-norm stack, its names."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..errors import ConfigError
from ..nn.stackspec import Positions, StackSpec
from ..ops import ACTIVATIONS
from ..spec import ModelSpec
from .config import Config, choice, flag, integer, number, token_id
from .family import Role, Tied
from .names import Rules, prefixed

__all__ = ["BertLikeConfig", "bert_like_aliases", "bert_like_renames", "bert_like_spec", "post_norm_stack"]

_RELATIVE: dict[str, Literal["key", "key_query"] | None] = {
    "absolute": None,
    "relative_key": "key",
    "relative_key_query": "key_query",
}


@dataclass(init=False, repr=False, eq=False)
class BertLikeConfig(Config):
    """Fields of BertGenerationConfig, BertConfig and RobertaConfig, which override the defaults.

    Attributes:
        vocab_size, max_position_embeddings: rows of the embedding tables.
        hidden_size: width of the model, a multiple of ``num_attention_heads``.
        num_hidden_layers, num_attention_heads: counts.
        intermediate_size: width inside the feed-forward blocks.
        hidden_act: one of ``minipegasus.ops.ACTIVATIONS``.
        layer_norm_eps: added to the variance in every norm.
        position_embedding_type: "absolute", "relative_key" or "relative_key_query".
        cross_attention_hidden_size: None, or for a half of a pair the width of both halves.
        initializer_range: standard deviation of weights that are made anew.
        hidden_dropout_prob, attention_probs_dropout_prob: kept for files; nothing is dropped here.
    """

    positional: ClassVar[tuple[str, ...]] = (
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
        *("hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size"),
        *("initializer_range", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id"),
        *("position_embedding_type", "use_cache", "classifier_dropout"),
    )

    vocab_size: int = integer(30522)
    hidden_size: int = integer(768, high=2**16)
    num_hidden_layers: int = integer(12, low=0, high=1024)
    num_attention_heads: int = integer(12, high=2**12)
    intermediate_size: int = integer(3072, high=2**18)
    hidden_act: str = choice("gelu", ACTIVATIONS)
    hidden_dropout_prob: float = number(0.1)
    attention_probs_dropout_prob: float = number(0.1)
    max_position_embeddings: int = integer(512)
    initializer_range: float = number(0.02, high=1e6)
    layer_norm_eps: float = number(1e-12)
    position_embedding_type: str = choice("absolute", tuple(_RELATIVE))
    cross_attention_hidden_size: int | None = integer(None)
    use_cache: bool = flag(True)
    pad_token_id: int | None = token_id(0)

    def contradictions(self) -> list[str]:
        """Return a head count that does not divide the width."""
        if self.hidden_size % self.num_attention_heads == 0:
            return []
        found = self.num_attention_heads
        return [f"num_attention_heads: expected a divisor of hidden_size = {self.hidden_size}, found {found}"]


def post_norm_stack(config: BertLikeConfig, positions: Positions, token_types: int = 0) -> StackSpec:
    """Return the one stack of these families: an encoder, or with ``is_decoder`` a decoder."""
    if config.add_cross_attention and not config.is_decoder:
        raise ConfigError("add_cross_attention: expected is_decoder=True beside it, found is_decoder=False")
    return StackSpec(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        vocab_size=config.vocab_size,
        width=config.hidden_size,
        ffn=config.intermediate_size,
        activation=config.hidden_act,
        eps=config.layer_norm_eps,
        norm="post",
        final_norm=False,
        embedding_norm=True,
        positions=positions,
        token_types=token_types,
        attention="causal" if config.is_decoder else "all",
        relative=_RELATIVE[config.position_embedding_type],
        cross_attention=config.add_cross_attention,
        one_head_mask=True,
    )


def bert_like_spec(stack: StackSpec, role: Role, *, transform: str | None = None, pooler: bool = False) -> ModelSpec:
    """Return the model of a role over this stack: a vocabulary head, or the bare stack and perhaps a pooler."""
    if role == "causal":
        return ModelSpec(None, stack, head="lm", logits_bias="vector", head_transform=transform)
    return ModelSpec(stack, None, pooler=pooler)


_ATTENTION = (("q_proj.", "self.query."), ("k_proj.", "self.key."), ("v_proj.", "self.value."))
_BODY: Rules = (
    ("embed_tokens.", "embeddings.word_embeddings."),
    ("embed_positions.", "embeddings.position_embeddings."),
    ("embed_token_types.", "embeddings.token_type_embeddings."),
    ("embed_norm.", "embeddings.LayerNorm."),
    *prefixed(_ATTENTION, "layers.*.self_attn.", "encoder.layer.*.attention."),
    ("layers.*.self_attn.out_proj.", "encoder.layer.*.attention.output.dense."),
    ("layers.*.self_attn.distance_embedding.", "encoder.layer.*.attention.self.distance_embedding."),
    ("layers.*.self_attn_layer_norm.", "encoder.layer.*.attention.output.LayerNorm."),
    *prefixed(_ATTENTION, "layers.*.encoder_attn.", "encoder.layer.*.crossattention."),
    ("layers.*.encoder_attn.out_proj.", "encoder.layer.*.crossattention.output.dense."),
    ("layers.*.encoder_attn_layer_norm.", "encoder.layer.*.crossattention.output.LayerNorm."),
    ("layers.*.fc1.", "encoder.layer.*.intermediate.dense."),
    ("layers.*.fc2.", "encoder.layer.*.output.dense."),
    ("layers.*.final_layer_norm.", "encoder.layer.*.output.LayerNorm."),
)


def bert_like_renames(prefix: str, head: Rules) -> Any:
    """Return the renames of these families: the body below ``prefix`` in head classes, ``head`` beside it."""

    def renames(config: Config, role: Role) -> Rules:
        if role == "causal":
            return (*prefixed(_BODY, "decoder.", f"{prefix}."), *head)
        return prefixed(_BODY, "encoder.", "")

    return renames


def bert_like_aliases(prefix: str, head: str, biases: tuple[str, str]) -> Any:
    """Return the groups of names that are one tensor: the vocabulary matrix, where tied, and the head's bias.

    ``head`` is the checkpoint's module of the head; ``biases`` are its two names of one vector, the one that counts
    first. Files are written with ``bias``.
    """

    def aliases(config: Config, role: Role) -> list[Tied]:
        if role != "causal":
            return []
        bias = Tied(("lm_head.bias",), tuple(f"{head}.{name}" for name in biases), f"{head}.bias")
        if not config.tie_word_embeddings:
            return [bias]
        table = (f"{prefix}.embeddings.word_embeddings.weight", f"{head}.decoder.weight")
        return [bias, Tied(("decoder.embed_tokens.weight", "lm_head.weight"), table)]

    return aliases
