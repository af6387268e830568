"""A whole model as data: its stacks, its head and the shape of every weight."""

from dataclasses import dataclass
from typing import Literal

from .nn.stackspec import StackSpec

__all__ = ["ModelSpec", "Shape", "weight_shapes"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """Every point in which the families differ, once a configuration is given.

    Attributes:
        encoder, decoder: the stacks, either of which may be missing.
        head: what stands on the last stack.
        head_labels: number of classes of a classification head.
        logits_bias: ``"none"``, ``"buffer"`` (``final_logits_bias`` ``[1, V]``) or ``"vector"`` (``lm_head.bias``).
        head_transform: the activation, where a dense layer, it and a norm precede the vocabulary projection.
        pooler: a dense layer and tanh over the first position stand beside the encoder.
        bridge: a projection joins stacks of different width.

    >>> from minipegasus.families import PEGASUS, PegasusConfig
    >>> spec = PEGASUS.spec(PegasusConfig(encoder_layers=2), "seq2seq")
    >>> spec.encoder.layers, spec.decoder.cross_attention, spec.head, spec.logits_bias
    (2, True, 'lm', 'buffer')
    """

    encoder: StackSpec | None
    decoder: StackSpec | None
    head: Literal["none", "lm", "classification", "spans"] = "none"
    head_labels: int = 0
    logits_bias: Literal["none", "buffer", "vector"] = "none"
    head_transform: str | None = None
    pooler: bool = False
    bridge: bool = False


def weight_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the name and shape of every weight, in our names (``encoder.layers.0.self_attn.q_proj.weight``).

    Projections are ``(out, in)``, as checkpoints store them. Tied weights are listed under each of their names.

    >>> from minipegasus.families import PEGASUS, PegasusConfig
    >>> shapes = weight_shapes(PEGASUS.spec(PegasusConfig(vocab_size=50, d_model=32, encoder_ffn_dim=64), "seq2seq"))
    >>> shapes["encoder.layers.0.fc1.weight"], shapes["lm_head.weight"], shapes["final_logits_bias"]
    ((64, 32), (50, 32), (1, 50))
    """
    shapes: dict[str, Shape] = {}
    for path, stack in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        if stack is not None:
            shapes |= {f"{path}.{name}": shape for name, shape in _stack_shapes(stack).items()}
    last = spec.decoder or spec.encoder
    assert last is not None
    if spec.bridge and spec.encoder is not None:
        shapes |= _dense("enc_to_dec_proj", last.width, spec.encoder.width)
    if spec.pooler and spec.encoder is not None:
        shapes |= _dense("pooler.dense", spec.encoder.width, spec.encoder.width)
    if spec.head == "lm":
        if spec.head_transform is not None:
            shapes |= _dense("lm_head.dense", last.width, last.width) | _norm("lm_head.layer_norm", last.width)
        shapes["lm_head.weight"] = (last.vocab_size, last.width)
        if spec.logits_bias == "buffer":
            shapes["final_logits_bias"] = (1, last.vocab_size)
        elif spec.logits_bias == "vector":
            shapes["lm_head.bias"] = (last.vocab_size,)
    elif spec.head == "classification":
        shapes |= _dense("classification_head.dense", last.width, last.width)
        shapes |= _dense("classification_head.out_proj", spec.head_labels, last.width)
    elif spec.head == "spans":
        shapes |= _dense("qa_outputs", 2, last.width)
    return shapes


def _dense(path: str, out: int, into: int, bias: bool = True) -> dict[str, Shape]:
    return {f"{path}.weight": (out, into)} | ({f"{path}.bias": (out,)} if bias else {})


def _norm(path: str, width: int) -> dict[str, Shape]:
    return {f"{path}.weight": (width,), f"{path}.bias": (width,)}


def _stack_shapes(stack: StackSpec) -> dict[str, Shape]:
    m = stack.width
    shapes: dict[str, Shape] = {"embed_tokens.weight": (stack.vocab_size, m)}
    if stack.positions.rows is not None:
        shapes["embed_positions.weight"] = (stack.positions.rows, m)
    if stack.token_types:
        shapes["embed_token_types.weight"] = (stack.token_types, m)
    if stack.has_global_norm:
        shapes["embed_global.weight"] = (stack.global_tokens, m)
    if stack.embedding_norm:
        shapes |= _norm("embed_norm", m)
    for i in range(stack.layers):
        shapes |= {f"layers.{i}.{name}": shape for name, shape in _layer_shapes(stack).items()}
    if stack.final_norm:
        shapes |= _norm("layer_norm", m)
    return shapes


def _layer_shapes(stack: StackSpec) -> dict[str, Shape]:
    m = stack.width
    shapes: dict[str, Shape] = {}
    for path in ["self_attn", *(["encoder_attn"] if stack.cross_attention else [])]:
        for part in ("k_proj", "v_proj", "q_proj"):
            shapes |= _dense(f"{path}.{part}", m, m, stack.attention_bias)
        shapes |= _dense(f"{path}.out_proj", m, m, stack.attention_bias)
        shapes |= _norm(f"{path}_layer_norm", m)
    if stack.relative is not None:
        assert stack.positions.rows is not None
        shapes["self_attn.distance_embedding.weight"] = (2 * stack.positions.rows - 1, m // stack.heads)
    if stack.has_global_norm:
        shapes |= _norm("global_self_attn_layer_norm", m)
    return shapes | _dense("fc1", stack.ffn, m) | _dense("fc2", m, stack.ffn) | _norm("final_layer_norm", m)
