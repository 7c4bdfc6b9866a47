"""`timeit`: what is measured, and how it is told."""

import asyncio
import gc
import pickle

import pytest

from pysh.runtime.helpers.timing import Timing, brief, grouped, measured, medians, timeit


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 ns"),
        (4e-11, "0.04 ns"),
        (1e-9, "1.00 ns"),
        (1.234e-5, "12.3 us"),
        (9.9999e-4, "1.00 ms"),
        (0.1236, "124 ms"),
        (0.9999, "1.00 s"),
        (75.04, "75.0 s"),
        (3600, "3,600 s"),
    ],
)
def test_a_time_has_three_digits_and_a_unit(seconds: float, told: str) -> None:
    assert brief(seconds) == told


@pytest.mark.parametrize(
    ("timing", "told"),
    [
        (Timing((2.0,)), "2.00 s, one call"),
        (Timing((2e-3, 4e-3, 3e-3), 10), "best 2.00 ms, median 3.00 ms, worst 4.00 ms a call, 3 runs of 10 calls"),
        (
            Timing((2e-3, 3e-3), 1, "w1", {"net": 1e-3, "run": 5e-4}),
            "best 2.00 ms, median 2.50 ms, worst 3.00 ms, 2 calls on w1; mostly net 1.00 ms, run 500 us",
        ),
    ],
)
def test_the_best_and_the_spread_are_told(timing: Timing, told: str) -> None:
    assert repr(timing) == told
    assert pickle.loads(pickle.dumps(timing)) == timing


@pytest.mark.parametrize(
    ("each", "seconds", "calls", "runs"),
    [(1e-6, 1.0, 100_000, 7), (0.01, 1.0, 10, 7), (0.3, 1.0, 1, 5), (5.0, 1.0, 1, 1), (1e-9, 0.0, 1, 1)],
)
def test_so_many_calls_are_made_as_the_time_allows(each: float, seconds: float, calls: int, runs: int) -> None:
    timing = measured(lambda number: each * number, seconds)
    assert (timing.calls, len(timing.runs)) == (calls, runs)
    assert timing.best == pytest.approx(each)


def test_a_call_is_timed_here_with_the_garbage_collector_at_rest() -> None:
    collects = list[bool]()
    timing = timeit(lambda: collects.append(gc.isenabled()), seconds=0)
    assert (timing.calls, collects, gc.isenabled()) == (1, [True, False], True)


def test_what_can_be_awaited_is_also_where_a_loop_runs() -> None:
    assert timeit(asyncio.sleep, 0.01, seconds=0).best >= 0.01
    loop = asyncio.new_event_loop()
    try:
        times = list[Timing]()
        loop.call_soon(lambda: times.append(timeit(asyncio.sleep, 0.01, seconds=0)))
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    assert times[0].best >= 0.01


def test_what_fails_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        timeit(lambda: 1 / 0)
    with pytest.raises(TypeError, match=r"takes what can be called, as timeit\(lambda: ...\), not str"):
        timeit("x + 1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 seconds or more, not -1"):
        timeit(len, "", seconds=-1)
    assert gc.isenabled()


def test_the_stages_of_a_task_are_told_in_four_parts() -> None:
    rows = [
        {"stage": "pickled", "ms": 1.0},
        {"stage": "on the way", "ms": 2.0},
        {"stage": "queued", "ms": 0.5},
        {"stage": "unpickled", "ms": 0.25},
        {"stage": "ran", "ms": 4.0},
        {"stage": "total", "ms": 7.75},
    ]
    assert grouped(rows) == pytest.approx({"net": 0.003, "queue": 0.0005, "worker": 0.00025, "run": 0.004})
    assert medians([{"net": 1.0}, {"net": 3.0, "run": 2.0}, {"net": 2.0}]) == {"net": 2.0, "run": 2.0}
