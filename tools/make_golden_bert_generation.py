"""Make golden/bert_generation: tiny BertGeneration, BERT and RoBERTa folders and what transformers computes with them.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_bert_generation.py

Regenerates every byte on the same kind of processor; elsewhere the last bits of float64 may differ.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
import transformers
from golden_common import GOLDEN, fill, prepare, write_call, write_sums
from golden_vocabularies import write_byte_pairs, write_sentencepiece, write_word_pieces
from transformers.loss import loss_utils

FOLDER = GOLDEN / "bert_generation"
SEED = 50
VOCABULARY = 84
SIZES: dict[str, Any] = {
    "hidden_size": 15,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 22,
    "max_position_embeddings": 32,
}
EVERYTHING = {"output_attentions": True, "output_hidden_states": True}
MASK = np.array([[1] * 6, [1] * 4 + [0] * 2])


def exact_losses() -> None:
    """Compute the shifted loss in the logits' own dtype; transformers rounds float64 logits to float32 for it."""

    def shifted(logits: torch.Tensor, labels: torch.Tensor, vocab_size: int, **options: Any) -> torch.Tensor:
        targets = torch.nn.functional.pad(labels, (0, 1), value=-100)[..., 1:].reshape(-1)
        divisor = options.get("num_items_in_batch")
        loss = torch.nn.functional.cross_entropy(
            logits.view(-1, vocab_size), targets, reduction="mean" if divisor is None else "sum"
        )
        return loss if divisor is None else loss / divisor

    loss_utils.LOSS_MAPPING["ForCausalLM"] = shifted


def save(folder: Path, model: Any, seed: int) -> None:
    """Fill a model and write it."""
    fill(model, seed)
    model.save_pretrained(folder)


def ids(rows: int, length: int, seed: int, low: int = 5, size: int = VOCABULARY) -> np.ndarray:
    """Return ids of ordinary pieces."""
    return np.random.default_rng(seed).integers(low, size, (rows, length))


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Return embeddings or states."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def make_encoder() -> None:
    config = transformers.BertGenerationConfig(vocab_size=VOCABULARY, **SIZES)
    save(FOLDER, transformers.BertGenerationEncoder(config), SEED)
    write_sentencepiece(FOLDER, VOCABULARY)

    def case(name: str, **arguments: Any) -> None:
        write_call(FOLDER, name, "BertGenerationEncoder", arguments)

    source = ids(2, 6, 1)
    case("forward", input_ids=source, attention_mask=MASK, **EVERYTHING)
    case("one_token", input_ids=ids(1, 1, 2))
    blocks = np.kron(np.eye(3, dtype=np.int64), np.ones((2, 2), np.int64))[None].repeat(2, axis=0)
    case("mask_per_query", input_ids=source, attention_mask=blocks, **EVERYTHING)
    heads = np.random.default_rng(3).uniform(0, 1, (2, 3)).astype(np.float32)
    case(
        "embeddings_positions_heads",
        inputs_embeds=numbers(4, 2, 6, 15),
        position_ids=np.array([[3, 1, 4, 15, 9, 31]]),
        head_mask=heads,
    )
    case("hidden_row", input_ids=source, attention_mask=np.array([[1] * 6, [0] * 6]))


def make_decoder() -> None:
    folder = FOLDER / "decoder"
    config = transformers.BertGenerationConfig(vocab_size=VOCABULARY, **SIZES, is_decoder=True)
    save(folder, transformers.BertGenerationDecoder(config), SEED + 1)
    write_sentencepiece(folder, VOCABULARY)
    name, target = "BertGenerationDecoder", ids(2, 6, 5)
    labels = np.where(target % 4, target, -100)
    write_call(folder, "forward", name, {"input_ids": target, "attention_mask": MASK, **EVERYTHING})
    write_call(folder, "labels", name, {"input_ids": target, "labels": labels})
    write_call(folder, "labels_counted", name, {"input_ids": target, "labels": labels, "num_items_in_batch": 7})
    steps = [{"input_ids": target[:, 3:4]}, {"input_ids": target[:, 4:6], "attention_mask": MASK}]
    write_call(folder, "cached_steps", name, {"input_ids": target[:, :3], "use_cache": True}, steps=steps)
    prompts = {"input_ids": target[:, :4], "attention_mask": np.array([[0, 0, 1, 1], [1] * 4])}
    write_call(folder, "greedy", name, {**prompts, "max_new_tokens": 8}, method="generate")
    write_call(folder, "beams", name, {**prompts, "max_new_tokens": 8, "num_beams": 3}, method="generate")
    # A decoder's file opened as an encoder stays causal, as its configuration says.
    write_call(folder, "as_encoder", "BertGenerationEncoder", {"input_ids": target, "use_cache": False})


