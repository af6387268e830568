"""Memory that is used again: never while anything can still see it, and only inside the context."""

import threading
import tracemalloc

import numpy as np
import pytest

from minipegasus import ops

SHAPE = (1024, 2048)  # 8 MB


def place(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_a_dropped_result_makes_room_for_the_next_of_its_size() -> None:
    with ops.reused():
        first = ops.empty(SHAPE)
        at = place(first)
        del first
        assert place(ops.empty((2048, 1024))) == at
        assert place(ops.empty((512, 2048), np.dtype(np.float64))) == at


@pytest.mark.parametrize("view", [lambda x: x[5:], lambda x: x.reshape(-1)[::2], lambda x: x.T.view(np.int32)])
def test_a_view_keeps_the_memory(view) -> None:
    with ops.reused():
        first = ops.empty(SHAPE)
        first[...] = 1.0
        kept = view(first)
        expected, at = kept.copy(), place(first)
        del first
        for _ in range(3):
            other = ops.empty(SHAPE)
            other[...] = 2.0
            assert place(other) != at
        assert np.array_equal(kept, expected)


def test_what_leaves_the_context_stays_whole() -> None:
    with ops.reused():
        result = ops.empty(SHAPE)
        result[...] = 3.0
    with ops.reused():
        ops.empty(SHAPE)[...] = 4.0
    assert (result == 3.0).all()


def test_nothing_but_results_is_kept_afterwards() -> None:
    tracemalloc.start()
    try:
        with ops.reused():
            results = [ops.empty(SHAPE) for _ in range(6)]
            del results[2:]
        del results[1:]
        assert tracemalloc.get_traced_memory()[0] < 1.5 * results[0].nbytes
    finally:
        tracemalloc.stop()


def test_the_inner_of_two_contexts_changes_nothing() -> None:
    with ops.reused():
        with ops.reused():
            at = place(ops.empty(SHAPE))
        assert place(ops.empty(SHAPE)) == at


def test_nothing_is_shared_outside_the_context_or_with_another_thread() -> None:
    outside = ops.empty(SHAPE)
    assert outside.base is None
    seen: list[np.ndarray] = []
    with ops.reused():
        mine = ops.empty(SHAPE)
        assert mine.base is not None
        thread = threading.Thread(target=lambda: seen.append(ops.empty(SHAPE)))
        thread.start()
        thread.join()
    assert seen[0].base is None


def failing() -> None:
    with ops.reused():
        assert ops.empty((3, 4)).base is None  # small
        raise ValueError("on purpose")


def test_an_error_ends_the_context_too() -> None:
    with pytest.raises(ValueError, match="on purpose"):
        failing()
    assert ops.empty(SHAPE).base is None
