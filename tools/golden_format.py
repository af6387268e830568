"""How golden files are written: whole or not at all, one metadata key, sums beside them."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def write(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write a case: one metadata key, because several are written in an order that changes from run to run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"golden": json.dumps(about, sort_keys=True)}
    contiguous = {name: np.array(value, order="C") for name, value in sorted(arrays.items())}
    replace(path, safetensors.numpy.save(contiguous, metadata))


def replace(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def write_sums(folder: Path) -> None:
    """Write ``SHA256SUMS`` over every file below ``folder``, as ``sha256sum --check`` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    replace(folder / "SHA256SUMS", "".join(lines).encode())