def make_crossing() -> None:
    folder = FOLDER / "crossing"
    config = transformers.BertGenerationConfig(
        vocab_size=VOCABULARY, **SIZES, is_decoder=True, add_cross_attention=True
    )
    save(folder, transformers.BertGenerationDecoder(config), SEED + 2)
    name, target = "BertGenerationDecoder", ids(2, 5, 6)
    memory = {"encoder_hidden_states": numbers(7, 2, 6, 15), "encoder_attention_mask": MASK}
    heads = np.random.default_rng(8).uniform(0, 1, 3).astype(np.float32)
    write_call(folder, "forward", name, {"input_ids": target, **memory, "head_mask": heads, **EVERYTHING})
    write_call(folder, "without_memory", name, {"input_ids": target, "output_hidden_states": True})
    shown = np.triu(np.ones((2, 5, 6), np.int64))
    write_call(folder, "mask_per_query", name, {"input_ids": target, **memory, "encoder_attention_mask": shown})
    steps = [{"input_ids": target[:, i : i + n], **memory} for i, n in ((2, 1), (3, 2))]
    write_call(folder, "cached_steps", name, {"input_ids": target[:, :2], **memory, "use_cache": True}, steps=steps)


def make_relative() -> None:
    for offset, kind in enumerate(("relative_key", "relative_key_query")):
        folder = FOLDER / kind
        config = transformers.BertGenerationConfig(
            vocab_size=VOCABULARY, **SIZES, is_decoder=True, position_embedding_type=kind
        )
        save(folder, transformers.BertGenerationDecoder(config), SEED + 3 + offset)
        name, target = "BertGenerationDecoder", ids(2, 6, 9)
        # Several tokens and a cache together: the reference's distances are wrong.
        once = {"input_ids": target, "attention_mask": MASK, "use_cache": False}
        write_call(folder, "forward", name, {**once, **EVERYTHING})
        steps = [{"input_ids": target[:, i : i + 1]} for i in (1, 2, 3)]
        write_call(folder, "cached_steps", name, {"input_ids": target[:, :1], "use_cache": True}, steps=steps)
        write_call(
            folder,
            "both_directions",
            "BertGenerationEncoder",
            {"input_ids": target, "attention_mask": MASK, **EVERYTHING},
            options={"is_decoder": False},
        )


def make_bert() -> None:
    """Write a BERT folder as the first ones were: pre-training heads, ``gamma`` and ``beta``."""
    folder = FOLDER / "bert"
    size = write_word_pieces(folder, 90)
    config = transformers.BertConfig(vocab_size=size, **SIZES)
    save(folder, transformers.BertForPreTraining(config), SEED + 5)
    path = folder / "model.safetensors"
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in safetensors.numpy.load_file(path).items()
    }
    safetensors.numpy.save_file(tensors, path, {"format": "pt"})
    source = ids(2, 6, 10, size=size)
    types = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
    given = {"input_ids": source, "attention_mask": MASK}
    causal = {"is_decoder": True}
    write_call(folder, "forward", "BertModel", {**given, "token_type_ids": types, **EVERYTHING})
    write_call(
        folder,
        "language_model",
        "BertLMHeadModel",
        {**given, "token_type_ids": types, "labels": source},
        options=causal,
    )
    write_call(folder, "greedy", "BertLMHeadModel", {**given, "max_new_tokens": 6}, method="generate", options=causal)
    write_call(folder, "as_bert_generation", "BertGenerationEncoder", given)
    write_call(folder, "as_bert_generation_decoder", "BertGenerationDecoder", given, options=causal)


def make_roberta() -> None:
    folder = FOLDER / "roberta"
    size = write_byte_pairs(folder, merges=40, limit=30)
    config = transformers.RobertaConfig(vocab_size=size, **SIZES, layer_norm_eps=1e-5, type_vocab_size=1)
    save(folder, transformers.RobertaForMaskedLM(config), SEED + 6)
    source = ids(2, 6, 11, size=size)
    source[1, 4:] = config.pad_token_id
    given = {"input_ids": source, "attention_mask": MASK}
    causal = {"is_decoder": True}
    write_call(folder, "forward", "RobertaModel", {**given, **EVERYTHING}, leave_out="pooler")
    write_call(folder, "language_model", "RobertaForCausalLM", {**given, "labels": source}, options=causal)
    steps = [{"input_ids": source[:, i : i + n]} for i, n in ((2, 1), (3, 2))]
    write_call(
        folder,
        "cached_steps",
        "RobertaForCausalLM",
        {"input_ids": source[:, :2], "use_cache": True},
        steps=steps,
        options=causal,
    )
    write_call(
        folder, "greedy", "RobertaForCausalLM", {**given, "max_new_tokens": 6}, method="generate", options=causal
    )


if __name__ == "__main__":
    prepare()
    exact_losses()
    torch.manual_seed(SEED)
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_encoder()
    make_decoder()
    make_crossing()
    make_relative()
    make_bert()
    make_roberta()
    write_sums(FOLDER)
