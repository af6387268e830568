"""Measure minipegasus beside its peers, in one run, and print a table.

    pip install -e .                                             # enough for "ours" and "numpy"
    pip install torch==2.13.0 transformers==4.56.2 ctranslate2   # the peers; whichever is missing is left out
    python tools/bench.py --json bench.json --svg bench.svg

Every implementation runs in a process of its own with the same number of threads and the same float32 weights. The
implementations take turns (A B C, A B C, ...), so a machine that changes its speed changes it for all of them; a ratio
is taken round by round and its median, minimum and maximum are printed. Only ratios of one run mean anything.
"""

import argparse
import html
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent
IMPLEMENTATIONS = ("ours", "numpy", "torch", "ctranslate2")
# Steps whose time is averaged; the first step belongs to the prompt and is measured apart.
STEPS = 24


@dataclass(frozen=True)
class Case:
    """One row of the table: what to run, and which implementations can."""

    name: str
    kind: str
    options: dict[str, Any]
    unit: str
    who: tuple[str, ...] = IMPLEMENTATIONS
    flops: float = 0.0
    reads: float = 0.0


@dataclass
class Row:
    """The measurements of one case: seconds per round and implementation."""

    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, peer: str) -> tuple[float, float, float] | None:
        """Return median, smallest and largest of peer / ours, round by round."""
        if peer not in self.seconds or "ours" not in self.seconds:
            return None
        ratios = [b / a for a, b in zip(self.seconds["ours"], self.seconds[peer], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def large_cases() -> list[Case]:
    """Return the cases on a full-size Pegasus checkpoint."""
    matrices = 16 * (4 * 1024 * 1024 + 2 * 1024 * 4096)
    # What one step reads: self-attention, half of cross-attention (its keys and values are kept), FFN, head.
    step = 4.0 * (16 * (6 * 1024 * 1024 + 2 * 1024 * 4096) + 96103 * 1024)
    return [
        *(
            Case(
                f"pegasus-large encoder, {n} tokens",
                "encoder",
                {"tokens": n},
                "s",
                flops=2.0 * n * matrices + 16 * 4.0 * n * n * 1024,
            )
            for n in (512, 1024)
        ),
        Case("greedy decoding, per token (512 in)", "decode", {"tokens": 512, "beams": 1}, "s", reads=step),
        Case("8 beams, per step (512 in)", "decode", {"tokens": 512, "beams": 8}, "s", reads=step),
    ]


def layer_cases() -> list[Case]:
    """Return the cases on one full-width sparse encoder layer."""
    who = ("ours", "numpy", "torch")
    return [
        Case("BigBird-Pegasus layer, 4096 tokens", "layer", {"family": "bigbird", "tokens": 4096}, "s", who),
        Case("PEGASUS-X layer, 4096 tokens", "layer", {"family": "x", "tokens": 4096}, "s", who),
        Case("PEGASUS-X layer, 16384 tokens", "layer", {"family": "x", "tokens": 16384}, "s", who),
    ]


def process_cases() -> list[Case]:
    """Return the cases that are whole processes."""
    return [
        Case("import", "import", {}, "s", ("ours", "torch", "ctranslate2")),
        Case("cold start to first summary, bundled model", "cold", {}, "s", ("ours", "numpy", "torch")),
    ]


# ---- the side of a worker: one implementation, one process ----


class Ours:
    """minipegasus, compiled or (MINIPEGASUS_OPS=numpy) by NumPy alone."""

    def __init__(self, folder: Path, threads: int) -> None:
        import minipegasus

        self.library = minipegasus
        minipegasus.set_num_threads(threads)
        self.folder = folder
        self.models: dict[str, Any] = {}

    def large(self) -> Any:
        if "large" not in self.models:
            self.models["large"] = self.library.PegasusForConditionalGeneration.from_pretrained(self.folder)
        return self.models["large"]

    def layer(self, family: str, tokens: int) -> Callable[[], Any]:
        key = f"{family}{tokens}"
        if key not in self.models:
            name, values = layer_config(family, tokens)
            config = getattr(self.library, f"{name}Config")(**values)
            self.models[key] = getattr(self.library, f"{name}Model")(config).get_encoder()
        return lambda: self.models[key](random_ids(tokens, 100))

    def encoder(self, tokens: int) -> Callable[[], Any]:
        return lambda: self.large().get_encoder()(random_ids(tokens, 96103))

    def generate(self, tokens: int, beams: int, new: int, encoded: bool = True) -> Callable[[], Any]:
        model = self.large()
        settings = {"num_beams": beams, "max_new_tokens": new, "min_new_tokens": new, "forced_eos_token_id": None}
        ids = random_ids(tokens, 96103)
        if not encoded:
            return lambda: model.generate(ids, **settings)
        outputs = self.encoder(tokens)()
        return lambda: model.generate(encoder_outputs=outputs, **settings)


class Torch(Ours):
    """transformers on torch, as its users run it."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        import transformers

        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        transformers.logging.set_verbosity_error()
        self.torch, self.library = torch, transformers
        self.folder = folder
        self.models = {}

    def large(self) -> Any:
        if "large" not in self.models:
            self.models["large"] = self.library.PegasusForConditionalGeneration.from_pretrained(self.folder).eval()
        return self.models["large"]

    def layer(self, family: str, tokens: int) -> Callable[[], Any]:
        key = f"{family}{tokens}"
        if key not in self.models:
            name, values = layer_config(family, tokens)
            config = getattr(self.library, f"{name}Config")(**values)
            self.models[key] = getattr(self.library, f"{name}Model")(config).eval().get_encoder()
        ids = self.torch.from_numpy(random_ids(tokens, 100))
        return lambda: self.models[key](ids)

    def encoder(self, tokens: int) -> Callable[[], Any]:
        return lambda: self.large().get_encoder()(self.torch.from_numpy(random_ids(tokens, 96103)))

    def generate(self, tokens: int, beams: int, new: int, encoded: bool = True) -> Callable[[], Any]:
        model = self.large()
        settings = {"num_beams": beams, "max_new_tokens": new, "min_new_tokens": new, "forced_eos_token_id": None}
        ids = self.torch.from_numpy(random_ids(tokens, 96103))
        if not encoded:
            return lambda: model.generate(ids, **settings)
        outputs = self.encoder(tokens)()
        return lambda: model.generate(encoder_outputs=outputs, **settings)


class CTranslate2(Ours):
    """CTranslate2 on the converted folder."""

    def __init__(self, folder: Path, threads: int) -> None:
        import ctranslate2

        self.translator = ctranslate2.Translator(
            str(folder.with_name(folder.name + "-ctranslate2")),
            device="cpu",
            compute_type="float32",
            intra_threads=threads,
        )

    def generate(self, tokens: int, beams: int, new: int, encoded: bool = False) -> Callable[[], Any]:
        words = [f"<unk_{2 + i % 100}>" for i in range(tokens)]
        return lambda: self.translator.translate_batch(
            [words], beam_size=beams, max_decoding_length=new, min_decoding_length=new, max_input_length=0
        )

    def encoder(self, tokens: int) -> Callable[[], Any]:
        # There is no call for the encoder alone: one step of decoding comes with it.
        return self.generate(tokens, 1, 1)


def layer_config(family: str, tokens: int) -> tuple[str, dict[str, Any]]:
    """Return the class stem and configuration of one encoder layer at full width."""
    common = {
        "vocab_size": 100,
        "d_model": 1024,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "decoder_ffn_dim": 8,
        "max_position_embeddings": max(tokens, 4096),
    }
    if family == "bigbird":
        return "BigBirdPegasus", common
    return "PegasusX", {**common, "num_global_tokens": 128}


def random_ids(tokens: int, vocabulary: int) -> Any:
    """Return ids of ordinary pieces, the same in every process."""
    import numpy as np

    return np.random.default_rng(0).integers(vocabulary // 2, vocabulary, (1, tokens))


def timed(run: Callable[[], Any]) -> float:
    """Return the seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(worker: Ours, kind: str, options: dict[str, Any]) -> float:
    """Return the seconds of one case."""
    if kind == "encoder":
        return timed(worker.encoder(**options))
    if kind == "layer":
        return timed(worker.layer(**options))
    many, one = (timed(worker.generate(**options, new=n)) for n in (STEPS + 1, 1))
    return (many - one) / STEPS


def serve(implementation: str, folder: Path, threads: int) -> None:
    """Answer requests, one JSON line each, until standard input ends."""
    kinds = {"ours": Ours, "numpy": Ours, "torch": Torch, "ctranslate2": CTranslate2}
    worker = kinds[implementation](folder, threads)
    for line in sys.stdin:
        request = json.loads(line)
        if request["kind"] == "memory":
            worker.generate(request["tokens"], request["beams"], 8, encoded=False)()
            answer: Any = peak_bytes()
        else:
            answer = measure(worker, request["kind"], request["options"])
        print(json.dumps(answer), flush=True)


def peak_bytes() -> int:
    """Return the largest resident size that this process has had, mapped weights included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


# ---- the side of the table ----


class Worker:
    """A process that runs one implementation."""

    def __init__(self, implementation: str, folder: Path, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", implementation, "--model", str(folder), "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(implementation, threads),
        )

    def ask(self, **request: Any) -> float:
        """Send a request and return the number that comes back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended before it answered")
        return float(json.loads(line))

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def environment(implementation: str, threads: int) -> dict[str, str]:
    """Return the variables of a worker: threads for every library that asks, and NumPy alone for "numpy"."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    extra = {"MINIPEGASUS_OPS": "numpy"} if implementation == "numpy" else {}
    return {**os.environ, **dict.fromkeys(names, str(threads)), "HF_HUB_OFFLINE": "1", **extra}


# The random checkpoint's tokenizer knows fewer words than the model; CTranslate2 wants one for every row.
CONVERT = """
import sys
from ctranslate2.converters import transformers as converters
loader = converters._MODEL_LOADERS["PegasusConfig"]
words_of = loader.get_vocabulary
def padded(model, tokenizer):
    words = words_of(model, tokenizer)
    return words + [f"<word_{i}>" for i in range(len(words), model.config.vocab_size)]
loader.get_vocabulary = padded
converters.TransformersConverter(sys.argv[1]).convert(sys.argv[2])
"""

COMMANDS = {
    ("import", "ours"): "import minipegasus",
    ("import", "torch"): "from transformers import PegasusForConditionalGeneration",
    ("import", "ctranslate2"): "import ctranslate2",
    ("cold", "ours"): "import minipegasus; print(minipegasus.summarize({text!r}))",
    ("cold", "numpy"): "import minipegasus; print(minipegasus.summarize({text!r}))",
    ("cold", "torch"): (
        "from transformers import pipeline, logging; logging.set_verbosity_error(); "
        "print(pipeline('summarization', model={demo!r})({text!r})[0]['summary_text'])"
    ),
}


def process_seconds(kind: str, implementation: str, threads: int) -> float:
    """Return the seconds of a fresh interpreter that imports, or that summarises a text with the bundled model."""
    demo = TOOLS.parent / "minipegasus" / "demo"
    text = (demo / "sample.txt").read_text() if kind == "cold" else ""
    code = COMMANDS[kind, implementation].format(text=text, demo=str(demo))
    run = [sys.executable, "-c", code]
    return timed(lambda: subprocess.run(run, check=True, capture_output=True, env=environment(implementation, threads)))


@contextmanager
def workers(names: tuple[str, ...], folder: Path, threads: int) -> Iterator[dict[str, Worker]]:
    """Start one worker per implementation and end them all."""
    with ExitStack() as stack:
        started = {}
        for name in names:
            started[name] = Worker(name, folder, threads)
            stack.callback(started[name].close)
        yield started


def available(names: list[str]) -> tuple[str, ...]:
    """Return the implementations that can be imported here."""
    needs = {"ours": "minipegasus", "numpy": "minipegasus", "torch": "transformers", "ctranslate2": "ctranslate2"}
    return tuple(name for name in names if find_spec(needs[name]) is not None)


def prepare(folder: Path, names: tuple[str, ...]) -> None:
    """Make the full-size checkpoint and CTranslate2's form of it where they are not there yet."""
    if not (folder / "model.safetensors").is_file():
        tokenizer = TOOLS.parent / "golden" / "pegasus"
        subprocess.run([sys.executable, TOOLS / "make_checkpoint.py", folder, "--tokenizer", tokenizer], check=True)
    converted = folder.with_name(folder.name + "-ctranslate2")
    if "ctranslate2" in names and not (converted / "model.bin").is_file():
        run = [sys.executable, "-c", CONVERT, str(folder), str(converted)]
        subprocess.run(run, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})


def run_cases(cases: list[Case], rounds: int, names: tuple[str, ...], folder: Path, threads: int) -> Iterator[Row]:
    """Measure the cases one after the other; within a case the implementations take turns."""
    for case in cases:
        who = tuple(name for name in names if name in case.who)
        row = Row(case, {name: [] for name in who})
        with workers(() if case.kind in {"import", "cold"} else who, folder, threads) as started:
            for turn in range(rounds + 1):
                for name in who:
                    if started:
                        seconds = started[name].ask(kind=case.kind, options=case.options)
                    else:
                        seconds = process_seconds(case.kind, name, threads)
                    if turn:  # the first round warms caches up
                        row.seconds[name].append(seconds)
        yield row


def peak_memory(names: tuple[str, ...], folder: Path, threads: int) -> dict[str, float]:
    """Return each implementation's peak resident bytes: pegasus-large, 1024 tokens, 8 beams."""
    found = {}
    for name in names:
        with workers((name,), folder, threads) as started:
            found[name] = started[name].ask(kind="memory", tokens=1024, beams=8)
    return found


def line(row: Row, peaks: dict[str, float]) -> str:
    """Return a row of the table."""
    medians = {name: statistics.median(s) for name, s in row.seconds.items()}
    cells = [f"{row.case.name:<44}"]
    cells += [f"{medians[n] * 1000:>11.1f}" if n in medians else f"{'-':>11}" for n in IMPLEMENTATIONS]
    ours = medians["ours"]
    if row.case.flops and peaks:
        cells.append(f"{row.case.flops / ours / peaks['flops']:>6.0%} of peak")
    elif row.case.reads and peaks:
        cells.append(f"{row.case.reads / ours / peaks['bytes']:>6.0%} of read")
    ratios = {peer: row.ratio(peer) for peer in row.seconds if peer != "ours"}
    shown = [f"{p} {r[0]:.2f} ({r[1]:.2f} to {r[2]:.2f})" for p, r in ratios.items() if r]
    return " ".join(cells) + "   " + ", ".join(shown)


def picture(rows: list[Row]) -> str:
    """Return a self-contained SVG bar chart: each implementation's time as a multiple of ours."""
    colours = {"ours": "#0b6e4f", "numpy": "#8aa29e", "torch": "#c8553d", "ctranslate2": "#3d5a80"}
    bars = [
        (row, name, ratio[0]) for row in rows for name in row.seconds if name != "numpy" and (ratio := row.ratio(name))
    ]
    longest = min(max(value for *_, value in bars), 12.0)
    y, parts = 34, []
    for row in rows:
        parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{html.escape(row.case.name)}</text>')
        y += 20
        for other, name, value in bars:
            if other is row:
                width = 420 * min(value, longest) / longest
                parts.append(f'<rect x="110" y="{y}" width="{width:.1f}" height="13" fill="{colours[name]}"/>')
                parts.append(f'<text x="104" y="{y + 11}" text-anchor="end">{name}</text>')
                parts.append(f'<text x="{116 + width:.1f}" y="{y + 11}">{value:.2f}</text>')
                y += 17
        y += 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="620" height="{y}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        '<text x="10" y="18" font-size="14">Time as a multiple of minipegasus\' (shorter is faster)</text>'
    )
    return head + "".join(parts) + "</svg>\n"


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir()) / "minipegasus-bench-large")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--who", nargs="+", default=list(IMPLEMENTATIONS), choices=IMPLEMENTATIONS)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.model, arguments.threads)
        return
    names = available(arguments.who)
    cases = [
        case
        for case in [*large_cases(), *layer_cases(), *process_cases()]
        if not arguments.only or any(text in case.name for text in arguments.only)
    ]
    if any(case.kind in {"encoder", "decode"} for case in cases) or not arguments.no_memory:
        prepare(arguments.model, names)
    from bench_kernels import machine_peaks  # not in the workers, which hold one implementation each

    peaks = machine_peaks(arguments.threads)
    print(f"{arguments.threads} threads; milliseconds, medians of {arguments.rounds} rounds")
    if peaks:
        print(f"peaks: {peaks['flops'] / 1e9:.0f} GFLOP/s multiply-add, {peaks['bytes'] / 1e9:.1f} GB/s reading")
    print(f"{'':<44} " + " ".join(f"{name:>11}" for name in IMPLEMENTATIONS) + "   peer / ours")
    rows = []
    for row in run_cases(cases, arguments.rounds, names, arguments.model, arguments.threads):
        print(line(row, peaks), flush=True)
        rows.append(row)
    memory = {} if arguments.no_memory else peak_memory(names, arguments.model, arguments.threads)
    for name, size in memory.items():
        print(f"peak memory, pegasus-large, 1024 tokens, 8 beams: {name:>12} {size / 1e6:8.0f} MB")
    if arguments.json:
        document = {"peaks": peaks, "threads": arguments.threads, "memory": memory, "rows": [asdict(r) for r in rows]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.svg:
        arguments.svg.write_text(picture(rows))


if __name__ == "__main__":
    main()
