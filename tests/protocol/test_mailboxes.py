"""When senders are told to wait for a mailbox, and when to go on."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.mailboxes import BYTES, EVERY, MESSAGES, STALLED, Mailboxes
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import Pid

HERE, THERE = b"h" * 16, b"t" * 16
BOX, SENDER, OTHER = Pid(HERE, 7), Pid(THERE, 3), Pid(HERE, 4)


class Told(list[tuple[Pid, bool, str]]):
    """Stands for the node: who was told what."""

    incarnation = HERE

    def __init__(self) -> None:
        self.timers: list[Callable[[], None]] = []

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        assert seconds == EVERY
        self.timers.append(do)

    def wait(self) -> None:
        """Let that time pass."""
        timers, self.timers = self.timers, []
        for do in timers:
            do()

    def post(self, dest: Pid, kind: int, *, meta: dict[str, Any], source: Pid) -> None:
        assert (kind, source) == (Kind.FULL, BOX)
        self.append((dest, meta["full"], meta["to"]))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def boxes(told: Told) -> Mailboxes:
    return Mailboxes(cast(Node, told))


def message(source: Pid = SENDER, size: int = 1, flags: int = 0) -> Frame:
    return Frame(Kind.SEND, source, BOX, 1, flags, payload=b"x" * size)


def fill(boxes: Mailboxes, count: int = MESSAGES - 1) -> None:
    for _ in range(count):
        boxes.arrives(message())


def test_who_sends_to_a_full_mailbox_is_told_once_while_it_moves_and_when_half_is_free(
    boxes: Mailboxes, told: Told
) -> None:  # fmt: skip
    fill(boxes)
    assert told == []
    boxes.arrives(message())
    boxes.arrives(message())
    boxes.arrives(message(OTHER), "db")
    assert told == [(SENDER, True, ""), (OTHER, True, "db")]
    told.wait()
    assert len(told) == 2
    boxes.received(7, 1, 1)
    told.wait()
    assert told[2:] == [(SENDER, True, ""), (OTHER, True, "db")]
    told.wait()
    assert len(told) == 4
    boxes.received(7, MESSAGES // 2 + 1, MESSAGES // 2 + 1)
    assert told[4:] == [(SENDER, False, ""), (OTHER, False, "db")]
    told.wait()
    assert told.timers == []
    fill(boxes, MESSAGES // 2)
    assert told[6:] == [(SENDER, True, "")]


def test_senders_that_are_dead_by_now_do_not_pile_up(boxes: Mailboxes, told: Told) -> None:
    fill(boxes, MESSAGES)
    for number in range(2 * STALLED):
        boxes.arrives(message(Pid(THERE, 100 + number)))
    told.clear()
    boxes.ended(7)
    assert len(told) == STALLED and told[-1][0].number == 99 + 2 * STALLED


def test_bytes_fill_a_mailbox_too_and_a_message_in_pieces_is_one(boxes: Mailboxes, told: Told) -> None:
    piece = BYTES // 4
    for _ in range(3):
        boxes.arrives(message(size=piece, flags=Flag.MORE))
    assert told == []
    boxes.arrives(message(size=piece))
    assert told == [(SENDER, True, "")]
    fill(boxes)
    boxes.received(7, 1, BYTES)
    assert told == [(SENDER, True, "")], "that was one message, and more wait than half of a mailbox holds"


def test_nobody_waits_for_a_process_that_has_ended(boxes: Mailboxes, told: Told) -> None:
    fill(boxes, MESSAGES)
    boxes.ended(7)
    assert told == [(SENDER, True, ""), (SENDER, False, "")]
    boxes.received(7, 1, 1)  # said before it ended
