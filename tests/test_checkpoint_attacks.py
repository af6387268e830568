"""Hostile checkpoints: each is one CheckpointError, fast, in little memory, and nothing of it runs."""

import contextlib
import json
import os
import struct
import time
import tracemalloc
from pathlib import Path

import checkpoint_attacks as attacks
import numpy as np
import pytest
import torch_file_attacks as torch_files
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from minipegasus import PegasusForConditionalGeneration
from minipegasus.checkpoints import open_checkpoint, read_json
from minipegasus.checkpoints.torch_pickle import PickleError, unpickle
from minipegasus.errors import CheckpointError

SECONDS = 1.0
BYTES = 64 * 1024 * 1024
ATTACKS = attacks.all_attacks()


def refused(call: object, *arguments: object) -> CheckpointError:
    """Return the refusal; fail where there is none or where it costs too much."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            call(*arguments)  # type: ignore[operator]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES, f"{peak} bytes"
    started = time.process_time()  # not the wall's time: the machine may be busy
    with pytest.raises(CheckpointError):
        call(*arguments)  # type: ignore[operator]
    assert time.process_time() - started < SECONDS
    assert len(str(caught.value)) < 10_000
    str(caught.value).encode()  # printable anywhere: no lone surrogates
    return caught.value


def write(folder: Path, files: attacks.Files) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("files", [files for _, files in ATTACKS], ids=[name for name, _ in ATTACKS])
def test_refused(files: attacks.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder, files)
    error = refused(open_checkpoint, folder)
    assert str(folder) in str(error)
    assert not (tmp_path / torch_files.CANARY).exists()


def test_misplaced_operations_are_refused(tmp_path: Path) -> None:
    for pickle in torch_files.misplaced_operations():
        (tmp_path / "pytorch_model.bin").write_bytes(torch_files.archive(pickle))
        with pytest.raises(CheckpointError):
            open_checkpoint(tmp_path)


@pytest.mark.parametrize("content", attacks.JSON_FILES.values(), ids=list(attacks.JSON_FILES))
def test_json_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert str(path) in str(refused(read_json, path))


def test_the_attacks_start_from_files_that_open(tmp_path: Path) -> None:
    """Else they would be refused for a slip of the corpus."""
    pickle = torch_files.state(torch_files.text("a"), torch_files.tensor())
    for number, content in enumerate((torch_files.archive(pickle), torch_files.legacy(pickle))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "pytorch_model.bin").write_bytes(content)
        assert open_checkpoint(folder)["a"].tolist() == [0, 0, 0, 0]
    good = torch_files.archive(pickle)
    start, end = good.index(b"PK\x01\x02"), good.rindex(b"PK\x05\x06")
    (tmp_path / "pytorch_model.bin").write_bytes(torch_files.with_zip64_end(good, start, end))
    assert open_checkpoint(tmp_path)["a"].shape == (4,)
    (tmp_path / "model.safetensors").write_bytes(attacks.safetensors({"b": attacks.entry()}, bytes(8)))
    assert open_checkpoint(tmp_path)["b"].shape == (2,)


@pytest.mark.parametrize(
    "pickle",
    [
        b"K\x01\x85",  # no STOP
        b"K\x01\x86.",  # TUPLE2 of one
        b"(K\x01\x86t.",
        b"(e.",
        b"(u.",
        b"NNs.",
        b"Na.",
        b"Nb.",
        b"}Nb(.",
        b"(}.",
        b"}}.",
        b".",
        b"q\x00.",
        torch_files.named("collections", "OrderedDict") + b"]R.",
        torch_files.named("torch", "Size") + b"NR.",
    ],
)
def test_the_machine_refuses(pickle: bytes) -> None:
    with pytest.raises(PickleError):
        unpickle(pickle, 0, len(pickle))


def test_the_machine_reads_plain_values() -> None:
    for pickle, value in (
        (b"\x80\x02U\x02abq\x01h\x01\x86.", ("ab", "ab")),
        (b"\x80\x05\x8a\x02\x00\xff.", -256),
        (b"\x8a\x00.", 0),
        (b"(K\xffM\xff\xffJ\xff\xff\xff\xfft.", (255, 65535, -1)),
        (b"(G\x3f\xf8\0\0\0\0\0\0N\x88\x89t.", (1.5, None, True, False)),
        (b"}K\x01]K\x02aK\x03as.", {1: [2, 3]}),
        (b"(}r\x00\x01\x00\x00j\x00\x01\x00\x00t.", ({}, {})),
    ):
        assert unpickle(pickle, 0, len(pickle)).value == value


NUMBERS = [torch_files.integer(value) for value in (0, 1, 4, 2**40)]
FRAGMENTS = [bytes([code]) for code in b"(NtaesubQR}])\x85\x86\x87\x88\x89"] + [b"q\0", b"h\0", b"q\1", b"h\1"]
FRAGMENTS += [torch_files.text(value) for value in ("a", "0", "storage")] + NUMBERS
FRAGMENTS += [torch_files.storage(), torch_files.tensor(), torch_files.EMPTY, torch_files.tensor()[:-1]]
FRAGMENTS += [torch_files.named("torch", "FloatStorage"), torch_files.named("torch._utils", "_rebuild_tensor_v2")]


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40))
def test_any_order_of_operations_is_data_or_refused(fragments: list[bytes]) -> None:
    pickle = b"\x80\x02" + b"".join(fragments) + b"."
    with contextlib.suppress(PickleError):
        unpickle(pickle, 0, len(pickle))


def test_messages_name_what_is_wrong(tmp_path: Path) -> None:
    system = torch_files.call(torch_files.named("os", "system"), torch_files.text("x"))
    for pickle, words in (
        (system + b".", "global 'os.system' is not allowed"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "operation SHORT_BINUNICODE (0x8c) at byte"),
        (b"\x80\x02}\x81.", "operation NEWOBJ (0x81) at byte"),
    ):
        (tmp_path / "pytorch_model.bin").write_bytes(torch_files.archive(pickle))
        with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: ") as caught:
            open_checkpoint(tmp_path)
        assert words in str(caught.value)
    header = {"a": attacks.entry("F31"), "b": attacks.entry(shape=[-1]), "__metadata__": 1}
    (tmp_path / "model.safetensors").write_bytes(attacks.safetensors(header, bytes(8)))
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path)
    assert all(name in str(caught.value) for name in ("'a': dtype", "'b': shape", "__metadata__"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_neither_blocks_nor_loads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    refused(open_checkpoint, tmp_path)
    refused(read_json, tmp_path / "model.safetensors")
    (tmp_path / "config.json").symlink_to("/dev/zero")
    refused(read_json, tmp_path / "config.json")
    (tmp_path / "folder").mkdir()
    refused(read_json, tmp_path / "folder")
    refused(read_json, tmp_path / "missing")


def test_a_sparse_file_of_a_terabyte(tmp_path: Path) -> None:
    """Sizes as the file itself has them, and still nothing is allocated."""
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 2**39))
        file.truncate(2**40)
    refused(open_checkpoint, tmp_path)
    path.unlink()
    with open(tmp_path / "pytorch_model.bin", "wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(2**40)
    refused(open_checkpoint, tmp_path)


SEEDS = [
    ("model.safetensors", attacks.safetensors({"a": attacks.entry(), "b": attacks.entry("U8", [3], 8, 11)}, bytes(11))),
    ("pytorch_model.bin", torch_files.archive(torch_files.state(torch_files.text("a"), torch_files.tensor()))),
    ("pytorch_model.bin", torch_files.legacy()),
    ("pytorch_model.bin", (Path(__file__).parents[1] / "golden" / "formats" / "zip.bin").read_bytes()),
    ("pytorch_model.bin", (Path(__file__).parents[1] / "golden" / "formats" / "legacy.bin").read_bytes()),
]


@settings(deadline=None)
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_any_damage_loads_or_is_refused(
    seed: tuple[str, bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name, content = seed
    damaged = bytearray(content)
    position = st.integers(0, len(content) - 1)
    for at, value in data.draw(st.lists(st.tuples(position, st.integers(0, 255)), max_size=4)):
        damaged[at] = value
    cut = data.draw(st.one_of(st.none(), position))
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    (folder / name).write_bytes(damaged[:cut])
    try:
        checkpoint = open_checkpoint(folder)
        for tensor in checkpoint:
            assert isinstance(checkpoint[tensor], np.ndarray)
    except CheckpointError:
        pass


@pytest.mark.parametrize("entries", [2**20, 2**24])
def test_a_model_that_is_not_in_the_file_is_not_made_up(entries: int, tmp_path: Path) -> None:
    """A small file under a configuration of gigabytes: the reference makes random weights of that size."""
    for source in Path(__file__).parents[1].joinpath("golden", "pegasus").iterdir():
        if source.is_file():
            (tmp_path / source.name).write_bytes(source.read_bytes())
    config = json.loads((tmp_path / "config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": entries, "d_model": 256}))
    save_file({"another": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    error = refused(PegasusForConditionalGeneration.from_pretrained, tmp_path)
    assert str(tmp_path) in str(error)
    assert "missing" in str(error)
