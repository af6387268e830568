"""Summarise text files, standard input, or the records of JSON lines. Each plain file is one document and one summary;
with --jsonl each line is one, and comes out with the summary added, in the same order.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .documents import Documents
from .results import json_line, open_results, output_path, refuse_input_as_output
from .status import Status

if TYPE_CHECKING:
    from ..models.summarize import Progress, Summarizer

__all__ = ["EXAMPLES", "HELP", "NAME", "add_arguments", "run"]

NAME = "summarize"
HELP = "summarise text files, standard input or JSON lines"
EXAMPLES = """\
  minipegasus summarize article.txt
  curl -s https://example.org/page.txt | minipegasus summarize --stream -
  minipegasus summarize long.txt --long chunk --max-length 64
  minipegasus summarize --model my-model --jsonl --field body in.jsonl --output out.jsonl --resume
"""

#: Options that are settings of generation: name on the command line -> type and help.
_SETTINGS: dict[str, tuple[Any, str]] = {
    "--num-beams": (int, "width of the search; 1 takes the likeliest token each time"),
    "--max-length": (int, "tokens of a summary at most, with the start token"),
    "--min-length": (int, "tokens of a summary at least"),
    "--max-new-tokens": (int, "tokens of a summary at most, without the start token"),
    "--length-penalty": (float, "above 0 favours long summaries, below 0 short ones"),
    "--no-repeat-ngram-size": (int, "no sequence of so many tokens occurs twice"),
    "--repetition-penalty": (float, "above 1 discourages tokens that occurred"),
    "--temperature": (float, "with --do-sample: below 1 likelier tokens, above 1 unlikelier ones"),
    "--top-k": (int, "with --do-sample: only the so many likeliest tokens"),
    "--top-p": (float, "with --do-sample: only the likeliest tokens with this probability in all"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="text files; - or none is standard input")
    parser.add_argument(
        "--model", metavar="FOLDER", help="checkpoint folder, or a name in the local hub cache (default: bundled model)"
    )
    parser.add_argument("--jsonl", action="store_true", help="files hold one JSON object a line")
    parser.add_argument("--field", metavar="NAME", help="with --jsonl: the field with the text (default: text)")
    parser.add_argument("--into", metavar="NAME", help="with --jsonl: the field for the summary (default: summary)")
    parser.add_argument(
        "--output", metavar="FILE", type=output_path, help="write there, not to standard output (which - is too)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="with --jsonl --output: go on behind the lines that are there"
    )
    parser.add_argument("--stream", action="store_true", help="print each word as it is written (without beams)")
    parser.add_argument(
        "--long",
        choices=("truncate", "error", "chunk"),
        default="truncate",
        help="a text longer than the model reads is cut with a warning, refused, or summarised part by part",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", default=1, help="documents that run together")
    parser.add_argument(
        "--newline", action="store_const", const="<n>", help="the model knows line breaks as <n>: keep them"
    )
    settings = parser.add_argument_group("generation", "what is not given is as the model says")
    for name, (kind, text) in _SETTINGS.items():
        settings.add_argument(name, type=kind, metavar="N" if kind is int else "X", help=text)
    settings.add_argument("--do-sample", action="store_true", default=None, help="draw tokens by their probability")
    settings.add_argument("--seed", type=int, metavar="N", help="with --do-sample: makes the draws repeatable")


def run(args: Namespace) -> int:
    """Summarise what was asked for."""
    _check(args)
    from ..models.summarize import Summarizer

    refuse_input_as_output(args.files, args.output)
    summarizer = Summarizer.from_pretrained(args.model, newline=args.newline)
    documents = Documents(args.files or ["-"], (args.field or "text") if args.jsonl else None)
    _tell_of_missing_kernels()
    with Status() as status, documents.naming_problems(), open_results(args.output, args.jsonl, args.resume) as results:
        if args.resume:
            documents.skip(results.found)
        options = {"long": args.long, "progress": _shown_on(status), **_settings(args)}
        pieces = _streamed if args.stream else _summaries
        for piece in pieces(summarizer, documents, args, options):
            status.clear()
            results.write(piece)
    return 0


def _tell_of_missing_kernels() -> None:
    """Say on a terminal why it takes so long: the package installs without a compiler, and without a word."""
    from ..ops import config

    if sys.stderr.isatty() and config()["ops"] == "numpy" and not os.environ.get("MINIPEGASUS_OPS"):
        print("minipegasus: computing by NumPy alone, slower: see minipegasus config", file=sys.stderr)


def _check(args: Namespace) -> None:
    """End with a usage error where options contradict each other."""
    problems = [
        (args.resume and not (args.jsonl and args.output), "--resume needs --jsonl and --output"),
        (args.stream and args.jsonl, "--stream writes plain text, not --jsonl"),
        (args.stream and args.batch_size != 1, "--stream takes one document after the other, no --batch-size"),
        ((args.field or args.into) and not args.jsonl, "--field and --into need --jsonl"),
        (args.seed is not None and not args.do_sample, "--seed needs --do-sample"),
        (args.batch_size < 1, f"--batch-size: expected at least 1, found {args.batch_size}"),
        (args.seed is not None and args.seed < 0, f"--seed: expected at least 0, found {args.seed}"),
    ]
    for wrong, message in problems:
        if wrong:
            args.parser.error(message)


def _settings(args: Namespace) -> dict[str, Any]:
    names = [option.removeprefix("--").replace("-", "_") for option in (*_SETTINGS, "--do-sample")]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return given if args.seed is None else given | {"rng": args.seed}


def _shown_on(status: Status) -> "Callable[[Progress], None] | None":
    def show(at: "Progress") -> None:
        where = f"document {at.document + 1}" + (f", part {at.part + 1} of {at.parts}" if at.parts > 1 else "")
        status.show(f"{where}: {at.stage} {at.done}" + (f"/{at.total} layers" if at.stage == "reading" else " tokens"))

    return show if status.on else None


def _summaries(
    summarizer: "Summarizer", documents: Documents, args: Namespace, options: dict[str, Any]
) -> Iterator[str]:
    """Yield the lines to be written."""
    for summary in summarizer.summaries(documents.texts(), batch_size=args.batch_size, **options):
        record = documents.next_record()
        yield summary + "\n" if record is None else json_line(record | {args.into or "summary": summary})


def _streamed(
    summarizer: "Summarizer", documents: Documents, args: Namespace, options: dict[str, Any]
) -> Iterator[str]:
    """Yield words, and a line's end behind each document."""
    for text in documents.texts():
        yield from summarizer.stream(text, **options)
        yield "\n"
