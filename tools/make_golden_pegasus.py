"""Make golden/pegasus: a tiny complete Pegasus folder and what transformers computes with it.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_pegasus.py

Regenerates every byte on the same kind of processor; elsewhere the last bits of float64 may differ.
"""

import shutil

import numpy as np
import torch
import transformers
from golden_common import GOLDEN, fill, prepare, replace, train_tokenizer, write_call, write_sums

FOLDER = GOLDEN / "pegasus"
PIECES = 120
VOCABULARY = PIECES + 103
SEED = 22


def make_folder() -> None:
    """Write the checkpoint: 2 + 2 layers, 4 heads of width 5, relu, scaled embeddings."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    config = transformers.PegasusConfig(
        vocab_size=VOCABULARY,
        d_model=20,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=24,
        decoder_ffn_dim=28,
        max_position_embeddings=48,
        activation_function="relu",
        scale_embedding=True,
        num_beams=3,
        length_penalty=0.8,
        max_length=16,
    )
    torch.manual_seed(SEED)
    model = transformers.PegasusForConditionalGeneration(config)
    fill(model, SEED, keep=lambda name: "embed_positions" in name)
    model.save_pretrained(FOLDER)
    replace(FOLDER / "spiece.model", train_tokenizer(PIECES, user_defined_symbols=["<n>"]))
    transformers.PegasusTokenizer(str(FOLDER / "spiece.model"), model_max_length=48).save_pretrained(FOLDER)


def ids(rows: int, length: int, seed: int) -> np.ndarray:
    """Return ids of ordinary pieces."""
    return np.random.default_rng(seed).integers(106, VOCABULARY, (rows, length))


def make_cases() -> None:
    """Write every case; the names say what each covers."""
    generation, bare, causal = "PegasusForConditionalGeneration", "PegasusModel", "PegasusForCausalLM"
    everything = {"output_attentions": True, "output_hidden_states": True}
    source, target = ids(2, 9, 1), ids(2, 5, 2)
    mask = np.array([[1] * 9, [1] * 6 + [0] * 3])
    heads = np.random.default_rng(3).uniform(0, 1, (3, 2, 4)).astype(np.float32)
    both = {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target}

    write_call(FOLDER, "forward", generation, {**both, **everything})
    write_call(FOLDER, "one_token", generation, {"input_ids": ids(1, 1, 4), "decoder_input_ids": ids(1, 1, 5)})
    write_call(FOLDER, "labels", generation, {"input_ids": source, "labels": np.where(target % 5, target, -100)})
    write_call(
        FOLDER,
        "head_masks",
        generation,
        {**both, "head_mask": heads[0], "decoder_head_mask": heads[1], "cross_attn_head_mask": heads[2], **everything},
    )
    embeds = np.random.default_rng(6).normal(0, 1, (2, 9, 20)).astype(np.float32)
    write_call(
        FOLDER, "embeddings", bare, {"inputs_embeds": embeds, "decoder_inputs_embeds": embeds[:, :4], **everything}
    )
    decoder_mask = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 0, 1]])
    write_call(FOLDER, "decoder_mask", bare, {**both, "decoder_attention_mask": decoder_mask, **everything})
    encoded = np.random.default_rng(7).normal(0, 1, (2, 9, 20)).astype(np.float32)
    steps = [
        {"decoder_input_ids": target[:, i : i + n], "input_ids": source, "attention_mask": mask}
        for i, n in ((2, 1), (3, 2))
    ]
    write_call(
        FOLDER, "cached_steps", generation, {**both, "decoder_input_ids": target[:, :2], "use_cache": True}, steps=steps
    )
    # Of the whole model's file a reader may take the decoder alone; transformers wants the aliases for that.
    write_causal_folder()
    causal_folder = FOLDER / "causal"
    write_call(causal_folder, "forward", causal, {"input_ids": target, "labels": target, **everything})
    write_call(
        causal_folder,
        "cross",
        causal,
        {"input_ids": target, "encoder_hidden_states": encoded, "encoder_attention_mask": mask, **everything},
    )
    write_call(causal_folder, "generate", causal, {"input_ids": target, "max_new_tokens": 6}, method="generate")

    def generate(case: str, leave_out: str = "scores", output_scores: bool = True, **arguments: object) -> None:
        given = {"input_ids": source, "attention_mask": mask, "return_dict_in_generate": True, **arguments}
        if output_scores:
            given["output_scores"] = True
        write_call(FOLDER, case, generation, given, method="generate", leave_out=leave_out)

    generate("greedy", num_beams=1, leave_out="")
    generate("beams", leave_out="", max_length=6)
    generate("beams_returned", num_beams=5, num_return_sequences=3, early_stopping=True, length_penalty=2.0)
    generate("beams_never", num_beams=4, early_stopping="never", no_repeat_ngram_size=2, min_length=6)
    generate("beams_negative", num_beams=2, length_penalty=-1.0, forced_eos_token_id=None)
    generate(
        "beams_banned", num_beams=3, bad_words_ids=[[110], [120, 121]], suppress_tokens=[130], repetition_penalty=1.3
    )
    generate(
        "groups", output_scores=False, num_beams=4, num_beam_groups=2, diversity_penalty=0.6, num_return_sequences=4
    )


def write_causal_folder() -> None:
    """Write the decoder alone, as transformers saves it."""
    config = transformers.PegasusConfig.from_pretrained(FOLDER)
    torch.manual_seed(SEED)
    model = transformers.PegasusForCausalLM(config)
    fill(model, SEED + 1, keep=lambda name: "embed_positions" in name)
    model.save_pretrained(FOLDER / "causal")


if __name__ == "__main__":
    prepare()
    make_folder()
    make_cases()
    write_sums(FOLDER)
