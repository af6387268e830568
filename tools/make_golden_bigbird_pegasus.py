"""Make golden/bigbird_pegasus: tiny complete folders, one per class, and what transformers computes with them.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_bigbird_pegasus.py

Regenerates every byte on the same kind of processor; elsewhere the last bits of float64 may differ. Blocks of two
positions and one random one: up to 14 positions attention is full, from 15 on it is block-sparse.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from golden_common import GOLDEN, fill, prepare, replace, train_tokenizer, write_call, write_sums

FOLDER = GOLDEN / "bigbird_pegasus"
PIECES = 120
SEED = 82
FULL, SPARSE = 14, 15
EVERYTHING = {"output_attentions": True, "output_hidden_states": True}


def make_folder(class_name: str, folder: Path, seed: int, **options: Any) -> None:
    """Write a checkpoint: 2 + 2 layers (one each where a head is the point), 2 heads of width 6."""
    config = transformers.BigBirdPegasusConfig(
        **{
            "vocab_size": PIECES,
            "d_model": 12,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 20,
            "decoder_ffn_dim": 16,
            "max_position_embeddings": 32,
            "block_size": 2,
            "num_random_blocks": 1,
            # What a case in training mode computes is then no matter of chance.
            "dropout": 0.0,
            "num_beams": 5,
            "length_penalty": 0.8,
            "max_length": 16,
            **options,
        }
    )
    torch.manual_seed(seed)
    model = getattr(transformers, class_name)(config)
    fill(model, seed)
    model.save_pretrained(folder)


def make_tokenizer() -> None:
    """Write a tokenizer as the released ones are: ids are those of the pieces, the extra tokens are pieces too."""
    symbols = {"control_symbols": ["<s>", "[CLS]", "[SEP]"], "user_defined_symbols": ["[MASK]"]}
    replace(FOLDER / "spiece.model", train_tokenizer(PIECES, **symbols))
    tokenizer = transformers.PegasusTokenizer(
        str(FOLDER / "spiece.model"),
        offset=0,
        mask_token=transformers.AddedToken("[MASK]", lstrip=True, normalized=True),
        mask_token_sent=None,
        bos_token="<s>",
        sep_token="[SEP]",
        cls_token="[CLS]",
        additional_special_tokens=[],
        model_max_length=32,
    )
    tokenizer.save_pretrained(FOLDER)


def ids(rows: int, length: int, seed: int) -> np.ndarray:
    """Return ids of ordinary pieces, the last one eos."""
    values = np.random.default_rng(seed).integers(8, PIECES, (rows, length))
    values[:, -1] = 1
    return values


def floats(*shape: int, seed: int) -> np.ndarray:
    """Return normal numbers."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def prefix_mask(length: int, *seen: int) -> np.ndarray:
    """Return a mask with padding on the right."""
    return (np.arange(length) < np.array(seen)[:, None]).astype(np.int64)


def encoder_cases() -> None:
    """Lengths, masks and random blocks: what the two kinds of attention make of them."""
    bare, target = "BigBirdPegasusModel", ids(2, 3, 1)

    def call(case: str, length: int, mask: np.ndarray | None = None, *, rows: int = 2, **rest: Any) -> None:
        given = {"input_ids": ids(rows, length, length), "decoder_input_ids": target[:rows], **rest.pop("given", {})}
        if mask is not None:
            given["attention_mask"] = mask
        write_call(FOLDER, case, bare, given, leave_out=("decoder_", "cross_"), **rest)

    call("one_token", 1, rows=1)
    call("full", 9, prefix_mask(9, 9, 6), given=EVERYTHING)
    call("full_all_hidden", 7, prefix_mask(7, 7, 0), given=EVERYTHING)
    call("full_longest", FULL)
    call("sparse", SPARSE, rows=1, given=EVERYTHING)
    call("sparse_block_multiple", 18)
    call("sparse_block_multiple_and_one", 19, given={"output_hidden_states": True})
    call("sparse_padded_rows", 17, prefix_mask(17, 17, 9), given=EVERYTHING)
    call("sparse_all_hidden", 17, prefix_mask(17, 17, 0)[::-1].copy(), given=EVERYTHING)
    gaps = np.random.default_rng(5).integers(0, 2, (2, 20))
    gaps[1, :6] = 0
    call("sparse_gaps", 20, gaps)
    call("longest", 32, prefix_mask(32, 31, 32))
    call("random_2", 20, prefix_mask(20, 15), rows=1, options={"num_random_blocks": 2}, given=EVERYTHING)
    call("random_3", 24, prefix_mask(24, 19), rows=1, options={"num_random_blocks": 3}, given=EVERYTHING)
    call("original_full", 23, options={"attention_type": "original_full"})
    # What the reference trains with: random blocks are drawn, head by head.
    call("seeded", 20, prefix_mask(20, 17), rows=1, training=True, given=EVERYTHING)
    call("seeded_2", 25, training=True, options={"num_random_blocks": 2})
    call("seeded_3", 32, prefix_mask(32, 28, 20), training=True, options={"num_random_blocks": 3})
    call("seeded_full", FULL, training=True)


