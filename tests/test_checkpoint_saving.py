"""Writing and converting checkpoints: the library's own bytes, whole files or none, little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minipegasus.arrays import Array
from minipegasus.checkpoints import convert, open_checkpoint, save_checkpoint
from minipegasus.checkpoints.tensors import DTYPES, cast, narrow_bfloat16
from minipegasus.errors import CheckpointError, InputError

FORMATS = Path(__file__).parents[1] / "golden" / "formats"
NATIVE = [dtype for dtype in DTYPES if dtype.name != "bfloat16"]

dtypes_n = st.sampled_from([dtype.stored for dtype in NATIVE])
arrays = hnp.arrays(dtypes_n, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "__metadata__")
tensors_by_name = st.dictionaries(names, arrays, min_size=1, max_size=6)


def small() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {f"layer.{i}.weight": rng.standard_normal((8, i + 1)).astype(np.float32) for i in range(6)}


@settings(deadline=None)
@given(tensors=tensors_by_name)
def test_bytes_are_those_of_the_safetensors_library(
    tensors: dict[str, Array], tmp_path_factory: pytest.TempPathFactory
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path_factory.mktemp("written")
    save_file(tensors, folder / "library.safetensors", {"format": "pt"})
    save_checkpoint(folder, tensors, {})
    assert (folder / "model.safetensors").read_bytes() == (folder / "library.safetensors").read_bytes()
    for name, array in load_file(folder / "model.safetensors").items():
        assert array.tobytes() == tensors[name].tobytes()


@settings(deadline=None)
@given(tensors=tensors_by_name)
def test_save_then_open_is_the_same(tensors: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoint(folder, tensors, {"model_type": "pegasus"}, {"num_beams": 8}, max_shard_size=100)
    opened = open_checkpoint(folder)
    assert set(opened) == set(tensors)
    for name, array in tensors.items():
        assert opened.info[name].dtype == array.dtype.name
        assert opened.stored(name).shape == array.shape
        assert opened.stored(name).tobytes() == array.tobytes()
    assert json.loads((folder / "config.json").read_text()) == {"model_type": "pegasus"}
    assert json.loads((folder / "generation_config.json").read_text()) == {"num_beams": 8}


def test_strided_and_foreign_arrays_are_written_in_order(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    base.flags.writeable = False
    tensors = {"transposed": base.T, "columns": base[:, ::2], "reversed": base[::-1], "swapped": base.astype(">f4")}
    save_checkpoint(tmp_path, tensors, {})
    opened = open_checkpoint(tmp_path)
    for name, array in tensors.items():
        np.testing.assert_array_equal(opened[name], array)


def test_an_unaligned_tensor_is_read(tmp_path: Path) -> None:
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    text = json.dumps(header).encode()
    data = b"\x07" + np.array([1.5, -2], np.float32).tobytes()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    opened = open_checkpoint(tmp_path)
    assert opened["b"].tolist() == [1.5, -2.0]
    assert opened["b"].flags.aligned
    assert opened["a"].tolist() == [7]
    assert convert(tmp_path, tmp_path / "out")["b"].tolist() == [1.5, -2.0]


def test_shards_hold_what_fits(tmp_path: Path) -> None:
    tensors = small()  # 32 to 192 bytes
    save_checkpoint(tmp_path, tensors, {}, max_shard_size=150)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_parameters": 168, "total_size": 672}
    assert sorted(set(index["weight_map"].values())) == [f"model-{i:05}-of-00005.safetensors" for i in range(1, 6)]
    shards = [int(index["weight_map"][name][6:11]) for name in tensors]
    assert shards == [
        1,
        1,
        2,
        5,
        3,
        4,
    ]  # the last two are over the limit and do not close the shard that is being filled
    assert open_checkpoint(tmp_path)["layer.2.weight"].tolist() == tensors["layer.2.weight"].tolist()


def test_saving_again_leaves_no_file_of_the_earlier_save(tmp_path: Path) -> None:
    for size, expected in ((150, 6), ("1KB", 1), (300, 4), (1000, 1)):
        save_checkpoint(tmp_path, small(), {}, max_shard_size=size)
        assert len(list(tmp_path.iterdir())) == expected + 1  # and config.json
        assert len(open_checkpoint(tmp_path)) == 6


@pytest.mark.parametrize("size", [0, -1, "5 apples", "", "1.5GB", True, None])
def test_shard_sizes_that_make_no_sense(size: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="max_shard_size"):
        save_checkpoint(tmp_path / "new", small(), {}, max_shard_size=size)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    wrong = {"a": np.zeros(2, np.complex64), "b": np.array(["x"]), "c": [1.0], "d": np.zeros(2)}
    with pytest.raises(InputError) as caught:
        save_checkpoint(tmp_path / "new", wrong, {})  # type: ignore[arg-type]
    assert all(word in str(caught.value) for word in ("'a'", "complex64", "'b'", "'c'", "list"))
    assert "'d'" not in str(caught.value)
    assert not (tmp_path / "new").exists()
    for value in (np.nan, np.zeros(2), {1, 2}):
        with pytest.raises(InputError, match="JSON"):
            save_checkpoint(tmp_path / "new", small(), {"key": value})
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file"):
        save_checkpoint(tmp_path / "file", small(), {})


class Breaks(dict[str, Array]):
    """Arrays of which the last one raises when it is asked for."""

    error: BaseException = KeyboardInterrupt()
    armed = False

    def __getitem__(self, name: str) -> Array:
        if self.armed and name == "layer.0.weight":
            raise self.error
        return super().__getitem__(name)


@pytest.mark.parametrize("size", ["5GB", 150])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(28, "No space left on device")])
def test_an_interrupted_save_leaves_nothing(error: BaseException, size: int | str, tmp_path: Path) -> None:
    tensors = Breaks(small())
    tensors.error, tensors.armed = error, True
    kind = CheckpointError if isinstance(error, OSError) else type(error)
    with pytest.raises(kind):
        save_checkpoint(tmp_path / "new", tensors, {}, max_shard_size=size)
    assert list(tmp_path.iterdir()) == []
    save_checkpoint(tmp_path, small(), {"first": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(kind):
        save_checkpoint(tmp_path, tensors, {"second": 2}, max_shard_size=size)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- element types ---------------------------------------------------------------------------------------------------


def test_widening_is_exact_for_every_16_bit_pattern() -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    wide = cast(bits, "bfloat16", np.dtype(np.float32))
    assert (wide.view(np.uint32) == bits.astype(np.uint32) << 16).all()
    np.testing.assert_array_equal(cast(bits, "bfloat16", np.dtype(np.float64)), wide)
    finite = ~np.isnan(wide)
    assert (narrow_bfloat16(wide)[finite] == bits[finite]).all()
    halves = bits.view(np.float16)
    for target in (np.float32, np.float64):
        np.testing.assert_array_equal(cast(halves, "float16", np.dtype(target)).astype(np.float16), halves)


LARGEST = float(np.float32(3.3e38))  # beyond, the next bfloat16 is infinity


@given(hnp.arrays(np.float32, 8, elements=st.floats(-LARGEST, LARGEST, width=32)))
def test_narrowing_takes_the_nearest_bfloat16_and_the_even_one_of_two(values: Array) -> None:
    def distance(bits: Array) -> Array:
        return np.abs(cast(bits, "bfloat16", np.dtype(np.float64)) - values)

    bits = narrow_bfloat16(values)
    assert (np.signbit(cast(bits, "bfloat16", np.dtype(np.float32))) == np.signbit(values)).all()
    magnitude = bits & 0x7FFF
    for neighbour in (bits - (magnitude > 0).astype(np.uint16), bits + np.uint16(1)):
        other = neighbour != bits
        assert (distance(bits) <= distance(neighbour))[other].all()
        assert (bits % 2 == 0)[other & (distance(bits) == distance(neighbour))].all()


# --- convert ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zip.bin", "legacy.bin", "big_endian.bin", "unsigned.bin", "library.safetensors"])
def test_convert_keeps_every_tensor(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    target = "pytorch_model.bin" if name.endswith("bin") else "model.safetensors"
    (source / target).write_bytes((FORMATS / name).read_bytes())
    seen = []
    converted = convert(source, tmp_path / "out", progress=lambda *step: seen.append(step))
    original = open_checkpoint(source)
    assert set(converted) == set(original)
    for tensor in original:
        assert converted.info[tensor].dtype == original.info[tensor].dtype
        np.testing.assert_array_equal(converted[tensor], original[tensor], strict=True)
    total = sum(info.nbytes for info in original.info.values())
    assert len(seen) == len(original)
    assert seen[-1][1:] == (total, total)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["sharded_bin", "sharded_safetensors"])
def test_convert_changes_floats_and_config(name: str, dtype: str, tmp_path: Path) -> None:
    original = open_checkpoint(FORMATS / name)
    converted = convert(FORMATS / name, tmp_path / "out", dtype)
    for tensor in original:
        narrow = {"float32": original[tensor], "float16": original[tensor].astype(np.float16)}.get(dtype)
        if narrow is None:
            narrow = cast(narrow_bfloat16(original[tensor]), "bfloat16", np.dtype(np.float32))
        assert converted.info[tensor].dtype == dtype
        np.testing.assert_array_equal(converted[tensor], narrow.astype(np.float32))
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == dtype
    assert (tmp_path / "out" / "generation_config.json").read_bytes() == (
        FORMATS / name / "generation_config.json"
    ).read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]


def test_convert_leaves_out_names(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes((FORMATS / "zip.bin").read_bytes())
    converted = convert(tmp_path, tmp_path / "out", keep=lambda name: name != "layout.alias", max_shard_size=64)
    assert set(open_checkpoint(tmp_path)) - set(converted) == {"layout.alias"}
    assert len(converted.files) > 1


def test_convert_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "in", {"w": np.array([1e5, 1.0], np.float32)}, {})
    with pytest.raises(CheckpointError, match="'w': a value is too large for float16"):
        convert(tmp_path / "in", tmp_path / "out", "float16")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="another folder"):
        convert(tmp_path / "in", tmp_path / "in" / ".." / "in")
    for dtype in ("int8", "half", ""):
        with pytest.raises(InputError, match="dtype"):
            convert(tmp_path / "in", tmp_path / "out", dtype)
    save_checkpoint(tmp_path / "inf", {"w": np.array([np.inf, np.nan], np.float32)}, {})
    assert np.isinf(convert(tmp_path / "inf", tmp_path / "out", "float16")["w"][0])


_MEASURED = """
import sys
from pathlib import Path
from minipegasus.checkpoints import convert
import numpy as np

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

