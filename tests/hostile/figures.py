"""What the hostile programs cost whoever types meanwhile, in milliseconds, and how fast they were ended."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

LATE = 0.1
"""Seconds within which 99 of 100 keys have to come back."""
ON_THE_WAY = 4
"""Processes that a key passes: the terminal, the hub and the evaluator's side of it, and back; `cat` is one."""
HEAD = f"{'hostile programs':<46}{'keys':>6}{'median':>8}{'p99':>8}{'worst':>8}{'cat p99':>9}{'kill':>8}"


class Figures(NamedTuple):
    """How many keys were typed, and the seconds that they took."""

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, latencies: Iterable[float]) -> "Figures":
        """Those of `latencies`; zeros if there are none."""
        ordered = sorted(latencies) or [0.0]
        last = len(ordered) - 1
        return cls(len(ordered), ordered[last // 2], ordered[int(last * 0.99)], ordered[last])

    def is_late(self, bare: "Figures") -> bool:
        """Whether keys took too long. On a busy machine each process on their way may wait as a bare `cat` has to."""
        return self.p99 > max(LATE, ON_THE_WAY * bare.p99)


class Measured(NamedTuple):
    """What was measured while one program ran; plain data, as it goes from one process to another."""

    name: str
    storm: bool
    keys: Sequence[float]
    cat: Sequence[float]
    kill: float | None


def table(rows: Iterable[Any], *, each: bool) -> list[str]:
    """The figures of all programs, those of storms apart; and of `each`."""
    measured = [Measured(*row) for row in rows]
    if not measured:
        return []
    lines = [_line(one.name, [one]) for one in measured] if each else []
    for storm, name in ((False, "all but storms"), (True, "storms of processes")):
        some = [one for one in measured if one.storm == storm]
        lines.append(_line(f"{name}: {len({one.name for one in some})}", some))
    return [HEAD, *lines]


def pooled(measured: Iterable[Measured]) -> tuple[Figures, Figures]:
    """Those of the keys and of `cat` while any of these ran."""
    measured = list(measured)
    keys = Figures.of(one for each in measured for one in each.keys)
    return keys, Figures.of(one for each in measured for one in each.cat)


def _line(name: str, measured: Sequence[Measured]) -> str:
    keys, cat = pooled(measured)
    kill = max((one.kill for one in measured if one.kill is not None), default=None)
    shown = [keys.median, keys.p99, keys.worst]
    line = f"{name:<46}{keys.count:>6}" + "".join(f"{one * 1000:>8.1f}" for one in shown) + f"{cat.p99 * 1000:>9.1f}"
    return line if kill is None else f"{line}{max(0.0, kill) * 1000:>8.0f}"
