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


def test_opening_reads_no_weights(tmp_path: Path) -> None:
    """A hundred gigabytes that no disk here has: a hole in a sparse file."""
    count = 25 * 10**9
    text = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    text += b" " * (-len(text) % 8)
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 4 * count)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.info["w"].nbytes == 10**11
    assert checkpoint["w"][[0, -1]].tolist() == [0, 0]
    checkpoint.release()
    assert checkpoint["w"][7] == 0


def test_a_tensor_that_the_index_does_not_name_is_left_out(tmp_path: Path) -> None:
    """As transformers does."""
    shutil.copytree(FORMATS / "sharded_safetensors", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    file = index["weight_map"].pop("final_logits_bias")
    path.write_text(json.dumps(index))
    checkpoint = open_checkpoint(tmp_path / "model")
    assert "final_logits_bias" not in checkpoint
    assert checkpoint.notes == (f"{file}: 'final_logits_bias' is not in the index; left out",)


def test_safetensors_come_before_torch_files(tmp_path: Path) -> None:
    for name in ("sharded_bin", "sharded_safetensors"):
        shutil.copytree(FORMATS / name, tmp_path, dirs_exist_ok=True)
    assert open_checkpoint(tmp_path).format == "safetensors"
    shutil.copy(FORMATS / "zip.bin", tmp_path / "pytorch_model.bin")
    assert open_checkpoint(tmp_path).format == "safetensors"
    shutil.copy(FORMATS / "library.safetensors", tmp_path / "model.safetensors")
    assert set(open_checkpoint(tmp_path)) == set(EXPECTED["library.safetensors"])
    for path in tmp_path.glob("model*"):
        path.unlink()
    assert set(open_checkpoint(tmp_path)) == set(EXPECTED["zip.bin"])
