"""Whoever ends has what it sent arrive first: a script or a shell ends with its node, and so would what waits there.

Its runner is asked what it still holds, then each session what the other node has not acknowledged, for
`PATIENCE` seconds. Who waits asks again as long as that brings it on, and is told of the rest.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, Raw, flags_of, kind_of, parse
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.member import Member
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

PATIENCE = 5.0
"""Seconds for what does not get on, and for a runner to say what it holds; a terminal waits longer for an answer."""
LOOK = 0.01
"""Seconds between two looks."""
COUNTED = frozenset((Kind.SEND, Kind.CALL, Kind.EXIT, Kind.SPAWN))
"""What is sent for its effect there; all else answers, or makes room."""
SENDER = "the sender ended first"
MOST = 10
"""To how many processes, until they are counted as one."""

_ROLES = {"evaluator": "shell"}

Then = Callable[[list[str], bool], object]
"""Called with what may not have arrived, in words, and whether some of it did meanwhile."""


class Delivery:
    """What was sent by those of `node` who end, and has not arrived."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._waits: list[_Wait] = []
        self.ending: set[int] = set()
        """The processes that are about to end: an exit signal is no news to them."""

    def wait(self, runner: Link | None, then: Then) -> None:
        """Call `then` once all has arrived that `runner` and the others here sent, or in `PATIENCE` seconds."""
        if runner is not None:
            self.ending.add(runner.process)
        wait = _Wait(self._node, runner, then)
        self._waits = [*(other for other in self._waits if not other.over), wait]
        wait.look()

    def said(self, link: Link, held: list[Any]) -> None:
        """A runner said what it holds: rows of kind, incarnation, number, how many, and how many bytes."""
        for wait in self._waits:
            if wait.runner is link and not wait.over:
                wait.said(held)


class _Wait:
    """One who ends."""

    def __init__(self, node: "Node", runner: Link | None, then: Then) -> None:
        self.runner = runner
        self.over = False
        self._node = node
        self._then = then
        self._since = node.now
        self._held: list[Any] | None = None
        self._marks: list[tuple[Member, int]] | None = None
        self._first: tuple[int, int] | None = None

    def said(self, held: list[Any]) -> None:
        """The runner holds that much."""
        self._held = held
        if not held:
            self.runner = None
        self._see()

    def look(self) -> None:
        """See how far it is, now and again."""
        if self.over:
            return
        if (runner := self._asked) is not None:
            self._node.write(runner, Frame(Kind.SENT, LOCAL, LOCAL))
            if self._held is None and self._waited < PATIENCE:
                self._node.later(LOOK, self.look)
                return
        self._see()
        self._node.later(LOOK, self.look)

    @property
    def _asked(self) -> Link | None:
        """The runner that may hold something, if it lives."""
        return self.runner if self.runner is not None and self.runner.number in self._node.links else None

    @property
    def _waited(self) -> float:
        return self._node.now - self._since

    def _see(self) -> None:
        left = sum(row[4] for row in self._held or ()), 0
        if not left[0]:
            if self._marks is None:
                self._marks = list(self._marked())
            left = 0, sum(member.session.lacks(mark) for member, mark in self._marks if not member.ended)
        self._first = self._first or left
        if left == (0, 0) or self._waited >= PATIENCE:
            self.over = True
            self._then(self._words(), (0, 0) < left < self._first)

    def _marked(self) -> Iterable[tuple[Member, int]]:
        """How far the sessions have to come that carry what counts."""
        for member in list(self._node.peers.values()):
            self._node.flush(member)
            if any(kind_of(raw) in COUNTED for raw in member.session.unacked()):
                yield member, member.session.statistics().sent

    def _words(self) -> list[str]:
        """What may not have arrived."""
        left: Counter[tuple[bool, Pid, str]] = Counter()
        for kind, incarnation, number, amount, _ in self._held or ():
            left[kind == Kind.SPAWN, addressed((incarnation, number)), ""] += amount
        for member, mark in self._marks or ():
            for raw in member.session.unacked()[: member.session.lacks(mark)]:
                if kind_of(raw) in COUNTED and not flags_of(raw) & Flag.MORE:
                    left[_meant(raw)] += 1
        told = [self._line(*meant, count) for meant, count in left.most_common(MOST)]
        if others := left.total() - sum(count for _, count in left.most_common(MOST)):
            told.append(f"{others:,} more to others may not have arrived")
        if self._held is None and (runner := self._asked) is not None:
            told.append(f"the {_ROLES.get(runner.role, 'program')} is stuck, and what it has not sent yet is lost")
        return told

    def _line(self, spawn: bool, dest: Pid, to: str, count: int) -> str:
        noun, what = "message", self._node.undelivered.called(dest, to)
        if spawn:
            noun, what = "request", f"run something on {self._node.members.label(dest.incarnation)}"
        return f"{count:,} {noun}{'s' * (count > 1)} to {what} may not have arrived: {SENDER}"


def _meant(raw: Raw) -> tuple[bool, Pid, str]:
    frame = parse(raw)
    spawn = frame.kind == Kind.SPAWN
    return spawn, frame.dest, str(frame.options().get("to", "")) if frame.kind == Kind.SEND else ""
