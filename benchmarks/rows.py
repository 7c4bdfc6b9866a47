"""What is measured, and what is good enough: the rows of the table as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Samples = Mapping[str, Sequence[float]]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of all do not exceed; at 50 the median."""
    return median(values) if percent == 50 else sorted(values)[-(-len(values) * percent // 100) - 1]


@dataclass(frozen=True, slots=True)
class Goal:
    """What the median of pysh should be, or another percentile: `sign` `limit`, or so many times that of `peer`."""

    sign: str
    limit: float
    peer: str = ""
    percent: int = 50

    def met(self, samples: Samples) -> bool | None:
        """Whether it is; None where the peer was not measured."""
        if self.peer and not samples.get(self.peer):
            return None
        bound = self.limit * (percentile(samples[self.peer], self.percent) if self.peer else 1)
        mine = percentile(samples["pysh"], self.percent)
        return mine <= bound if self.sign == "<=" else mine >= bound


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work."""

    work: str
    title: str
    unit: str
    goals: tuple[Goal, ...]
    later: tuple[Goal, ...] = ()
    """What the design asks for in the end."""
    digits: int = 0
    """How many stand behind the point."""


ROWS = {
    row.work: row
    for row in (
        Row(
            "prompt",
            "from exec to the `4` of a `2+2` sent at the first byte of the prompt",
            "ms",
            (Goal("<=", 0.8, "iex"),),
            (Goal("<=", 0.6, "iex"),),
        ),
        Row("one-liner", "`pysh -c 'print(1)'`", "ms", (Goal("<=", 150),)),
        Row(
            "one-liner with a call", "`pysh -c` with a call to another node; no process left", "ms", (Goal("<=", 600),)
        ),
        Row(
            "code first",
            "the first call of a closure that uses a package of 20 files, beyond a plain one",
            "ms",
            (Goal("<=", 150),),
        ),
        Row("code again", "each call of it after that, in plain calls", "x", (Goal("<=", 1.1),), digits=2),
        Row(
            "call",
            "one call: a fresh lambda with one captured value, between two nodes",
            "us",
            (Goal("<=", 2.5, "rpyc"),),
            (Goal("<=", 1.5, "rpyc"),),
        ),
        Row(
            "tasks",
            "20,000 tiny tasks one by one, each with its own id, status, output, error and cancel",
            "/s",
            (Goal(">=", 20_000),),
            (Goal(">=", 1.0, "rpyc"), Goal(">=", 0.5, "execnet")),
        ),
        Row("bulk", "64 MiB of random bytes as an argument", "MB/s", (Goal(">=", 300),), (Goal(">=", 450),)),
        Row(
            "busy call",
            "one call while 1 GiB moves between the same two nodes, 99th percentile",
            "ms",
            (),
            (Goal("<=", 10),),
        ),
        Row(
            "ssh connect",
            "connect to a node of a warm host through sshd, beyond `ssh host true`",
            "ms",
            (Goal("<=", 150),),
        ),
        Row("ssh start", "start a node where nothing is installed, beyond `ssh host true`", "ms", (Goal("<=", 1500),)),
        Row("ssh twelve", "start 12 nodes through sshd on loopback, side by side", "s", (Goal("<=", 6),)),
        Row("ssh hub", "memory of a hub with 12 SSH connections, private", "MB", (Goal("<=", 30),)),
        Row("ssh carrier", "memory of its carrier, private", "MB", (Goal("<=", 60),)),
        Row("ssh call", "one call through sshd", "us", (Goal("<=", 550),)),
        Row("ssh bulk", "64 MiB of random bytes through sshd", "MB/s", (Goal(">=", 0.9, "ssh"),)),
        Row("ssh put", "a file of 256 MiB to a node through sshd", "s", (Goal("<=", 1.2, "scp"),), digits=2),
        Row("ssh get", "the same from there", "s", (Goal("<=", 1.2, "scp"),), digits=2),
        Row("ssh sh", '`sh("true")` on 12 nodes through sshd', "ms", (Goal("<=", 300),)),
        Row(
            "ssh busy call",
            "one call while 1 GiB moves through the same sshd, 99th percentile",
            "ms",
            (Goal("<=", 10),),
        ),
        Row(
            "spawn",
            "100,000 async processes of one node, spawned one by one until all wait in `receive`; all end when told",
            "/s",
            (Goal(">=", 30_000),),
        ),
        Row(
            "spawn memory",
            "memory of each of these 100,000, all processes of the node",
            "KiB",
            (Goal("<=", 8),),
            digits=1,
        ),
        Row("send mates", "100,000 messages from one process to another of the same runner", "/s", (Goal(">=", 1e5),)),
        Row("send runners", "100,000 messages to a process of another runner of the node", "/s", (Goal(">=", 4e4),)),
        Row("send nodes", "100,000 messages to a process of another node", "/s", (Goal(">=", 4e4),)),
        Row(
            "worker killed",
            "from the kill -9 of a worker until who awaits its task knows, the other core busy",
            "ms",
            (Goal("<=", 50, percent=95),),
            digits=1,
        ),
        Row(
            "hub killed",
            "from the kill -9 of a hub until who awaits a task there knows, the other core busy",
            "ms",
            (Goal("<=", 200, percent=95),),
            digits=1,
        ),
        Row("hub", "memory of an idle node's hub, private", "MB", (Goal("<=", 30),)),
        Row("node", "memory of an idle node, all its processes", "MB", (Goal("<=", 80),)),
    )
}


@dataclass(slots=True)
class Measured:
    """A row with the samples of each contestant, the first of them pysh."""

    row: Row
    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """What a contestant did otherwise than pysh."""

    def add(self, name: str, value: float | Sequence[float]) -> None:
        """One more sample, or several."""
        self.samples.setdefault(name, []).extend(value if isinstance(value, Sequence) else [value])

    def judged(self) -> list[dict[str, Any]]:
        """Each goal with its verdict: `met`, `missed`, or `not judged` without the peer."""
        verdicts = {True: "met", False: "missed", None: "not judged"}
        return [
            {"goal": text(goal, self.row), "when": when, "verdict": verdicts[goal.met(self.samples)]}
            for when, goals in (("now", self.row.goals), ("later", self.row.later))
            for goal in goals
        ]

    def record(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        row = self.row
        figures = {
            name: {"median": median(values), "min": min(values), "max": max(values), "samples": values}
            for name, values in self.samples.items()
        }
        return {
            "work": row.work, "title": row.title, "unit": row.unit, "figures": figures,
            "pysh is": self.ratios(),
            "notes": self.notes, "goals": self.judged(),
        }  # fmt: skip

    def ratios(self) -> dict[str, float]:
        """How many times a peer's median that of pysh is."""
        mine = median(self.samples["pysh"])
        return {name: mine / median(values) for name, values in self.samples.items() if name != "pysh"}


def text(goal: Goal, row: Row) -> str:
    """`<= 2.5x rpyc`, `>= 20,000/s`, `<= 30 MB`, `p95 <= 50 ms`."""
    which = "" if goal.percent == 50 else f"p{goal.percent} "
    if goal.peer:
        return f"{which}{goal.sign} {goal.limit:g}x {goal.peer}"
    gap = "" if row.unit.startswith("/") else " "
    return f"{which}{goal.sign} {goal.limit:,g}{gap}{row.unit}"
