"""The command line, in this process and as its own: results, exit codes, interruption, terminals."""

import hashlib
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from use_folders import VOCABULARIES, make_folder, make_pair

import minipegasus
from minipegasus import cli, ops, summarize
from minipegasus.cli import main

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden" / "pegasus"
TEXTS = ["The man was here.", "A cache keeps the results of a function.", "It is the lock of the table."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("cli"), num_beams=2, max_length=9)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{i}.txt" for i in range(len(TEXTS))]
    for path, text in zip(paths, TEXTS, strict=True):
        path.write_text(text, encoding="utf-8")
    return [str(path) for path in paths]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    lines = [json.dumps({"id": i, "text": text}) for i, text in enumerate(TEXTS)]
    path.write_text("\n".join([lines[0], "", *lines[1:]]) + "\n")
    return path


def start(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start the command line as a process of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MINIPEGASUS_OPS": ops.config()["ops"]}
    return subprocess.Popen([sys.executable, "-m", "minipegasus", *arguments], env=env, **(pipes | options))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---- summarize


def test_files_become_lines_in_their_order(folder: Path, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", "--model", str(folder), *files]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == summarize(TEXTS, folder)
    assert err == ""


def test_settings_reach_generation(folder: Path, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--num-beams", "3", "--max-length", "6", "--min-length", "3", "--length-penalty", "0.5"]
    options += ["--no-repeat-ngram-size", "2", "--batch-size", "2"]
    assert main(["summarize", "--model", str(folder), *options, *files]) == 0
    settings = {"num_beams": 3, "max_length": 6, "min_length": 3, "length_penalty": 0.5, "no_repeat_ngram_size": 2}
    assert capsys.readouterr().out.splitlines() == summarize(TEXTS, folder, **settings)
    sampling = ["--do-sample", "--num-beams", "1", "--seed", "5", "--temperature", "1.5"]
    assert main(["summarize", "--model", str(folder), *sampling, *files]) == 0
    expected = summarize(TEXTS, folder, do_sample=True, num_beams=1, temperature=1.5, rng=5)
    assert capsys.readouterr().out.splitlines() == expected


def test_every_setting_is_one_of_generation() -> None:
    from minipegasus.cli.summarize import _SETTINGS

    known = vars(minipegasus.GenerationConfig())
    assert all(name.removeprefix("--").replace("-", "_") in known for name in _SETTINGS)


def test_json_lines_keep_order_and_fields(folder: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [{"id": i, "text": text, "summary": summarize(text, folder)} for i, text in enumerate(TEXTS)]
    for more in ([], ["--batch-size", "2"]):
        assert main(["summarize", "--model", str(folder), "--jsonl", *more, str(records)]) == 0
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == expected
    records.write_text('{"body": "caf\\u00e9", "text": 3}\n', encoding="utf-8")
    named = ["--field", "body", "--into", "text"]
    assert main(["summarize", "--model", str(folder), "--jsonl", *named, str(records)]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"body": "café", "text": summarize("café", folder)}
    assert "café" in out


def test_standard_input(folder: Path) -> None:
    for arguments in ([], ["-"]):
        process = start("summarize", "--model", str(folder), *arguments)
        out, err = process.communicate(b"\xef\xbb\xbf" + TEXTS[0].encode())
        assert (process.returncode, err) == (0, b"")
        assert out.decode() == summarize(TEXTS[0], folder) + "\n"


def test_streaming_writes_the_greedy_summary(
    folder: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarize", "--model", str(folder), "--stream", *files]) == 0
    assert capsys.readouterr().out.splitlines() == summarize(TEXTS, folder, num_beams=1)


def test_long_texts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.txt"
    path.write_text(" ".join(TEXTS * 5))
    assert main(["summarize", "--model", str(folder), str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.startswith(f"minipegasus: warning: {path}: the text has ")
    assert err.count("\n") == 1
    assert main(["summarize", "--model", str(folder), "--long", "chunk", str(path)]) == 0
    assert capsys.readouterr() == (summarize(path.read_text(), folder, long="chunk") + "\n", "")
    assert main(["summarize", "--model", str(folder), "--long", "error", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"minipegasus: {path}: text: expected at most 40 tokens")


def test_output_appears_whole_or_not_at_all(folder: Path, files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "new" / "summaries.txt"
    assert main(["summarize", "--model", str(folder), "--output", str(out), *files]) == 0
    assert out.read_text(encoding="utf-8").splitlines() == summarize(TEXTS, folder)
    before = out.read_text(encoding="utf-8")
    assert main(["summarize", "--model", str(folder), "--output", str(out), files[0], "missing.txt"]) == 1
    assert out.read_text(encoding="utf-8") == before
    assert list(out.parent.iterdir()) == [out]


def test_an_interrupted_run_is_resumed(folder: Path, records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = ["summarize", "--model", str(folder), "--jsonl", "--output", str(out)]
    assert main([*command, str(records)]) == 0
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    for left in (b"", lines[0], lines[0] + lines[1][:-5], whole):
        out.write_bytes(left)
        assert main([*command, "--resume", str(records)]) == 0
        assert out.read_bytes() == whole
    out.unlink()
    assert main([*command, "--resume", str(records)]) == 0
    assert out.read_bytes() == whole
    assert main([*command, str(records)]) == 0
    assert out.read_bytes() == whole
    new = tmp_path / "new" / "folder" / "out.jsonl"
    for more in ([], ["--resume"]):
        assert main([*command[:-1], str(new), *more, str(records)]) == 0
        assert new.read_bytes() == whole
        shutil.rmtree(tmp_path / "new")


def test_ctrl_c_leaves_whole_lines_and_no_traceback(folder: Path, records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    process = start("summarize", "--model", str(folder), "--jsonl", "--output", str(out), "-")
    assert process.stdin is not None
    process.stdin.write(b"".join(records.read_bytes().splitlines(keepends=True)[:3]))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while (not out.exists() or out.read_bytes().count(b"\n") < 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"minipegasus: interrupted\n")
    assert len(read_lines(out)) == 2
    assert main(["summarize", "--model", str(folder), "--jsonl", "--output", str(out), "--resume", str(records)]) == 0
    assert [record["id"] for record in read_lines(out)] == [0, 1, 2]


def test_ctrl_c_leaves_no_half_written_file(folder: Path, tmp_path: Path) -> None:
    process = start("summarize", "--model", str(folder), "--output", str(tmp_path / "out.txt"), "-")
    deadline = time.monotonic() + 60
    while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"minipegasus: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_nobody_reads_the_output_any_more(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text((json.dumps({"text": "the man"}) + "\n") * 200)
    command = ["summarize", "--model", str(folder), "--jsonl", "--max-length", "4", str(path)]
    with start(*command, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


def test_closed_streams(folder: Path, files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    summarizing = ["summarize", "--model", str(folder), files[0]]
    closed = b"minipegasus: standard input: expected a file, a pipe or a terminal, found it closed\n"
    for arguments, redirection, expected in (
        (summarizing, ">&-", (141, b"", b"")),
        ([*summarizing, "--output", str(out)], ">&-", (0, b"", b"")),
        (["summarize", "--model", "no/such", files[0]], "2>&-", (1, b"", b"")),
        (["config"], ">&-", (141, b"", b"")),
        (["inspect", str(folder)], ">&-", (141, b"", b"")),
        (summarizing[:-1], "<&-", (1, b"", closed)),
    ):
        command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "minipegasus", *arguments]
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == expected
    assert out.read_text(encoding="utf-8") == summarize(TEXTS[0], folder) + "\n"


def test_progress_is_for_terminals_only(folder: Path, files: list[str]) -> None:
    process = start("summarize", "--model", str(folder), files[0])
    assert process.communicate()[1] == b""
    controller, terminal = pty.openpty()
    process = start("summarize", "--model", str(folder), *files, stderr=terminal)
    out, _ = process.communicate(timeout=60)
    os.close(terminal)
    shown = os.read(controller, 10_000).decode()
    os.close(controller)
    assert out.decode().splitlines() == summarize(TEXTS, folder)
    assert "\rdocument 1: reading 1/2 layers" in shown
    assert shown.endswith(" \r")
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("used", "terminal", "asked", "told"),
    [
        ("numpy", True, "", True),
        ("numpy", True, "numpy", False),
        ("numpy", False, "", False),
        ("native", True, "", False),
    ],
)
def test_missing_kernels_are_told_of_on_a_terminal(
    used: str,
    terminal: bool,
    asked: str,
    told: bool,
    folder: Path,
    files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINIPEGASUS_OPS", asked)
    monkeypatch.setattr("minipegasus.ops.config", lambda: {"ops": used})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main(["summarize", "--model", str(folder), files[0]]) == 0
    line = "minipegasus: computing by NumPy alone, slower: see minipegasus config\n"
    assert capsys.readouterr().err.startswith(line) == told


@pytest.mark.parametrize(
    "arguments",
    [
        ["summarise"],
        ["summarize", "--long", "cut"],
        ["summarize", "--resume"],
        ["summarize", "--resume", "--jsonl"],
        ["summarize", "--stream", "--jsonl"],
        ["summarize", "--stream", "--batch-size", "2"],
        ["summarize", "--field", "x"],
        ["summarize", "--seed", "3"],
        ["summarize", "--do-sample", "--seed", "-3"],
        ["summarize", "--batch-size", "0"],
        ["summarize", "--num-beams", "many"],
        ["convert", "only-one"],
        ["inspect"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: minipegasus" in err


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b'{"text": "a"}\nnonsense\n', [], "line 2: expected a JSON object, found: Expecting value in column 1"),
        (b"[1]\n", [], "line 1: expected a JSON object, found list"),
        (b'{"body": "a", "id": 3}\n', [], "line 1: text: expected a text, found the fields body, id"),
        (b'{"text": null}\n', [], "line 1: text: expected a text, found None"),
        (b'{"text": "\xff"}\n', [], "line 1: expected text in UTF-8, found byte 0xff at 10"),
        (b'{"text": "a\\ud800"}\n', [], "line 1: text: expected Unicode without lone surrogates, found '\\ud800' at 1"),
        (b"[" * 100_000, [], "line 1: expected a JSON object, found too deep a nesting"),
        (b'{"text": %s}\n' % (b"9" * 5_000), [], "line 1: expected a JSON object, found an integer of too many digits"),
        (b'{"text": "a"}\n', ["--num-beams", "0"], "num_beams: expected at least 1, found 0"),
        (b'{"text": "a"}\n', ["--model", "no/such"], "'no/such': no such folder"),
    ],
)
def test_refusals_name_the_place_and_exit_with_1(
    content: bytes,
    options: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    assert main(["summarize", "--model", str(folder), "--jsonl", *options, str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("minipegasus: ")
    assert message in err
    assert "Traceback" not in err


def test_files_that_cannot_be_read_or_written(
    folder: Path, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["summarize", "--model", str(folder)]
    for arguments, message in (
        (["missing.txt"], "missing.txt: No such file or directory"),
        ([str(tmp_path)], f"{tmp_path}: Is a directory"),
        (["missing.txt", "--output", str(tmp_path / "x")], "missing.txt: No such file or directory"),
        ([files[0], "--output", files[0]], "expected another file than the input"),
        ([files[0], "--output", f"{files[0]}/x"], files[0]),
        ([files[0], "--jsonl", "--output", f"{files[0]}/x"], f"{files[0]}: File exists"),
    ):
        assert main([*command, *arguments]) == 1, arguments
        assert message in capsys.readouterr().err
    assert Path(files[0]).read_text() == TEXTS[0]
    binary = tmp_path / "binary"
    binary.write_bytes(b"abc\xff")
    assert main([*command, str(binary)]) == 1
    assert "binary: expected text in UTF-8, found byte 0xff at 3" in capsys.readouterr().err


def test_a_dash_is_standard_output(
    folder: Path, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["summarize", "--model", str(folder), "--output", "-", *files]) == 0
    assert capsys.readouterr().out.splitlines() == summarize(TEXTS, folder)
    assert main(["attention", str(folder), "--length", "4", "--svg", "-"]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(SystemExit):
        main(["summarize", "--model", str(folder), "--jsonl", "--resume", "--output", "-", *files])


def test_output_to_a_pipe(folder: Path, files: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start("summarize", "--model", str(folder), "--output", str(pipe), *files)
    assert pipe.read_text(encoding="utf-8").splitlines() == summarize(TEXTS, folder)
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert pipe.is_fifo()


# ---- convert


def test_convert_writes_a_folder_that_answers_alike(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(folder), str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: ")
    assert summarize(TEXTS, out) == summarize(TEXTS, folder)
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    assert "model.safetensors" in sums
    for name, digest in sums.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
        assert digest in (out / "README.md").read_text()
    half = tmp_path / "half"
    assert main(["convert", str(folder), str(half), "--dtype", "bfloat16"]) == 0
    narrow = minipegasus.PegasusModel.from_pretrained(half)
    wide = minipegasus.PegasusModel.from_pretrained(folder)
    for name, array in wide.state_dict().items():
        np.testing.assert_allclose(narrow.state_dict()[name], array, rtol=2**-8)


def test_convert_writes_tied_tensors_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from minipegasus.checkpoints import open_checkpoint, save_checkpoint

    source, out = tmp_path / "source", tmp_path / "out"
    tensors = dict(open_checkpoint(folder))
    shared = tensors["model.shared.weight"]
    copies = ["lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"]
    config = json.loads((folder / "config.json").read_text())
    save_checkpoint(source, tensors | dict.fromkeys(copies, shared), config)
    (source / "README.md").write_text("# Mine\n\nMIT.\n")
    assert main(["convert", str(source), str(out)]) == 0
    assert ", 3 not written again" in capsys.readouterr().out
    assert set(open_checkpoint(out)) == set(tensors)
    card = (out / "README.md").read_text()
    assert card.startswith("# Mine\n\nMIT.\n\n## Conversion\n")
    again = tmp_path / "again"
    assert main(["convert", str(out), str(again)]) == 0
    assert (again / "README.md").read_text().count("## Conversion") == 1
    # A name with other values is no copy.
    other = shared + 1
    save_checkpoint(source, tensors | {"lm_head.weight": other}, config)
    assert main(["convert", str(source), str(out)]) == 0
    assert "lm_head.weight" in set(open_checkpoint(out))


@pytest.mark.parametrize("kind", ["bert_generation", "bert", "roberta"])
def test_convert_takes_the_tokenizer_along(kind: str, tmp_path: Path) -> None:
    if kind != "bert_generation":
        pytest.importorskip("tokenizers")
    old, new = make_pair(tmp_path / "old", kind), tmp_path / "new"
    assert main(["convert", str(old), str(new)]) == 0
    names = {path.name for path in (VOCABULARIES / kind).iterdir()}
    assert names <= {path.name for path in new.iterdir()}
    assert summarize(TEXTS[0], new, max_length=6) == summarize(TEXTS[0], old, max_length=6)


def test_convert_refuses(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder), str(folder)]) == 1
    assert "expected another folder" in capsys.readouterr().err
    assert main(["convert", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "config.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- inspect, config, the whole


def test_inspect(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(folder)]) == 0
    text = capsys.readouterr().out
    model = minipegasus.PegasusForConditionalGeneration.from_pretrained(folder)
    assert f"parameters  {model.num_parameters():,}" in text
    assert "PegasusForConditionalGeneration" in text
    assert main(["inspect", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == model.num_parameters()
    assert found["family"] == "pegasus"
    assert found["encoder"]["layers"] == 2
    assert found["missing"] == found["unexpected"] == found["conflicting"] == []
    assert found["generation"]["num_beams"] == 2
    assert found["tokenizer"]["class"] == "PegasusTokenizer"
    assert found["files"]["config.json"] == (folder / "config.json").stat().st_size


def test_inspect_names_what_does_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from minipegasus.checkpoints import open_checkpoint, save_checkpoint

    tensors = dict(open_checkpoint(folder))
    gone = tensors.pop("model.encoder.layers.1.fc1.bias")
    tensors["model.encoder.layers.1.fc2.bias"] = gone[:3]
    tensors["colour"] = gone
    tensors["lm_head.weight"] = tensors["model.shared.weight"] * 2
    save_checkpoint(tmp_path, tensors, json.loads((folder / "config.json").read_text()))
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == ["model.encoder.layers.1.fc1.bias"]
    assert found["unexpected"] == ["colour"]
    assert found["mismatched"] == ["model.encoder.layers.1.fc2.bias: expected shape [16], found [3]"]
    assert found["conflicting"] == ["lm_head.weight and model.shared.weight"]
    assert "spiece.model" in found["tokenizer"]["problem"]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_inspect_without_the_extra(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    name = {"bert": "Bert", "roberta": "Roberta"}[kind]
    config = getattr(minipegasus, f"{name}Config")(**sizes, intermediate_size=8, max_position_embeddings=20)
    getattr(minipegasus, f"{name}Model")(config).save_pretrained(tmp_path)
    for file in (VOCABULARIES / kind).iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert main(["inspect", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert f"{name}Model" in out
    assert "pip install 'minipegasus[tokenizers]'" in out
    assert err == ""


@pytest.mark.parametrize("name", ["BigBirdPegasusForQuestionAnswering", "PegasusXModel", "PegasusForCausalLM"])
def test_inspect_finds_the_class(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path, name) if "For" in name else _bare(tmp_path)
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["class"], found["missing"], found["unexpected"]) == (name, [], [])
    assert (found["encoder"] is None) == (name == "PegasusForCausalLM")


def _bare(folder: Path) -> None:
    sizes = {"vocab_size": 50, "d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "block_size": 4}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    minipegasus.PegasusXModel(minipegasus.PegasusXConfig(**sizes)).save_pretrained(folder)
    (folder / "spiece.model").write_bytes((VOCABULARIES / "pegasus" / "spiece.model").read_bytes())


def test_output_that_cannot_show_every_character(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*arguments: str) -> str:
        stream = io.TextIOWrapper(io.BytesIO(), "ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(arguments) == 0
        return stream.buffer.getvalue().decode()

    named = tmp_path / "modèle"
    assert "mod\\xe8le: " in shown("convert", str(folder), str(named))
    assert "mod\\xe8le" in shown("inspect", str(named))
    assert json.loads(shown("inspect", str(named), "--json"))["folder"] == str(named)
    assert "\u2588" not in shown("attention", str(named), "--length", "8")


def test_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert "threads" in capsys.readouterr().out


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], *([name, "--help"] for name in cli.COMMANDS)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        out = capsys.readouterr().out
        assert "minipegasus" in out
        if arguments[-1] == "--help":
            assert "examples:\n  " in out
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    process = start("--version")
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, f"minipegasus {minipegasus.__version__}\n".encode(), b"")