def generation_cases() -> None:
    """The vocabulary head: labels, given embeddings, head masks, cached steps, generated ids."""
    generation = "BigBirdPegasusForConditionalGeneration"
    source, target, mask = ids(2, 17, 2), ids(2, 5, 3), prefix_mask(17, 17, 11)
    both = {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target}
    write_call(FOLDER, "forward", generation, {**both, **EVERYTHING}, leave_out="encoder_")
    write_call(FOLDER, "no_decoder_ids", generation, {"input_ids": source[:, :6]})
    write_call(FOLDER, "labels", generation, {"input_ids": source, "labels": np.where(target % 5, target, -100)})
    heads = np.random.default_rng(3).uniform(0, 1, (3, 2, 2)).astype(np.float32)
    scales = {"head_mask": heads[0], "decoder_head_mask": heads[1], "cross_attn_head_mask": heads[2]}
    write_call(FOLDER, "head_masks", generation, {**both, **scales})
    short = {"input_ids": source[:, :9], "attention_mask": mask[:, :9], "decoder_input_ids": target}
    write_call(FOLDER, "head_masks_full", generation, {**short, **scales})
    embeds = {"inputs_embeds": floats(2, 20, 12, seed=6), "decoder_inputs_embeds": floats(2, 4, 12, seed=7)}
    write_call(FOLDER, "embeddings", generation, embeds)
    decoder_mask = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 0, 1]])
    write_call(FOLDER, "decoder_mask", generation, {**both, "decoder_attention_mask": decoder_mask})
    steps = [
        {"decoder_input_ids": target[:, i : i + n], "input_ids": source, "attention_mask": mask}
        for i, n in ((2, 1), (3, 2))
    ]
    first = {**both, "decoder_input_ids": target[:, :2], "use_cache": True}
    later = tuple(f"step.{i}.encoder_" for i in range(len(steps)))
    write_call(FOLDER, "cached_steps", generation, first, steps=steps, leave_out=later)

    def generate(case: str, **arguments: object) -> None:
        given = {"input_ids": source, "attention_mask": mask, "return_dict_in_generate": True, **arguments}
        write_call(FOLDER, case, generation, given, method="generate", leave_out="scores")

    generate("greedy", num_beams=1, output_scores=True)
    generate("beams", output_scores=True)
    generate("beams_returned", num_beams=4, num_return_sequences=3, early_stopping=True, output_scores=True)
    generate("beams_short_input", input_ids=source[:, :8], attention_mask=mask[:, :8], no_repeat_ngram_size=2)


def head_cases() -> None:
    """The classes with a folder of their own."""
    classification, answers, causal = (FOLDER / name for name in ("classification", "question_answering", "causal"))
    one = {"encoder_layers": 1, "decoder_layers": 1}
    make_folder("BigBirdPegasusForSequenceClassification", classification, SEED + 1, num_labels=3, **one)
    make_folder("BigBirdPegasusForQuestionAnswering", answers, SEED + 2, use_bias=True, **one)
    make_folder("BigBirdPegasusForCausalLM", causal, SEED + 3, **one)
    source, target, mask = ids(2, 20, 11), ids(2, 5, 12), prefix_mask(20, 20, 13)
    # Two eos in every row, at different places: the last counts.
    source[0, 4] = source[1, 11] = 1
    both = {"input_ids": source, "attention_mask": mask}

    def classify(case: str, labels: np.ndarray | None, **options: Any) -> None:
        given = both if labels is None else {**both, "labels": labels}
        write_call(classification, case, "BigBirdPegasusForSequenceClassification", given, options=options)

    classify("logits", None)
    classify("single_label", np.array([2, 0]))
    classify("multi_label", np.array([[1, 0, 1], [0, 0, 1]], np.float32))
    classify("regression", floats(2, 3, seed=13), problem_type="regression")
    short = {"input_ids": source[:, -6:], "labels": np.array([1, -100])}
    write_call(classification, "short", "BigBirdPegasusForSequenceClassification", short)

    spans = "BigBirdPegasusForQuestionAnswering"
    write_call(answers, "logits", spans, {**both, "decoder_input_ids": target})
    write_call(
        answers, "loss", spans, {**both, "start_positions": np.array([1, 30]), "end_positions": np.array([-2, 7])}
    )
    write_call(answers, "short", spans, {"input_ids": source[:, :6], "start_positions": np.array([0, 3])})

    write_call(causal, "forward", "BigBirdPegasusForCausalLM", {"input_ids": target, "labels": target, **EVERYTHING})
    looking = {"encoder_hidden_states": floats(2, 9, 12, seed=15), "encoder_attention_mask": prefix_mask(9, 9, 4)}
    write_call(causal, "cross", "BigBirdPegasusForCausalLM", {"input_ids": target, **looking, **EVERYTHING})
    given = {"input_ids": target[:, :3], "max_new_tokens": 6}
    write_call(causal, "generate", "BigBirdPegasusForCausalLM", given, method="generate")


if __name__ == "__main__":
    prepare()
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_folder("BigBirdPegasusForConditionalGeneration", FOLDER, SEED)
    make_tokenizer()
    encoder_cases()
    generation_cases()
    head_cases()
    write_sums(FOLDER)
