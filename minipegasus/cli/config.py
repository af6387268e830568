"""Show what this installation computes with: the kernels, the instruction set, the threads."""

from argparse import ArgumentParser, Namespace

__all__ = ["EXAMPLES", "HELP", "NAME", "add_arguments", "run"]

NAME = "config"
HELP = "show what this installation computes with"
EXAMPLES = """\
  minipegasus config
  MINIPEGASUS_OPS=numpy minipegasus config
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(args: Namespace) -> int:
    """Print the configuration."""
    from .. import show_config

    show_config()
    return 0
