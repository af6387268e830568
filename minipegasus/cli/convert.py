"""Turn a checkpoint folder of any format (safetensors, sharded or not, pytorch_model.bin of any age) into a safetensors
folder. Weights stream through little memory, nothing is executed, tied tensors are written once, and no file is left
half-written. The folder's README.md, written last, lists the SHA-256 sums.
"""

from argparse import ArgumentParser, Namespace

from .inspect import size
from .status import Status

__all__ = ["EXAMPLES", "HELP", "NAME", "add_arguments", "run"]

NAME = "convert"
HELP = "turn a checkpoint of any format into a safetensors folder"
EXAMPLES = """\
  minipegasus convert google/pegasus-xsum pegasus-xsum
  minipegasus convert old-folder small-folder --dtype bfloat16
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="checkpoint folder, or a name in the local hub cache")
    parser.add_argument("out", metavar="OUT", help="folder to write")
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="element type of all floats (default: as they are)"
    )
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="largest weight file (default: 5GB)")


def run(args: Namespace) -> int:
    """Convert, and print one line about it."""
    from ..models.conversion import convert_checkpoint

    with Status() as status:

        def progress(name: str, done: int, total: int) -> None:
            status.show(f"{done / max(total, 1):4.0%} of {size(total)}: {name}"[:100])

        result = convert_checkpoint(args.folder, args.out, args.dtype, progress, args.max_shard_size)
    total = sum(info.nbytes for info in result.checkpoint.info.values())
    again = f", {len(result.left_out)} not written again" if result.left_out else ""
    print(f"{args.out}: {len(result.checkpoint)} tensors, {size(total)}{again}")
    return 0
