"""One call of an encoder or a decoder: arguments checked, then handed to the bricks."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from ..families.config import Config
from ..nn.blocks import Memory
from ..nn.cache import Cache
from ..nn.coders import Coded, decode, encode
from ..nn.masks import head_rows
from ..nn.params import Params
from ..nn.patterns import full
from ..nn.stackspec import StackSpec
from . import inputs

__all__ = ["needs", "run_decoder", "run_encoder"]


def needs(config: Config, attentions: bool | None, states: bool | None) -> dict[str, Any]:
    """Return which of every layer's results are wanted: what the call says, or else the configuration."""
    return {
        "need_probs": config.output_attentions if attentions is None else attentions,
        "need_states": config.output_hidden_states if states is None else states,
    }


def _tokens(spec: StackSpec, ids: Any, embeds: Any, prefix: str, dtype: np.dtype[Any]) -> tuple[Any, Any, int, int]:
    """Return checked ids or embeddings, and the batch and length."""
    inputs.one_of(ids, embeds, prefix)
    if ids is not None:
        ids = inputs.token_ids(ids, f"{prefix}input_ids", spec.vocab_size)
        return ids, None, *ids.shape
    embeds = inputs.embeddings(embeds, f"{prefix}inputs_embeds", spec.width, dtype)
    return None, embeds, *embeds.shape[:2]


def _integers_like(value: Any, name: str, batch: int, length: int) -> Any:
    """Return optional per-position integers ``[b, t]``; one row serves the whole batch."""
    if value is None:
        return None
    array = inputs.integers(value, name)
    if array.shape not in {(batch, length), (1, length)}:
        raise InputError(f"{name}: expected shape {[batch, length]}, found {list(array.shape)}")
    return np.broadcast_to(array, (batch, length))


def _token_types(spec: StackSpec, value: Any, name: str, batch: int, length: int) -> Any:
    """Return optional token types ``[b, t]``; a stack without them has no use for any."""
    if value is None or not spec.token_types:
        return None
    return _integers_like(inputs.token_ids(value, name, spec.token_types), name, batch, length)


def run_encoder(
    p: Params,
    spec: StackSpec,
    dtype: np.dtype[Any],
    *,
    input_ids: Any = None,
    inputs_embeds: Any = None,
    attention_mask: Any = None,
    head_mask: Any = None,
    position_ids: Any = None,
    token_type_ids: Any = None,
    need_probs: bool = False,
    need_states: bool = False,
) -> Coded:
    """Check an encoder's arguments and run it. ``p`` is the encoder's own view of the weights."""
    ids, embeds, batch, length = _tokens(spec, input_ids, inputs_embeds, "", dtype)
    masking = inputs.masking(attention_mask, "attention_mask", batch, length, length, dtype)
    return encode(
        p,
        spec,
        ids,
        embeds,
        masking.visible_bs,
        bias_bhts=masking.bias_bhts,
        position_ids=_integers_like(position_ids, "position_ids", batch, length),
        token_type_ids=_token_types(spec, token_type_ids, "token_type_ids", batch, length),
        head_scales=head_rows(head_mask, spec.layers, spec.heads, "head_mask", dtype),
        need_states=need_states,
        need_probs=need_probs,
    )


def run_decoder(
    p: Params,
    spec: StackSpec,
    dtype: np.dtype[Any],
    *,
    prefix: str = "",
    input_ids: Any = None,
    inputs_embeds: Any = None,
    attention_mask: Any = None,
    memory_states: FloatArray | None = None,
    memory_mask: Any = None,
    head_mask: Any = None,
    cross_attn_head_mask: Any = None,
    cache: Cache | None = None,
    cache_position: Any = None,
    position_ids: Any = None,
    token_type_ids: Any = None,
    shared_memory: bool = False,
    need_probs: bool = False,
    need_states: bool = False,
) -> Coded:
    """Check a decoder's arguments and run it. ``prefix`` is what its arguments are called by in messages.

    With ``shared_memory`` the batch may be a multiple of the memory's: beams share what they look at.
    """
    ids, embeds, batch, length = _tokens(spec, input_ids, inputs_embeds, prefix, dtype)
    given = "input_ids" if embeds is None else "inputs_embeds"
    if cache is not None:
        cache.check(spec.layers, batch, spec.heads, spec.width // spec.heads)
    past = cache.get_seq_length() if cache is not None else 0
    name = f"{prefix}attention_mask"
    masking = inputs.masking(attention_mask, name, batch, length, past + length, dtype)
    if np.ndim(attention_mask) > 2:
        # A mask that says for every query what it sees says it in place of the causal limit.
        spec = replace(spec, attention="all")
    positions = _integers_like(position_ids, f"{prefix}position_ids", batch, length)
    if cache_position is not None:
        where = inputs.integers(cache_position, "cache_position", 1)
        if where.shape != (length,):
            raise InputError(f"cache_position: expected shape {[length]}, found {list(where.shape)}")
        if not np.array_equal(where, np.arange(past, past + length)):
            # As in the reference, other positions move both the position vectors and the causal limit; of several
            # queries each also sees as many keys as its own index says.
            if spec.attention == "causal":
                keys, own = np.arange(past + length), np.arange(length) if length > 1 else np.array([-1])
                shown = (keys <= where[:, None]) | (keys <= own[:, None])
                masking = masking.with_bias(inputs.hiding(shown[None, None], dtype))
                spec = replace(spec, attention="all")
            positions = np.broadcast_to(where, (batch, length)) if positions is None else positions
    head_scales = head_rows(head_mask, spec.layers, spec.heads, f"{prefix}head_mask", dtype)
    return decode(
        p,
        spec,
        ids,
        embeds,
        masking,
        start=past,
        position_ids=positions,
        token_type_ids=_token_types(spec, token_type_ids, f"{prefix}token_type_ids", batch, length),
        memory=_memory(memory_states, memory_mask, prefix + given, batch, length, cache, shared_memory),
        cache=cache,
        head_scales=head_scales,
        cross_head_scales=head_scales
        if spec.one_head_mask
        else head_rows(cross_attn_head_mask, spec.layers, spec.heads, "cross_attn_head_mask", dtype),
        need_states=need_states,
        need_probs=need_probs,
    )


def _memory(
    states_bsm: FloatArray | None, mask: Any, name: str, batch: int, queries: int, cache: Cache | None, shared: bool
) -> Memory | None:
    """Return what cross-attention looks at; a filled cache wins over the states, whose presence alone matters."""
    if states_bsm is None:
        return None
    rows, length = states_bsm.shape[:2]
    if cache is not None and cache.has_cross:
        cross = cache.layers[0].cross
        assert cross is not None
        rows, length = len(cross[0]), cross[0].shape[2]
        shared = True
    if batch != rows and (batch % rows or not shared):
        raise InputError(f"{name}: expected {rows} row(s), as the encoder's states have, found {batch}")
    masking = inputs.masking(mask, "encoder attention_mask", rows, queries, length, states_bsm.dtype)
    if masking.bias_bhts is not None:
        masking = replace(masking, bias_bhts=np.repeat(masking.bias_bhts, batch // rows, axis=0))
    return Memory(states_bsm, masking.with_pattern(full(queries, length)))
