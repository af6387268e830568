"""Make golden/encoder_decoder: tiny pairs of every kind and what transformers computes with them.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_encoder_decoder.py

Regenerates every byte on the same kind of processor; elsewhere the last bits of float64 may differ.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from golden_common import GOLDEN, fill, prepare, write_call, write_sums
from golden_vocabularies import write_byte_pairs, write_sentencepiece, write_word_pieces

FOLDER = GOLDEN / "encoder_decoder"
VOCABULARY = 84
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 15,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 22,
    "max_position_embeddings": 32,
}
# As in the released pairs of BertGeneration.
IDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "decoder_start_token_id": 2, "num_beams": 4}
EVERYTHING = {"output_attentions": True, "output_hidden_states": True}
MASK = np.array([[1] * 6, [1] * 4 + [0] * 2])
NAME = "EncoderDecoderModel"


def save(folder: Path, encoder: Any, decoder: Any, seed: int, **values: Any) -> None:
    """Write a pair with filled weights, as transformers saves it."""
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, **values)
    model = transformers.EncoderDecoderModel(config)
    fill(model, seed)
    # A bias as large as the rest would decide every word alone.
    with torch.no_grad():
        model.get_output_embeddings().bias.mul_(0.125)
    model.save_pretrained(folder)


def ids(rows: int, length: int, seed: int, low: int = 5, size: int = VOCABULARY) -> np.ndarray:
    """Return ids of ordinary pieces."""
    return np.random.default_rng(seed).integers(low, size, (rows, length))


def generate(folder: Path, case: str, source: np.ndarray, **settings: Any) -> None:
    """Write a case of ``generate``: ids and, of beams, their scores."""
    given = {"input_ids": source, "attention_mask": MASK, "max_length": 12, "return_dict_in_generate": True, **settings}
    write_call(folder, case, NAME, {**given, "output_scores": True}, method="generate", leave_out="scores")


def make_equal() -> None:
    """Two halves of one width."""
    config = transformers.BertGenerationConfig
    save(FOLDER, config(**SIZES), config(**SIZES), 264, **IDS)
    write_sentencepiece(FOLDER, VOCABULARY)
    source, target = ids(2, 6, 1), ids(2, 5, 2)
    both = {"input_ids": source, "attention_mask": MASK, "decoder_input_ids": target}
    write_call(FOLDER, "forward", NAME, {**both, **EVERYTHING})
    labels = np.where(target % 4, target, -100)
    write_call(FOLDER, "labels", NAME, {"input_ids": source, "attention_mask": MASK, "labels": labels})
    heads = np.random.default_rng(3).uniform(0, 1, (2, 2, 3)).astype(np.float32)
    positions = np.array([[4, 2, 9, 7, 0]])
    routed = {"head_mask": heads[0], "decoder_head_mask": heads[1], "decoder_position_ids": positions}
    write_call(FOLDER, "routed", NAME, {**both, **routed, "output_attentions": True})
    states = np.random.default_rng(4).normal(0, 1, (2, 6, 15)).astype(np.float32)
    write_call(FOLDER, "embeddings", NAME, {"inputs_embeds": states, "decoder_inputs_embeds": states[:, :4]})
    steps = [{**both, "decoder_input_ids": target[:, i : i + n]} for i, n in ((2, 1), (3, 2))]
    first = {**both, "decoder_input_ids": target[:, :2], "use_cache": True}
    write_call(FOLDER, "cached_steps", NAME, first, steps=steps)
    generate(FOLDER, "greedy", source, num_beams=1)
    generate(FOLDER, "beams", source)
    generate(FOLDER, "beams_returned", source, num_return_sequences=3, early_stopping=True, no_repeat_ngram_size=2)


def make_different() -> None:
    """A wider encoder: ``enc_to_dec_proj``."""
    folder, config = FOLDER / "different", transformers.BertGenerationConfig
    wide = {**SIZES, "hidden_size": 20, "num_attention_heads": 4, "intermediate_size": 18, "num_hidden_layers": 1}
    save(folder, config(**wide), config(**SIZES), 282, **IDS)
    source, target = ids(2, 6, 5), ids(2, 5, 6)
    write_call(
        folder,
        "forward",
        NAME,
        {"input_ids": source, "attention_mask": MASK, "decoder_input_ids": target, "output_hidden_states": True},
    )
    generate(folder, "beams", source)


def make_tied() -> None:
    """A pair whose halves share every weight: no encoder in the file."""
    folder, config = FOLDER / "tied", transformers.BertGenerationConfig
    save(folder, config(**SIZES), config(**SIZES), 71, **IDS, tie_encoder_decoder=True)
    source, target = ids(2, 6, 7), ids(2, 5, 8)
    write_call(folder, "forward", NAME, {"input_ids": source, "attention_mask": MASK, "decoder_input_ids": target})
    generate(folder, "beams", source)


def make_relative() -> None:
    """Relative positions of both kinds."""
    folder, config = FOLDER / "relative", transformers.BertGenerationConfig
    first, last = ({**SIZES, "position_embedding_type": f"relative_{kind}"} for kind in ("key_query", "key"))
    save(folder, config(**first), config(**last), 308, **IDS)
    source, target = ids(2, 6, 9), ids(2, 5, 10)
    both = {"input_ids": source, "attention_mask": MASK, "decoder_input_ids": target}
    # Several tokens and a cache together: the reference's distances are wrong.
    write_call(folder, "forward", NAME, {**both, "use_cache": False, "output_attentions": True})
    generate(folder, "beams", source)


def make_bert() -> None:
    """bert2bert: token types, poolers, the masked-word head; start and padding ids as its documents set them."""
    folder, config = FOLDER / "bert", transformers.BertConfig
    size = write_word_pieces(folder, 90)
    sizes = {**SIZES, "vocab_size": size}
    values = {"decoder_start_token_id": 2, "pad_token_id": 0, "eos_token_id": 3}
    save(folder, config(**sizes), config(**sizes), 241, **values)
    source, target = ids(2, 6, 11, size=size), ids(2, 5, 12, size=size)
    types = {"token_type_ids": np.array([[0, 0, 0, 1, 1, 1]] * 2)}
    given = {"input_ids": source, "attention_mask": MASK, **types}
    write_call(folder, "forward", NAME, {**given, "decoder_input_ids": target, "output_attentions": True})
    write_call(folder, "labels", NAME, {**given, "labels": target})
    generate(folder, "beams", source, num_beams=4, **types)


def make_roberta() -> None:
    """roberta2roberta: positions from the padding id on, counted over what is no padding."""
    folder, config = FOLDER / "roberta", transformers.RobertaConfig
    size = write_byte_pairs(folder, merges=30, limit=62)
    sizes = {**SIZES, "vocab_size": size, "layer_norm_eps": 1e-5, "type_vocab_size": 1, "max_position_embeddings": 64}
    values = {"decoder_start_token_id": 0, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    save(folder, config(**sizes), config(**sizes), 125, **values)
    source, target = ids(2, 6, 13, size=size), ids(2, 5, 14, size=size)
    source[1, 4:] = 1
    both = {"input_ids": source, "attention_mask": MASK, "decoder_input_ids": target}
    write_call(folder, "forward", NAME, {**both, **EVERYTHING})
    labels = target.copy()
    labels[1, 3:] = -100
    write_call(folder, "labels", NAME, {"input_ids": source, "attention_mask": MASK, "labels": labels})
    steps = [{**both, "decoder_input_ids": target[:, i : i + n]} for i, n in ((2, 1), (3, 2))]
    write_call(
        folder, "cached_steps", NAME, {**both, "decoder_input_ids": target[:, :2], "use_cache": True}, steps=steps
    )
    generate(folder, "beams", source, num_beams=4)


if __name__ == "__main__":
    prepare()
    torch.manual_seed(0)
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_equal()
    make_different()
    make_tied()
    make_relative()
    make_bert()
    make_roberta()
    write_sums(FOLDER)
