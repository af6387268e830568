"""Prose out of documentation strings: reading wheels without importing them, cleaning, pairing, de-duplicating.

Used by train_demo.py. A pair is (document, summary): the summary is the first line of a documentation
string, the document is the prose of the rest. The name of the documented object is in neither.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_DOCUMENT_WORDS = 180
SUMMARY_WORDS = range(4, 26)

_SKIPPED_PATHS = re.compile(
    r"(^|/)(tests?|testing|_vendor|vendor(ed)?|_vendored_packages|third_party|externals?|extern|_distutils)/"
    r"|(^|/)(test_[^/]*|conftest)\.py$"
)
_SKIPPED_SECTIONS = re.compile(
    r"^(other )?(param(eter)?s?|returns?|yields?|receives?|raises?|warns?|warnings|attributes|methods|see also"
    r"|references?"
    r"|examples?|usage|args|arguments|keyword arg(ument)?s|kwargs|inputs?|outputs?|literature|bibliography|shape"
    r"|call arguments|input shape|output shape|class attributes|properties|todo)( \w+)?:?$",
    re.IGNORECASE,
)
_KEPT_DIRECTIVES = {"note", "warning", "tip", "important", "hint", "attention", "caution", "admonition"}
_STOP_WORD_LIST = (
    "a an and are as at be been but by can do does for from has have if in into is it its may not of on or so that the"
    " their them then there these this to was we when where which will with you your"
)
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


@dataclass(frozen=True)
class Bar:
    """What a documentation string must have to make a pair."""

    words: int  # of the document, at least
    shared: float  # part of the summary's content words that the document contains, at least


HELD_OUT_BAR = Bar(words=20, shared=1 / 3)
TRAIN_BAR = Bar(words=12, shared=1 / 4)


@dataclass(frozen=True)
class Pair:
    """One training example and the package it comes from."""

    package: str
    document: str
    summary: str


# ---------------------------------------------------------------------------------------------- reading


def docstrings(source: str) -> Iterator[str]:
    """Yield every documentation string of a module's source, cleaned of indentation; nothing is imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def wheel_docstrings(wheel: Path) -> Iterator[str]:
    """Yield the documentation strings of all modules in a wheel, tests and vendored copies left out."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".py") and not _SKIPPED_PATHS.search(name):
                yield from docstrings(archive.read(name).decode("utf-8", "replace"))


def wheel_pages(wheel: Path) -> Iterator[str]:
    """Yield the documentation pages of a wheel: the long description and any .rst, .md or .txt of some length."""
    with zipfile.ZipFile(wheel) as archive:
        for info in sorted(archive.infolist(), key=lambda item: item.filename):
            name = info.filename
            if name.endswith(".dist-info/METADATA"):
                yield archive.read(name).decode("utf-8", "replace").partition("\n\n")[2]
            elif (
                name.endswith((".rst", ".md", ".txt"))
                and ".dist-info/" not in name
                and not re.search(r"licen[sc]e|notice|copying|test", name, re.IGNORECASE)
                and 500 < info.file_size < 500_000
            ):
                yield archive.read(name).decode("utf-8", "replace")


def stdlib_docstrings() -> Iterator[str]:
    """Yield the documentation strings of the running interpreter's standard library, read from its sources."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not re.search(r"site-packages|(^|/)(test|tests|idlelib/idle_test|lib2to3|_pyrepl)/", name):
            yield from docstrings(path.read_text("utf-8", "replace"))


# --------------------------------------------------------------------------------------------- cleaning

