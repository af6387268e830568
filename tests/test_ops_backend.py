"""Choosing the implementation, threads, forks, and what importing costs."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import minipegasus
from minipegasus import ops
from minipegasus.errors import BackendError, InputError

native = pytest.mark.skipif(ops.config()["ops"] != "native", reason="needs the compiled kernels")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MINIPEGASUS_", "OMP_"))}
    return subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **environment}, capture_output=True, text=True, timeout=60
    )


SHOW = "import minipegasus; minipegasus.show_config()"


def test_numpy_can_be_forced() -> None:
    done = run(SHOW, MINIPEGASUS_OPS="numpy")
    assert done.returncode == 0, done.stderr
    assert "numpy" in done.stdout.splitlines()[0]


@native
@pytest.mark.parametrize("isa", ops.config()["isa_available"])
def test_each_instruction_set_can_be_forced(isa: str) -> None:
    done = run(SHOW, MINIPEGASUS_ISA=isa, MINIPEGASUS_OPS="native")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["isa:", isa]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MINIPEGASUS_OPS": "cuda"}, "MINIPEGASUS_OPS: expected 'numpy' or 'native', found 'cuda'"),
        ({"MINIPEGASUS_ISA": "neon" if sys.platform == "linux" and os.uname().machine == "x86_64" else "avx2"}, "ISA"),
        ({"MINIPEGASUS_ISA": "avx1024"}, "MINIPEGASUS_ISA=avx1024"),
        ({"MINIPEGASUS_OPS": "numpy", "MINIPEGASUS_ISA": "base"}, "MINIPEGASUS_ISA=base"),
    ],
)
def test_what_cannot_be_had_fails_loudly(environment: dict[str, str], message: str) -> None:
    done = run(SHOW, **environment)
    assert done.returncode != 0
    assert "BackendError" in done.stderr
    assert message in done.stderr


def test_native_without_an_extension_fails_loudly() -> None:
    hide = "import sys; sys.modules['minipegasus._native'] = None\n"
    done = run(hide + SHOW, MINIPEGASUS_OPS="native")
    assert done.returncode != 0
    assert "expected the compiled extension" in done.stderr
    done = run(hide + SHOW)
    assert done.returncode == 0, done.stderr
    assert "without a C compiler" in done.stdout


@native
def test_threads_to_start_with() -> None:
    count = "import minipegasus; print(minipegasus.get_num_threads())"
    assert run(count, OMP_NUM_THREADS="3").stdout.strip() == "3"
    assert run(count, OMP_NUM_THREADS="5,2").stdout.strip() == "5"
    assert int(run(count).stdout) >= 1


def test_set_num_threads() -> None:
    before = minipegasus.get_num_threads()
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(InputError):
            minipegasus.set_num_threads(wrong)  # type: ignore[arg-type]
    if ops.config()["ops"] == "native":
        minipegasus.set_num_threads(2)
        assert minipegasus.get_num_threads() == 2
    minipegasus.set_num_threads(before)


@native
def test_use_isa_refuses_what_is_not_there() -> None:
    from minipegasus.ops.backend import use_isa

    with pytest.raises(BackendError):
        use_isa("avx1024")


PARALLEL = """
import os, sys, numpy as np, minipegasus
from minipegasus import ops
minipegasus.set_num_threads(3)
x, w = (np.random.default_rng(i).standard_normal((200, 256), dtype=np.float32) for i in (0, 1))
expected = ops.linear(x, w)
"""


@native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_computes() -> None:
    """Its workers did not come along; it must neither hang nor differ, and start its own."""
    code = (
        PARALLEL
        + """
for depth in range(3):
    child = os.fork()
    if child == 0:
        same = all((ops.linear(x, w) == expected).all() for _ in range(20))
        threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 3
        os._exit(0 if same and threads == 3 else 1)
    assert (ops.linear(x, w) == expected).all()
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""
    )
    assert run(code).stdout.strip() == "done"


@native
def test_kernels_from_many_python_threads() -> None:
    """One job owns the workers, the others run alone; all give the same bits."""
    x, w = (np.random.default_rng(i).standard_normal((100, 256), dtype=np.float32) for i in (0, 1))
    expected = ops.linear(x, w)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(ops.linear(x, w), expected):
                wrong.append(number)

    before = minipegasus.get_num_threads()
    minipegasus.set_num_threads(3)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    minipegasus.set_num_threads(before)
    assert not wrong


@native
def test_idle_workers_sleep() -> None:
    """A tenth of a second after the last kernel nothing spins any more."""
    x = np.ones((300, 300), np.float32)
    before = minipegasus.get_num_threads()
    minipegasus.set_num_threads(2)
    ops.linear(x, x)
    time.sleep(0.1)
    start = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - start < 0.05
    minipegasus.set_num_threads(before)


def test_importing_loads_numpy_and_the_standard_library_only() -> None:
    code = "import sys, minipegasus.ops; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(eval(run(code).stdout))
    third_party = loaded - set(sys.stdlib_module_names) - {"numpy", "minipegasus"}
    # Cython puts helper modules of its own beside an extension.
    assert {m for m in third_party if not m.startswith(("_cython", "cython", "_"))} == set()


FLUSH = """
#if defined(__aarch64__)
void flush(int on) {
    unsigned long mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    mode = on ? mode | 1ul << 24 : mode & ~(1ul << 24);
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode));
}
#else
#include <xmmintrin.h>
void flush(int on) { _mm_setcsr(on ? _mm_getcsr() | 0x8040 : _mm_getcsr() & ~0x8040); }
#endif
"""


@native
def test_subnormal_numbers_count_where_the_thread_flushes_them(tmp_path: Path) -> None:
    """As after ``torch.set_flush_denormal(True)``, or next to a library built with ``-ffast-math``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"):
        pytest.skip("needs a C compiler for x86-64 or arm64")
    (tmp_path / "flush.c").write_text(FLUSH)
    library = tmp_path / "flush.so"
    subprocess.run([compiler, "-shared", "-fPIC", str(tmp_path / "flush.c"), "-o", str(library)], check=True)
    flush = ctypes.CDLL(str(library)).flush
    few = np.array([[0, -100, -103]], np.float32)
    many = np.repeat(few, 40_000, axis=0)  # several units: the workers too
    x, weight = np.full((1, 16), 1e-21, np.float32), np.full((4, 16), 1e-22, np.float32)

    def results() -> list[bytes]:
        return [part.tobytes() for part in (ops.softmax(few), ops.softmax(many), ops.linear(x, weight))]

    expected = results()
    assert ops.softmax(few)[0, 2] > 0
    assert (ops.linear(x, weight) > 0).all()
    flush(1)
    try:
        assert np.float32(1e-38) / np.float32(1e3) == 0  # it does flush
        found = results()
        assert np.float32(1e-38) / np.float32(1e3) == 0  # and the thread keeps its ways
    finally:
        flush(0)
    assert found == expected
