"""What the golden tools share: tiny weights, cases, sums. Imports torch and transformers, never minipegasus.

A case is one safetensors file. Its tensors are named ``input.*`` (what to pass) and ``output.*`` (what came back from
transformers in float64); its one metadata key, ``golden``, is sorted JSON that says which class to call, with which
plain arguments, and how far transformers' own float32 is from the float64 values (``float32_error``: the largest
absolute difference per tensor). Model weights are rounded to bfloat16 values, so a port in any dtype starts from
identical numbers.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import sentencepiece
import torch
import transformers
from golden_format import GOLDEN, replace, write, write_sums

__all__ = [
    "GOLDEN",
    "TEXT",
    "VERSIONS",
    "bfloat16",
    "fill",
    "flatten",
    "load",
    "prepare",
    "replace",
    "tensors",
    "train_tokenizer",
    "write",
    "write_call",
    "write_sums",
]

VERSIONS = {"numpy": np.__version__, "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}

# The tokenizer of every tiny folder is trained on this; it only has to cover what the cases say.
TEXT = """A golden file is a number that does not move. The model reads a document and writes one line about it.
When a port of the model is wrong, the first layer that differs says where to look. Tokens become vectors, vectors
meet vectors, and one of the words that follow is the best. Short inputs are padded, long inputs are cut, and masks
say which is which. Two beams may share their beginning; the cache keeps what they have seen. Summaries of summaries
are shorter still: 0 1 2 3 4 5 6 7 8 9 (and so on), is that not so? "Yes," said the reader - it is!"""


def prepare() -> None:
    """Make torch repeat itself."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Round float32 values to bfloat16 (nearest, ties to even) and return them as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def fill(model: torch.nn.Module, seed: int, std: float = 0.4, keep: Callable[[str], bool] = lambda name: False) -> None:
    """Give every weight bfloat16 values: normal(0, std), norms around 1. ``keep`` names what stays (sinusoids)."""
    rng = np.random.default_rng(seed)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name in sorted(tensors):
            tensor = tensors[name]
            if keep(name) or not tensor.dtype.is_floating_point:
                continue
            # Small embeddings, or a tied head would only repeat the last token.
            small = "embed_tokens" in name or "shared" in name or "word_embeddings" in name
            values = rng.normal(0, std / 4 if small else std, tuple(tensor.shape))
            if name.endswith(("norm.weight", "layernorm_embedding.weight", "LayerNorm.weight")):
                values = 1 + values / 4
            tensor.copy_(torch.from_numpy(bfloat16(values.astype(np.float32))))


def train_tokenizer(pieces: int = 120, **options: Any) -> bytes:
    """Return a SentencePiece model with the ids that Pegasus' files have: pad 0, eos 1, unk 2."""
    model = io.BytesIO()
    settings = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "pad_piece": "<pad>", **options}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.split("\n")),
        model_writer=model,
        vocab_size=pieces,
        hard_vocab_limit=False,
        # The identity keeps the file small; the tokenizer's own golden files have the usual rules.
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    return model.getvalue()


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield dotted names and arrays of an output object, leaving caches out."""
    if isinstance(value, torch.Tensor | np.ndarray):
        yield name, value.detach().numpy() if isinstance(value, torch.Tensor) else value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != "past_key_values":
                yield from flatten(item, f"{name}.{key}" if name else key)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}.{index}")


def tensors(arguments: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Return call arguments with arrays as tensors, floats in ``dtype``."""
    converted = {}
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
            value = value.to(dtype) if value.dtype.is_floating_point else value
        converted[name] = value
    return converted


def load(folder: Path, class_name: str, dtype: torch.dtype, **options: Any) -> Any:
    """Load a fresh model: a case never sees what an earlier one did to it."""
    model_class = getattr(transformers, class_name)
    return model_class.from_pretrained(folder, attn_implementation="eager", **options).eval().to(dtype)


def write_call(
    folder: Path,
    case: str,
    class_name: str,
    arguments: Mapping[str, Any],
    *,
    method: str = "__call__",
    steps: list[Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    leave_out: str | tuple[str, ...] = "",
    training: bool = False,
) -> None:
    """Run a call in float64 and float32 and write the case.

    ``steps`` are further calls that continue the first one's cache; their outputs are named ``step.<i>.*``.
    ``options`` are passed to from_pretrained (a head's number of labels, say); outputs whose name starts with
    ``leave_out`` are not kept. ``training`` calls the model as it is trained (its dropouts are zero): BigBird-Pegasus
    then draws its random blocks.
    """
    results = []
    for dtype in (torch.float64, torch.float32):
        model = load(folder, class_name, dtype, **(options or {})).train(training)
        # BigBird-Pegasus collects attentions in an array of torch.float, which double probabilities do not fit.
        with torch.no_grad(), mock.patch.object(torch, "float", dtype):
            results.append(_run(model, method, arguments, steps or [], dtype))
    exact, single = results
    exact = {name: value for name, value in exact.items() if not (leave_out and name.startswith(leave_out))}
    outputs = {f"output.{name}": value for name, value in exact.items()}
    errors = {
        name: float(np.max(np.abs(value - single[name]), initial=0.0))
        for name, value in exact.items()
        if value.dtype == np.float64 and value.shape == single[name].shape
    }
    same_ids = all(np.array_equal(v, single[n]) for n, v in exact.items() if v.dtype == np.int64)
    if not same_ids:
        raise SystemExit(f"{folder.name}/{case}: float32 and float64 choose other ids; change the seed")
    arrays = {f"input.{n}": v for n, v in arguments.items() if isinstance(v, np.ndarray)}
    for index, step in enumerate(steps or []):
        arrays |= {f"input.step.{index}.{n}": v for n, v in step.items() if isinstance(v, np.ndarray)}
    about = {
        "class": class_name,
        "method": method,
        "arguments": {n: v for n, v in arguments.items() if not isinstance(v, np.ndarray)},
        "steps": [{n: v for n, v in s.items() if not isinstance(v, np.ndarray)} for s in steps or []],
        "options": dict(options or {}),
        "float32_error": errors,
        "versions": VERSIONS,
    }
    if training:
        about["training"] = True
    write(folder / "cases" / f"{case}.safetensors", {**arrays, **outputs}, about)


def _run(
    model: Any, method: str, arguments: Mapping[str, Any], steps: list[Mapping[str, Any]], dtype: torch.dtype
) -> dict[str, np.ndarray]:
    run = getattr(model, method)
    out = run(**tensors(arguments, dtype))
    found = dict(flatten(out if isinstance(out, Mapping) else {"sequences": out}))
    for index, step in enumerate(steps):
        out = run(**tensors(step, dtype), past_key_values=out.past_key_values, use_cache=True)
        found |= {f"step.{index}.{name}": value for name, value in flatten(out)}
    return found
