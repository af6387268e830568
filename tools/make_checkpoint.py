"""Write a random checkpoint folder with the shapes, names and configuration of a published one.

    python tools/make_checkpoint.py /tmp/pegasus-large
    python tools/make_checkpoint.py /tmp/small --family pegasus_x --layers 2 --d-model 64 --heads 4 --dtype bfloat16

Without options it is google/pegasus-large: 568 million parameters, 2.3 GB of float32. Needs NumPy alone; memory stays
small, because weights are drawn while they are written. Matrices and learned positions are normal with deviation 0.02,
norms 1 and 0, biases 0, Pegasus' positions its sinusoids. The same options and seed give the same bytes.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # from a checkout that is not installed, too

from minipegasus.arrays import Array
from minipegasus.checkpoints.json_file import dump_json
from minipegasus.checkpoints.safetensors_writer import write_weights
from minipegasus.checkpoints.save import CONFIG, COPIED_FILES, GENERATION_CONFIG
from minipegasus.checkpoints.staging import staged
from minipegasus.checkpoints.tensors import TensorInfo, narrow_bfloat16, pieces_of

DEVIATION = 0.02
PIECE = 1 << 20  # elements drawn at a time
DROPOUT = {"dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.1}
BEAMS = {"num_beams": 8, "length_penalty": 0.8, "max_length": 256}

Config = dict[str, Any]
Shapes = Iterator[tuple[str, tuple[int, ...]]]

# --- configurations, as published ------------------------------------------------------------------------------------


def seq2seq(model_type: str, name: str, size: argparse.Namespace, **special: Any) -> Config:
    """Return the config of one of the three Pegasus families."""
    stacks = {
        f"{stack}_{key}": value
        for stack in ("encoder", "decoder")
        for key, value in (("layers", size.layers), ("attention_heads", size.heads), ("ffn_dim", size.ffn_dim))
    }
    return {
        "architectures": [f"{name}ForConditionalGeneration"],
        "model_type": model_type,
        "is_encoder_decoder": True,
        "d_model": size.d_model,
        "num_hidden_layers": size.layers,
        "vocab_size": size.vocab_size,
        "max_position_embeddings": size.positions,
        "scale_embedding": True,
        "init_std": DEVIATION,
        "use_cache": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "dtype": size.dtype,
        **stacks,
        **DROPOUT,
        **BEAMS,
        **special,
    }


def pegasus(size: argparse.Namespace) -> Config:
    ids = {"bos_token_id": 0, "decoder_start_token_id": 0, "forced_eos_token_id": 1}
    # Published files carry these; some converters ask for them.
    historical = {"normalize_before": True, "normalize_embedding": False, "add_final_layer_norm": True}
    historical |= {"static_position_embeddings": True, "add_bias_logits": False, "extra_pos_embeddings": 1}
    return seq2seq("pegasus", "Pegasus", size, activation_function="relu", **ids, **historical)


def bigbird_pegasus(size: argparse.Namespace) -> Config:
    sparse = {"attention_type": "block_sparse", "block_size": 64, "num_random_blocks": 3, "use_bias": False}
    ids = {"bos_token_id": 2, "decoder_start_token_id": 2, "num_beams": 5}
    return seq2seq("bigbird_pegasus", "BigBirdPegasus", size, activation_function="gelu_new", **sparse, **ids)


def pegasus_x(size: argparse.Namespace) -> Config:
    local = {"block_size": 512, "num_global_tokens": 128, "stagger_local_blocks": True}
    ids = {"bos_token_id": 0, "decoder_start_token_id": 0, "forced_eos_token_id": 1, "max_length": 16384}
    return seq2seq("pegasus_x", "PegasusX", size, activation_function="relu", **local, **ids)


def bert_generation(size: argparse.Namespace, **special: Any) -> Config:
    return {
        "architectures": ["BertGenerationEncoder"],
        "model_type": "bert-generation",
        "vocab_size": size.vocab_size,
        "hidden_size": size.d_model,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "intermediate_size": size.ffn_dim,
        "max_position_embeddings": size.positions,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": DEVIATION,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "dtype": size.dtype,
        **special,
    }


def encoder_decoder(size: argparse.Namespace) -> Config:
    return {
        "architectures": ["EncoderDecoderModel"],
        "model_type": "encoder-decoder",
        "is_encoder_decoder": True,
        "encoder": bert_generation(size),
        "decoder": bert_generation(
            size, architectures=["BertGenerationDecoder"], is_decoder=True, add_cross_attention=True
        ),
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "decoder_start_token_id": 2,
        "num_beams": 4,
        "max_length": 128,
        "dtype": size.dtype,
    }


#: family: (config, default layers, width, heads, feed-forward, vocabulary, positions)
FAMILIES = {
    "pegasus": (pegasus, 16, 1024, 16, 4096, 96103, 1024),
    "bigbird_pegasus": (bigbird_pegasus, 16, 1024, 16, 4096, 96103, 4096),
    "pegasus_x": (pegasus_x, 16, 1024, 16, 4096, 96103, 16384),
    "bert-generation": (bert_generation, 24, 1024, 16, 4096, 50358, 512),
    "encoder-decoder": (encoder_decoder, 24, 1024, 16, 4096, 31950, 512),
}

# --- names and shapes ------------------------------------------------------------------------------------------------


def shapes(config: Config) -> Shapes:
    """Yield the tensors of a published file, aliases of the embedding matrix left out."""
    match config["model_type"]:
        case "bert-generation":
            yield from bert_shapes(config, "")
        case "encoder-decoder":
            yield from bert_shapes(config["encoder"], "encoder.")
            yield from bert_shapes(config["decoder"], "decoder.bert.")
            yield "decoder.lm_head.bias", (config["decoder"]["vocab_size"],)
        case _:
            yield from seq2seq_shapes(config)


def seq2seq_shapes(config: Config) -> Shapes:
    family, width = config["model_type"], config["d_model"]
    final_norm = "layernorm_embedding" if family == "bigbird_pegasus" else "layer_norm"
    if family != "pegasus_x":
        yield "final_logits_bias", (1, config["vocab_size"])
    yield "model.shared.weight", (config["vocab_size"], width)
    for stack in ("encoder", "decoder"):
        if family != "pegasus_x":
            yield f"model.{stack}.embed_positions.weight", (config["max_position_embeddings"], width)
        elif stack == "encoder":
            yield "model.encoder.embed_global.weight", (config["num_global_tokens"], width)
        for layer in range(config[f"{stack}_layers"]):
            yield from layer_shapes(config, stack, f"model.{stack}.layers.{layer}.")
        yield from norm(f"model.{stack}.{final_norm}", width)


def layer_shapes(config: Config, stack: str, prefix: str) -> Shapes:
    family, width, inner = config["model_type"], config["d_model"], config[f"{stack}_ffn_dim"]
    bias = family == "pegasus" or config.get("use_bias", False)
    projections = [f"self_attn.{name}_proj" for name in "kvq"] + ["self_attn.out_proj"]
    norms = ["self_attn_layer_norm", "final_layer_norm"]
    if stack == "decoder":
        projections += [name.replace("self", "encoder") for name in projections]
        norms.append("encoder_attn_layer_norm")
    elif family == "bigbird_pegasus":
        projections = [f"self_attn.{name}" for name in ("self.query", "self.key", "self.value", "output")]
    elif family == "pegasus_x":
        norms.append("global_self_attn_layer_norm")
    for name in projections:
        yield from linear(prefix + name, width, width, bias)
    for name in norms:
        yield from norm(prefix + name, width)
    yield from linear(f"{prefix}fc1", inner, width)
    yield from linear(f"{prefix}fc2", width, inner)


def bert_shapes(config: Config, prefix: str) -> Shapes:
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield f"{prefix}embeddings.word_embeddings.weight", (config["vocab_size"], width)
    yield f"{prefix}embeddings.position_embeddings.weight", (config["max_position_embeddings"], width)
    yield from norm(f"{prefix}embeddings.LayerNorm", width)
    for layer in range(config["num_hidden_layers"]):
        at = f"{prefix}encoder.layer.{layer}."
        for attention in ("attention", "crossattention") if config.get("add_cross_attention") else ("attention",):
            for name in ("self.query", "self.key", "self.value", "output.dense"):
                yield from linear(f"{at}{attention}.{name}", width, width)
            yield from norm(f"{at}{attention}.output.LayerNorm", width)
        yield from linear(f"{at}intermediate.dense", inner, width)
        yield from linear(f"{at}output.dense", width, inner)
        yield from norm(f"{at}output.LayerNorm", width)


def linear(name: str, out: int, into: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (out, into)
    if bias:
        yield f"{name}.bias", (out,)


def norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


# --- values ----------------------------------------------------------------------------------------------------------


def values(name: str, info: TensorInfo, config: Config, rng: np.random.Generator) -> Iterable[Array]:
    """Yield a tensor's elements as float32, piece by piece."""
    if config["model_type"] == "pegasus" and name.endswith("embed_positions.weight"):
        yield from pieces_of(sinusoids(*info.shape))
        return
    for start in range(0, info.size, PIECE):
        count = min(PIECE, info.size - start)
        if name.endswith("bias"):
            yield np.zeros(count, np.float32)
        elif len(info.shape) == 1:
            yield np.ones(count, np.float32)
        else:
            yield rng.standard_normal(count, np.float32) * np.float32(DEVIATION)


