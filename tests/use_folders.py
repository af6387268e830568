"""Tiny checkpoint folders with random weights and a real tokenizer: what a user has, in milliseconds."""

import shutil
from pathlib import Path
from typing import Any

import minipegasus

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
VOCABULARIES = GOLDEN / "tokenizer"
SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 40,
    "init_std": 0.4,
}
#: For BigBird-Pegasus: blocks that short texts already fill.
BLOCKS: dict[str, Any] = {"max_position_embeddings": 512, "block_size": 4, "num_random_blocks": 1}


def make_folder(
    folder: Path, class_name: str = "PegasusForConditionalGeneration", seed: int = 0, **values: Any
) -> Path:
    """Write a checkpoint folder of a class and return it; ``values`` are the configuration's."""
    name = "bigbird_pegasus" if class_name.startswith("BigBird") else "pegasus"
    tokenizer = minipegasus.PegasusTokenizer.from_pretrained(VOCABULARIES / name)
    model_class = getattr(minipegasus, class_name)
    family = class_name.split("For")[0]
    config_class = getattr(minipegasus, f"{family}Config")
    config = config_class(**{"vocab_size": len(tokenizer), **SIZES, **values})
    model_class(config, seed=seed).save_pretrained(folder)
    for file in (VOCABULARIES / name).iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder


def make_pair(folder: Path, kind: str = "bert_generation", seed: int = 0, **values: Any) -> Path:
    """Write an encoder-decoder folder with two halves of a kind (``bert_generation``, ``bert``, ``roberta``)."""
    tokenizer = minipegasus.AutoTokenizer.from_pretrained(VOCABULARIES / kind)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 42,
        "initializer_range": 0.4,
        "pad_token_id": tokenizer.pad_token_id,
    }
    names = {"bert": "BertConfig", "bert_generation": "BertGenerationConfig", "roberta": "RobertaConfig"}
    config_class = getattr(minipegasus, names[kind])
    start, end = ("cls", "sep") if kind == "bert" else ("bos", "eos")
    config = minipegasus.EncoderDecoderConfig.from_encoder_decoder_configs(
        config_class(**sizes),
        config_class(**sizes | {"hidden_size": 24}),
        decoder_start_token_id=getattr(tokenizer, f"{start}_token_id"),
        eos_token_id=getattr(tokenizer, f"{end}_token_id"),
        pad_token_id=tokenizer.pad_token_id,
        **values,
    )
    minipegasus.EncoderDecoderModel(config, seed=seed).save_pretrained(folder)
    for file in (VOCABULARIES / kind).iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder
