"""Time single kernels: ours, NumPy, and torch where it is installed; alternating runs, median ratio and spread.

    python tools/bench_kernels.py [--threads 2] [--repeats 9] [--json FILE] [--only NAME]

Ratios above 1 mean that ours is faster. The peaks of the machine (fused multiply-adds and memory reads per second)
are measured in the same run by tools/peak.c, where there is a C compiler.
"""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Case = dict[str, Any]


def machine_peaks(threads: int) -> dict[str, float]:
    """Return ``flops`` and ``bytes`` per second that ``threads`` threads can reach, or nothing without a compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peak.so"
        source = Path(__file__).with_name("peak.c")
        flags = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", "-pthread"]
        subprocess.run([compiler, *flags, str(source), "-o", str(library)], check=True)
        peak = ctypes.CDLL(str(library))
        peak.fma_peak.restype = peak.read_bandwidth.restype = ctypes.c_double
        return {"flops": peak.fma_peak(threads), "bytes": peak.read_bandwidth(threads)}


def cases() -> list[Case]:
    """Every kernel at the shapes of pegasus-large and its relatives: work in flops and bytes, one callable a peer."""
    import numpy as np

    from minipegasus import ops
    from minipegasus.nn import patterns
    from minipegasus.ops import _numpy

    try:
        import torch
        import torch.nn.functional as functional
    except ImportError:
        torch = None

    rng = np.random.default_rng(0)
    found: list[Case] = []

    def floats(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32)

    def add(name: str, ours: Callable[[], Any], numpy: Any, in_torch: Any, flops: float = 0, read: float = 0) -> None:
        peers = {"numpy": numpy} if torch is None else {"numpy": numpy, "torch": in_torch}
        found.append({"name": name, "ours": ours, "peers": peers, "flops": flops, "bytes": read})

    def tensor(x: Any) -> Any:
        return None if torch is None else torch.from_numpy(x)

    for rows, inner, outer in [(512, 1024, 1024), (512, 1024, 4096), (512, 4096, 1024), (8, 1024, 4096),
                               (8, 4096, 1024), (1, 1024, 4096), (1, 4096, 1024), (1, 1024, 96103)]:  # fmt: skip
        # Several weights in turn, as the layers of a model: none is in the cache when its turn comes.
        count = max(1, 2**26 // (inner * outer)) if rows < 100 else 1
        x, bias, weights = floats(rows, inner), floats(outer), [floats(outer, inner) for _ in range(count)]
        tx, tb, tw = tensor(x), tensor(bias), [tensor(w) for w in weights]
        add(
            f"linear {rows} x {inner} -> {outer}" + (f" ({count} weights)" if count > 1 else ""),
            lambda x=x, ws=weights, b=bias: [ops.linear(x, w, b) for w in ws],
            lambda x=x, ws=weights, b=bias: [x @ w.T + b for w in ws],
            lambda x=tx, ws=tw, b=tb: [functional.linear(x, w, b) for w in ws],
            flops=2 * rows * inner * outer * count,
            read=4 * inner * outer * count,
        )
    x, gain, shift, residual = floats(512, 1024), floats(1024), floats(1024), floats(512, 1024)
    tx, tg, ts, tr = (tensor(a) for a in (x, gain, shift, residual))
    add(
        "layer_norm 512 x 1024, with residual",
        lambda: ops.layer_norm(x, gain, shift, 1e-5, residual),
        lambda: _numpy.layer_norm(x, gain, shift, 1e-5, residual),
        lambda: functional.layer_norm(tx + tr, (1024,), tg, ts, 1e-5),
    )
    wide = floats(512, 4096)
    tw = tensor(wide)
    add(
        "gelu 512 x 4096",
        lambda: ops.activate(wide, "gelu"),
        lambda: _numpy.activate(wide, "gelu"),
        lambda: functional.gelu(tw),
    )
    logits = floats(8, 96103)
    tl = tensor(logits)
    add(
        "log_softmax 8 x 96103",
        lambda: ops.log_softmax(logits),
        lambda: _numpy.log_softmax(logits),
        lambda: functional.log_softmax(tl, -1),
    )
    add(
        "top_k 16 of 8 x 96103",
        lambda: ops.top_k(logits, 16),
        lambda: _numpy.top_k(logits, 16),
        lambda: torch.topk(tl, 16),
    )
    for name, pattern, beams in [
        ("dense, 512 tokens", patterns.full(512, 512), 1),
        ("dense, 1024 tokens", patterns.full(1024, 1024), 1),
        ("causal, 512 tokens", patterns.causal(512, 512), 1),
        ("BigBird, 4096 tokens", patterns.windowed(4096, 64, 3), 1),
        ("PEGASUS-X, 4096 tokens", patterns.partitioned(4096, 512, 128, False), 1),
        ("one step, 512 keys", patterns.full(1, 512), 1),
        ("one step of 8 beams, 512 shared keys", patterns.full(1, 512), 8),
    ]:
        q = floats(beams, pattern.queries, 16, 64).transpose(0, 2, 1, 3)
        k, v = (floats(1, pattern.keys, 16, 64).transpose(0, 2, 1, 3) for _ in range(2))
        queries = np.diff(pattern.query_starts)
        listed = sum(int(np.diff(pattern.listed(i)).sum() * n) for i, n in enumerate(queries))
        dense = pattern.is_dense
        tq, tk, tv = (tensor(a.copy()) for a in (q, k, v))
        mask = None
        if torch is not None and pattern.causal_offset is not None:
            mask = torch.full((pattern.queries, pattern.keys), float("-inf")).triu(pattern.causal_offset + 1)

        def eager(tq: Any = tq, tk: Any = tk, tv: Any = tv, mask: Any = mask) -> Any:
            scores = tq @ tk.transpose(-1, -2) * 0.125
            return functional.softmax(scores if mask is None else scores + mask, -1) @ tv

        add(
            f"attention, 16 heads of 64, {name}",
            lambda q=q, k=k, v=v, p=pattern: ops.attention(q, k, v, p, scale=0.125),
            (lambda q=q, k=k, v=v, p=pattern: _numpy.attention(q, k, v, p, scale=0.125)),
            eager if dense else None,
            flops=4 * listed * 64 * 16 * beams,
        )
    return found


def start_cost(threads: int) -> dict[str, float]:
    """Return the seconds that starting a parallel kernel adds, right after another kernel and after a pause.

    The kernel is an attention whose two units take no time: what several threads need more than one is their start.
    After a pause of a millisecond the workers sleep.
    """
    import numpy as np

    from minipegasus import ops
    from minipegasus.nn import patterns

    q, pattern = np.ones((1, 2, 1, 16), np.float32), patterns.full(1, 1)

    def cost(pause: float) -> float:
        taken: dict[int, list[float]] = {1: [], threads: []}
        for _ in range(300 if pause else 5000):
            for used, seconds in taken.items():
                ops.set_num_threads(used)
                ops.attention(q, q, q, pattern, scale=1.0)
                if pause:
                    time.sleep(pause)
                start = time.perf_counter()
                ops.attention(q, q, q, pattern, scale=1.0)
                seconds.append(time.perf_counter() - start)
        return float(np.median(taken[threads]) - np.median(taken[1]))

    found = {"awake": cost(0.0), "asleep": cost(1e-3)}
    ops.set_num_threads(threads)
    return found


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Run ours and the peers in turns; times in seconds, ratios as (median, lowest, highest)."""
    runs = {"ours": case["ours"], **{name: f for name, f in case["peers"].items() if f is not None}}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for f in runs.values():
        f()
    for _ in range(repeats):
        for name, f in runs.items():
            start = time.perf_counter()
            f()
            times[name].append(time.perf_counter() - start)
    result: dict[str, Any] = {"name": case["name"], "seconds": sorted(times["ours"])[repeats // 2]}
    result["best_seconds"] = min(times["ours"])
    for name in runs:
        if name != "ours":
            ratios = sorted(peer / own for peer, own in zip(times[name], times["ours"], strict=True))
            result[name] = (ratios[repeats // 2], ratios[0], ratios[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    # Before NumPy and torch are imported: they read these once.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    from minipegasus import ops

    ops.set_num_threads(arguments.threads)
    ops.show_config()
    peaks = machine_peaks(arguments.threads)
    if peaks:
        print(f"peak:          {peaks['flops'] / 1e9:.0f} GFLOP/s, {peaks['bytes'] / 1e9:.1f} GB/s read")
    start = start_cost(arguments.threads)
    print(f"start:         {start['awake'] * 1e6:.1f} us, {start['asleep'] * 1e6:.1f} us where workers sleep")
    results = []
    print(f"\n{'kernel':<58} {'ms':>9} {'of peak':>8} {'of read':>8}  {'numpy/ours':>18}  {'torch/ours':>18}")
    for case in cases():
        if arguments.only not in case["name"]:
            continue
        result = measure(case, arguments.repeats)
        share = {
            key: f"{case[key] / result['best_seconds'] / peaks[key]:.0%}" if peaks and case[key] else ""
            for key in ("flops", "bytes")
        }
        ratios = [
            "{:6.2f} ({:.2f}-{:.2f})".format(*result[peer]) if peer in result else "" for peer in ("numpy", "torch")
        ]
        print(f"{case['name']:<58} {result['seconds'] * 1e3:9.3f} {share['flops']:>8} {share['bytes']:>8}"
              f"  {ratios[0]:>18}  {ratios[1]:>18}", flush=True)  # fmt: skip
        results.append({**result, "share_of_flops": share["flops"], "share_of_bytes": share["bytes"]})
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"config": ops.config(), "peaks": peaks, "start": start, "results": results}, indent=1)
        )


if __name__ == "__main__":
    main()
