"""The command line: ``minipegasus COMMAND``, one module a command.

A command's module has ``NAME``, ``HELP`` (one line), ``EXAMPLES``, ``add_arguments(parser)`` and ``run(args)``, which
returns the exit code. It imports what it needs inside ``run``: help is there at once. The module's docstring is the
command's description.

Exit codes: 0 done; 1 refused, with the reason on standard error; 2 wrong usage; 130 interrupted; 141 nobody reads the
output any more.
"""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, TextIO

from ..errors import MinipegasusError

__all__ = ["COMMANDS", "REFUSED", "main"]

COMMANDS = ("summarize", "convert", "inspect", "attention", "config", "selftest")

REFUSED, INTERRUPTED, CLOSED = 1, 130, 141

_EPILOG = """\
examples:
  minipegasus summarize article.txt
  minipegasus summarize --model google/pegasus-xsum --jsonl --field text < articles.jsonl > summaries.jsonl
  minipegasus convert old-folder new-folder --dtype bfloat16

exit codes: 0 done, 1 refused, 2 wrong usage, 130 interrupted, 141 output closed
"""


class _Formatter(RawDescriptionHelpFormatter):
    """Keeps paragraphs and examples as they are written, and options in one column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and return its exit code; wrong usage exits with 2.

    Nothing is raised but SystemExit, by ``--help``, ``--version`` and wrong usage: what is refused goes to standard
    error.

    >>> main(["config"])
    ops:           ...
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        parser = _parser(arguments[:1])
        args = parser.parse_args(arguments)
        if args.command is None:
            parser.print_help(sys.stderr)
            return 2
        if sys.stdout is None:
            sys.stdout = _unread()
        code: int = _reporting_warnings(args)
        sys.stdout.flush()
    except MinipegasusError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("minipegasus: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # What is left in the buffer has nowhere to go; without this the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _refuse(f"{where}{error.strerror or error}")
    except MemoryError:
        return _refuse("not enough memory")
    return code


def _prepare_streams() -> None:
    """Let no character stop a command where the output cannot show it, and no standard error that is closed."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # to the end of the process


def _unread() -> TextIO:
    """Return a pipe that nobody reads, which is what a standard output is that was closed before the start."""
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", encoding="utf-8")


def _refuse(message: str) -> int:
    print(f"minipegasus: {message}", file=sys.stderr)
    return REFUSED


def _parser(chosen: list[str]) -> ArgumentParser:
    """Return the parser, of the chosen command alone where that is known: the others are not imported."""
    parser = ArgumentParser(
        prog="minipegasus",
        description="Summarise text with Pegasus, BigBird-Pegasus, PEGASUS-X and BertGeneration models on a CPU.",
        epilog=_EPILOG,
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in chosen if chosen and chosen[0] in COMMANDS else COMMANDS:
        module = import_module(f".{name}", __name__)
        command = commands.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.__doc__,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=_Formatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def _version() -> str:
    from .. import __version__

    return f"minipegasus {__version__}"


def _reporting_warnings(args: Any) -> int:
    """Run a command; warnings are sentences for people, not places in the source."""
    import warnings

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"minipegasus: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        code: int = args.run(args)
        return code
