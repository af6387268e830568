"""Folders that go both ways: torch and transformers write, we read; we write, transformers reads."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minipegasus
from minipegasus.checkpoints import convert, open_checkpoint, read_json, save_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore"),  # theirs
]

TOOL = Path(__file__).parents[2] / "tools" / "make_checkpoint.py"
TINY = "--layers=1 --d-model=8 --heads=2 --ffn-dim=24 --vocab-size=50 --positions=128"
CLASSES = {
    "pegasus": "PegasusForConditionalGeneration",
    "bigbird_pegasus": "BigBirdPegasusForConditionalGeneration",
    "pegasus_x": "PegasusXForConditionalGeneration",
    "bert-generation": "BertGenerationEncoder",
    "encoder-decoder": "EncoderDecoderModel",
}
DTYPES = ["float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]


def loaded(folder: Path, name: str) -> Any:
    """Load with transformers; fail where it misses or does not know a weight."""
    model, report = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return model


def assert_same(folder: Path, model: Any) -> None:
    state = model.state_dict()
    for name, array in open_checkpoint(folder).items():
        np.testing.assert_array_equal(array, state[name].numpy())


@pytest.mark.parametrize("family", CLASSES)
def test_transformers_loads_and_saves_what_the_tool_writes(family: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, TOOL, tmp_path / "made", "--family", family, *TINY.split()], check=True)
    model = loaded(tmp_path / "made", CLASSES[family])
    assert_same(tmp_path / "made", model)
    model.save_pretrained(tmp_path / "theirs")
    ours, theirs = open_checkpoint(tmp_path / "made"), open_checkpoint(tmp_path / "theirs")
    assert {name: info.shape for name, info in ours.info.items()} == {
        name: info.shape for name, info in theirs.info.items()
    }


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("size", ["5GB", "2KB"])
def test_transformers_loads_what_convert_writes(size: str, safe: bool, dtype: str | None, tmp_path: Path) -> None:
    subprocess.run([sys.executable, TOOL, tmp_path / "made", *TINY.split()], check=True)
    model = loaded(tmp_path / "made", CLASSES["pegasus"])
    model.save_pretrained(tmp_path / "theirs", safe_serialization=safe, max_shard_size=size)
    assert_same(tmp_path / "theirs", model)
    convert(tmp_path / "theirs", tmp_path / "ours", dtype, max_shard_size=size)
    again = loaded(tmp_path / "ours", CLASSES["pegasus"])
    assert_same(tmp_path / "ours", again)
    narrow = model if dtype is None else model.to(getattr(torch, dtype)).float()
    for name, tensor in narrow.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_saved_bytes_are_those_of_transformers(tmp_path: Path) -> None:
    """The same tensors give the same file, and the same shards."""
    subprocess.run([sys.executable, TOOL, tmp_path / "made", *TINY.split()], check=True)
    model = loaded(tmp_path / "made", CLASSES["pegasus"])
    for size in ("5GB", "3KB"):
        model.save_pretrained(tmp_path / size, max_shard_size=size)
        on_disk = set(open_checkpoint(tmp_path / size))
        tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items() if name in on_disk}
        config, generation = (read_json(tmp_path / size / name) for name in ("config.json", "generation_config.json"))
        save_checkpoint(tmp_path / "ours" / size, tensors, config, generation, max_shard_size=size)
        names = {path.name for path in (tmp_path / size).iterdir()}
        assert names == {path.name for path in (tmp_path / "ours" / size).iterdir()}
        for name in names:
            ours, theirs = tmp_path / "ours" / size / name, tmp_path / size / name
            if name.endswith(".json"):
                ours_read, theirs_read = read_json(ours), read_json(theirs)
                for read in (ours_read, theirs_read):  # theirs counts no buffers, final_logits_bias among them
                    read.get("metadata", {}).pop("total_parameters", None)
                assert ours_read == theirs_read
            else:
                assert ours.read_bytes() == theirs.read_bytes(), name


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """Any view of a small storage: transposed, sliced, broadcast, a parameter or not."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    tensor = (torch.arange(int(np.prod(shape))).reshape(shape) % 100).to(getattr(torch, draw(st.sampled_from(DTYPES))))
    for _ in range(draw(st.integers(0, 3))):
        if tensor.ndim == 0:
            break
        axis = draw(st.integers(0, tensor.ndim - 1))
        match draw(st.sampled_from(["transpose", "step", "narrow", "broadcast"])):
            case "transpose":
                tensor = tensor.transpose(0, axis)
            case "step":
                tensor = tensor[
                    (slice(None),) * axis + (slice(draw(st.integers(0, 2)), None, draw(st.integers(1, 3))),)
                ]
            case "narrow":
                tensor = tensor.narrow(axis, 0, draw(st.integers(0, tensor.shape[axis])))
            case "broadcast":
                tensor = tensor.unsqueeze(axis).expand(*tensor.shape[:axis], 2, *tensor.shape[axis:])
    if tensor.is_floating_point() and draw(st.booleans()):
        return torch.nn.Parameter(tensor, requires_grad=draw(st.booleans()))
    return tensor


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    state=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8), tensors(), min_size=1, max_size=5
    ),
    new=st.booleans(),
    protocol=st.sampled_from([2, 3]),
)
def test_any_state_dict_is_read_as_torch_reads_it(
    state: dict[str, Any], new: bool, protocol: int, tmp_path: Path
) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    expected = torch.load(file, weights_only=True)
    opened = open_checkpoint(tmp_path, "float64")
    assert set(opened) == set(expected)
    for name, tensor in expected.items():
        assert opened.info[name].dtype == str(tensor.dtype).removeprefix("torch.")
        values = (tensor.detach().double() if tensor.is_floating_point() else tensor).numpy()
        np.testing.assert_array_equal(opened[name], values, strict=True)


