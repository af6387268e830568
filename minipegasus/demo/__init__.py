"""The bundled demo model: a small Pegasus that condenses a paragraph of documentation into one line.

README.md in this folder is its card; tools/train_demo.py makes it.
"""

from pathlib import Path


def folder() -> Path:
    """Return the folder of the demo model, to be given wherever a model folder is.

    >>> (folder() / "config.json").exists()
    True
    """
    return Path(__file__).parent
