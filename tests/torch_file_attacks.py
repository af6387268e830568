"""Hostile ``pytorch_model.bin`` files: pickles put together from their operations, archives with lying headers.

Nothing here can run any of it; the pickles that would run something elsewhere leave a file named ``CANARY``.
"""

import io
import struct
import zipfile
from collections.abc import Iterator

CANARY = "canary-of-the-attack-corpus"
Files = dict[str, bytes]
Attack = tuple[str, Files]

# --- pickles ---------------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def several(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def named(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + several(*arguments) + b"R"


def storage(kind: bytes = named("torch", "FloatStorage"), key: bytes = text("0"), count: bytes = integer(4)) -> bytes:
    return several(text("storage"), kind, key, text("cpu"), count) + b"Q"


EMPTY = named("collections", "OrderedDict") + b")R"


def tensor(
    of: bytes | None = None,
    offset: bytes = integer(0),
    shape: bytes | None = None,
    strides: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """Return four floats of storage "0", or any other claim."""
    shape = several(integer(4)) if shape is None else shape
    strides = several(integer(1)) if strides is None else strides
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, storage() if of is None else of, offset, shape, strides, b"\x89", EMPTY, more)


def state(*pairs: bytes) -> bytes:
    """Return a pickle of a dict of these keys and values."""
    return b"\x80\x02}(" + b"".join(pairs) + b"u."


def archive(pickle: bytes, data: dict[str, bytes] | None = None, **others: bytes) -> bytes:
    """Return a zip file as torch.save makes it, with four floats unless told otherwise."""
    entries = {"data.pkl": pickle, "byteorder": b"little", **others}
    entries |= {f"data/{key}": value for key, value in ({"0": bytes(16)} if data is None else data).items()}
    return packed({f"archive/{name}": content for name, content in entries.items()})


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return file.getvalue()


def legacy(
    pickle: bytes | None = None,
    keys: bytes = b"\x80\x02](" + text("0") + b"e.",
    storages: bytes = struct.pack("<q", 4) + bytes(16),
    magic: int = 0x1950A86A20F9469CFC6C,
    version: int = 1001,
) -> bytes:
    """Return a file as torch.save made it before 1.6."""
    pickle = state(text("a"), tensor()) if pickle is None else pickle
    preamble = b"\x80\x02" + integer(magic) + b".\x80\x02" + integer(version) + b".\x80\x02}."
    return preamble + pickle + keys + storages


def pickle_attacks() -> Iterator[Attack]:
    """Pickles, each as a zip archive's and as a legacy file's."""
    for name, pickle in _pickles():
        yield f"zip pickle: {name}", {"pytorch_model.bin": archive(pickle)}
        yield f"legacy pickle: {name}", {"pytorch_model.bin": legacy(pickle)}


def _pickles() -> Iterator[tuple[str, bytes]]:
    yield from _executing_pickles()
    yield from _lying_pickles()
    yield from _bloating_pickles()


def misplaced_operations() -> Iterator[bytes]:
    """Pickles with each of the 256 operations where it finds too little or too much; most are not allowed at all."""
    for code in range(256):
        yield b"\x80\x02" + bytes([code]) + bytes(24) + b"."
        yield b"\x80\x02}" + text("a") + tensor() + bytes([code]) + b"}\n}\n}.s."


