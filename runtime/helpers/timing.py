"""`timeit`: how long a call takes, here or on another node."""

import gc
from collections.abc import Callable, Iterator
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from pysh.runtime.helpers.running import run

RUNS = 7
"""Runs that are measured here, at most."""
CALLS = 1_000
"""Calls of another node that are measured, at most."""
GROUPS = {
    "net": ("pickled", "on the way"),
    "queue": ("queued",),
    "worker": ("to its worker", "unpickled", "result pickled"),
    "run": ("ran",),
}
"""The stages of a task, as `trace` has them, in those that are shown."""
_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


class Timing(NamedTuple):
    """How long a call took, in seconds: its runs in order, each the average of so many calls."""

    runs: tuple[float, ...]
    calls: int = 1
    node: str = ""
    stages: dict[str, float] = {}
    """Of a call on another node the medians: `net`, `queue`, `worker` and `run`."""

    @property
    def best(self) -> float:
        """The fastest: what the call itself takes; what else goes on there only adds to that."""
        return min(self.runs)

    @property
    def median(self) -> float:
        """What a run takes mostly."""
        return median(self.runs)

    @property
    def worst(self) -> float:
        """The slowest."""
        return max(self.runs)

    def __repr__(self) -> str:
        times = f"best {brief(self.best)}, median {brief(self.median)}, worst {brief(self.worst)}"
        count = len(self.runs)
        if self.node:
            parts = ", ".join(f"{stage} {brief(seconds)}" for stage, seconds in self.stages.items())
            called = f"{count:,} call{'s' * (count > 1)} on {self.node}"
            return f"{times}, {called}; mostly {parts}" if parts else f"{times}, {called}"
        if self.calls == 1 == count:
            return f"{brief(self.best)}, one call"
        return f"{times} a call, {count} run{'s' * (count > 1)} of {self.calls:,} call{'s' * (self.calls > 1)}"


def brief(seconds: float) -> str:
    """`seconds` in three digits: `12.3 us`."""
    unit, size = _UNITS[-1]
    if not seconds:
        return f"0 {unit}"
    for unit, size in _UNITS:
        if seconds >= size * 0.9995 or unit == "ns":
            break
    value = seconds / size
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f} {unit}"


def timeit(fn: Callable[..., Any], *args: Any, on: Any = None, seconds: float = 1.0) -> Timing:
    """How long `fn(*args)` takes: best, median and worst of several runs within about `seconds`.

    What it returns is awaited if it can be, in a loop of its own as by `run`. With `on`, a node, each call is a task
    there, one after the other, and the time is told in parts: `net` (pickled, and the way there and back), `queue`
    (until a worker had it), `worker` (to that and back, and unpickled) and `run`. The garbage collector rests
    meanwhile, but not there. Raises what `fn` raises.
    """
    if not 0 <= seconds < 1e6:
        raise ValueError(f"timeit() takes 0 seconds or more, not {seconds!r}; nothing was run")
    if on is not None:
        return _timed_there(fn, args, on, seconds)
    if not callable(fn):
        raise TypeError(f"timeit() takes what can be called, as timeit(lambda: ...), not {type(fn).__name__}")
    batch = _sync if not hasattr(type(value := fn(*args)), "__await__") else _async
    if batch is _async:
        run(value)
    return measured(lambda number: batch(fn, args, number), seconds)


def measured(batch: Callable[[int], float], seconds: float) -> Timing:
    """The runs of `batch`, which makes so many calls and says how long they took, within about `seconds`."""
    numbers = _numbers()
    number = next(numbers)
    spent = took = batch(number)
    while took * 2 * RUNS < seconds:
        number = next(numbers)
        spent += (took := batch(number))
    runs = [took / number]
    while len(runs) < RUNS and spent + took <= seconds * 1.5:
        spent += (took := batch(number))
        runs.append(took / number)
    return Timing(tuple(runs), number)


def _numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20 ..."""
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _sync(fn: Callable[..., Any], args: tuple[Any, ...], number: int) -> float:
    collects = gc.isenabled()
    gc.disable()
    try:
        begin = perf_counter()
        for _ in repeat(None, number):
            fn(*args)
        return perf_counter() - begin
    finally:
        if collects:
            gc.enable()


def _async(fn: Callable[..., Any], args: tuple[Any, ...], number: int) -> float:
    return float(run(_awaiting(fn, args, number)))


async def _awaiting(fn: Callable[..., Any], args: tuple[Any, ...], number: int) -> float:
    collects = gc.isenabled()
    gc.disable()
    try:
        begin = perf_counter()
        for _ in repeat(None, number):
            await fn(*args)
        return perf_counter() - begin
    finally:
        if collects:
            gc.enable()


def _timed_there(fn: Any, args: tuple[Any, ...], on: Any, seconds: float) -> Timing:
    from pysh.runtime.api import task
    from pysh.runtime.looking import trace

    runs, parts, node = list[float](), list[dict[str, float]](), on
    until = perf_counter() + seconds
    while not runs or (perf_counter() < until and len(runs) < CALLS):
        begin = perf_counter()
        one = task(fn, *args, on=node)
        try:
            one.result()
        except KeyboardInterrupt:
            one.cancel()
            raise
        runs.append(perf_counter() - begin)
        node = one.node
        parts.append(grouped(trace(one)))
    return Timing(tuple(runs), 1, node.name.partition("@")[0], medians(parts))


def grouped(stages: list[dict[str, Any]]) -> dict[str, float]:
    """The rows of a trace as seconds of the parts that are shown."""
    known = {row["stage"]: row["ms"] / 1000 for row in stages}
    parts = {part: [known[name] for name in names if name in known] for part, names in GROUPS.items()}
    return {part: sum(found) for part, found in parts.items() if found}


def medians(parts: list[dict[str, float]]) -> dict[str, float]:
    """What each part took mostly."""
    told = {part: [one[part] for one in parts if part in one] for part in GROUPS}
    return {part: median(times) for part, times in told.items() if times}
