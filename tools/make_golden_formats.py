"""Write golden/formats/: small files of torch.save and safetensors in every variant, and what they hold.

    python tools/make_golden_formats.py [--out golden/formats]

Needs torch, transformers and safetensors (tools/requirements-golden.txt) and no minipegasus: the files and the values
beside them are torch's own. Running it again gives the same bytes.
"""

import argparse
import io
import json
import shutil
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

ORDINARY = [
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]
UNSIGNED = [torch.uint16, torch.uint32, torch.uint64]  # saved over an untyped storage, in zip files only


def ramp(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return distinct values that every dtype holds exactly, negative ones where it can."""
    count = torch.Size(shape).numel()
    values = torch.arange(count) % 7
    if dtype not in (torch.uint8, torch.bool, *UNSIGNED):
        values = values - 3
    return values.to(dtype).reshape(shape)


def by_dtype(dtypes: list[torch.dtype]) -> dict[str, torch.Tensor]:
    """Return one small tensor of each dtype, the floats with a value that needs every bit of bfloat16."""
    tensors = {f"dtype.{str(dtype).removeprefix('torch.')}": ramp(2, 3, dtype=dtype) for dtype in dtypes}
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor[0, 0] = 1.9921875
    return tensors


def layouts() -> dict[str, torch.Tensor]:
    """Return tensors that are views: shared, sliced, transposed, strided, broadcast, empty, of no dimension."""
    base = ramp(6, 4)
    return {
        "layout.plain": base,
        "layout.alias": base,
        "layout.rows": base[2:5],
        "layout.transposed": base.T,
        "layout.columns": base[:, 1::2],
        "layout.permuted": ramp(2, 3, 4).permute(2, 0, 1),
        "layout.broadcast": ramp(3).expand(4, 3),
        "layout.one_row": base[1:2],
        "layout.scalar": torch.tensor(2.5),
        "layout.empty": torch.empty(0, 3),
        "layout.bfloat16_transposed": ramp(2, 3, dtype=torch.bfloat16).T,
    }


def state_dict() -> "OrderedDict[str, torch.Tensor]":
    """Return a module's state dict, which carries ``_metadata``, with the tensors above in it."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    with torch.no_grad():
        module[0].weight.copy_(ramp(2, 3))
        module[0].bias.copy_(ramp(2))
    state = module.state_dict()
    state.update(by_dtype(ORDINARY) | layouts())
    return state


def torch_files() -> dict[str, bytes]:
    """Return the .bin files by name."""
    parameters = {name: torch.nn.Parameter(ramp(2, 2)) for name in ("a", "b")}
    parameters["a"].extra = "an attribute"  # saved with _rebuild_parameter_with_state
    entries = {"weight": ramp(2, 2), "epoch": 3, "rate": 0.5, "name": "x", "none": None, "flags": [True, False]}
    entries |= {"size": torch.Size([2, 3]), "state": {"step": 7, 0: ramp(1)}, "shape": (1, 2, 3, 4)}
    return {
        "zip.bin": saved(state_dict()),
        "legacy.bin": saved(state_dict(), _use_new_zipfile_serialization=False),
        "protocol3.bin": saved(state_dict(), pickle_protocol=3),
        "unsigned.bin": saved(by_dtype(UNSIGNED)),
        "parameters.bin": saved(parameters),
        "parameters_legacy.bin": saved(parameters, _use_new_zipfile_serialization=False),
        "entries.bin": saved(entries),
        "big_endian.bin": big_endian(by_dtype(ORDINARY)),
    }


def saved(value: object, **options: object) -> bytes:
    """Return the bytes of torch.save; legacy storage keys are numbered, where torch writes memory addresses."""
    numbers: dict[int, int] = {}
    key = property(lambda storage: numbers.setdefault(storage.data_ptr(), 10_000 + len(numbers)))
    original = torch.UntypedStorage.__dict__.get("_cdata")
    torch.UntypedStorage._cdata = key
    try:
        file = io.BytesIO()
        torch.save(value, file, **options)
    finally:
        del torch.UntypedStorage._cdata
        if original is not None:
            torch.UntypedStorage._cdata = original
    return file.getvalue()


def big_endian(tensors: dict[str, torch.Tensor]) -> bytes:
    """Return an archive as a big-endian machine writes it: its storages swapped, and ``byteorder`` saying so."""
    widths = [tensor.element_size() for tensor in tensors.values()]
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(tensors))) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/byteorder"):
                content = b"big"
            elif "/data/" in name:
                width = widths[int(name.rsplit("/", 1)[1])]
                content = b"".join(content[i : i + width][::-1] for i in range(0, len(content), width))
            target.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def described(tensors: dict[str, torch.Tensor]) -> dict[str, object]:
    """Return each tensor's dtype, shape and values; floats as double, which holds them all."""
    return {
        name: {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "values": (tensor.double() if tensor.is_floating_point() else tensor).flatten().tolist(),
        }
        for name, tensor in tensors.items()
        if isinstance(tensor, torch.Tensor)
    }


def sharded(folder: Path, safe: bool) -> dict[str, torch.Tensor]:
    """Let transformers save a tiny model in shards; return what the shards hold together."""
    from transformers import PegasusConfig, PegasusForConditionalGeneration

    torch.manual_seed(0)
    sizes = {"vocab_size": 24, "d_model": 8, "max_position_embeddings": 8}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = PegasusConfig(**sizes, **layers, encoder_ffn_dim=8, decoder_ffn_dim=8)
    model = PegasusForConditionalGeneration(config)
    model.save_pretrained(folder, safe_serialization=safe, max_shard_size="4KB")
    kept = json.loads(next(folder.glob("*.index.json")).read_text())["weight_map"]
    return {name: tensor for name, tensor in model.state_dict().items() if name in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "golden" / "formats")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    expected: dict[str, object] = {}
    for name, content in torch_files().items():
        (out / name).write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # protocol 3 is not torch's default
            expected[name] = described(torch.load(io.BytesIO(content), weights_only=True))
    tensors = by_dtype(ORDINARY + UNSIGNED) | {
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "\u00fc": ramp(3),
    }
    save_file(tensors, out / "library.safetensors", {"format": "pt"})
    expected["library.safetensors"] = described(tensors)
    for name, safe in (("sharded_safetensors", True), ("sharded_bin", False)):
        expected[name] = described(sharded(out / name, safe))
    (out / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
