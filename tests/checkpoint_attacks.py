"""Hostile checkpoint folders: each attack is a name and the files of a folder, written from raw bytes."""

import json
import struct
from collections.abc import Iterator

from torch_file_attacks import Attack, Files, pickle_attacks, torch_file_attacks

# --- safetensors -----------------------------------------------------------------------------------------------------


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a file with this header (JSON unless bytes already) and any length field."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: object = "F32", shape: object = (2,), begin: object = 0, end: object = 8) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_attacks() -> Iterator[Attack]:
    for name, content in _safetensors_files():
        yield f"safetensors: {name}", {"model.safetensors": content}


def _safetensors_files() -> Iterator[tuple[str, bytes]]:
    eight = bytes(8)
    whole = safetensors({"a": entry()}, eight)
    yield "empty", b""
    yield "seven bytes", bytes(7)
    yield "only zeros", bytes(64)
    yield "header cut", whole[:30]
    yield "data cut", whole[:-1]
    yield "bytes behind", whole + b"\0"
    for exponent in (31, 32, 53, 63):
        yield f"header of 2^{exponent} bytes", safetensors({"a": entry()}, eight, 2**exponent)
    yield "header of 2^64 - 1 bytes", safetensors({"a": entry()}, eight, 2**64 - 1)
    yield "header over the limit", safetensors(b"{" + b" " * 3_000_000 + b"}")
    yield "git lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    yield "a web page", b"<!DOCTYPE html><html>not found</html>"
    for name, header in {
        "not json": b"{'a': 1}",
        "a list": b"[]",
        "a number": b"7",
        "a space first": b" {}",
        "a byte order mark": b"\xef\xbb\xbf{}",
        "not utf-8": b'{"\xff": 1}',
        "two objects": b"{}{}",
        "nothing": b"",
        "name twice": b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2),
        "key twice": b'{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}',
        "lone surrogate": b'{"\\ud800":%s}' % json.dumps(entry()).encode(),
        "nan": b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}',
        "infinite": b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}',
        "5000 digits": b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}' % (b"9" * 5000),
        "a million digits": b'{"a":{"dtype":"F32","shape":[%s.5],"data_offsets":[0,8]}}' % (b"9" * 10**6),
        "nested lists": b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        "nested objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        "nested a little": b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
        "many small lists": b'{"a":[' + b"[]," * 500_000 + b"[]]}",
        "many small entries": b"{" + b",".join(b'"%d":{}' % i for i in range(100_000)) + b"}",
    }.items():
        yield f"header: {name}", safetensors(header, eight)
    for name, one in {
        "unknown dtype": entry("F31"),
        "dtype in small letters": entry("f32"),
        "dtype that is not supported": entry("F8_E4M3", (8,)),
        "dtype a number": entry(7),
        "dtype a list": entry([]),
        "shape negative": entry(shape=(-2,)),
        "shape negative twice": entry(shape=(-1, -2)),
        "shape float": entry(shape=(2.0,)),
        "shape bool": entry("F64", shape=(True,)),
        "shape text": entry(shape="2"),
        "shape null": entry(shape=None),
        "shape nested": entry(shape=[[2]]),
        "shape 2^64": entry(shape=(2**64,)),
        "shape that wraps to 8 bytes": entry(shape=(2**62 + 1, 2)),
        "shape of 33 sizes": entry(shape=(1,) * 32 + (2,)),
        "shape of a million sizes": entry(shape=(1,) * 600_000),
        "shape too large": entry(shape=(3,)),
        "shape too small": entry(shape=(1,)),
        "offsets beyond": entry(shape=(4,), end=16),
        "offsets from the end": entry(begin=8, end=16),
        "offsets reversed": entry(begin=8, end=0),
        "offsets negative": entry(begin=-8, end=0),
        "offsets float": entry(begin=0.0),
        "offsets bool": entry("U8", (1,), False, True),
        "offsets 2^64": entry(begin=2**64, end=2**64 + 8),
        "offsets missing": {"dtype": "F32", "shape": [2]},
        "offsets three": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]},
        "key unknown": entry() | {"code": "import os"},
        "a list": [],
        "null": None,
    }.items():
        yield f"entry: {name}", safetensors({"a": one}, eight)
    yield "shape that wraps to 0 bytes", safetensors({"a": entry(shape=(2**32, 2**32), end=0)})
    yield "shape empty and huge", safetensors({"a": entry(shape=(0, 2**62, 2**62), end=0)})
    yield "overlap", safetensors({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12))
    yield "the same bytes twice", safetensors({"a": entry(), "b": entry()}, eight)
    yield "hole before", safetensors({"a": entry(begin=8, end=16)}, bytes(16))
    yield "hole between", safetensors({"a": entry(), "b": entry(begin=12, end=20)}, bytes(20))
    yield "hole behind", safetensors({"a": entry()}, bytes(16))
    yield "no tensors but data", safetensors({}, eight)
    yield "metadata a list", safetensors({"__metadata__": [], "a": entry()}, eight)
    yield "metadata nested", safetensors({"__metadata__": {"format": {}}, "a": entry()}, eight)
    yield "metadata a number", safetensors({"__metadata__": {"format": 1}, "a": entry()}, eight)


