"""Names become folders: directories, and the hub's cache read offline."""

import os
from pathlib import Path

import numpy as np
import pytest

from minipegasus.checkpoints import open_checkpoint, resolve_folder, save_checkpoint
from minipegasus.checkpoints.folder import hub_cache
from minipegasus.errors import CheckpointError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def cached(hub: Path, name: str = "google/pegasus-xsum", ref: str | None = "main", commit: str = COMMIT) -> Path:
    """Make what the hub's client leaves in its cache: blobs, links to them in a snapshot, a reference."""
    repository = hub / f"models--{name.replace('/', '--')}"
    blobs, snapshot = repository / "blobs", repository / "snapshots" / commit
    blobs.mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True)
    save_checkpoint(hub / "written", {"w": np.ones(3, np.float32)}, {"model_type": "pegasus"})
    for file in (hub / "written").iterdir():
        os.replace(file, blobs / f"{file.name}-{commit}")
        (snapshot / file.name).symlink_to(os.path.relpath(blobs / f"{file.name}-{commit}", snapshot))
    if ref is not None:
        (repository / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    return snapshot


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "home/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "{0}/xdg"}, "xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": "{0}/xdg", "HF_HOME": "{0}/hf"}, "hf/hub"),
        ({"HF_HOME": "~/hf"}, "home/hf/hub"),
        ({"HF_HOME": "{0}/hf", "HUGGINGFACE_HUB_CACHE": "{0}/old"}, "old"),
        ({"HF_HUB_CACHE": "{0}/new", "HUGGINGFACE_HUB_CACHE": "{0}/old", "HF_HOME": "{0}/hf"}, "new"),
        ({"HF_HUB_CACHE": "", "HF_HOME": ""}, "home/.cache/huggingface/hub"),
    ],
)
def test_where_the_cache_lies(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(tmp_path))
    assert hub_cache() == tmp_path / expected
    snapshot = cached(hub_cache())
    folder = resolve_folder("google/pegasus-xsum")
    assert folder == snapshot
    assert open_checkpoint(folder)["w"].tolist() == [1, 1, 1]


def test_a_directory_comes_first(tmp_path: Path) -> None:
    cached(hub_cache())
    local = tmp_path / "google" / "pegasus-xsum"
    local.mkdir(parents=True)
    assert resolve_folder("google/pegasus-xsum") == Path("google/pegasus-xsum")
    assert resolve_folder(local) == local
    (tmp_path / "home" / "model").mkdir()
    assert resolve_folder("~/model") == tmp_path / "home" / "model"


def test_revisions() -> None:
    main = cached(hub_cache())
    other = cached(hub_cache(), ref="refs/pr/7", commit="f" * 40)
    name = "google/pegasus-xsum"
    assert resolve_folder(name) == resolve_folder(name, "main") == resolve_folder(name, COMMIT) == main
    assert resolve_folder(name, "refs/pr/7") == resolve_folder(name, "f" * 40) == other
    with pytest.raises(CheckpointError, match=r"revision 'v2' is not in .*which has 'main', .*nothing is downloaded"):
        resolve_folder(name, "v2")
    for revision in ("../../x", "/etc", "a//b", "", "a b"):
        with pytest.raises(CheckpointError, match="revision"):
            resolve_folder(name, revision)


def test_a_name_without_organisation() -> None:
    snapshot = cached(hub_cache(), "pegasus")
    assert resolve_folder("pegasus") == snapshot


def test_a_reference_that_is_damaged() -> None:
    snapshot = cached(hub_cache())
    reference = snapshot.parents[1] / "refs" / "main"
    for content in (b"", b"../../../../etc", b"a/b", b"\xff\xfe", b"x" * 10_000, b"a\nb"):
        reference.write_bytes(content)
        with pytest.raises(CheckpointError):
            resolve_folder("google/pegasus-xsum")
    reference.write_text("e" * 40)  # a commit that was never fetched
    with pytest.raises(CheckpointError, match="revision 'main' is not in"):
        resolve_folder("google/pegasus-xsum")


@pytest.mark.parametrize(
    "name", ["google/pegasus-xsum", "no-such", "../no/such", "/no/such", "a/b/c", "", "a\0b", "x" * 5000, "a b/c"]
)
def test_a_name_that_is_nowhere(name: str) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        resolve_folder(name)


def test_a_path_is_not_looked_up_in_the_hub_cache() -> None:
    with pytest.raises(CheckpointError) as caught:
        resolve_folder("./no-such-folder")
    assert "hub" not in str(caught.value)


def test_messages_say_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        resolve_folder("google/pegasus-xsum")
    assert str(hub_cache() / "models--google--pegasus-xsum") in str(caught.value)
    assert "hf download google/pegasus-xsum" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="expected a folder"):
        resolve_folder("file")
    with pytest.raises(CheckpointError, match="found none"):
        open_checkpoint(tmp_path / "nowhere")
