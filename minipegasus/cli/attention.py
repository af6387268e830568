"""Draw which keys every query of a layer sees, for an input of some length, and say how much that is beside dense
attention. Only the configuration of the folder is read.
"""

from argparse import ArgumentParser, Namespace

__all__ = ["EXAMPLES", "HELP", "NAME", "add_arguments", "run"]

NAME = "attention"
HELP = "draw the attention pattern of a layer"
EXAMPLES = """\
  minipegasus attention google/bigbird-pegasus-large-arxiv --length 4096
  minipegasus attention my-pegasus-x --length 16384 --layer 1 --svg layer1.svg
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="checkpoint folder, or a name in the local hub cache")
    parser.add_argument("--length", type=int, required=True, metavar="N", help="tokens of the input")
    parser.add_argument("--layer", type=int, default=0, metavar="I", help="which layer, from 0 (default: 0)")
    parser.add_argument("--head", type=int, default=0, metavar="H", help="which head, where heads differ (default: 0)")
    parser.add_argument("--svg", metavar="FILE", help="write the picture to an SVG file instead; - prints it")


def run(args: Namespace) -> int:
    """Print or write the picture of the encoder's layer (the decoder's, where there is no encoder)."""
    import os
    import re
    import shutil
    import sys
    from pathlib import Path

    from ..checkpoints.folder import resolve_folder
    from ..conformance.attention_picture import picture, svg, terminal
    from ..models.auto import declared_class
    from ..models.configs import read_config

    config = read_config(resolve_folder(args.folder), {})
    model_class = declared_class(config)
    model_spec = model_class.family.spec(config.copy(**model_class.config_changes), model_class.role)
    side = "encoder" if model_spec.encoder is not None else "decoder"
    spec = model_spec.encoder or model_spec.decoder
    assert spec is not None
    drawn = picture(spec, args.length, args.layer, args.head, f"{config.model_type}: {side}")
    if args.svg == "-":
        print(svg(drawn), end="")
    elif args.svg:
        Path(args.svg).write_text(svg(drawn), encoding="utf-8")
        print("\n".join([drawn.title, *drawn.legend, *drawn.facts, f"written: {args.svg}"]))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        text = terminal(drawn, min(shutil.get_terminal_size().columns, 80), colour)
        try:
            text.encode(sys.stdout.encoding)
        except UnicodeEncodeError:
            text = re.sub("[\u2580-\u259f]", "#", text)
        print(text)
    return 0
