"""The safetensors format: every rule of its header checked before a single tensor is touched.

A file is an 8-byte little-endian length, that many bytes of JSON (name to dtype, shape and data offsets), then the
tensors' bytes. Here the offsets must cover the data exactly: in range, no overlap, no hole, nothing behind.
"""

import math
from typing import Any

from ..errors import CheckpointError, listing, quote
from .json_file import MAX_JSON_BYTES, parse_json
from .mapped import MappedFile
from .tensors import DTYPES, MAX_DIMENSIONS, TensorInfo

__all__ = ["METADATA", "read_safetensors"]

METADATA = "__metadata__"
_BY_CODE = {dtype.code: dtype for dtype in DTYPES}
_LENGTH_BYTES = 8
_ENTRY = {"dtype", "shape", "data_offsets"}


def read_safetensors(mapped: MappedFile) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """Return the tensors of a safetensors file, in file order, and its metadata.

    Raises :class:`~minipegasus.errors.CheckpointError` that lists every problem of the header.
    """
    header, start = _header(mapped)
    metadata = header.pop(METADATA, {})
    problems = _metadata_problems(metadata)
    spans: list[tuple[int, int, TensorInfo]] = []
    for name, entry in header.items():
        wrong = _entry_problem(name, entry)
        if wrong:
            problems.append(f"{quote(name)}: {wrong}")
            continue
        begin, end = entry["data_offsets"]
        dtype = _BY_CODE[entry["dtype"]]
        info = TensorInfo(name, dtype.name, tuple(entry["shape"]), mapped.path, start + begin)
        if info.nbytes != end - begin:
            problems.append(
                f"{quote(name)}: dtype {dtype.code} and shape {list(info.shape)} need {info.nbytes} bytes, "
                f"data_offsets [{begin}, {end}] give {end - begin}"
            )
        spans.append((begin, end, info))
    if not problems:
        spans.sort(key=lambda span: span[:2])
        problems = _coverage_problems(spans, mapped.size - start)
    if problems:
        raise CheckpointError(listing(f"{mapped.path}: not a valid safetensors file", problems))
    _second_opinion(mapped)
    return {info.name: info for _, _, info in spans}, metadata


def _second_opinion(mapped: MappedFile) -> None:
    """Let the format's own library read the header too: what one parser overlooks the other may not."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(mapped.path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{mapped.path}: not a valid safetensors file: {error}") from error


def _header(mapped: MappedFile) -> tuple[dict[str, Any], int]:
    """Return the header and where the data starts; its length is bounded before anything is allocated."""
    if mapped.size < _LENGTH_BYTES:
        raise CheckpointError(f"{mapped.path}: expected a safetensors file, found {mapped.size} bytes")
    length = int.from_bytes(mapped.buffer[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if start > mapped.size:
        raise CheckpointError(
            f"{mapped.path}: the safetensors header says it has {length} bytes, the file has {mapped.size}; "
            "truncated, or no safetensors file"
        )
    if length > MAX_JSON_BYTES:
        raise CheckpointError(
            f"{mapped.path}: expected a safetensors header of at most {MAX_JSON_BYTES} bytes, found {length}"
        )
    text = mapped.buffer[_LENGTH_BYTES:start]
    if not text.startswith(b"{"):
        raise CheckpointError(f"{mapped.path}: expected a safetensors header that starts with '{{', found {text[:1]!r}")
    return parse_json(text, f"{mapped.path}: safetensors header"), start


def _metadata_problems(metadata: Any) -> list[str]:
    if not isinstance(metadata, dict):
        return [f"{METADATA}: expected an object, found {quote(metadata)}"]
    return [
        f"{METADATA}: {quote(key)}: expected a string, found {quote(value)}"
        for key, value in metadata.items()
        if not isinstance(value, str)
    ]


def _entry_problem(name: str, entry: Any) -> str | None:
    """Return what is wrong with one header entry by itself, or None."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "a lone surrogate in the name"
    if not isinstance(entry, dict):
        return f"expected an object, found {quote(entry)}"
    if set(entry) != _ENTRY:
        return f"expected the keys {', '.join(sorted(_ENTRY))}, found {quote(sorted(entry))}"
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _BY_CODE:
        return f"dtype: expected one of {', '.join(_BY_CODE)}, found {quote(code)}"
    if not _sizes(shape) or len(shape) > MAX_DIMENSIONS:
        return f"shape: expected at most {MAX_DIMENSIONS} integers >= 0, found {quote(shape)}"
    # NumPy multiplies the sizes even where one of them is zero.
    if math.prod(max(size, 1) for size in shape) * _BY_CODE[code].stored.itemsize >= 2**63:
        return f"shape: expected fewer than 2^63 bytes, found {quote(shape)}"
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        return f"data_offsets: expected two integers, 0 <= begin <= end, found {quote(offsets)}"
    return None


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _coverage_problems(spans: list[tuple[int, int, TensorInfo]], size: int) -> list[str]:
    """Return where sorted spans do not follow each other from 0 to ``size``."""
    problems, expected = [], 0
    for begin, end, info in spans:
        if begin != expected:
            kind = "a hole before" if begin > expected else "an overlap with"
            problems.append(f"{kind} {quote(info.name)}: expected it to begin at {expected}, found {begin}")
        expected = max(expected, end)
    if expected != size:
        problems.append(f"expected the tensors to fill {size} bytes of data, found {expected}")
    return problems
