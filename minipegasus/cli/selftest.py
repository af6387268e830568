"""Check that this machine computes the recorded bits.

Small fixed computations of all four families run with every instruction set that the CPU has and with one to three
threads; the SHA-256 of each result is compared with the recorded one. Exits with 0 where all are the same, else with 1.
"""

import argparse
import platform
from pathlib import Path

from ..errors import BackendError

NAME = "selftest"
HELP = "check that this machine computes the same bits as every other"

EXAMPLES = """\
  minipegasus selftest
  MINIPEGASUS_ISA=avx2 minipegasus selftest --only-current
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only-current", action="store_true", help="only the kernels and threads now in use")


def run(args: argparse.Namespace) -> int:
    """Print one line per case; return 0 where every digest is the recorded one, 1 otherwise."""
    from .. import ops
    from ..conformance import bits

    facts = ops.config()
    print(f"cpu:     {_processor()}")
    print(f"kernels: {facts['isa'] or 'none'} in use, {', '.join(facts['isa_available']) or 'none'} available")
    if facts["ops"] != "native":
        raise BackendError("selftest: the recorded bits are those of the compiled kernels; NumPy computes here")
    expected, wrong = bits.recorded(), 0
    ways = [(facts["isa"], facts["threads"])]
    if not args.only_current:
        ways = [(isa, threads) for isa in facts["isa_available"] for threads in (1, 2, 3)]
    for case in bits.CASES:
        differing = []
        for isa, threads in ways:
            with bits.implementation(isa, threads):
                if bits.digest(bits.results(case)) != expected[case]:
                    differing.append(f"{isa} with {threads} thread(s)")
        wrong += bool(differing)
        verdict = f"DIFFERENT BITS: {', '.join(differing)}" if differing else f"same bits  {expected[case][:16]}"
        print(f"{case:<18} {verdict}")
    print(f"{len(bits.CASES) - wrong} of {len(bits.CASES)} cases have the recorded bits, computed {len(ways)} way(s)")
    return 1 if wrong else 0


def _processor() -> str:
    """Return the processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
