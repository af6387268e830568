"""A machine for pickles that hold data only: a stack, a memo and the operations that a state dict needs.

None of them can import or call anything: GLOBAL looks a name up in a table that the caller gives, REDUCE applies a
:class:`Function` of that table. Every other operation is refused by name; work and memory are bounded by limits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from struct import unpack_from
from typing import Any

from ..errors import quote

__all__ = ["MAX_BYTES", "Function", "Machine", "PickleError"]

#: pegasus-large needs 170 kB, 20,000 operations and a memo of 5,000.
MAX_BYTES = 16 * 1024 * 1024
MAX_OPERATIONS = 300_000
MAX_STRING = 65_536
MAX_NAME = 256


class PickleError(Exception):
    """Why a pickle is refused; the caller adds the file's name."""


@dataclass(frozen=True, slots=True)
class Function:
    """A global that REDUCE may apply: from data to data."""

    name: str
    apply: Callable[..., object]


def _dict_key(value: Any) -> str | int:
    """Only text and 64-bit integers may be keys: a nested tuple's hash recurses, longer integers share one hash."""
    if type(value) is str or (type(value) is int and -(2**63) <= value < 2**63):
        return value
    raise PickleError(f"expected text or a 64-bit integer as a dict key, found {quote(value)}")


@dataclass(slots=True)
class Machine:
    """Reads one pickle of ``data`` from ``position`` to at most ``limit``."""

    data: mmap | bytes
    position: int
    limit: int
    globals: Mapping[str, object]
    load: Callable[[object], object]  # what a persistent id stands for
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)  # the stacks under each MARK
    memo: dict[int, object] = field(default_factory=dict)

    def run(self) -> object:
        """Return the pickle's value; ``position`` is then its end."""
        for _ in range(MAX_OPERATIONS):
            code = self.take(1)[0]
            operation = _OPERATIONS.get(code)
            if code == _STOP:
                if len(self.stack) != 1 or self.below:
                    raise PickleError("expected one value at the end of the pickle")
                return self.stack[0]
            if operation is None:
                raise PickleError(f"operation {_opcode(code)} at byte {self.position - 1} is not allowed")
            operation(self)
        raise PickleError(f"expected at most {MAX_OPERATIONS} operations")

    # reading

    def take(self, count: int) -> bytes:
        start = self.position
        self.position = start + count
        if self.position > self.limit:
            raise PickleError(f"the pickle ends early, or has more than {MAX_BYTES} bytes")
        return self.data[start : self.position]

    def number(self, layout: str, count: int) -> int:
        return int(unpack_from(layout, self.take(count))[0])

    def text(self, count: int) -> str:
        if count > MAX_STRING:
            raise PickleError(f"expected texts of at most {MAX_STRING} bytes, found {count}")
        try:
            return self.take(count).decode()
        except UnicodeDecodeError:
            raise PickleError("expected text in UTF-8") from None

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, min(self.limit, self.position + MAX_NAME))
        if end < 0:
            raise PickleError(f"expected a global's name of at most {MAX_NAME} bytes")
        text = self.text(end - self.position)
        self.position += 1
        return text

    # the stack

    def pop(self) -> Any:
        if not self.stack:
            raise PickleError("an operation finds the stack empty")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise PickleError(f"an operation expects a {kind.__name__} on the stack")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        if not self.below:
            raise PickleError("an operation finds no MARK")
        items, self.stack = self.stack, self.below.pop()
        return items

    # operations

    def protocol(self) -> None:
        version = self.take(1)[0]
        if version > 5:
            raise PickleError(f"expected a pickle protocol up to 5, found {version}")

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def long(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.take(1)[0]), "little", signed=True))

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise PickleError("an operation finds the stack empty")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def tuple_since_mark(self) -> None:
        items = tuple(self.since_mark())
        self.stack.append(items)

    def append(self) -> None:
        item = self.pop()
        self.top(list).append(item)

    def appends(self) -> None:
        items = self.since_mark()
        self.top(list).extend(items)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.top(dict)[_dict_key(key)] = value

    def set_items(self) -> None:
        items = self.since_mark()
        if len(items) % 2:
            raise PickleError("SETITEMS expects pairs")
        target = self.top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_dict_key(key)] = value

    def remember(self, index: int) -> None:
        if not self.stack:
            raise PickleError("an operation finds the stack empty")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise PickleError(f"memo entry {index} does not exist")
        self.stack.append(self.memo[index])

    def find_global(self) -> None:
        name = f"{self.line()}.{self.line()}"
        if name not in self.globals:
            raise PickleError(f"global {quote(name)} is not allowed: only the parts of a state dict of tensors are")
        self.stack.append(self.globals[name])

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if type(function) is not Function or type(arguments) is not tuple:
            raise PickleError("REDUCE expects an allowed function and its arguments")
        try:
            self.stack.append(function.apply(*arguments))
        except TypeError:  # a wrong number of arguments
            raise PickleError(f"{function.name}: {len(arguments)} arguments do not fit") from None

    def build(self) -> None:
        """A state dict's ``_metadata`` (module versions): of no use here."""
        self.pop()
        self.top(dict)

    def persistent(self) -> None:
        pid = self.pop()
        self.stack.append(self.load(pid))


