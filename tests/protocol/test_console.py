"""What is typed to a cell, whenever it ends: the hub's part, between a terminal and an evaluator of the test's."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pysh.runtime.protocol.actions import Type
from pysh.runtime.protocol.console import Console
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.terms import HUB, Pid

OWN = bytes(16)
EVALUATOR, TERMINAL = 1, 2
CELL_REF, LAST_REF = 7, 9


class Hub:
    """As much of a node as a console needs; `sent` has (process, kind, payload, ref) in order."""

    def __init__(self) -> None:
        self.name, self.incarnation = "n1@here", OWN
        self.me = Pid(OWN, HUB)
        self.actions: list[Any] = []
        self.sent: list[tuple[int, int, bytes, int]] = []
        self.told: list[Frame] = []
        self.members = SimpleNamespace(suspects=list)
        self.console = Console(cast(Any, self))
        self.console.evaluator_up(cast(Any, SimpleNamespace(process=EVALUATOR)))
        self.console.attach(cast(Any, SimpleNamespace(process=TERMINAL)), {})
        self.actions.clear()

    def post(self, dest: Pid, kind: int, *, ref: int = 0, payload: bytes = b"", meta: Any = None) -> None:
        self.to_process(dest.number, Frame(kind, self.me, dest, ref, meta=pack(meta or {}), payload=payload))

    def to_process(self, number: int, frame: Frame) -> None:
        self.sent.append((number, frame.kind, bytes(frame.payload), frame.ref))
        self.told.append(frame)

    def hears(self, process: int, kind: int, payload: bytes = b"", ref: int = 0, **meta: Any) -> None:
        link = cast(Any, SimpleNamespace(process=process))
        dest = TERMINAL if kind == Kind.DONE else HUB
        frame = Frame(kind, Pid(OWN, process), Pid(OWN, dest), ref, meta=pack(meta), payload=payload)
        self.console.handlers[kind](link, frame)

    def said(self) -> list[tuple[int, int, bytes, int]]:
        sent, self.sent = self.sent, []
        return sent

    @property
    def typed(self) -> bytes:
        return b"".join(action.data for action in self.actions if isinstance(action, Type))


@pytest.fixture
def hub() -> Hub:
    """A hub whose cell runs."""
    hub = Hub()
    hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    hub.hears(EVALUATOR, Kind.INPUT, ref=CELL_REF)
    assert hub.said() == [
        (EVALUATOR, Kind.CELL, b"work()", CELL_REF),
        (TERMINAL, Kind.INPUT, b"", CELL_REF),
    ]
    return hub


def test_a_cell_that_nobody_typed_to_ends_without_a_question(hub: Hub) -> None:
    hub.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2)
    assert hub.said() == [(TERMINAL, Kind.DONE, b"", CELL_REF)]


def test_what_was_on_its_way_comes_back_behind_what_the_cell_left_unread(hub: Hub) -> None:
    hub.hears(TERMINAL, Kind.INPUT, b"abc")
    assert hub.typed == b"abc"
    hub.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2)
    hub.hears(TERMINAL, Kind.INPUT, b"de", 8)
    hub.hears(TERMINAL, Kind.INPUT, b"", LAST_REF)
    assert hub.said() == [(TERMINAL, Kind.DONE, b"", CELL_REF), (EVALUATOR, Kind.INPUT, b"", 0)]
    hub.hears(EVALUATOR, Kind.INPUT, b"bc")
    assert hub.said() == [(TERMINAL, Kind.INPUT, b"bc", 0), (EVALUATOR, Kind.INPUT, b"", 0)]
    hub.hears(EVALUATOR, Kind.INPUT)
    assert hub.said() == [(TERMINAL, Kind.INPUT, b"de", 8), (TERMINAL, Kind.INPUT, b"", LAST_REF)]
    assert hub.typed == b"abc"


def test_an_evaluator_that_dies_keeps_nothing_back(hub: Hub) -> None:
    hub.hears(TERMINAL, Kind.INPUT, b"abc")
    hub.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2)
    hub.hears(TERMINAL, Kind.INPUT, b"", LAST_REF)
    hub.said()
    hub.console.evaluator_died("signal 9")
    assert hub.said()[-1] == (TERMINAL, Kind.INPUT, b"", LAST_REF)


@pytest.mark.parametrize(("busy", "kind"), [(True, Kind.DONE), (False, Kind.NOTICE)])
def test_the_death_of_a_shell_is_told_once(busy: bool, kind: int) -> None:
    hub = Hub()
    if busy:
        hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    hub.said()
    hub.console.evaluator_died("signal 9")
    assert [kind for process, kind, *_ in hub.said() if process == TERMINAL and kind != Kind.INPUT] == [kind]


def test_a_terminal_that_attaches_is_told_whether_the_cell_takes_keys() -> None:
    hub = Hub()
    other = cast(Any, SimpleNamespace(process=3))
    hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    told = hub.console.attach(other, {})
    assert (told["busy"], told["accepts"]) == (True, False)
    hub.hears(EVALUATOR, Kind.INPUT, ref=CELL_REF)
    told = hub.console.attach(other, {})
    assert (told["busy"], told["accepts"]) == (True, True)


def test_a_notice_that_is_to_be_kept_waits_for_whoever_comes() -> None:
    hub = Hub()
    hub.console.terminal_gone(cast(Any, SimpleNamespace(process=TERMINAL)))
    hub.console.notice("of no use later")
    hub.console.notice("task 7 failed", "error", keep=True)
    told = hub.console.attach(cast(Any, SimpleNamespace(process=TERMINAL)), {})
    assert told["missed"] == b"task 7 failed\n"


def test_a_notice_that_is_held_back_still_tells_which_nodes_are_suspect() -> None:
    hub = Hub()
    hub.console.hush.set("warn")
    hub.told = []
    hub.console.notice("w1 is suspect", "warn")
    hub.console.notice("task 7 failed", "error")
    assert [frame.options()["text"] for frame in hub.told] == ["", "task 7 failed"]
    assert all("suspects" in frame.options() for frame in hub.told)
