"""Every variant of torch.save and safetensors that torch itself wrote (golden/formats) is read as torch reads it."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minipegasus.checkpoints import Checkpoint, open_checkpoint
from minipegasus.errors import InputError

FORMATS = Path(__file__).parents[1] / "golden" / "formats"
EXPECTED = json.loads((FORMATS / "expected.json").read_text())


def opened(name: str, folder: Path, dtype: str = "float64") -> Checkpoint:
    """Open a golden file, which lies here under its own name, or a golden folder."""
    if (FORMATS / name).is_dir():
        return open_checkpoint(FORMATS / name, dtype)
    suffix = name.partition(".")[2]
    shutil.copy(FORMATS / name, folder / {"bin": "pytorch_model.bin", "safetensors": "model.safetensors"}[suffix])
    return open_checkpoint(folder, dtype)


@pytest.mark.parametrize("name", EXPECTED)
def test_reads_what_torch_reads(name: str, tmp_path: Path) -> None:
    checkpoint = opened(name, tmp_path)
    assert set(checkpoint) == set(EXPECTED[name])
    for tensor, expected in EXPECTED[name].items():
        array = checkpoint[tensor]
        is_float = "float" in expected["dtype"]
        assert checkpoint.info[tensor].dtype == expected["dtype"]
        assert array.dtype == (np.float64 if is_float else expected["dtype"])
        assert array.shape == tuple(expected["shape"]) == checkpoint.info[tensor].shape
        assert array.flatten().tolist() == expected["values"]
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.dtype.isnative
        assert not array.flags.writeable


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "entries.bin"])
def test_float32_is_the_same_numbers(name: str, tmp_path: Path) -> None:
    checkpoint = opened(name, tmp_path, "float32")
    for tensor, expected in EXPECTED[name].items():
        if "float" in expected["dtype"]:
            assert checkpoint[tensor].dtype == np.float32
            assert checkpoint[tensor].flatten().tolist() == expected["values"]


def test_other_entries_of_a_state_dict_are_noted_and_left_out(tmp_path: Path) -> None:
    notes = opened("entries.bin", tmp_path).notes
    assert len(notes) == 8
    assert "pytorch_model.bin: 'epoch' is 3, no tensor; left out" in notes


@pytest.mark.parametrize(("name", "kind"), [("sharded_bin", "torch"), ("sharded_safetensors", "safetensors")])
def test_shards_are_one_checkpoint(name: str, kind: str) -> None:
    checkpoint = open_checkpoint(FORMATS / name)
    assert checkpoint.format == kind
    assert len(checkpoint.files) == 2
    assert len(checkpoint) == len(EXPECTED[name])
    assert {info.file for info in checkpoint.info.values()} == set(checkpoint.files)


def test_names_that_share_a_tensor(tmp_path: Path) -> None:
    checkpoint = opened("zip.bin", tmp_path)
    assert checkpoint.same("layout.plain", "layout.alias")
    assert not checkpoint.same("layout.plain", "layout.rows")
    assert not checkpoint.same("layout.rows", "layout.transposed")
    assert not checkpoint.same("0.weight", "dtype.float32")


def test_an_archive_whose_entries_have_zip64_fields(tmp_path: Path) -> None:
    """As zip tools write entries of unknown size, and torch those past 4 GB."""
    with (
        zipfile.ZipFile(FORMATS / "zip.bin") as source,
        zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as target,
    ):
        for name in source.namelist():
            with target.open(name, "w", force_zip64=True) as entry:
                entry.write(source.read(name))
    opened = open_checkpoint(tmp_path, "float64")
    for name, expected in EXPECTED["zip.bin"].items():
        assert opened[name].flatten().tolist() == expected["values"]


def test_a_float32_tensor_lies_over_the_file(tmp_path: Path) -> None:
    for name in ("zip.bin", "library.safetensors"):
        checkpoint = opened(name, tmp_path, "float32")
        array = checkpoint["dtype.float32"]
        assert not array.flags.owndata
        assert np.shares_memory(array, checkpoint.stored("dtype.float32"))


def test_a_checkpoint_is_a_mapping(tmp_path: Path) -> None:
    checkpoint = opened("zip.bin", tmp_path)
    assert "0.weight" in checkpoint
    assert "no.such" not in checkpoint
    assert checkpoint.get("no.such") is None
    assert len(checkpoint) == len(list(checkpoint)) == len(checkpoint.info)
    assert checkpoint.folder == tmp_path
    with pytest.raises(KeyError):
        checkpoint["no.such"]
    with pytest.raises(InputError, match="dtype"):
        checkpoint.array("0.weight", "int32")
