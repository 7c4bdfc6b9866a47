"""Messages that went nowhere: one line at once, and one for all that follow within five seconds."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.protocol.undelivered import FOLD, MOST, ONCE, Undelivered, in_words

HERE, THERE = b"h" * 16, b"t" * 16
SHELL, JOB, DEST = Pid(HERE, 1), Pid(HERE, 5), Pid(THERE, 7)
NOBODY = "there is no such process"


class Told(list[Any]):
    """Stands for the node: what it showed to its shell, and what it told other nodes. `JOB` has an owner there."""

    incarnation = HERE

    def __init__(self, owner: Pid = SHELL) -> None:
        self._timers: list[Callable[[], None]] = []
        self._owner = owner
        self.work = self.members = self

    def owner(self, number: int) -> Pid | None:
        return self._owner if number == JOB.number else None

    def label(self, incarnation: bytes) -> str:
        return {HERE: "n1", THERE: "n2"}[incarnation]

    def tell(self, number: int, text: str) -> None:
        self.append((number, text))

    def post(self, dest: Pid, kind: int, *, meta: Any, source: Pid) -> None:
        assert kind == Kind.LOST
        self.append((dest, source, meta))

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        assert seconds == FOLD
        self._timers.append(do)

    def wait(self) -> list[Any]:
        """What is told once that time has passed."""
        self.clear()
        timers, self._timers = self._timers, []
        for do in timers:
            do()
        return list(self)


def lose(lost: Undelivered, by: Pid = SHELL, dest: Pid = DEST, times: int = 1, **meta: Any) -> None:
    for _ in range(times):
        lost.lost(None, Frame(Kind.LOST, dest, by, meta=pack(meta) if meta else b""))


@pytest.mark.parametrize(
    ("count", "more", "text"),
    [
        (1, False, "a message to <n2.7> was not delivered: why"),
        (2000, False, "2,000 messages to <n2.7> were not delivered: why"),
        (1, True, "1 more message was not delivered to <n2.7>: why"),
        (2000, True, "2,000 more messages were not delivered to <n2.7>: why"),
    ],
)
def test_the_line_says_how_many(count: int, more: bool, text: str) -> None:
    assert in_words("<n2.7>", "why", count, more=more) == text


def test_the_first_is_told_at_once_and_those_after_it_are_counted() -> None:
    lost = Undelivered(cast(Node, told := Told()))
    lose(lost, times=100)
    assert told == [(1, f"a message to <n2.7> was not delivered: {NOBODY}")]
    lose(lost, to="db", why="its mailbox is full", times=3)
    assert told[1:] == [(1, "a message to 'db' on n2 was not delivered: its mailbox is full")]
    assert told.wait() == [
        (1, f"99 more messages were not delivered to <n2.7>: {NOBODY}"),
        (1, "2 more messages were not delivered to 'db' on n2: its mailbox is full"),
    ]
    lose(lost)
    assert told.wait() == [(1, f"1 more message was not delivered to <n2.7>: {NOBODY}")]
    assert told.wait() == told.wait() == []
    lose(lost)
    assert len(told) == 1, "a new beginning"


@pytest.mark.parametrize("count", [-5, 0, float("inf"), float("nan"), "many", None, [7], True])
def test_a_number_that_is_none_counts_as_one_message(count: Any) -> None:
    lost = Undelivered(cast(Node, told := Told()))
    lose(lost, count=count)
    assert told == [(1, f"a message to <n2.7> was not delivered: {NOBODY}")]
    lose(lost, count=count)
    assert told.wait() == [(1, f"1 more message was not delivered to <n2.7>: {NOBODY}")]


def test_a_number_beyond_all_measure_is_cut() -> None:
    lost = Undelivered(cast(Node, told := Told(owner=Pid(THERE, 1))))
    lose(lost, by=JOB, count=2**64 - 1, times=3)
    assert [meta["count"] for _, _, meta in [*told, *told.wait()]] == [ONCE, 2 * ONCE]


def test_what_a_job_sent_is_told_to_its_owner() -> None:
    lost = Undelivered(cast(Node, told := Told()))
    lose(lost, JOB, times=2)
    lose(lost, times=2)
    assert told == [(1, f"a message to <n2.7> was not delivered: {NOBODY}")]
    assert told.wait() == [(1, f"3 more messages were not delivered to <n2.7>: {NOBODY}")]


def test_what_the_owner_elsewhere_is_told_is_counted_before_it_goes_there_and_there_again() -> None:
    owner = Pid(THERE, 1)
    lost = Undelivered(cast(Node, told := Told(owner)))
    lose(lost, JOB, why="full", times=1000)
    assert told == [(owner, DEST, {"why": "full"})]
    assert told.wait() == [(owner, DEST, {"why": "full", "count": 999})]
    there = Undelivered(cast(Node, shown := Told()))
    lose(there, why="full")
    lose(there, why="full", count=999)
    assert shown.wait() == [(1, "999 more messages were not delivered to <n2.7>: full")]
    shown.wait()
    lose(there, why="full", count=999)
    assert shown == [(1, "999 messages to <n2.7> were not delivered: full")]


def test_whoever_is_about_to_end_is_told_what_was_counted_by_then() -> None:
    lost = Undelivered(cast(Node, told := Told()))
    lose(lost, times=3)
    lose(lost, Pid(HERE, 2), times=3)
    told.clear()
    lost.settle(SHELL)
    lost.settle(SHELL)
    assert told == [(1, f"2 more messages were not delivered to <n2.7>: {NOBODY}")]
    assert told.wait() == [(2, f"2 more messages were not delivered to <n2.7>: {NOBODY}")]


def test_so_many_processes_are_told_apart_and_no_more() -> None:
    lost = Undelivered(cast(Node, told := Told()))
    for number in range(2 * MOST):
        lose(lost, dest=Pid(THERE, 100 + number))
    assert len(told) == MOST + 1
    assert told[-1] == (1, "a message to others was not delivered: there are no such processes")
    assert told.wait() == [(1, f"{MOST - 1} more messages were not delivered to others: there are no such processes")]
