"""Measure one full-width encoder layer with block-sparse attention beside transformers', and how it grows.

    pip install -e . torch==2.13.0 transformers==4.56.2
    python tools/bench_sparse.py            # 1024 wide, 16 heads; BigBird-Pegasus to 8192 tokens, PEGASUS-X to 16384
    python tools/bench_sparse.py --small    # the same in a few seconds, to see that it works

Two things are timed: attention alone, from projected queries, keys and values to its output, and the encoder around
one layer. Every implementation runs in a process of its own with the same number of threads; they take turns, and
ratios are taken round by round. Extra memory is how far a process' resident size rises above what it was before the
first call, its output included. Outputs are compared before anything is timed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("ours", "numpy", "torch")


@dataclass(frozen=True)
class Case:
    """One measurement: a family, a length, and the sizes of the layer."""

    family: str
    tokens: int
    width: int
    heads: int
    block: int
    extra: int  # random blocks, or global tokens

    @property
    def config(self) -> tuple[str, dict[str, Any]]:
        """The stem of the class names and the configuration of one layer."""
        values: dict[str, Any] = {"vocab_size": 100, "d_model": self.width, "block_size": self.block}
        values |= {f"{side}_attention_heads": self.heads for side in ("encoder", "decoder")}
        values |= {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 4 * self.width, "decoder_ffn_dim": 8}
        if self.family == "bigbird":
            return "BigBirdPegasus", {
                **values,
                "max_position_embeddings": self.tokens,
                "num_random_blocks": self.extra,
            }
        return "PegasusX", {**values, "num_global_tokens": self.extra}

    def projected(self) -> np.ndarray:
        """Return queries, keys and values ``[3, 1, tokens, width]``, globals in front."""
        rows = self.tokens + (self.extra if self.family == "x" else 0)
        return np.random.default_rng(0).standard_normal((3, 1, rows, self.width), np.float32)

    def ids(self) -> np.ndarray:
        """Return the encoder's input."""
        return np.random.default_rng(0).integers(3, 100, (1, self.tokens))


# ---- a worker: one implementation, one process ----


def ours(case: Case, what: str) -> Callable[[], Any]:
    """Return minipegasus' computation."""
    import minipegasus
    from minipegasus import ops
    from minipegasus.nn.attention import split_heads
    from minipegasus.nn.stacks import mask_layers

    name, values = case.config
    model_class = getattr(minipegasus, f"{name}Model")
    config = getattr(minipegasus, f"{name}Config")(**values)
    if what == "layer":
        encoder, ids = model_class(config).get_encoder(), case.ids()
        return lambda: encoder(ids)[0]
    q, k, v = (split_heads(x, case.heads) for x in case.projected())
    rows, width = q.shape[2:]
    pattern = mask_layers(model_class.family.spec(config, "base").encoder, rows, rows)[0].pattern
    return lambda: ops.attention(q, k, v, pattern, scale=width**-0.5)[0].transpose(0, 2, 1, 3)


