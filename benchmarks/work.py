"""How one sample is taken, whoever does the work."""

import os
import time
from collections.abc import Callable
from statistics import median
from threading import Thread

CALLS = 300
TASKS = 20_000
BIG = os.urandom(64 << 20)
Taken = float | list[float]
"""One sample, or several of a kind."""
Work = dict[str, Callable[[], Taken]]
"""The name of a piece of work to what takes samples of it."""


def timed(do: Callable[[], object]) -> float:
    """Seconds that `do` takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def calls(one: Callable[[int], object], count: int = CALLS) -> float:
    """Microseconds of one call, the median of `count`."""
    return median(timed(lambda i=i: one(i)) for i in range(count)) * 1e6  # type: ignore[misc]  # a default binds i


def tasks_a_second(many: Callable[[int], list[int]], count: int = TASKS) -> float:
    """How many a second `many(count)` runs, one by one; its results are those of `inc`."""
    start = time.perf_counter()
    results = many(count)
    taken = time.perf_counter() - start
    assert results == list(range(1, count + 1))
    return count / taken


def megabytes(move: Callable[[], object]) -> float:
    """How many a second `move` moves, which is given `BIG` and answers with its length."""
    moved: list[object] = []
    taken = timed(lambda: moved.append(move()))
    assert moved == [len(BIG)]
    return len(BIG) / 1e6 / taken


def busy_calls(one: Callable[[int], object], move: Callable[[], object]) -> float:
    """Milliseconds of one call, the 99th percentile of all while another thread moves `BIG` 16 times."""
    moving = Thread(target=lambda: [move() for _ in range(16)])
    moving.start()
    taken = []
    while moving.is_alive():
        taken.append(timed(lambda: one(len(taken))))
    moving.join()
    return sorted(taken)[len(taken) * 99 // 100] * 1e3


def inc(x: int) -> int:
    """The tiny task."""
    return x + 1
