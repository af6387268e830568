"""Measure how far float32 results are from float64, tensor by tensor, here and in transformers: a Markdown table.

    pip install -e . torch==2.13.0 transformers==4.56.2
    python tools/accuracy.py --width 1024 --rounds 4

Both libraries run the same random weights on the same inputs in float32; transformers in float64 is the truth. The
error of a tensor is the root of the mean square over its elements and all rounds. (The largest difference of a small
tensor says little: it is one rounding that happened to be unlucky, here or there.) A ratio below one means that
minipegasus is nearer to the truth. --all prints every tensor. Exit code 1 if one is worse than --limit.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
import transformers
from golden_common import flatten

import minipegasus

VOCABULARY, SOURCE, TARGET = 512, 200, 24
Tensors = dict[str, np.ndarray]


def stack_sizes(width: int) -> dict[str, Any]:
    """Return the sizes of the three summarisation families."""
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "d_model": width, "max_position_embeddings": SOURCE}
    for side, layers in (("encoder", 3), ("decoder", 2)):
        sizes |= {f"{side}_layers": layers, f"{side}_attention_heads": width // 32, f"{side}_ffn_dim": 4 * width}
    return sizes | {"num_hidden_layers": 2}


def bert_sizes(width: int) -> dict[str, Any]:
    """Return the sizes of BertGeneration, BERT and RoBERTa."""
    return {
        "vocab_size": VOCABULARY, "hidden_size": width, "num_hidden_layers": 3, "num_attention_heads": width // 32,
        "intermediate_size": 4 * width, "max_position_embeddings": SOURCE + 2,
    }  # fmt: skip


def models(width: int) -> Iterator[tuple[str, transformers.PreTrainedModel]]:
    """Yield the models of transformers, with random weights that keep the size of what passes through."""
    summarisers = {
        "Pegasus": {},
        "BigBirdPegasus": {"block_size": 8, "num_random_blocks": 2},
        "PegasusX": {"block_size": 16, "num_global_tokens": 8},
    }
    for family, own in summarisers.items():
        config = getattr(transformers, f"{family}Config")(**stack_sizes(width), **own)
        yield family, getattr(transformers, f"{family}ForConditionalGeneration")(config)
    for family, head in (
        ("BertGeneration", "BertGenerationEncoder"),
        ("Bert", "BertModel"),
        ("Roberta", "RobertaModel"),
    ):
        yield family, getattr(transformers, head)(getattr(transformers, f"{family}Config")(**bert_sizes(width)))
    encoder = transformers.BertGenerationConfig(**bert_sizes(width))
    decoder = transformers.BertGenerationConfig(**bert_sizes(width), is_decoder=True, add_cross_attention=True)
    pair = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    yield "EncoderDecoder", transformers.EncoderDecoderModel(pair)


def randomise(model: transformers.PreTrainedModel, width: int) -> None:
    """Fill matrices with normal numbers of deviation 1 / sqrt(width), vectors with small ones; sinusoids stay."""
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "embed_positions" not in name or value.requires_grad:
                noise = torch.randn(value.shape, generator=generator)
                norm = "norm" in name.lower() and name.endswith("weight")
                value.copy_(1 + 0.1 * noise if norm else noise * (0.1 if value.ndim == 1 else width**-0.5))


def flat(output: Any) -> Tensors:
    """Return every floating-point array of an output under its dotted name, as float64."""
    found = flatten(dict(output.items()))
    return {name: array.astype(np.float64) for name, array in found if array.dtype.kind == "f"}


def reference(model: transformers.PreTrainedModel, inputs: Tensors, flags: dict[str, bool], dtype: Any) -> Tensors:
    """Run transformers in a dtype; BigBird's random blocks are drawn from the same seed every time."""
    np.random.seed(0)  # noqa: NPY002 - what the reference draws from
    probabilities = mock.patch.object(torch, "float", dtype)  # BigBird reports them in torch.float
    with torch.no_grad(), probabilities:
        return flat(model.to(dtype)(**{key: torch.from_numpy(ids) for key, ids in inputs.items()}, **flags))


def ratios(model: transformers.PreTrainedModel, rounds: int) -> dict[str, float]:
    """Return our error / torch's error for every tensor of the output."""
    model = model.eval()
    model.set_attn_implementation("eager")
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        ours = getattr(minipegasus, type(model).__name__).from_pretrained(folder)
    rng = np.random.default_rng(20)
    flags = {"output_hidden_states": True, "output_attentions": True, "use_cache": False}
    sums: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        inputs = {"input_ids": rng.integers(3, VOCABULARY, (2, SOURCE))}
        if model.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = rng.integers(3, VOCABULARY, (2, TARGET))
        true = reference(model, inputs, flags, torch.float64)
        theirs = reference(model, inputs, flags, torch.float32)
        np.random.seed(0)  # noqa: NPY002
        found = flat(ours(**inputs, **flags))
        if set(found) != set(true):
            raise SystemExit(f"{type(model).__name__}: other outputs: {sorted(set(found) ^ set(true))}")
        for name, values in true.items():
            errors = [np.square(array[name] - values).sum() for array in (found, theirs)]
            sums[name] = sums.get(name, 0.0) + np.array(errors)
    return {name: float(np.sqrt(mine / other)) for name, (mine, other) in sums.items() if other}


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=128, help="of the models, a multiple of 32 (default 128)")
    parser.add_argument("--rounds", type=int, default=8, help="inputs per model (default 8)")
    parser.add_argument("--limit", type=float, default=1.05, help="ratio that is still no worse (default 1.05)")
    parser.add_argument("--all", action="store_true", help="print every tensor's ratio")
    return parser.parse_args()


def main() -> int:
    """Print the table; return 1 if a tensor is worse than the limit."""
    options = arguments()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(20)
    worst = 0.0
    print("| model | tensors | median ratio | smallest | largest |\n| --- | --- | --- | --- | --- |")
    for name, model in models(options.width):
        randomise(model, options.width)
        found = ratios(model, options.rounds)
        values = found.values()
        numbers = [statistics.median(values), min(values), max(values)]
        print(f"| {name} | {len(found)} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |", flush=True)
        if options.all:
            for tensor, ratio in found.items():
                print(f"    {ratio:.3f} {tensor}")
        worst = max(worst, *values)
    return int(worst > options.limit)


if __name__ == "__main__":
    sys.exit(main())
