"""Record the compiled path's float32 results: golden/native and minipegasus/conformance/bits.json.

    python tools/record_bits.py

These are the only golden files that come from our own code: they record the bits that every machine must repeat, not
the truth (the other golden files hold that). Run it only when the numeric contract changes, and say so in CHANGELOG.md.
"""

import json
from pathlib import Path

import numpy as np
from golden_format import replace, write, write_sums

from minipegasus import ops
from minipegasus.conformance import bits

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Compute every case with the plain kernels on one thread and write what came out."""
    digests = {}
    for case in bits.CASES:
        with bits.implementation("base", 1):
            arrays = bits.results(case)
        digests[case] = bits.digest(arrays)
        about = {"case": case, "kernels": "base", "made_by": "tools/record_bits.py"}
        write(ROOT / "golden" / "native" / f"{case}.safetensors", {n: np.asarray(a) for n, a in arrays.items()}, about)
        print(case, digests[case])
    replace(ROOT / "minipegasus" / "conformance" / "bits.json", (json.dumps(digests, indent=1) + "\n").encode())
    write_sums(ROOT / "golden" / "native")
    print(ops.config())


if __name__ == "__main__":
    main()