_STOP = ord(".")
_OPERATIONS: dict[int, Callable[[Machine], None]] = {
    0x80: Machine.protocol,
    ord("("): Machine.mark,
    ord("N"): lambda m: m.stack.append(None),
    0x88: lambda m: m.stack.append(True),
    0x89: lambda m: m.stack.append(False),
    ord("J"): lambda m: m.stack.append(m.number("<i", 4)),
    ord("K"): lambda m: m.stack.append(m.number("<B", 1)),
    ord("M"): lambda m: m.stack.append(m.number("<H", 2)),
    0x8A: Machine.long,
    ord("G"): lambda m: m.stack.append(unpack_from(">d", m.take(8))[0]),
    ord("X"): lambda m: m.stack.append(m.text(m.number("<I", 4))),
    ord("U"): lambda m: m.stack.append(m.text(m.number("<B", 1))),
    ord("}"): lambda m: m.stack.append({}),
    ord("]"): lambda m: m.stack.append([]),
    ord(")"): lambda m: m.stack.append(()),
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    ord("t"): Machine.tuple_since_mark,
    ord("a"): Machine.append,
    ord("e"): Machine.appends,
    ord("s"): Machine.set_item,
    ord("u"): Machine.set_items,
    ord("q"): lambda m: m.remember(m.number("<B", 1)),
    ord("r"): lambda m: m.remember(m.number("<I", 4)),
    ord("h"): lambda m: m.recall(m.number("<B", 1)),
    ord("j"): lambda m: m.recall(m.number("<I", 4)),
    ord("c"): Machine.find_global,
    ord("R"): Machine.reduce,
    ord("b"): Machine.build,
    ord("Q"): Machine.persistent,
}

_NAMES = {
    "0": "POP", "1": "POP_MARK", "2": "DUP", "F": "FLOAT", "I": "INT", "L": "LONG", "P": "PERSID", "S": "STRING",
    "T": "BINSTRING", "V": "UNICODE", "d": "DICT", "g": "GET", "i": "INST", "l": "LIST", "o": "OBJ", "p": "PUT",
    "B": "BINBYTES", "C": "SHORT_BINBYTES", "\x81": "NEWOBJ", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4",
    "\x8b": "LONG4", "\x8c": "SHORT_BINUNICODE", "\x8d": "BINUNICODE8", "\x8e": "BINBYTES8", "\x8f": "EMPTY_SET",
    "\x90": "ADDITEMS", "\x91": "FROZENSET", "\x92": "NEWOBJ_EX", "\x93": "STACK_GLOBAL", "\x94": "MEMOIZE",
    "\x95": "FRAME", "\x96": "BYTEARRAY8", "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER",
}  # fmt: skip


def _opcode(code: int) -> str:
    """Return an operation's name in Python's documentation with its byte."""
    return f"{_NAMES.get(chr(code), 'unknown')} ({code:#04x})"
