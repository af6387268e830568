"""Make golden/pegasus_x: tiny complete folders and what transformers computes with them.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_pegasus_x.py

Regenerates every byte on the same kind of processor; elsewhere the last bits of float64 may differ. Blocks of four
positions, staggered in the second layer; 8 positions by the configuration, which nothing looks at.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from golden_common import GOLDEN, fill, prepare, replace, train_tokenizer, write_call, write_sums

FOLDER = GOLDEN / "pegasus_x"
PIECES = 120
VOCABULARY = PIECES + 103
BLOCK = 4
SEED = 105
EVERYTHING = {"output_attentions": True, "output_hidden_states": True}


def make_folder(folder: Path, seed: int, **options: Any) -> None:
    """Write a checkpoint: 3 + 2 layers, 2 heads of width 6, 3 globals."""
    config = transformers.PegasusXConfig(
        **{
            "vocab_size": VOCABULARY,
            "d_model": 12,
            "encoder_layers": 3,
            "decoder_layers": 2,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 20,
            "decoder_ffn_dim": 16,
            "max_position_embeddings": 8,
            "activation_function": "relu",
            "block_size": BLOCK,
            "num_global_tokens": 3,
            "num_beams": 4,
            "length_penalty": 0.8,
            "max_length": 16,
            **options,
        }
    )
    torch.manual_seed(seed)
    model = transformers.PegasusXForConditionalGeneration(config)
    fill(model, seed)
    model.save_pretrained(folder)


def ids(rows: int, length: int, seed: int) -> np.ndarray:
    """Return ids of ordinary pieces."""
    return np.random.default_rng(seed).integers(106, VOCABULARY, (rows, length))


def floats(*shape: int, seed: int) -> np.ndarray:
    """Return normal numbers."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def prefix_mask(length: int, *seen: int) -> np.ndarray:
    """Return a mask with padding on the right."""
    return (np.arange(length) < np.array(seen)[:, None]).astype(np.int64)


def encoder_cases() -> None:
    """Lengths around a block, masks, numbers of globals, blocks that stay where they are."""
    target = ids(2, 2, 1)

    def call(
        case: str, length: int, mask: np.ndarray | None = None, *, folder: Path = FOLDER, rows: int = 2, **rest: Any
    ) -> None:
        given = {"input_ids": ids(rows, length, length), "decoder_input_ids": target[:rows], **EVERYTHING}
        if mask is not None:
            given["attention_mask"] = mask
        write_call(folder, case, "PegasusXModel", given, leave_out=("decoder_", "cross_"), **rest)

    call("length_1", 1)
    call("block_less_one", BLOCK - 1, rows=1)
    call("block", BLOCK, rows=1)
    call("block_and_one", BLOCK + 1, rows=1)
    call("three_blocks", 3 * BLOCK, rows=1)
    call("padded_rows", 10, prefix_mask(10, 10, 7))
    call("hidden_block", 11, np.array([[1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1], [1] * 3 + [0] * 8]))
    call("all_hidden", 6, prefix_mask(6, 6, 0))
    call("not_staggered", 7, rows=1, options={"stagger_local_blocks": False, "block_size": 3})
    call("one_block", 7, rows=1, options={"block_size": 16})
    # One layer of each kind; without globals a hidden block looks at nothing but what is hidden.
    for globals_ in (0, 1, 8):
        folder = FOLDER / f"globals_{globals_}"
        make_folder(folder, SEED + 1 + globals_, num_global_tokens=globals_, encoder_layers=2, decoder_layers=1)
        call("padded_rows", 7, prefix_mask(7, 7, 3), folder=folder)
    folder = FOLDER / "globals_0"
    call("hidden_block", 9, np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0, 0, 0]]), folder=folder)
    call("all_hidden", 5, prefix_mask(5, 5, 0), folder=folder)
    call("block_and_one", BLOCK + 1, folder=folder, rows=1)


def generation_cases() -> None:
    """The vocabulary head: labels, given embeddings, cached steps, generated ids."""
    generation = "PegasusXForConditionalGeneration"
    source, target, mask = ids(2, 10, 2), ids(2, 5, 3), prefix_mask(10, 10, 6)
    both = {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target}
    write_call(FOLDER, "forward", generation, {**both, **EVERYTHING}, leave_out="encoder_")
    write_call(FOLDER, "labels", generation, {"input_ids": source, "labels": np.where(target % 5, target, -100)})
    write_call(FOLDER, "long", generation, {"input_ids": ids(1, 41, 4), "decoder_input_ids": ids(1, 3, 5)})
    embeds = {"inputs_embeds": floats(2, 9, 12, seed=6), "decoder_inputs_embeds": floats(2, 4, 12, seed=7)}
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
    generate("beams_long_input", input_ids=ids(2, 33, 8), attention_mask=prefix_mask(33, 33, 20), output_scores=True)
    generate("beams_returned", num_beams=8, num_return_sequences=3, no_repeat_ngram_size=2, output_scores=True)


if __name__ == "__main__":
    prepare()
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_folder(FOLDER, SEED)
    replace(FOLDER / "spiece.model", train_tokenizer(PIECES, user_defined_symbols=["<n>"]))
    # The released files give 1024, which is not the model's limit.
    transformers.PegasusTokenizer(str(FOLDER / "spiece.model"), model_max_length=1024).save_pretrained(FOLDER)
    encoder_cases()
    generation_cases()
    write_sums(FOLDER)
