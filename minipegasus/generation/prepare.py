"""The inputs of one call: ids, masks, positions and the prompt, as arrays with one row per batch item.

Source: ``_prepare_model_inputs``, ``_prepare_attention_mask_for_generation`` and
``_prepare_decoder_input_ids_for_generation`` of transformers 4.56.2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, FloatArray, IntArray
from ..errors import InputError
from ..nn.arguments import checked, encoder_parts
from .config import GenerationConfig
from .processors import token_ids

__all__ = ["Inputs", "extend", "prepare_inputs"]


@dataclass
class Inputs:
    """What a call runs on.

    ``prompt_ids_bt`` are the ids before the first new one. ``source_ids_bs`` are the encoder's ids (a decoder-only
    model: the prompt), ``None`` where there are only embeddings. ``model`` is what the model receives.
    ``embedded_length`` counts the embeddings that stand for a decoder-only prompt.
    """

    prompt_ids_bt: IntArray
    source_ids_bs: IntArray | None
    model: dict[str, Any]
    embedded_length: int | None = None


def prepare_inputs(
    config: GenerationConfig,
    keywords: dict[str, Any],
    inputs: Any,
    *,
    encoder_decoder: bool,
    eos_ids: IntArray | None,
    pad_id: int | None,
) -> Inputs:
    """Sort the inputs of a call out; ``keywords`` are the model keywords given, none of them ``None``."""
    given = dict(keywords)
    ids = given.pop("input_ids", None)
    if inputs is not None and ids is not None:
        raise InputError("inputs, input_ids: expected one of them, found both")
    ids = inputs if ids is None else ids
    ids_bs = None if ids is None else id_matrix(ids, "input_ids")
    if "attention_mask" in given:
        given["attention_mask"] = checked(given["attention_mask"], "attention_mask")
        if given["attention_mask"].ndim != 2:
            raise InputError(f"attention_mask: expected 2 axes, found shape {given['attention_mask'].shape}")
    sort_out = _encoder_decoder_inputs if encoder_decoder else _decoder_only_inputs
    return sort_out(config, given, ids_bs, eos_ids, pad_id)


def id_matrix(ids: Any, name: str) -> IntArray:
    """Return token ids as an int64 array of shape ``(items, length)``."""
    array = checked(ids, name, "integers")
    if array.ndim != 2 or array.dtype.kind == "b":
        raise InputError(f"{name}: expected integers of shape (items, length), found {array.dtype} {array.shape}")
    if not len(array):
        raise InputError(f"{name}: expected at least one row, found shape {array.shape}")
    return array.astype(np.int64, copy=False)


def _encoder_decoder_inputs(
    config: GenerationConfig,
    given: dict[str, Any],
    ids_bs: IntArray | None,
    eos_ids: IntArray | None,
    pad_id: int | None,
) -> Inputs:
    if "decoder_inputs_embeds" in given:
        raise InputError("decoder_inputs_embeds: expected decoder_input_ids as the prompt of generate")
    embeds, encoded = _embeddings(given), given.get("encoder_outputs")
    if embeds is not None and ids_bs is not None:
        raise InputError("input_ids, inputs_embeds: expected one of them, found both")
    if ids_bs is None and embeds is None and encoded is None:
        ids_bs = _only_bos(config, 1)
    if encoded is None and "attention_mask" not in given:
        given["attention_mask"] = _inferred_mask(ids_bs, embeds, eos_ids, pad_id)
    if ids_bs is not None:
        given["input_ids"] = ids_bs
    items = len(ids_bs) if ids_bs is not None else len(embeds) if embeds is not None else _encoded_items(encoded)
    prompt_ids_bt = _decoder_prompt(config, given, items)
    return Inputs(prompt_ids_bt, ids_bs, given)


def _decoder_only_inputs(
    config: GenerationConfig,
    given: dict[str, Any],
    ids_bs: IntArray | None,
    eos_ids: IntArray | None,
    pad_id: int | None,
) -> Inputs:
    embeds = _embeddings(given)
    if ids_bs is None:
        ids_bs = _only_bos(config, 1) if embeds is None else np.empty((len(embeds), 0), np.int64)
    if "attention_mask" not in given:
        given["attention_mask"] = _inferred_mask(ids_bs, None if ids_bs.size else embeds, eos_ids, pad_id)
    if embeds is None or not ids_bs.size:
        _of_shape(given["attention_mask"], ids_bs.shape if embeds is None else embeds.shape[:2], "attention_mask")
    if embeds is None:
        return Inputs(ids_bs, ids_bs, given)
    return Inputs(ids_bs, None, given, embedded_length=np.shape(embeds)[1])


def _embeddings(given: dict[str, Any]) -> FloatArray | None:
    """Return the embeddings given, if any; their width is the model's to check."""
    if "inputs_embeds" not in given:
        return None
    array = checked(given["inputs_embeds"], "inputs_embeds")
    if array.ndim != 3:
        raise InputError(f"inputs_embeds: expected 3 axes, found shape {array.shape}")
    return array


