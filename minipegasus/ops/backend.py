"""Which twin computes, with which instruction set and how many threads.

Two environment variables force a choice, and importing fails where it cannot be had:

* ``MINIPEGASUS_OPS=numpy`` or ``native``;
* ``MINIPEGASUS_ISA=base``, ``avx2``, ``avx512`` or ``neon``, the kernels' instruction set.

``OMP_NUM_THREADS`` sets the number of threads to start with. None of them changes a bit of any result of the
kernels.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import BackendError, InputError
from . import _numpy

__all__ = ["config", "get_num_threads", "set_num_threads", "show_config", "twin", "use_isa"]

_kernels: Any = None
_missing = ""
try:
    _kernels = import_module("minipegasus._native")
except ImportError as error:
    _missing = str(error)


def _choose() -> ModuleType:
    wanted, isa = os.environ.get("MINIPEGASUS_OPS", ""), os.environ.get("MINIPEGASUS_ISA", "")
    if wanted not in ("", "numpy", "native"):
        raise BackendError(f"MINIPEGASUS_OPS: expected 'numpy' or 'native', found {wanted!r}")
    if wanted == "numpy" or (_kernels is None and not wanted):
        if isa:
            raise BackendError(f"MINIPEGASUS_ISA={isa}: only the native kernels have instruction sets, found numpy")
        return _numpy
    if _kernels is None:
        raise BackendError(f"MINIPEGASUS_OPS=native: expected the compiled extension, found none ({_missing})")
    runnable = _kernels.runnable()
    if isa and isa not in runnable:
        found = "not built" if isa not in _kernels.compiled() else "a CPU without it"
        raise BackendError(f"MINIPEGASUS_ISA={isa}: expected one of {', '.join(runnable)}, found {found}")
    _kernels.use(isa or runnable[-1])
    _kernels.set_num_threads(_first_threads())
    from . import _native

    return _native


def _first_threads() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


twin = _choose()


def get_num_threads() -> int:
    """Return how many threads the kernels use; 1 where the NumPy twins compute.

    >>> get_num_threads() >= 1
    True
    """
    return _kernels.get_num_threads() if _kernels is not None and twin is not _numpy else 1


def use_isa(name: str) -> None:
    """Compute with the kernels of another instruction set from now on: one of ``config()["isa_available"]``.

    Raises:
        BackendError: this CPU or build does not have it, or the NumPy twins are in use.

    >>> use_isa("z80")
    Traceback (most recent call last):
    minipegasus.errors.BackendError: use_isa: expected one of [...], found 'z80'
    """
    runnable = _kernels.runnable() if twin is not _numpy else []
    if name not in runnable:
        raise BackendError(f"use_isa: expected one of {runnable}, found {name!r}")
    _kernels.use(name)


def set_num_threads(threads: int) -> None:
    """Set how many threads the kernels use from now on, in the whole process. Results do not depend on it.

    Without kernels it does nothing: NumPy's matrix products have settings of their own.

    Raises:
        InputError: ``threads`` is not a positive whole number.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise InputError(f"set_num_threads: expected a positive int, found {threads!r}")
    if _kernels is not None:
        _kernels.set_num_threads(min(threads, 256))


def config() -> dict[str, Any]:
    """Return what :func:`show_config` prints.

    >>> sorted(config())
    ['isa', 'isa_available', 'numpy', 'ops', 'platform', 'python', 'threads']
    """
    native = twin is not _numpy
    return {
        "ops": "native" if native else "numpy",
        "isa": _kernels.in_use() if native else None,
        "isa_available": _kernels.runnable() if _kernels is not None else [],
        "threads": get_num_threads(),
        "numpy": np.__version__,
        "python": sys.version.split()[0],
        "platform": sys.platform,
    }


def show_config() -> None:
    """Print which implementation, instruction set and number of threads are in use.

    >>> show_config()
    ops:           ...
    isa:           ...
    threads:       ...
    """
    facts = config()
    if _kernels is None:
        facts["isa"] = f"none: the package was installed without a C compiler ({_missing})"
    elif facts["isa"] is None:
        facts["isa"] = "none: MINIPEGASUS_OPS asks for the NumPy definitions"
    for name, value in facts.items():
        print(f"{name + ':':<14} {', '.join(value) if isinstance(value, list) else value}")
