"""Where the entries of a zip archive lie: stored (uncompressed) entries only, the two copies of each header compared.

torch.save aligns stored entries so that they can be mapped in place. Nothing here decompresses, so there are no bombs.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ..errors import CheckpointError, quote
from .mapped import MappedFile

__all__ = ["Entry", "is_zip", "read_zip_directory"]

#: pegasus-large has 60 kB; an entry takes at least 46 bytes.
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_LOCAL = Struct("<4s5H3I2H")
_CENTRAL = Struct("<4s6H3I5H2I")
_END = Struct("<4s4H2IH")
_LOCATOR64 = Struct("<4sIQI")
_END64 = Struct("<4sQ2H2I4Q")
_ENCRYPTED, _LATER_SIZES = 0x2041, 0x0008  # flag bits: any encryption; sizes in a descriptor behind the data
_MAX_EXTRA = 256  # bytes of extra fields searched; the zip64 field comes first
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


class Entry(NamedTuple):
    """One stored entry: ``size`` bytes from ``start`` of the file."""

    start: int
    size: int


class _Record(NamedTuple):
    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    header: int


def is_zip(mapped: MappedFile) -> bool:
    """Tell whether the file begins like an archive."""
    return mapped.buffer[:4] == b"PK\x03\x04"


def read_zip_directory(mapped: MappedFile) -> dict[str, Entry]:
    """Return the archive's entries by name; raise CheckpointError for anything but plain stored entries."""
    start, size, count = _directory(mapped)
    entries: dict[str, Entry] = {}
    for record in _records(mapped, start, size, count):
        try:
            name = record.name.decode()
        except UnicodeDecodeError:
            raise _refusal(mapped, f"expected entry names in UTF-8, found {quote(record.name)}") from None
        if name in entries:
            raise _refusal(mapped, f"entry {quote(name)} is there twice")
        if record.flags & _ENCRYPTED:
            raise _refusal(mapped, f"entry {quote(name)} is encrypted")
        if record.method != 0 or record.packed != record.size:
            sizes = f"method {record.method}, {record.packed} for {record.size} bytes"
            raise _refusal(mapped, f"entry {quote(name)} is compressed ({sizes})")
        entries[name] = _locate(mapped, record, name, start)
    return entries


def _refusal(mapped: MappedFile, problem: str) -> CheckpointError:
    return CheckpointError(f"{mapped.path}: zip archive: {problem}")


def _directory(mapped: MappedFile) -> tuple[int, int, int]:
    """Return start, size and number of entries of the central directory, which must reach up to its end record."""
    at = mapped.buffer.rfind(b"PK\x05\x06", max(0, mapped.size - _END.size - _FULL16))
    if at < 0 or at + _END.size > mapped.size:
        raise _refusal(mapped, "no end record: truncated, or no archive")
    _, disk, first_disk, count_here, count, size, start, comment = _END.unpack_from(mapped.buffer, at)
    if at + _END.size + comment != mapped.size:
        raise _refusal(mapped, "bytes behind the end record")
    locator = at - _LOCATOR64.size
    if locator >= 0 and mapped.buffer[locator : locator + 4] == b"PK\x06\x07":
        at = _LOCATOR64.unpack_from(mapped.buffer, locator)[2]
        if at + _END64.size != locator or mapped.buffer[at : at + 4] != b"PK\x06\x06":
            raise _refusal(mapped, "the zip64 end record is not where its locator says")
        short = (disk, first_disk, count_here, count, size, start)
        long = _END64.unpack_from(mapped.buffer, at)[4:]
        full = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
        if any(a not in (b, limit) for a, b, limit in zip(short, long, full, strict=True)):
            raise _refusal(mapped, "its two end records contradict each other")
        disk, first_disk, count_here, count, size, start = long
    if (disk, first_disk, count_here) != (0, 0, count):
        raise _refusal(mapped, "it is one part of several")
    if size > MAX_DIRECTORY_BYTES:
        raise _refusal(mapped, f"expected a directory of at most {MAX_DIRECTORY_BYTES} bytes, found {size}")
    if start + size != at:
        raise _refusal(mapped, f"expected its directory to end at byte {at}, found {start + size}")
    return start, size, count


def _records(mapped: MappedFile, start: int, size: int, count: int) -> Iterator[_Record]:
    at, end = start, start + size
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise _refusal(mapped, f"its directory has fewer than {count} entries")
        fields = _CENTRAL.unpack_from(mapped.buffer, at)
        signature, _, _, flags, method, _, _, _, packed, full, names, extras, comments, disk, _, _, header = fields
        name = mapped.buffer[at + _CENTRAL.size : at + _CENTRAL.size + names]
        extra = at + _CENTRAL.size + names
        at += _CENTRAL.size + names + extras + comments
        if signature != b"PK\x01\x02" or at > end or disk != 0:
            raise _refusal(mapped, "its directory is damaged")
        full, packed, header = _zip64(mapped, extra, extras, [full, packed, header])
        yield _Record(name, flags, method, packed, full, header)
    if at != end:
        raise _refusal(mapped, f"its directory has more than {count} entries")


def _zip64(mapped: MappedFile, start: int, length: int, values: list[int]) -> list[int]:
    """Replace each value that does not fit 32 bits by the next one of the zip64 field among the extra fields."""
    if _FULL32 not in values:
        return values
    extra = mapped.buffer[start : start + min(length, _MAX_EXTRA)]
    at = 0
    while at + 4 <= len(extra):
        kind, length = int.from_bytes(extra[at : at + 2], "little"), int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == 1 and at + 4 + length <= len(extra) and length >= 8 * values.count(_FULL32):
            wide = (int.from_bytes(extra[i : i + 8], "little") for i in range(at + 4, at + 4 + length, 8))
            return [next(wide) if value == _FULL32 else value for value in values]
        at += 4 + length
    raise _refusal(mapped, "a zip64 field is missing or damaged")


def _locate(mapped: MappedFile, record: _Record, name: str, end: int) -> Entry:
    """Return where the data lie: behind the local header, which must agree with the directory."""
    at = record.header
    if at + _LOCAL.size > end:
        raise _refusal(mapped, f"entry {quote(name)}: expected its header before byte {end}, found it at {at}")
    signature, _, flags, method, _, _, _, packed, full, names, extras = _LOCAL.unpack_from(mapped.buffer, at)
    at += _LOCAL.size
    start = at + names + extras
    here = (signature, flags, method, names)
    there = (b"PK\x03\x04", record.flags, record.method, len(record.name))
    if here != there or mapped.buffer[at : at + names] != record.name:
        raise _refusal(mapped, f"entry {quote(name)}: its own header and the directory contradict each other")
    if not flags & _LATER_SIZES:
        full, packed = _zip64(mapped, at + names, extras, [full, packed])
        if (packed, full) != (record.packed, record.size):
            found = f"{full} bytes, {packed} packed"
            raise _refusal(mapped, f"entry {quote(name)}: its header says {found}, the directory {record.size}")
    if start + record.size > end:
        raise _refusal(mapped, f"entry {quote(name)}: expected its data before byte {end}, found {start + record.size}")
    return Entry(start, record.size)