def _of_shape(mask_bt: Array, shape: tuple[int, ...], name: str) -> Array:
    """Return a mask that is as long as the prompt: it is lengthened by ones, and would hide anything beyond."""
    if mask_bt.shape != shape:
        raise InputError(f"{name}: expected the prompt's shape {shape}, found {mask_bt.shape}")
    return mask_bt


def _only_bos(config: GenerationConfig, items: int) -> IntArray:
    if config.bos_token_id is None:
        raise InputError("input_ids: expected ids, or a bos_token_id to begin with, found neither")
    return np.full((items, 1), config.bos_token_id, np.int64)


def _encoded_items(encoder_outputs: Any) -> int:
    return len(np.atleast_1d(checked(encoder_parts(encoder_outputs)[0], "encoder_outputs")))


def _inferred_mask(ids_bs: IntArray | None, embeds: Any, eos_ids: IntArray | None, pad_id: int | None) -> IntArray:
    """Return 0 at padding ids, if there are any and padding is no end token; otherwise ones."""
    if embeds is not None or ids_bs is None:
        return np.ones(np.shape(embeds)[:2], np.int64)
    if pad_id is None or (eos_ids is not None and pad_id in eos_ids):
        return np.ones(ids_bs.shape, np.int64)
    mask_bs: IntArray = (ids_bs != pad_id).astype(np.int64)
    return mask_bs


def _decoder_prompt(config: GenerationConfig, given: dict[str, Any], items: int) -> IntArray:
    """Return the decoder's prompt and leave its mask in ``given``.

    The start token goes before a given prompt only if no row begins with it.
    """
    start = config.bos_token_id if config.decoder_start_token_id is None else config.decoder_start_token_id
    if start is None:
        raise InputError("decoder_start_token_id: expected it or bos_token_id to be set, found None")
    start_b = token_ids(start, "decoder_start_token_id")
    if len(start_b) not in (1, items) or (isinstance(start, list) and len(start_b) != items):
        raise InputError(f"decoder_start_token_id: expected one id or {items}, found {start!r}")
    start_b1 = np.broadcast_to(start_b, items)[:, None]
    prompt_ids_bt = id_matrix(given.pop("decoder_input_ids", start_b1), "decoder_input_ids")
    if len(prompt_ids_bt) != items:
        raise InputError(f"decoder_input_ids: expected {items} rows, found {len(prompt_ids_bt)}")
    if "decoder_attention_mask" in given:
        mask_bt = checked(given["decoder_attention_mask"], "decoder_attention_mask")
        given["decoder_attention_mask"] = _of_shape(mask_bt, prompt_ids_bt.shape, "decoder_attention_mask")
    if prompt_ids_bt.shape[1] and (prompt_ids_bt[:, :1] == start_b1).any():
        return np.array(prompt_ids_bt)
    if "decoder_attention_mask" in given:
        given["decoder_attention_mask"] = np.concatenate([np.ones_like(mask_bt[:, :1]), mask_bt], 1)
    return np.concatenate([start_b1, prompt_ids_bt], 1)


def extend(inputs: Inputs, positions: int, *, encoder_decoder: bool, derive_position_ids: bool) -> None:
    """Let the decoder's mask and position ids reach to ``positions`` columns: ones, and counting on."""
    prefix = "decoder_" if encoder_decoder else ""
    mask_name, positions_name = f"{prefix}attention_mask", f"{prefix}position_ids"
    if mask_name in inputs.model:
        mask_bt = np.asarray(inputs.model[mask_name])
        ones = np.ones((len(mask_bt), max(positions - mask_bt.shape[1], 0)), mask_bt.dtype)
        mask_bt = inputs.model[mask_name] = np.concatenate([mask_bt, ones], 1)
        if derive_position_ids and positions_name not in inputs.model:
            visible_bt = mask_bt != 0
            inputs.model[positions_name] = np.where(visible_bt, np.cumsum(visible_bt, 1) - 1, 1)
            return
    if positions_name in inputs.model:
        given_bt = id_matrix(inputs.model[positions_name], positions_name)
        more = np.arange(1, max(positions - given_bt.shape[1], 0) + 1)
        inputs.model[positions_name] = np.concatenate([given_bt, given_bt[:, -1:] + more], 1)
