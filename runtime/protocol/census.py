"""How it stands with the async processes that somebody lists: their apartments are asked, and only then.

A node hears nothing of their waits, nor of the messages among mates, which would cost each of these more than it
costs itself. An apartment whose loop is held answers nothing: it is not waited for long, and not at all again until it
has answered.
"""

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.frames import Frame, FrameError, Kind, pack
from pysh.runtime.protocol.jobs import SENT

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

PATIENCE = 0.3
"""Seconds that an apartment has to answer."""
STATES = frozenset(("starting", "running", "waiting"))


class _Poll:
    """An answer that is not complete: `told` to whoever `asked`, once those apartments have said how its rows stand."""

    def __init__(self, asked: Frame, told: Meta, rows: dict[int, Meta], apartments: set[int]) -> None:
        self.asked = asked
        self.told = told
        self.rows = rows
        self.apartments = apartments


class Census:
    """What the apartments of `node` are asked of those who live there."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._tokens = count(1)
        self._polls: dict[int, _Poll] = {}
        self._silent: set[int] = set()  # apartments that did not answer in time, and have not since

    def complete(self, asked: Frame, told: Meta, rows: list[Meta]) -> Meta | None:
        """`told` itself, if none of its `rows` is of an apartment; else None, and `asked` is answered soon."""
        by_apartment: dict[int, list[int]] = {}
        for row in rows:
            if apartment := self._apartment_of(row["number"]):
                by_apartment.setdefault(apartment, []).append(row["number"])
        if not by_apartment:
            return told
        token = next(self._tokens)
        self._polls[token] = _Poll(asked, told, {row["number"]: row for row in rows}, set(by_apartment))
        for apartment, numbers in by_apartment.items():
            link = self._node.work.workers[apartment]
            self._node.write(link, Frame(Kind.CENSUS, self._node.me, self._node.me, token, meta=pack(numbers)))
        self._node.later(PATIENCE, partial(self._late, token))
        return None

    def _apartment_of(self, number: int) -> int:
        """The apartment that can say how process `number` stands; 0 if none can, or none is likely to."""
        work = self._node.work
        job = work.jobs.get(number)
        where = job.worker if job is not None and job.state == SENT else None
        if where not in work.tenancy.apartments or where not in work.workers or where in self._silent:
            return 0
        return where or 0

    def answered(self, apartment: int, frame: Frame) -> None:
        """An apartment says how those stand that live there. Raises `FrameError` for what makes no sense."""
        self._silent.discard(apartment)
        stands = [_read(each) for each in _list(frame.options())]
        if (poll := self._polls.get(frame.ref)) is None:
            return
        for number, state, queue in stands:
            if (row := poll.rows.get(number)) is not None:
                row["state"], row["queue"] = state, queue
        poll.apartments.discard(apartment)
        if not poll.apartments:
            self._reply(frame.ref)

    def _late(self, token: int) -> None:
        if (poll := self._polls.get(token)) is not None:
            self._silent = (self._silent | poll.apartments).intersection(self._node.work.tenancy.apartments)
            self._reply(token)

    def _reply(self, token: int) -> None:
        poll = self._polls.pop(token)
        self._node.reply(poll.asked, poll.told)


def _list(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise FrameError("a census that is no list")
    return told


def _read(told: Any) -> tuple[int, str, int]:
    """The number of a process, its state, and how many messages wait for it."""
    if isinstance(told, list) and len(told) == 3:
        number, state, queue = told
        if type(number) is int and state in STATES and type(queue) is int and queue >= 0:
            return number, state, queue
    raise FrameError("a census that tells of no process")
