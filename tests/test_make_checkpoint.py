"""tools/make_checkpoint.py writes folders that open, with the names and shapes that transformers writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minipegasus.checkpoints import open_checkpoint

TOOL = Path(__file__).parents[1] / "tools" / "make_checkpoint.py"
TINY = ["--layers", "1", "--d-model", "8", "--heads", "2", "--ffn-dim", "24", "--vocab-size", "50", "--positions", "40"]
#: Tensors of a one-layer model on disk, counted in listings of transformers 4.56.2.
COUNTS = {"pegasus": 50, "bigbird_pegasus": 38, "pegasus_x": 38, "bert-generation": 20, "encoder-decoder": 51}


def make(out: Path, *options: str) -> None:
    subprocess.run([sys.executable, TOOL, out, *options], check=True, capture_output=True)


@pytest.mark.parametrize("family", COUNTS)
def test_folder(family: str, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(b"a tokenizer")
    make(tmp_path / "out", "--family", family, "--tokenizer", str(tmp_path), *TINY)
    checkpoint = open_checkpoint(tmp_path / "out")
    assert len(checkpoint) == COUNTS[family]
    for name, array in checkpoint.items():
        if name.endswith("bias"):
            assert (array == 0).all()
        elif array.ndim == 1:
            assert (array == 1).all()
        elif "embed_positions" not in name:
            assert 0.01 < array.std() < 0.03
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == family
    assert (tmp_path / "out" / "spiece.model").read_bytes() == b"a tokenizer"


def test_same_options_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        make(tmp_path / folder, "--dtype", "bfloat16", "--seed", "7", "--max-shard-size", "4KB", *TINY)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) > 4
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    checkpoint = open_checkpoint(tmp_path / "a")
    assert {info.dtype for info in checkpoint.info.values()} == {"bfloat16"}
    table = checkpoint["model.encoder.embed_positions.weight"]
    np.testing.assert_allclose(table[3], [0.14112, 0.29552, 0.029996, 0.003, -0.98999, 0.95534, 0.99955, 1.0], 4e-3)


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    for options in (["--heads", "3", "--d-model", "8"], ["--layers", "0"], ["--family", "gpt"]):
        with pytest.raises(subprocess.CalledProcessError):
            make(tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()