_INLINE = [
    (re.compile(r"!?\[([^\]]*)\]\((?:[^()]|\([^)]*\))*\)"), r"\1"),  # [text](link)
    (re.compile(r":[\w:+.-]+:`~?([^`<]*?)\s*(?:<[^`]*>)?`"), r"`\1`"),  # :role:`text <target>`
    (re.compile(r"`([^`<>]+?)\s*<[^`]+>`_{0,2}"), r"\1"),  # `text <target>`_
    (re.compile(r"\b[A-Z]\{([^{}]*)\}"), r"\1"),  # epytext L{...}
    (re.compile(r"`{1,2}~?([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"\s?\[[\w#*.]+\]_"), ""),  # footnote marks
    (re.compile(r"\*\*([^*]+)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*(\w[^*]*)\*(?![\w*])"), r"\1"),
    (re.compile(r"<(?:https?|mailto)[^>]*>|https?://\S+"), ""),
    (re.compile(r"</?[a-zA-Z][^<>]{0,60}>"), ""),
    (re.compile(r"\|(\w+)\|"), r"\1"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\s+([.,;:)])(?=\s|$)"), r"\1"),
]


def plain(text: str) -> str:
    """Remove inline markup and join the lines with single spaces."""
    for pattern, new in _INLINE:
        text = pattern.sub(new, text)
    return text.strip()


def sentences(text: str) -> list[str]:
    """Split prose into sentences; abbreviations such as "e.g." do not end one."""
    parts = re.split(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z])", text)
    joined: list[str] = []
    for part in parts:
        if joined and re.search(r"(\b(e\.g|i\.e|etc|cf|vs|al|Fig|Eq|Dr|No)|\b[A-Z])\.$", joined[-1]):
            joined[-1] += " " + part
        else:
            joined.append(part)
    return [part for part in joined if part]


def _is_rule(line: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= 3 and set(stripped) <= set("=-~^*#+|_\"'`. ") and stripped != "..."


def _is_google_section(stripped: str) -> bool:
    return stripped.endswith(":") and bool(_SKIPPED_SECTIONS.match(stripped))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _skip_indented(lines: list[str], start: int, above: int) -> int:
    """Return the index of the first line from `start` on that is not blank and not indented beyond `above`."""
    while start < len(lines) and (not lines[start].strip() or _indent(lines[start]) > above):
        start += 1
    return start


def _skip_section(lines: list[str], start: int) -> int:
    """Return the index of the next underlined heading from `start` on."""
    while start + 1 < len(lines):
        if lines[start].strip() and not _is_rule(lines[start]) and _is_rule(lines[start + 1]):
            return start
        start += 1
    return len(lines)


_DIRECTIVE = re.compile(r"^(\s*)\.\.(?:\s+([\w:-]+)::\s*(.*)|\s.*|)$")
_FIELD = re.compile(r"^\s*(:[\w *.,|\[\]`~-]+:|@\w+)(\s|$)|^\s*@\w+\b.*:")
_ITEM = re.compile(r"^\s*([-*+•]|\(?[0-9a-z]{1,2}[.)])\s")


def _after_block(lines: list[str], at: int, inside: bool) -> int:
    """Return the index behind the markup that starts at line `at`, or `at` where the line is prose.

    `inside`: whether a paragraph is open; only then an indented line, or one above a rule, may belong to it.
    """
    line, stripped = lines[at], lines[at].strip()
    if stripped.startswith(("```", "~~~ ")):
        ends = (k for k in range(at + 1, len(lines)) if lines[k].strip().startswith(stripped[:3]))
        return next(ends, len(lines)) + 1
    if not stripped or _is_rule(line):
        return at + 1
    if not inside and at + 1 < len(lines) and _is_rule(lines[at + 1]):
        return _skip_section(lines, at + 2) if _SKIPPED_SECTIONS.match(stripped) else at + 2
    if stripped.startswith(">>>"):
        return next((k for k in range(at, len(lines)) if not lines[k].strip()), len(lines))
    if _DIRECTIVE.match(line) or _is_google_section(stripped) or _FIELD.match(line) or _ITEM.match(line):
        return _skip_indented(lines, at + 1, _indent(line))
    if stripped.startswith(("#", "|", "<", "+-")):
        return at + 1
    return _skip_indented(lines, at, 1) if _indent(line) >= 2 and not inside else at


def paragraphs(text: str) -> list[str]:
    """Return the prose paragraphs of reStructuredText, Markdown, numpydoc, Google or epytext documentation."""
    lines = text.expandtabs().splitlines()
    found: list[str] = []
    current: list[str] = []
    at = 0
    while at < len(lines):
        end = _after_block(lines, at, bool(current))
        if end == at:
            current.append(lines[at].strip())
            if not current[-1].endswith("::"):
                at += 1
                continue
            end = _skip_indented(lines, at + 1, _indent(lines[at]))
        found.append(plain(" ".join(current)))
        current = []
        directive = _DIRECTIVE.match(lines[at])
        if directive and directive[2] in _KEPT_DIRECTIVES:
            body = [directive[3], *(line.strip() for line in lines[at + 1 : end])]
            found.extend(paragraphs("\n".join(body)))
        at = end
    found.append(plain(" ".join(current)))
    return [kept for kept in map(_prose, found) if kept]


def _prose(paragraph: str) -> str:
    """Keep the sentences of a paragraph that read as prose; "" where none does."""
    return " ".join(part for part in sentences(paragraph) if is_sentence(part))


def is_sentence(text: str) -> bool:
    """Whether a text is one English sentence: words, mostly letters, a capital at the start, a stop at the end."""
    words = text.split()
    letters = sum(char.isascii() and (char.isalpha() or char == " ") for char in text)
    return (
        4 <= len(words) <= 60
        and text[-1] in ".!?"
        and words[-1].lower().strip(".") not in _STOP_WORDS | {"e.g", "i.e", "from", "see", "following"}
        and (text[0].isupper() or (text[0].isalpha() and len(words) > 5))
        and letters >= 0.85 * len(text)
        and max(map(len, words)) <= 40
        and sum(word.lower().strip(".,") in _STOP_WORDS for word in words) >= max(1, len(words) // 10)
        and not re.search(r"[{}\\=%$|<>~^@]|\.\.\.|::|__|copyright|all rights reserved", text, re.IGNORECASE)
    )


# ---------------------------------------------------------------------------------------------- pairing


def split_docstring(text: str) -> tuple[str, str]:
    """Split a documentation string into its summary, one sentence that starts on the first line, and the rest.

    The summary is the whole first paragraph where that is one sentence, else the sentence it begins with.
    A missing full stop is added. A first line that is a call signature is left out. ("", text) if there is none.
    """
    lines = text.strip().splitlines()
    if len(lines) > 2 and re.match(r"[\w.]+\(.*\)( ->.*)?$", lines[0]):
        lines = "\n".join(lines[1:]).strip().splitlines()
    blank = next((k for k, line in enumerate(lines) if not line.strip()), len(lines))
    if any(_FIELD.match(line) or _ITEM.match(line) or _indent(line) > 4 for line in lines[1:blank]):
        blank = 1
    parts = sentences(plain(" ".join(lines[:blank])))
    if not parts:
        return "", text
    summary = parts[0]
    if len(parts) == 1 and (summary[-1].isalnum() or summary[-1] in "\"')"):
        summary += "."
    if not (len(summary.split()) in SUMMARY_WORDS and is_sentence(summary) and summary[0].isupper()):
        return "", text
    return summary, "\n".join([" ".join(parts[1:]), "", *lines[blank:]])


def content_words(text: str) -> set[str]:
    """Return the stems (first five letters) of a text's words that are not stop words."""
    return {word[:5] for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in _STOP_WORDS}


def shared_part(summary: str, document: str) -> float:
    """Return which part of the summary's content words occurs in the document."""
    words = content_words(summary)
    return len(words & content_words(document)) / len(words) if words else 0.0


def clip(text: str, limit: int = MAX_DOCUMENT_WORDS) -> str:
    """Return the leading sentences of a text, at most `limit` words in all."""
    kept: list[str] = []
    count = 0
    for part in sentences(text):
        count += len(part.split())
        if count > limit and kept:
            break
        kept.append(part)
    return " ".join(kept)


def read_docstring(package: str, text: str, bar: Bar) -> tuple[Pair | None, str]:
    """Return the (document, summary) pair of a documentation string, if it makes one, and its whole prose."""
    summary, rest = split_docstring(text)
    body = " ".join(paragraphs(rest))
    prose = f"{summary} {body}".strip()
    document = clip(body)
    usable = (
        summary
        and len(document.split()) >= bar.words
        and shared_part(summary, document) >= bar.shared
        and summary.lower() not in document.lower()
    )
    return (Pair(package, document, summary) if usable else None), prose


class Seen:
    """Remembers 8-word runs, so that text that mostly repeats earlier text can be dropped."""

    def __init__(self, limit: float = 0.3) -> None:
        self.limit = limit
        self._runs: set[bytes] = set()

    def repeats(self, text: str) -> bool:
        """Whether more than `limit` of the text's runs came before; the text is remembered either way."""
        words = re.findall(r"\w+", text.lower())
        runs = {
            hashlib.blake2b(" ".join(words[k : k + 8]).encode(), digest_size=8).digest()
            for k in range(max(1, len(words) - 7))
        }
        repeated = len(runs & self._runs) > self.limit * len(runs)
        self._runs |= runs
        return repeated


def distinct(pairs: Iterable[Pair], seen: Seen, per_package: int, per_summary: int) -> Iterator[Pair]:
    """Drop near-duplicate pairs, summaries that occur too often, and what exceeds a package's share."""
    packages: Counter[str] = Counter()
    summaries: Counter[str] = Counter()
    for pair in pairs:
        key = re.sub(r"\W+", " ", pair.summary.lower())
        if packages[pair.package] >= per_package or summaries[key] >= per_summary or seen.repeats(pair.document):
            continue
        packages[pair.package] += 1
        summaries[key] += 1
        yield pair


if __name__ == "__main__":  # a look at one wheel's pairs
    for doc in wheel_docstrings(Path(sys.argv[1])):
        example = read_docstring("", doc, HELD_OUT_BAR)[0]
        if example:
            print(f"{example.summary}\n    {example.document}\n")