def reference(case: Case, what: str) -> Callable[[], Any]:
    """Return transformers' computation."""
    import torch
    import transformers

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    name, values = case.config
    config = getattr(transformers, f"{name}Config")(**values)
    if what == "layer":
        encoder = getattr(transformers, f"{name}Model")(config).eval().get_encoder()
        ids = torch.from_numpy(case.ids())
        return lambda: encoder(ids)[0].numpy()
    q, k, v = (
        torch.from_numpy(x).view(1, -1, case.heads, case.width // case.heads).transpose(1, 2) for x in case.projected()
    )
    if case.family == "bigbird":
        return _bigbird(case, config, q, k, v)
    return _pegasus_x(case, q, k, v)


def _bigbird(case: Case, config: Any, q: Any, k: Any, v: Any) -> Callable[[], Any]:
    import torch
    from transformers.models.bigbird_pegasus import modeling_bigbird_pegasus as module

    attention = module.BigBirdPegasusBlockSparseAttention(config, seed=0).eval()
    ones = torch.ones(1, case.tokens, dtype=torch.long)
    blocked, band, from_mask, to_mask = module.BigBirdPegasusEncoder.create_masks_for_block_sparse_attn(
        ones, case.block
    )
    sizes = (case.heads, case.extra, case.width // case.heads, case.block, case.block, 1, case.tokens, case.tokens)

    def run() -> Any:
        out, _ = attention.bigbird_block_sparse_attention(
            *(q, k, v, band, from_mask, to_mask, blocked, blocked, *sizes),
            seed=0,
            plan_from_length=None,
            plan_num_rand_blocks=None,
            output_attentions=False,
        )
        return out.numpy()

    return run


def _pegasus_x(case: Case, q: Any, k: Any, v: Any) -> Callable[[], Any]:
    import torch
    from transformers.models.pegasus_x import modeling_pegasus_x as module

    attention = module.PegasusXGlobalLocalAttention(case.width, case.heads, case.block).eval()
    g, d = case.extra, case.width // case.heads
    (global_q, q), (global_k, k), (global_v, v) = (
        (x[:, :, :g].contiguous(), x[:, :, g:].contiguous()) for x in (q * d**-0.5, k, v)
    )
    dim = module.DimensionInfo(
        batch_size=1,
        seq_len=case.tokens,
        block_size=case.block,
        num_heads=case.heads,
        hidden_dim=case.width,
        dim_per_head=d,
        num_blocks=case.tokens // case.block,
        global_len=g,
        padded_seq_len=case.tokens,
    )
    mask = torch.zeros(1, case.tokens)

    def run() -> Any:
        of_globals, _ = attention.compute_global_attention_representations(
            global_q, global_k, global_v, k, v, mask, dim
        )
        local, _ = attention.compute_local_attention_representations(global_k, global_v, q, k, v, mask, dim)
        tokens = local.reshape(1, case.heads, case.tokens, d)
        return torch.cat([of_globals, tokens], dim=2).transpose(1, 2).numpy()

    return run


def serve(name: str) -> None:
    """Answer requests, one JSON line each, until standard input ends."""
    make = reference if name == "torch" else ours
    made: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        case, what = Case(**request["case"]), request["what"]
        key = json.dumps([request["case"], what])
        if key not in made:
            made.clear()
            made[key] = make(case, what)
        if "save" in request:
            np.save(request["save"], made[key]())
            answer = 0.0
        elif request.get("memory"):
            answer = extra_bytes(made[key])
        else:
            start = time.perf_counter()
            made[key]()
            answer = time.perf_counter() - start
        print(json.dumps(answer), flush=True)


def extra_bytes(run: Callable[[], Any]) -> float:
    """Return how far the resident size rises during a first run."""
    try:
        # Forget the highest size so far, where the system lets us.
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        run()
        return _status("VmHWM") - before
    except OSError:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# ---- the table ----


class Worker:
    """A process that runs one implementation."""

    def __init__(self, name: str, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        extra = {"MINIPEGASUS_OPS": "numpy"} if name == "numpy" else {}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(names, str(threads)), **extra},
        )

    def ask(self, case: Case, what: str, **more: Any) -> float:
        """Send a request and return the number that comes back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"case": asdict(case), "what": what, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended before it answered")
        return float(json.loads(line))

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def measure(case: Case, what: str, names: list[str], rounds: int, threads: int) -> dict[str, Any]:
    """Return seconds per round, extra bytes and the largest difference of one case."""
    row: dict[str, Any] = {**asdict(case), "what": what, "bytes": {}, "seconds": {name: [] for name in names}}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {}
        for name in names:
            workers[name] = Worker(name, threads)
            stack.callback(workers[name].close)
            row["bytes"][name] = workers[name].ask(case, what, memory=True)
        if what == "attention":
            outputs = []
            for name in names:
                workers[name].ask(case, what, save=str(folder / f"{name}.npy"))
                outputs.append(np.load(folder / f"{name}.npy").reshape(-1))
            row["difference"] = max(float(np.abs(out - outputs[0]).max()) for out in outputs)
        for turn in range(rounds + 1):
            for name in names:
                seconds = workers[name].ask(case, what)
                if turn:  # the first round warms caches up
                    row["seconds"][name].append(seconds)
    return row


def line(row: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Return a row of the table; ``before`` is the same measurement at the last smaller length."""
    names, ours_seconds = list(row["seconds"]), row["seconds"]["ours"]
    cells = [f"{row['family']:<8} {row['tokens']:>6} {row['what']:<9}"]
    cells += [f"{name} {1000 * statistics.median(row['seconds'][name]):9.1f} ms" for name in names]
    cells += [f"{name} +{row['bytes'][name] / 2**20:7.1f} MiB" for name in names]
    for name in names[1:]:
        ratios = sorted(b / a for a, b in zip(ours_seconds, row["seconds"][name], strict=True))
        cells.append(f"{name}/ours {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    if before is not None:
        more = statistics.median(ours_seconds) / statistics.median(before["seconds"]["ours"])
        cells.append(f"x{row['tokens'] / before['tokens']:g} tokens: x{more:.2f} time")
    if "difference" in row:
        cells.append(f"differ by {row['difference']:.1e}")
    return "  ".join(cells)


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help="narrow layers and short inputs")
    parser.add_argument("--families", nargs="+", default=["bigbird", "x"], choices=["bigbird", "x"])
    parser.add_argument("--tokens", nargs="+", type=int, help="lengths, in place of the usual ones")
    parser.add_argument("--what", nargs="+", default=["attention", "layer"], choices=["attention", "layer"])
    parser.add_argument("--against", nargs="*", default=["torch"], choices=["torch", "numpy"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    width, heads = (64, 4) if args.small else (1024, 16)
    rows = []
    for family in args.families:
        if family == "bigbird":
            lengths, block, extra = ([128, 256, 512], 8, 3) if args.small else ([1024, 2048, 4096, 8192], 64, 3)
        else:
            lengths, block, extra = ([128, 256, 512], 32, 8) if args.small else ([2048, 4096, 8192, 16384], 512, 128)
        for what in args.what:
            before = None
            for tokens in args.tokens or lengths:
                case = Case(family, tokens, width, heads, block, extra)
                row = measure(case, what, ["ours", *args.against], args.rounds, args.threads)
                print(line(row, before), flush=True)
                before = row
                rows.append(row)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