np.ones(4, np.float32).astype(np.float16)
before = peak()
convert(sys.argv[1], sys.argv[2], sys.argv[3] or None)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's peak from /proc")
@pytest.mark.parametrize("dtype", ["", "bfloat16", "float32"])
def test_convert_streams(dtype: str, tmp_path: Path) -> None:
    """A folder of 208 MB whose largest tensor has 32 MB: the peak stays below twice that."""
    largest = 8 * 1024 * 1024
    rng = np.random.default_rng(0)
    block = rng.standard_normal(largest).astype(np.float32)
    source = tmp_path / "in"
    save_checkpoint(
        source, {f"w.{i}": block[: largest - i] for i in range(6)} | {"t": block.reshape(1024, -1).T[:4096]}, {}
    )
    out = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(source), str(tmp_path / "out"), dtype], capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 2 * 4 * largest


@pytest.mark.parametrize("size", ["5GB", 150])
def test_variants_lie_beside_each_other(size: int | str, tmp_path: Path) -> None:
    plain = small()
    half = {name: array.astype(np.float16) for name, array in plain.items()}
    save_checkpoint(tmp_path, plain, {}, max_shard_size=size)
    save_checkpoint(tmp_path, half, {}, max_shard_size=size, variant="fp16")
    files = {path.name for path in tmp_path.iterdir()}
    if size == "5GB":
        assert files == {"config.json", "model.safetensors", "model.fp16.safetensors"}
    else:
        assert {"model.safetensors.index.fp16.json", "model.safetensors.index.json"} < files
        assert any(name.startswith("model.fp16-00001-of-") for name in files)
    assert {info.dtype for info in open_checkpoint(tmp_path).info.values()} == {"float32"}
    assert {info.dtype for info in open_checkpoint(tmp_path, variant="fp16").info.values()} == {"float16"}
    save_checkpoint(tmp_path, {"a": plain["layer.0.weight"]}, {}, variant="fp16")
    assert set(open_checkpoint(tmp_path, variant="fp16")) == {"a"}
    assert set(open_checkpoint(tmp_path)) == set(plain)
    with pytest.raises(CheckpointError, match=r"expected one of model\.bf16\.safetensors, .*index\.bf16\.json"):
        open_checkpoint(tmp_path, variant="bf16")
    for name in ("../fp16", "a.b", "", 16):
        with pytest.raises(InputError, match="variant: expected letters, digits"):
            open_checkpoint(tmp_path, variant=name)  # type: ignore[arg-type]
