"""Picks the tokenizer class of a checkpoint folder."""

from pathlib import Path
from typing import Any

from ..errors import TokenizerError, quote
from .base import PreTrainedTokenizer
from .bert import BertTokenizer, BertTokenizerFast
from .bert_generation import BertGenerationTokenizer
from .files import CONFIG_FILE, FAST_FILE, MAX_VOCABULARY_BYTES, find_folder, read_json
from .pegasus import PegasusTokenizer
from .roberta import RobertaTokenizer

__all__ = ["AutoTokenizer"]

_CLASSES: dict[str, type[PreTrainedTokenizer]] = {
    "PegasusTokenizer": PegasusTokenizer,
    "BertGenerationTokenizer": BertGenerationTokenizer,
    "BertTokenizer": BertTokenizerFast,
    "RobertaTokenizer": RobertaTokenizer,
}
# Names that say how a tokenizer was saved, not what it is.
_GENERIC = ("PreTrainedTokenizer", "TokenizersBackend", "SentencePieceBackend")
_MODEL_TYPES: dict[str, type[PreTrainedTokenizer]] = {
    "pegasus": PegasusTokenizer,
    "pegasus_x": PegasusTokenizer,
    "bigbird_pegasus": PegasusTokenizer,
    "bert-generation": BertGenerationTokenizer,
    "bert": BertTokenizerFast,
    "roberta": RobertaTokenizer,
}
_FILES: dict[str, type[PreTrainedTokenizer]] = {
    "spiece.model": PegasusTokenizer,
    "vocab.txt": BertTokenizerFast,
    "vocab.json": RobertaTokenizer,
}
_FAST_MODELS: dict[str, type[PreTrainedTokenizer]] = {"WordPiece": BertTokenizerFast, "BPE": RobertaTokenizer}


class AutoTokenizer:
    """Loads a folder with the class that its files name.

    The first that is there decides: ``tokenizer_class`` in ``tokenizer_config.json`` or ``config.json``, ``model_type``
    in ``config.json`` (of an encoder-decoder pair the encoder's), the vocabulary files.

    The class itself has no instances: calling it is a TypeError.

    >>> from minipegasus.tokenization import AutoTokenizer
    >>> type(AutoTokenizer.from_pretrained("golden/tokenizer/bert_generation")).__name__
    'BertGenerationTokenizer'
    """

    def __init__(self) -> None:
        raise TypeError("AutoTokenizer: expected AutoTokenizer.from_pretrained(folder), found a construction")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **settings: Any) -> PreTrainedTokenizer:
        """Return the tokenizer of a folder, or of a model name that the hub's cache on this machine holds.

        ``settings`` are arguments of the class that is found; ``use_fast=False`` makes BERT's decoding that of the slow
        tokenizer.

        Raises:
            CheckpointError: there is no such folder.
            TokenizerError: no known class, or files that are missing or damaged.
            TypeError: settings that the class does not have.

        >>> from minipegasus import AutoTokenizer, demo
        >>> tokenizer = AutoTokenizer.from_pretrained(demo.folder(), model_max_length=128)
        >>> type(tokenizer).__name__, tokenizer.model_max_length
        ('PegasusTokenizer', 128)
        """
        found = _class_of(find_folder(pretrained_model_name_or_path, dict(settings)))
        if found is BertTokenizerFast and not settings.get("use_fast", True):
            found = BertTokenizer
        return found.from_pretrained(pretrained_model_name_or_path, **settings)


def _class_of(folder: Path) -> type[PreTrainedTokenizer]:
    config = read_json(folder / "config.json") or {}
    for path, name in (
        (folder / CONFIG_FILE, (read_json(folder / CONFIG_FILE) or {}).get("tokenizer_class")),
        (folder / "config.json", config.get("tokenizer_class")),
    ):
        plain = name.removesuffix("Fast") if isinstance(name, str) else name
        if plain is not None and plain not in _GENERIC:
            return _found(_CLASSES, plain, f"{path}: tokenizer_class")
    encoder = config.get("encoder")
    half = encoder if config.get("model_type") == "encoder-decoder" and isinstance(encoder, dict) else config
    if "model_type" in half:
        return _found(_MODEL_TYPES, half["model_type"], f"{folder / 'config.json'}: model_type")
    for file, found in _FILES.items():
        if (folder / file).is_file():
            return found
    fast = (read_json(folder / FAST_FILE, MAX_VOCABULARY_BYTES) or {}).get("model")
    if isinstance(fast, dict):
        return _found(_FAST_MODELS, fast.get("type"), f"{folder / FAST_FILE}: model: type")
    raise TokenizerError(f"{folder}: expected {CONFIG_FILE}, {', '.join(_FILES)} or {FAST_FILE}, found none of them")


def _found(classes: dict[str, type[PreTrainedTokenizer]], name: object, where: str) -> type[PreTrainedTokenizer]:
    if not isinstance(name, str) or name not in classes:
        raise TokenizerError(f"{where}: expected one of {', '.join(classes)}, found {quote(name)}")
    return classes[name]