def _executing_pickles() -> Iterator[tuple[str, bytes]]:
    command = f"touch {CANARY}"
    code = f"open({CANARY!r}, 'w').close()"
    for module, name, argument in (
        ("os", "system", command),
        ("posix", "system", command),
        ("nt", "system", command),
        ("subprocess", "getoutput", command),
        ("builtins", "eval", code),
        ("builtins", "exec", code),
        ("__builtin__", "eval", code),
        ("builtins", "__import__", "os"),
        ("builtins", "getattr", "x"),
        ("runpy", "run_path", "x.py"),
        ("pickle", "loads", "x"),
        ("torch", "load", "x.bin"),
        ("torch.hub", "load", "x"),
        ("torch.storage", "_load_from_bytes", "x"),
        ("torch.jit", "script", "x"),
        ("numpy", "fromfile", "x"),
        ("numpy.core.multiarray", "_reconstruct", "x"),
        ("operator", "attrgetter", "__class__"),
        ("functools", "partial", "x"),
        ("_codecs", "encode", "x"),
        ("collections", "defaultdict", "x"),
        ("collections", "OrderedDict.__init__", "x"),
        ("collections.OrderedDict", "fromkeys", "x"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__", "x"),
        ("torch._utils", "__dict__", "x"),
        ("torch", "FloatStorage.__init__", "x"),
        ("minipegasus.checkpoints.torch_pickle", "unpickle", "x"),
        ("", "", "x"),
        ("\u0440osix", "system", command),
    ):
        called = call(named(module, name), text(argument))
        yield f"{module}.{name}", b"\x80\x02" + called + b"."
        yield f"{module}.{name} among tensors", state(text("a"), tensor(), text("b"), called)
    system = named("os", "system")
    argument = text(command)
    yield "STACK_GLOBAL", b"\x80\x04\x8c\x02os\x8c\x06system\x93" + several(argument) + b"R."
    yield "INST", b"(" + argument + b"ios\nsystem\n."
    yield "OBJ", b"(" + system + argument + b"o."
    yield "NEWOBJ", system + several(argument) + b"\x81."
    yield "NEWOBJ of an allowed global", named("collections", "OrderedDict") + b")\x81."
    yield "NEWOBJ_EX", system + several(argument) + b"}\x92."
    yield "EXT1", b"\x82\x01" + several(argument) + b"R."
    yield "EXT2", b"\x83\x01\x00" + several(argument) + b"R."
    yield "EXT4", b"\x84\x01\x00\x00\x00" + several(argument) + b"R."
    yield "PERSID", b"Pos.system\n."
    yield "getattr chain", call(named("builtins", "getattr"), named("torch", "Size"), text("__init__")) + b"."
    setstate = several(b"N", b"}" + text("__setstate__") + system + b"s")
    yield "BUILD with __setstate__", b"\x80\x02" + EMPTY + setstate + b"b" + argument + b"b."
    yield "BUILD of a tensor", state(text("a"), tensor() + b"}b")
    yield "BUILD of a function", named("torch._utils", "_rebuild_tensor_v2") + b"}b."
    yield "REDUCE of text", text("os.system") + several(argument) + b"R."
    yield "REDUCE of a storage type", call(named("torch", "FloatStorage"), integer(2**40)) + b"."
    yield "REDUCE of a dtype", call(named("torch", "float32"), integer(4)) + b"."
    yield "REDUCE of a tensor", tensor() + b")R."
    yield "REDUCE with a list", named("torch", "Size") + b"](K\x01eR."
    yield "REDUCE of torch.Size with text", call(named("torch", "Size"), text("x")) + b"."
    pairs = b"](" + several(text("a"), tensor()) + b"e"
    yield "OrderedDict of pairs", call(named("collections", "OrderedDict"), pairs) + b"."


def _lying_pickles() -> Iterator[tuple[str, bytes]]:
    def tensors(**changes: bytes) -> bytes:
        return state(text("a"), tensor(**changes))

    yield "a list", b"\x80\x02](" + tensor() + b"e."
    yield "a tensor", b"\x80\x02" + tensor() + b"."
    yield "no tensors", state(text("epoch"), integer(3))
    yield "tensors one level down", state(text("state_dict"), b"}" + text("a") + tensor() + b"s")
    yield "a name that is a number", state(integer(1), tensor())
    yield "a key that is a tuple", state(several(integer(1)), tensor())
    yield "a key that is a list", state(b"]", tensor())
    yield "an odd number of items", state(text("a"))
    yield "no STOP", state(text("a"), tensor())[:-1]
    yield "two values", b"\x80\x02}}."
    yield "a MARK left over", b"\x80\x02(}."
    yield "protocol 9", b"\x80\x09" + state(text("a"), tensor())[2:]
    yield "a name of a megabyte", state(text("a" * 2**20), tensor())
    yield "text that is not utf-8", state(b"X\x01\x00\x00\x00\xff", tensor())
    two = several(integer(2))
    wide = several(integer(2**32), integer(2**32))
    for name, changes in {
        "offset beyond": {"offset": integer(1)},
        "offset 2^62": {"offset": integer(2**62)},
        "offset 2^64": {"offset": integer(2**64)},
        "offset negative": {"offset": integer(-1)},
        "offset float": {"offset": b"G" + bytes(8)},
        "offset bool": {"offset": b"\x89"},
        "size beyond": {"shape": several(integer(5))},
        "size negative": {"shape": several(integer(-4))},
        "size bool": {"shape": several(b"\x88")},
        "size null": {"shape": b"N"},
        "size wraps": {"shape": wide, "strides": several(integer(0), integer(0))},
        "size empty and huge": {
            "shape": several(integer(0), integer(2**62), integer(2**62)),
            "strides": several(*[integer(1)] * 3),
        },
        "size of a million million by stride 0": {"shape": several(integer(10**12)), "strides": several(integer(0))},
        "size of 33 numbers": {"shape": several(*[integer(1)] * 33), "strides": several(*[integer(1)] * 33)},
        "stride beyond": {"shape": two, "strides": several(integer(4))},
        "stride 2^62": {"shape": two, "strides": several(integer(2**62))},
        "stride negative": {"strides": several(integer(-1))},
        "stride missing": {"strides": b")"},
        "storage null": {"of": b"N"},
        "storage a dict": {"of": b"}"},
        "storage a type": {"of": named("torch", "FloatStorage")},
        "negative view": {"more": b"}" + text("neg") + b"\x88s"},
        "two more arguments": {"more": b"NN"},
    }.items():
        yield f"tensor: {name}", tensors(**changes)
    float_storage = named("torch", "FloatStorage")
    for name, of in {
        "count lies": storage(count=integer(5)),
        "count negative": storage(count=integer(-4)),
        "count 2^62": storage(count=integer(2**62)),
        "count 2^80": storage(count=integer(2**80)),
        "count float": storage(count=b"G" + struct.pack(">d", 4.0)),
        "type lies": storage(kind=named("torch", "DoubleStorage")),
        "type a dtype": storage(kind=named("torch", "float32")),
        "type text": storage(kind=text("FloatStorage")),
        "type unknown": storage(kind=named("torch", "ComplexFloatStorage")),
        "type quantized": storage(kind=named("torch", "QInt8Storage")),
        "key a number": storage(key=integer(0)),
        "key missing": storage(key=text("9")),
        "key a path": storage(key=text("../data.pkl")),
        "key the pickle": storage(key=text("../../archive/data.pkl")),
        "id text": text("storage") + b"Q",
        "id empty": b")Q",
        "id module": several(text("module"), float_storage, text("0"), text("cpu"), integer(4)) + b"Q",
        "id with a view": several(text("storage"), float_storage, text("0"), b"N", integer(4), two) + b"Q",
    }.items():
        yield f"storage: {name}", tensors(of=of)
    twice = tensor(of=storage(kind=named("torch", "IntStorage")))
    yield "storage: declared twice", state(text("a"), tensor(), text("b"), twice)
    parameter = named("torch._utils", "_rebuild_parameter")
    yield "parameter of no tensor", state(text("a"), tensor(), text("b"), call(parameter, text("x"), b"\x88", EMPTY))
    dtype = named("torch._utils", "_rebuild_tensor_v3")
    claims = (storage(), integer(0), several(integer(4)), several(integer(1)), b"\x89", EMPTY)
    yield "a dtype that is not the storage's", state(text("a"), call(dtype, *claims, named("torch", "int32")))
    yield "a dtype that is text", state(text("a"), call(dtype, *claims, text("float32")))
    untyped = storage(kind=named("torch.storage", "UntypedStorage"), count=integer(16))
    yield "an untyped storage without dtype", tensors(of=untyped)


def _bloating_pickles() -> Iterator[tuple[str, bytes]]:
    """Much from little: every one must end early, by a limit."""
    good = text("a") + tensor()
    yield "a million dicts", b"\x80\x02" + b"}" * 10**6 + b"."
    yield "a million lists", b"\x80\x02" + b"]" * 10**6 + b"."
    yield "a million MARKs", b"\x80\x02" + b"(" * 10**6 + b"."
    yield "a hundred thousand long integers", b"\x80\x02" + (b"\x8a\xff" + b"\x7f" * 255) * 10**5 + b"."
    yield "a key of nested tuples", b"\x80\x02})" + b"\x85" * 200_000 + b"Ns."
    yield "nested tuples", b"\x80\x02)" + b"\x85" * 200_000 + b"."
    yield "nested lists", b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."
    yield "a list of itself", state(text("x"), b"]q\x00h\x00a")
    yield "a dict of itself", b"\x80\x02}q\x00" + text("x") + b"h\x00s."
    laughs = b"".join(b"](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(9))
    yield "a billion laughs", b"\x80\x02]q\x00" + laughs + b"."
    equal = b"".join(integer((2**61 - 1) * i) + b"N" for i in range(50_000))
    yield "integers of one hash", b"\x80\x02}(" + equal + b"u."
    yield "memo entry that is not there", b"\x80\x02h\x07."
    yield "memo entry 2^32 - 1 that is not there", b"\x80\x02j\xff\xff\xff\xff."
    yield "memo entry 2^32 - 1", b"\x80\x02}r\xff\xff\xff\xff."
    yield "memo of nothing", b"\x80\x02q\x00."
    for name, operation in {
        "LONG4 of 2^31 - 1 bytes": b"\x8b\xff\xff\xff\x7f",
        "LONG4 of -1 bytes": b"\x8b\xff\xff\xff\xff",
        "BINUNICODE of 2^32 - 1 bytes": b"X\xff\xff\xff\xff",
        "BINUNICODE of 2^31 bytes": b"X\x00\x00\x00\x80",
        "BINUNICODE8 of 2^63 bytes": b"\x8d" + b"\0" * 7 + b"\x80",
        "BINBYTES8 of 2^63 bytes": b"\x8e" + b"\0" * 7 + b"\x80",
        "BYTEARRAY8 of 2^40 bytes": b"\x96" + (2**40).to_bytes(8, "little"),
        "FRAME of 2^62 bytes": b"\x95" + (2**62).to_bytes(8, "little"),
        "STRING": b"S'" + b"a" * 10**6 + b"'\n",
        "INT of a million digits": b"I" + b"9" * 10**6 + b"\n",
        "LONG of a million digits": b"L" + b"9" * 10**6 + b"L\n",
        "a global's name without end": b"c" + b"a" * 10**6,
        "a global's name of a megabyte": b"c" + b"a" * 10**6 + b"\nb\n",
    }.items():
        yield name, b"\x80\x02}" + good + b"s" + operation + b"s."


# --- archives and legacy files ---------------------------------------------------------------------------------------

_GOOD = state(text("a"), tensor())


def torch_file_attacks() -> Iterator[Attack]:
    for name, content in (*_zip_files(), *_legacy_files()):
        yield name, {"pytorch_model.bin": content}


def _zip_files() -> Iterator[tuple[str, bytes]]:
    good = archive(_GOOD)
    at_end = good.rindex(b"PK\x05\x06")
    at_directory = good.index(b"PK\x01\x02")
    last = good.rindex(b"PK\x03\x04")  # the local header of archive/data/0
    last_record = good.rindex(b"PK\x01\x02")

    def patched(at: int, layout: str, value: int, also: int | None = None) -> bytes:
        raw = bytearray(good)
        for position in (at,) if also is None else (at, also):
            struct.pack_into(layout, raw, position, value)
        return bytes(raw)

    for size in (3, 4, 20, 60, at_directory - 1, at_directory + 10, at_end - 1, at_end + 10, len(good) - 1):
        yield f"zip: cut at {size}", good[:size]
    yield "zip: bytes behind", good + b"\0"
    yield "zip: bytes before", b"PK\x03\x04" + bytes(26) + good
    yield "zip: no pickle", packed({"archive/data/0": bytes(16)})
    yield "zip: pickle at the top", packed({"data.pkl": _GOOD, "data/0": bytes(16)})
    yield "zip: two pickles", packed({"a/data.pkl": _GOOD, "b/data.pkl": _GOOD, "a/data/0": bytes(16)})
    yield "zip: storage missing", archive(_GOOD, {})
    yield "zip: storage too short", archive(_GOOD, {"0": bytes(15)})
    yield "zip: storage too long", archive(_GOOD, {"0": bytes(17)})
    large = tensor(storage(count=integer(2**14)), shape=several(integer(2**14)))
    shared = [part for i in range(20) for part in (text(str(i)), b"h\x01")]
    pickle = state(text("a"), large + b"q\x01", *shared)
    yield "zip: a tensor under 21 names", archive(pickle, {"0": bytes(2**16)})
    yield "zip: byteorder unknown", archive(_GOOD, byteorder=b"middle")
    yield "zip: byteorder long", archive(_GOOD, byteorder=b"little" * 10**5)
    yield "zip: directory too large", archive(_GOOD, **{f"{i:060}": b"" for i in range(40_000)})
    for name, method in (("deflated", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        entries = {"archive/data.pkl": _GOOD, "archive/data/0": bytes(16), "archive/bomb": bytes(2 * 10**6)}
        yield f"zip: {name} bomb", packed(entries, method)
    yield "zip: encrypted", patched(last_record + 8, "<H", 0x0001, last + 6)
    yield "zip: strongly encrypted", patched(last_record + 8, "<H", 0x0040, last + 6)
    yield "zip: directory encrypted", patched(last_record + 8, "<H", 0x2000, last + 6)
    yield "zip: method unknown", patched(last_record + 10, "<H", 99, last + 8)
    yield "zip: method lies", patched(last_record + 10, "<H", 8)
    yield "zip: packed size", patched(last_record + 20, "<I", 15, last + 18)
    yield "zip: packed size lies", patched(last_record + 20, "<I", 15)
    yield "zip: size lies", patched(last_record + 24, "<I", 15)
    yield "zip: size 2^32 - 2", patched(last_record + 24, "<I", 2**32 - 2)
    yield "zip: size in a zip64 field that is not there", patched(last_record + 24, "<I", 2**32 - 1)
    yield "zip: name of the record too long", patched(last_record + 28, "<H", 60_000)
    yield "zip: extra of the record too long", patched(last_record + 30, "<H", 60_000)
    yield "zip: comment of the record too long", patched(last_record + 32, "<H", 60_000)
    yield "zip: record on another disk", patched(last_record + 34, "<H", 1)
    yield "zip: header offset beyond", patched(last_record + 42, "<I", len(good))
    yield "zip: header offset in the directory", patched(last_record + 42, "<I", at_directory)
    yield "zip: header offset at another entry", patched(last_record + 42, "<I", 0)
    yield "zip: record signature", patched(last_record, "<I", 0)
    yield "zip: local signature", patched(last, "<I", 0)
    yield "zip: local flags", patched(last + 6, "<H", 1)
    yield "zip: local method", patched(last + 8, "<H", 8)
    yield "zip: local packed size", patched(last + 18, "<I", 15)
    yield "zip: local size", patched(last + 22, "<I", 17)
    yield "zip: local size in a zip64 field that is not there", patched(last + 22, "<I", 2**32 - 1)
    yield "zip: local name length", patched(last + 26, "<H", 15)
    yield "zip: local name", patched(last + 30, "<B", ord("b"))
    yield "zip: local extra runs over the data", patched(last + 28, "<H", 17)
    yield "zip: local extra runs over the directory", patched(last + 28, "<H", 60_000)
    twice = good[:at_end] + good[last_record:at_end]
    yield "zip: an entry name twice", with_zip64_end(twice, at_directory, len(twice), count=4)
    yield "zip: a name that is not utf-8", good.replace(b"byteorder", b"byteord\xff\xfe")
    yield "zip: end says another disk", patched(at_end + 4, "<H", 1)
    spare = packed({"archive/data.pkl": _GOOD, "archive/data/0": bytes(16), "archive/version": b"3"})
    yield "zip: end says fewer entries", spare.replace(struct.pack("<HH", 3, 3), struct.pack("<HH", 2, 2))
    yield "zip: end says more entries", patched(at_end + 8, "<I", 0x40004)
    yield "zip: end says many entries", patched(at_end + 8, "<I", 0xFFFEFFFE)
    yield "zip: end says part of the entries", patched(at_end + 8, "<H", 1)
    yield "zip: end says a larger directory", patched(at_end + 12, "<I", 2**32 - 2)
    yield "zip: end says a smaller directory", patched(at_end + 12, "<I", 46)
    yield "zip: end says an earlier directory", patched(at_end + 16, "<I", 0)
    yield "zip: end says a later directory", patched(at_end + 16, "<I", 2**32 - 2)
    yield "zip: end says a comment", patched(at_end + 20, "<H", 9)
    yield "zip: nothing but an end", b"PK\x03\x04" + good[at_end:]
    for name, change in {
        "beyond the file": {"at": 2**62},
        "at the start": {"at": 0},
        "of another size": {"size": 2**62},
        "with another count": {"count": 2},
        "with 2^63 entries": {"count": 2**63},
        "without signature": {"signature": b"PK\6\5"},
        "contradicted": {"short_count": 2},
    }.items():
        yield f"zip: zip64 end {name}", with_zip64_end(good, at_directory, at_end, **change)


def with_zip64_end(
    good: bytes,
    start: int,
    end: int,
    at: int | None = None,
    size: int | None = None,
    count: int = 3,
    short_count: int = 0xFFFF,
    signature: bytes = b"PK\6\6",
) -> bytes:
    """Return the archive with a zip64 end record, as large archives have it."""
    size = end - start if size is None else size
    record = struct.pack("<4sQ2H2I4Q", signature, 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end if at is None else at, 1)
    short = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, short_count, short_count, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return good[:end] + record + locator + short


def _legacy_files() -> Iterator[tuple[str, bytes]]:
    good = legacy()
    yield "legacy: empty", b""
    yield "legacy: text", b"this is no checkpoint at all"
    for size in (1, 2, 15, 30, 60, len(good) - 25, len(good) - 20, len(good) - 1):
        yield f"legacy: cut at {size}", good[:size]
    yield "legacy: bytes behind", good + b"\0"
    yield "legacy: another magic number", legacy(magic=1)
    yield "legacy: another version", legacy(version=1002)
    yield "legacy: keys not a list", legacy(keys=b"\x80\x02}" + text("0") + b"Ns.")
    yield "legacy: keys of two kinds", legacy(keys=b"\x80\x02](K\x00" + text("0") + b"e.")
    yield "legacy: keys are numbers", legacy(keys=b"\x80\x02](K\x00e.")
    yield "legacy: keys missing", legacy(keys=b"\x80\x02].", storages=b"")
    yield "legacy: a key too many", legacy(keys=b"\x80\x02](" + text("0") + text("1") + b"e.")
    yield "legacy: a key twice", legacy(keys=b"\x80\x02](" + text("0") * 2 + b"e.")
    yield "legacy: count lies", legacy(storages=struct.pack("<q", 5) + bytes(20))
    yield "legacy: count negative", legacy(storages=struct.pack("<q", -4) + bytes(16))
    yield "legacy: count huge", legacy(storages=struct.pack("<Q", 2**63) + bytes(16))
    yield "legacy: a module", legacy(named("torch.nn.modules.linear", "Linear") + b")\x81.")