def test_golden_formats_are_what_the_tool_writes(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    if torch.__version__.partition("+")[0] != "2.13.0" or transformers.__version__ != "4.56.2":
        pytest.skip("needs the pinned versions")
    tool = root / "tools" / "make_golden_formats.py"
    subprocess.run([sys.executable, tool, "--out", tmp_path / "formats"], check=True)
    golden = root / "golden" / "formats"
    names = {path.relative_to(golden) for path in golden.rglob("*") if path.is_file()}
    assert names == {
        path.relative_to(tmp_path / "formats") for path in (tmp_path / "formats").rglob("*") if path.is_file()
    }
    assert all((golden / name).read_bytes() == (tmp_path / "formats" / name).read_bytes() for name in names)


@pytest.mark.parametrize("size", ["5GB", "3KB"])
def test_variants_and_loading_info_are_the_same(size: str, tmp_path: Path) -> None:
    config = transformers.PegasusConfig(
        vocab_size=50, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, max_position_embeddings=16,
    )  # fmt: skip
    model = transformers.PegasusForConditionalGeneration(config)
    for variant in (None, "fp16"):  # the other way round, transformers deletes the shards of the variant
        model.save_pretrained(tmp_path / "theirs", variant=variant, max_shard_size=size)
        ours = minipegasus.PegasusForConditionalGeneration.from_pretrained(tmp_path / "theirs", variant=variant)
        ours.save_pretrained(tmp_path / "ours", variant=variant, max_shard_size=size)
    assert {p.name for p in (tmp_path / "theirs").iterdir()} == {p.name for p in (tmp_path / "ours").iterdir()}
    for name, values in [
        ("PegasusForConditionalGeneration", {}),
        ("PegasusModel", {}),
        ("PegasusForConditionalGeneration", {"encoder_ffn_dim": 12, "ignore_mismatched_sizes": True}),
    ]:
        keywords: dict[str, Any] = {"variant": "fp16", "output_loading_info": True, **values}
        _, expected = getattr(transformers, name).from_pretrained(tmp_path / "ours", **keywords)
        opened, found = getattr(minipegasus, name).from_pretrained(tmp_path / "theirs", **keywords)
        assert type(opened).__name__ == name
        assert {key: sorted(names) for key, names in found.items()} == {k: sorted(v) for k, v in expected.items()}
