"""What becomes of the calls of an actor: each is answered once, and says whether it ran."""

from typing import Any, cast

import pytest

from pysh.runtime.protocol.calls import Calls
from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import Pid

HERE, THERE = b"h" * 16, b"t" * 16
ACTOR, CALLER, OTHER = Pid(HERE, 7), Pid(THERE, 3), Pid(HERE, 4)


class Host:
    """What `Calls` needs of a node, and what it did with it."""

    name, incarnation = "n1@here", HERE

    def __init__(self) -> None:
        self.living = {ACTOR.number}
        self.handed: list[Frame] = []
        self.room: list[tuple[int, int, int]] = []
        self.refused: list[tuple[Pid, int, str]] = []
        self.texts: list[str] = []
        self.mailboxes = self
        self.calls = Calls(cast(Node, self))

    def lives(self, number: int) -> bool:
        return number in self.living

    def to_process(self, number: int, frame: Frame) -> None:
        self.handed.append(frame)

    def received(self, number: int, messages: int, size: int) -> None:
        self.room.append((number, messages, size))

    def post(self, dest: Pid, kind: int, *, ref: int, flags: int, meta: dict[str, Any], source: Pid) -> None:
        assert (kind, flags, source, meta["error"]) == (Kind.ANSWER, Flag.FAILED, ACTOR, "NoProcess")
        self.refused.append((dest, ref, meta["executed"]))
        self.texts.append(meta.get("text", ""))

    def call(self, ref: int, caller: Pid = CALLER, more: int = 0, size: int = 5) -> None:
        frame = Frame(Kind.CALL, caller, ACTOR, ref, Flag.MORE if more else 0, payload=b"x" * size)
        self.calls.handlers[Kind.CALL](None, frame)

    def answer(self, ref: int, caller: Pid = CALLER, more: int = 0) -> None:
        self.calls.handlers[Kind.ANSWER](None, Frame(Kind.ANSWER, ACTOR, caller, ref, Flag.MORE if more else 0))


@pytest.fixture
def host() -> Host:
    return Host()


def test_calls_and_answers_are_handed_on_and_make_room(host: Host) -> None:
    host.call(1, more=1)
    host.call(1)
    host.answer(1, more=1)
    assert not host.room
    host.answer(1)
    assert [frame.kind for frame in host.handed] == [Kind.CALL] * 2 + [Kind.ANSWER] * 2
    assert host.room == [(ACTOR.number, 1, 10)]
    host.calls.ended(ACTOR.number, "killed")
    assert not host.refused


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ([], []),
        (["call 1"], [(CALLER, 1, "maybe")]),
        (["call 1", "call 2", "other 1"], [(CALLER, 1, "maybe"), (CALLER, 2, "no"), (OTHER, 1, "no")]),
        (["call 1", "call 2", "answer 1"], [(CALLER, 2, "maybe")]),
        (["call 1", "call 2", "answer 1 more"], [(CALLER, 1, "yes"), (CALLER, 2, "no")]),
        (["call 1 more", "other 1"], [(CALLER, 1, "no"), (OTHER, 1, "no")]),
        (["call 1", "answer 1", "answer 1"], []),
    ],
)
def test_the_end_of_an_actor_answers_what_it_has_not(
    host: Host, before: list[str], refused: list[tuple[Pid, int, str]]
) -> None:
    for told in before:
        what, ref, *more = told.split()
        if what == "answer":
            host.answer(int(ref), more=len(more))
        else:
            host.call(int(ref), OTHER if what == "other" else CALLER, len(more))
    host.calls.ended(ACTOR.number, "ValueError: bad")
    assert host.refused == refused
    assert set(host.texts) <= {"the actor <n1.7> ended: ValueError: bad"}
    host.calls.ended(ACTOR.number, "again")
    assert len(host.refused) == len(refused)


def test_a_call_for_nobody_is_refused_once_it_is_whole(host: Host) -> None:
    host.living.clear()
    host.call(1, more=1)
    assert not host.refused
    host.call(1)
    assert (host.refused, host.texts) == ([(CALLER, 1, "no")], [""])
    host.calls.ended(ACTOR.number, "killed")
    assert len(host.refused) == 1


def test_the_answer_of_an_actor_elsewhere_is_only_handed_on(host: Host) -> None:
    host.call(1)
    elsewhere = Frame(Kind.ANSWER, Pid(THERE, ACTOR.number), CALLER, 1)
    host.calls.handlers[Kind.ANSWER](None, elsewhere)
    assert host.handed[-1] is elsewhere
    host.calls.ended(ACTOR.number, "killed")
    assert host.refused == [(CALLER, 1, "maybe")]