# --- index files -----------------------------------------------------------------------------------------------------


def index_attacks() -> Iterator[Attack]:
    shard = safetensors({"a": entry()}, bytes(8))
    for name, file in {
        "parent": "../model.safetensors",
        "absolute": "/etc/passwd.safetensors",
        "folder": "sub/model.safetensors",
        "backslash": "..\\model.safetensors",
        "drive": "C:model.safetensors",
        "empty": "",
        "dots": "..",
        "hidden": ".safetensors",
        "NUL": "a\0.safetensors",
        "line feed": "a\n.safetensors",
        "other format": "pytorch_model.bin",
        "config": "config.json",
        "missing": "model-00002-of-00002.safetensors",
        "long": "x" * 5000 + ".safetensors",
        "long for the system": "\u00fc" * 200 + ".safetensors",
        "number": 7,
        "null": None,
        "list": ["one.safetensors"],
    }.items():
        yield f"index: {name}", _indexed({"a": "one.safetensors", "b": file}, shard)
    yield "index: tensor not in its file", _indexed({"a": "one.safetensors", "b": "one.safetensors"}, shard)
    yield "index: damaged shard", _indexed({"a": "one.safetensors"}, shard[:-1])
    yield "index: empty map", _indexed({}, shard)
    yield "index: map a list", _indexed(["one.safetensors"], shard)
    yield "index: map missing", {"model.safetensors.index.json": b"{}", "one.safetensors": shard}
    twice = b'{"weight_map":{"a":"one.safetensors","a":"../x.safetensors"}}'
    yield "index: name twice", {"model.safetensors.index.json": twice, "one.safetensors": shard}
    yield "index: too large", {"model.safetensors.index.json": b"{" + b" " * 3_000_000 + b"}"}
    yield "index: of a torch file", {"pytorch_model.bin.index.json": b'{"weight_map":{"a":"../x.bin"}}'}
    yield "index: no weights at all", {"config.json": b"{}"}
    yield "index: only weights of others", {"config.json": b"{}", "tf_model.h5": b"", "flax_model.msgpack": b""}


def _indexed(weight_map: object, shard: bytes) -> Files:
    index = json.dumps({"weight_map": weight_map}).encode()
    return {"model.safetensors.index.json": index, "one.safetensors": shard}


# --- json ------------------------------------------------------------------------------------------------------------

JSON_FILES = {
    "empty": b"",
    "a list": b"[1]",
    "text": b'"config"',
    "null": b"null",
    "not json": b"model_type: pegasus",
    "cut": b'{"d_model": 8',
    "two values": b"{} {}",
    "key twice": b'{"d_model": 8, "d_model": 16}',
    "key twice inside": b'{"encoder": {"vocab_size": 1, "vocab_size": 2}}',
    "nan": b'{"dropout": NaN}',
    "infinity": b'{"dropout": -Infinity}',
    "1e999": b'{"dropout": 1e999}',
    "a million digits": b'{"d_model": ' + b"9" * 10**6 + b"}",
    "nested lists": b'{"a": ' + b"[" * 900_000 + b"]" * 900_000 + b"}",
    "nested objects": b'{"a":' * 300_000 + b"1" + b"}" * 300_000,
    "nested a little": b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "not utf-8": b'{"a": "\xc3"}',
    "too large": b'{"a": "' + b"x" * 3_000_000 + b'"}',
    "git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
}


def all_attacks() -> list[Attack]:
    return [*safetensors_attacks(), *index_attacks(), *pickle_attacks(), *torch_file_attacks()]
