"""From a name to a folder on this machine: a directory, or a snapshot in the Hugging Face hub's cache. No network."""

import os
import re
from pathlib import Path

from ..errors import CheckpointError, quote

__all__ = ["OFFLINE", "hub_cache", "resolve_folder"]

#: Arguments of the reference's ``from_pretrained`` that mean nothing where nothing is downloaded or executed.
OFFLINE = frozenset(
    {
        *("cache_dir", "code_revision", "force_download", "local_files_only", "proxies", "resume_download"),
        *("token", "trust_remote_code", "use_auth_token"),
    }
)
_REPO = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?", re.ASCII)
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)
_MAX_REF_BYTES = 256


def hub_cache() -> Path:
    """Return the hub's cache: HF_HUB_CACHE, or HF_HOME/hub, or huggingface/hub in XDG_CACHE_HOME or ~/.cache."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return _expanded(os.environ[variable])
    if os.environ.get("HF_HOME"):
        return _expanded(os.environ["HF_HOME"]) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def resolve_folder(name_or_path: str | os.PathLike[str], revision: str | None = None, subfolder: str = "") -> Path:
    """Return the folder of a checkpoint: an existing directory, else what the hub's cache has under that name.

    ``revision`` is a branch, a tag or a commit of the cached repository ("main" by default); a directory has none.
    Nothing is downloaded.

    Raises:
        CheckpointError: there is no such folder, name or revision; it says where was looked and what is there.

    >>> from minipegasus import demo
    >>> resolve_folder(demo.folder()) == demo.folder()
    True
    >>> resolve_folder("google/no-such-model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    minipegasus.errors.CheckpointError: 'google/no-such-model': no such folder, and not in the hub cache ...
    """
    folder = _resolved(os.fspath(name_or_path), revision) / subfolder
    if not folder.is_dir():
        raise CheckpointError(f"{folder.parent}: expected the subfolder {quote(subfolder)}, found none")
    return folder


def _resolved(name: str, revision: str | None) -> Path:
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return Path(path)
    if os.path.exists(path):
        raise CheckpointError(f"{path}: expected a folder with config.json and weights, found a file")
    if not _REPO.fullmatch(name) or ".." in name or name.startswith("."):  # the hub allows none of these
        raise CheckpointError(f"{quote(name)}: no such folder")
    repository = hub_cache() / f"models--{name.replace('/', '--')}"
    if not os.path.isdir(repository):
        raise CheckpointError(
            f"{quote(name)}: no such folder, and not in the hub cache (looked for {repository}); nothing is "
            f"downloaded here: fetch it once with `hf download {name}`"
        )
    return _snapshot(repository, name, "main" if revision is None else revision)


def _snapshot(repository: Path, name: str, revision: str) -> Path:
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise CheckpointError(f"{quote(name)}: revision: expected a branch, tag or commit, found {quote(revision)}")
    reference = repository / "refs" / revision
    commit = revision
    if os.path.isfile(reference):
        with open(reference, "rb") as file:
            commit = file.read(_MAX_REF_BYTES).decode("ascii", "replace").strip()
        if not _REPO.fullmatch(commit) or "/" in commit or ".." in commit:
            raise CheckpointError(f"{reference}: expected a commit, found {quote(commit)}")
    snapshot = repository / "snapshots" / commit
    if not os.path.isdir(snapshot):
        have = [*_names(repository / "refs"), *_names(repository / "snapshots")]
        raise CheckpointError(
            f"{quote(name)}: revision {quote(revision)} is not in {repository}, which has "
            f"{', '.join(map(quote, have)) or 'none'}; nothing is downloaded here"
        )
    return snapshot


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())[:20] if folder.is_dir() else []


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(path)))
