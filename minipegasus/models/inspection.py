"""What a checkpoint folder holds, told from its headers and small files."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from ..checkpoints.checkpoint import Checkpoint, open_checkpoint
from ..checkpoints.folder import resolve_folder
from ..checkpoints.loading import match
from ..checkpoints.save import GENERATION_CONFIG
from ..errors import MinipegasusError
from ..generation.config import GenerationConfig
from ..nn.stackspec import StackSpec
from ..tokenization import AutoTokenizer
from .auto import declared_class
from .configs import PretrainedConfig, read_config

__all__ = ["inspect_checkpoint"]

_OF_NO_INTEREST = frozenset({"_from_model_config", "transformers_version"})


def inspect_checkpoint(name_or_path: str | Path) -> dict[str, Any]:
    """Return what is in a folder or hub-cache name, as plain values; no weight is read unless two names share one.

    Returns:
        A dictionary with ``folder``, ``family`` (the model type), ``class``, ``parameters``, ``format``, ``dtypes``,
        ``files``, ``encoder`` and ``decoder`` (sizes), ``missing``, ``unexpected``, ``mismatched`` and ``conflicting``
        names, ``notes``, ``generation`` (settings that are not the defaults) and ``tokenizer``.

    Raises:
        CheckpointError, ConfigError: the folder is not what it should be.

    >>> found = inspect_checkpoint("golden/pegasus")
    >>> found["family"], found["class"], found["encoder"]["layers"], found["missing"]
    ('pegasus', 'PegasusForConditionalGeneration', 2, [])
    """
    folder = resolve_folder(name_or_path)
    config = read_config(folder, {})
    model_class = declared_class(config)
    config = config.copy(**model_class.config_changes)
    layout = model_class.family.layout(config, model_class.role)
    spec = model_class.family.spec(config, model_class.role)
    checkpoint = open_checkpoint(folder)
    matched = match(checkpoint, layout)
    return {
        "folder": str(folder),
        "family": config.model_type,
        "class": model_class.__name__,
        "parameters": layout.parameters(),
        "encoder": _sizes(spec.encoder),
        "decoder": _sizes(spec.decoder),
        "format": checkpoint.format,
        "dtypes": _dtypes(checkpoint),
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()},
        "missing": matched.report.missing,
        "unexpected": matched.report.unexpected,
        "mismatched": matched.report.mismatched,
        "conflicting": [
            f"{other} and {stored}"
            for stored, others in matched.copies.items()
            for other in others
            if not checkpoint.same(stored, other)
        ],
        "notes": list(checkpoint.notes),
        "generation": _generation(folder, config),
        "tokenizer": _tokenizer(folder),
    }


def _sizes(stack: StackSpec | None) -> dict[str, Any] | None:
    """Return a stack's fields, those that say nothing left out."""
    if stack is None:
        return None
    values = {field.name: getattr(stack, field.name) for field in fields(stack) if field.name != "positions"}
    if stack.attention != "windowed":
        del values["random_plan"]
    values["positions"] = stack.positions.rows if stack.positions.rows is not None else stack.positions.kind
    return {name: value for name, value in values.items() if value not in (None, 0, False) or name == "layers"}


def _dtypes(checkpoint: Checkpoint) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for info in checkpoint.info.values():
        entry = found.setdefault(info.dtype, {"tensors": 0, "bytes": 0})
        entry["tensors"] += 1
        entry["bytes"] += info.nbytes
    return found


def _generation(folder: Path, config: PretrainedConfig) -> dict[str, Any]:
    has_file = (folder / GENERATION_CONFIG).is_file()
    settings = GenerationConfig.from_pretrained(folder) if has_file else GenerationConfig.from_model_config(config)
    return {name: value for name, value in settings.to_diff_dict().items() if name not in _OF_NO_INTEREST}


def _tokenizer(folder: Path) -> dict[str, Any]:
    """Return what the tokenizer is, or the problem with it: weights alone are worth inspecting too."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except MinipegasusError as error:  # of the files, or of what is not installed
        return {"problem": str(error)}
    return {
        "class": type(tokenizer).__name__,
        "tokens": len(tokenizer),
        "model_max_length": tokenizer.model_max_length,
        "special_tokens": {
            name: str(token) for name, token in tokenizer.special_tokens_map.items() if not isinstance(token, list)
        },
    }