def sinusoids(positions: int, width: int) -> Array:
    """Return Pegasus' position table: sines in the first half of the columns, cosines in the second."""
    columns = np.arange(width) // 2
    angles = np.arange(positions)[:, None] / 10000 ** (2 * columns / width)
    return np.concatenate([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=1).astype(np.float32)


def main() -> None:
    size = arguments()
    config = FAMILIES[size.family][0](size)
    infos = {name: TensorInfo(name, size.dtype, shape, Path(), 0) for name, shape in shapes(config)}
    seeds = {name: [size.seed, number] for number, name in enumerate(infos)}

    def pieces(name: str) -> Iterable[Array]:
        for piece in values(name, infos[name], config, np.random.Generator(np.random.SFC64(seeds[name]))):
            yield narrow_bfloat16(piece) if size.dtype == "bfloat16" else piece.astype(size.dtype)

    generation = {key: value for key, value in config.items() if key in BEAMS or key.endswith("token_id")}
    with staged(size.out) as files:
        files.write(CONFIG, dump_json(config))
        if config.get("is_encoder_decoder"):
            files.write(GENERATION_CONFIG, dump_json(generation))
        for name in COPIED_FILES if size.tokenizer else ():
            if (size.tokenizer / name).is_file():
                shutil.copyfile(size.tokenizer / name, files.path(name))
        write_weights(files, infos.values(), pieces, size.max_shard_size)
    count, nbytes = (sum(getattr(info, key) for info in infos.values()) for key in ("size", "nbytes"))
    print(f"{size.out}: {size.family}, {len(infos)} tensors, {count:,} parameters, {nbytes:,} bytes of {size.dtype}")


def arguments() -> argparse.Namespace:
    """Return the options, sizes that were not given filled in from the family's published checkpoint."""
    first, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--family", choices=FAMILIES, default="pegasus")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    sizes = ("layers", "d-model", "heads", "ffn-dim", "vocab-size", "positions")
    for name in sizes:
        parser.add_argument(f"--{name}", type=int, help="default: as the published checkpoint")
    parser.add_argument("--max-shard-size", default="5GB", help="shard above this size (default: %(default)s)")
    parser.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="copy the tokenizer files of this folder")
    options = parser.parse_args()
    for name, default in zip(sizes, FAMILIES[options.family][1:], strict=True):
        key = name.replace("-", "_")
        if getattr(options, key) is None:
            setattr(options, key, default)
        if getattr(options, key) < 1:
            parser.error(f"--{name}: expected at least 1, found {getattr(options, key)}")
    if options.d_model % options.heads:
        parser.error(f"--heads: expected a divisor of the width {options.d_model}, found {options.heads}")
    return options


if __name__ == "__main__":
    main()
