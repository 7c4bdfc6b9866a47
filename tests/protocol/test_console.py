"""What is typed to a cell, whenever it ends: the hub's part, between a terminal and an evaluator of the test's."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pysh.runtime.protocol.actions import Interrupt, Pause, Resize, Type, Write
from pysh.runtime.protocol.console import Console
from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.frames import HEADER, Frame, Kind, Raw, encode, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import INTERCEPTED, Node
from pysh.runtime.protocol.seats import STUCK
from pysh.runtime.protocol.terms import HUB, MIRRORED, Pid

OWN = bytes(16)
EVALUATOR, TERMINAL, OTHER, WATCHER = 1, 2, 3, 9
CELL_REF, LAST_REF = 7, 9
MAIN = Pid(OWN, HUB)


class Hub:
    """As much of a node as a console needs; `sent` has (process, kind, payload, ref) in order."""

    def __init__(self) -> None:
        self.name, self.incarnation = "n1@here", OWN
        self.me = Pid(OWN, HUB)
        self.actions: list[Any] = []
        self.sent: list[tuple[int, int, bytes, int]] = []
        self.told: list[tuple[int, Any]] = []  # to which process, and the metas
        self.members = SimpleNamespace(suspects=list, label=lambda _: "n2")
        self.processes = {EVALUATOR: SimpleNamespace(role="evaluator")}
        self.now = 0.0
        self.timers: list[Any] = []
        self.console = Console(cast(Any, self))
        self.console.evaluator_up(cast(Any, SimpleNamespace(process=EVALUATOR)))
        self.attach(TERMINAL)
        self.actions.clear()

    def attach(self, process: int, **asked: Any) -> dict[str, Any]:
        return self.console.attach(cast(Any, SimpleNamespace(process=process)), asked)

    def goes(self, process: int) -> bool:
        return self.console.terminal_gone(cast(Any, SimpleNamespace(process=process)))

    def later(self, seconds: float, do: Any) -> None:
        self.timers.append(do)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        timers, self.timers = self.timers, []
        for do in timers:
            do()

    def post(
        self, dest: Pid, kind: int, *, ref: int = 0, payload: bytes = b"", meta: Any = None, credit: int = 0
    ) -> None:
        packed = meta if isinstance(meta, bytes) else pack(meta or {})
        frame = Frame(kind, self.me, dest, ref, meta=packed, payload=payload, credit=credit)
        if kind in INTERCEPTED and kind in self.console.handlers:
            self.console.handlers[kind](None, frame)
        else:
            self.to_process(dest.number, frame)

    def to_process(self, number: int, frame: Frame) -> None:
        self.sent.append((number, frame.kind, bytes(frame.payload), frame.ref))
        self.told.append((number, frame.options()))

    def hears(self, process: int, kind: int, payload: bytes = b"", ref: int = 0, **meta: Any) -> None:
        link = cast(Any, SimpleNamespace(process=process))
        dest = meta.pop("dest", TERMINAL) if kind == Kind.DONE else HUB
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


def test_a_terminal_that_takes_the_place_of_another_is_told_whether_the_cell_takes_keys() -> None:
    hub = Hub()
    hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    assert hub.goes(TERMINAL)
    told = hub.attach(OTHER)
    assert (told["busy"], told["accepts"]) == (True, False)
    assert hub.goes(OTHER)
    hub.hears(EVALUATOR, Kind.INPUT, ref=CELL_REF)
    told = hub.attach(OTHER)
    assert (told["busy"], told["accepts"]) == (True, True)


@pytest.fixture
def two() -> Hub:
    """A hub with two terminals at its shell."""
    hub = Hub()
    hub.attach(OTHER, rows=20, cols=100)
    hub.said()
    return hub


def test_a_cell_and_its_result_go_to_the_others_under_a_ref_that_is_none_of_theirs(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    assert two.said() == [(OTHER, Kind.CELL, b"work()", MIRRORED), (EVALUATOR, Kind.CELL, b"work()", CELL_REF)]
    two.console.screen(b"out")
    two.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2, text="3", exit=0)
    assert two.said() == [
        *((process, Kind.SCREEN, b"out", 0) for process in (TERMINAL, OTHER)),
        *((process, Kind.DONE, b"", ref) for process, ref in ((TERMINAL, CELL_REF), (OTHER, MIRRORED))),
    ]
    assert two.told[-2:] == [(TERMINAL, {"cell": 2, "text": "3", "exit": 0}), (OTHER, {"cell": 2, "text": "3"})]


def test_the_cell_of_another_waits_until_nothing_that_was_typed_is_in_the_pty(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"one()", CELL_REF)
    two.hears(OTHER, Kind.CELL, b"two()", CELL_REF)
    two.hears(TERMINAL, Kind.INPUT, b"abc")
    two.hears(OTHER, Kind.INPUT, b"xyz", LAST_REF)
    assert two.typed == b"abc"
    assert two.said()[-1] == (OTHER, Kind.INPUT, b"xyz", LAST_REF)
    two.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2)
    two.hears(EVALUATOR, Kind.INPUT, b"abc")
    assert not [payload for _, kind, payload, _ in two.said() if kind == Kind.CELL]
    two.hears(EVALUATOR, Kind.INPUT)
    assert two.said() == [(TERMINAL, Kind.CELL, b"two()", MIRRORED), (EVALUATOR, Kind.CELL, b"two()", CELL_REF)]


def test_a_terminal_has_one_cell_waiting_and_is_told_that_more_were_not_run(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"one()", CELL_REF)
    for ref in (7, 8):
        two.hears(OTHER, Kind.CELL, b"two()", ref)
    assert two.said()[-1] == (OTHER, Kind.DONE, b"", 8)
    assert "nothing of this one was run" in two.told[-1][1]["text"]


def test_the_keys_of_a_cell_whose_terminal_is_gone_are_the_others(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"one()", CELL_REF)
    two.hears(EVALUATOR, Kind.INPUT, ref=CELL_REF)
    two.said()
    assert not two.goes(TERMINAL)
    assert two.said() == [(OTHER, Kind.INPUT, b"", MIRRORED)]
    two.hears(OTHER, Kind.INPUT, b"abc")
    assert two.typed == b"abc"


def test_who_comes_while_a_cell_of_another_runs_sees_it(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"one()", CELL_REF)
    two.said()
    assert two.attach(4)["busy"] is False
    assert two.said() == [(4, Kind.CELL, b"one()", MIRRORED)]


def test_the_death_of_a_shell_tells_who_waits_for_his_cell_that_it_was_not_run(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"one()", CELL_REF)
    two.hears(OTHER, Kind.CELL, b"two()", CELL_REF)
    two.said()
    two.console.evaluator_died("signal 9")
    told = {number: meta["text"] for number, meta in two.told if "text" in meta}
    assert [kind for _, kind, *_ in two.said()] == [Kind.DONE, Kind.DONE]
    assert "nothing of this cell was run" in told[OTHER]
    assert "nothing of this cell was run" not in told[TERMINAL]


@pytest.mark.parametrize(
    ("kind", "payload", "meta"),
    [
        (Kind.CELL, b"work()", {}),
        (Kind.INPUT, b"x", {}),
        (Kind.INTERRUPT, b"", {}),
        (Kind.RESIZE, b"", {"rows": 1, "cols": 1}),
    ],
)
def test_nothing_that_a_terminal_which_watches_says_reaches_the_shell(kind: int, payload: bytes, meta: Any) -> None:
    hub = Hub()
    hub.attach(WATCHER, watch=True)
    hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF)
    hub.actions.clear()
    hub.said()
    hub.hears(WATCHER, kind, payload, 9, **meta)
    assert not hub.said()
    assert not [action for action in hub.actions if isinstance(action, Type | Interrupt | Resize)]


def test_who_watches_keeps_nothing_that_somebody_who_types_has_missed() -> None:
    hub = Hub()
    assert hub.goes(TERMINAL)
    told = hub.attach(WATCHER, watch=True)
    hub.console.screen(b"out")
    assert hub.said() == [(WATCHER, Kind.SCREEN, b"out", 0)]
    assert not hub.console.attached
    assert (told["missed"], hub.attach(OTHER)["missed"]) == (b"", b"out")
    assert not hub.goes(WATCHER)


def test_the_pty_fits_on_the_smallest_terminal_that_types(two: Hub) -> None:
    assert [action for action in two.actions if isinstance(action, Resize)] == [Resize(20, 80)]
    two.attach(WATCHER, watch=True, rows=5, cols=5)
    two.hears(TERMINAL, Kind.RESIZE, rows=50, cols=90)
    assert two.actions[-1] == Resize(20, 90)
    two.goes(OTHER)
    assert Resize(50, 90) in two.actions


def paused(hub: Hub) -> bool:
    """Whether the shell has to wait before it prints more."""
    return next((action.on for action in reversed(hub.actions) if isinstance(action, Pause)), False)


def shows(hub: Hub, process: int, size: int, kind: int = Kind.SCREEN, dest: Pid = MAIN, ref: int = 0) -> None:
    """A terminal says that it has shown so much."""
    assert hub.console.shown(Frame(Kind.CREDIT, Pid(OWN, process), dest, ref, meta=pack(kind), credit=size))


def test_a_terminal_that_is_stuck_holds_the_shell_for_a_moment_and_is_told_what_it_missed(two: Hub) -> None:
    two.console.screen(bytes(PRINTED))
    shows(two, TERMINAL, PRINTED)
    assert paused(two)
    two.wait(STUCK)
    assert not paused(two)
    two.said()
    two.console.screen(b"more")
    assert two.said() == [(TERMINAL, Kind.SCREEN, b"more", 0)]
    shows(two, OTHER, PRINTED)
    assert two.told[-1][0] == OTHER
    assert two.told[-1][1]["text"].startswith("… 4 bytes not shown")
    two.said()
    two.console.screen(b"again")
    assert [process for process, *_ in two.said()] == [TERMINAL, OTHER]


def test_one_terminal_alone_may_take_its_time() -> None:
    hub = Hub()
    hub.console.screen(bytes(PRINTED))
    hub.wait(10 * STUCK)
    assert paused(hub)
    shows(hub, TERMINAL, PRINTED)
    assert not paused(hub)


def test_a_terminal_that_was_stuck_alone_holds_nobody_who_comes_later() -> None:
    hub = Hub()
    hub.console.screen(bytes(PRINTED))
    hub.wait(STUCK)
    hub.attach(OTHER)
    hub.wait(STUCK)
    assert not paused(hub)


def test_who_watches_and_is_slow_holds_nothing() -> None:
    hub = Hub()
    hub.attach(WATCHER, watch=True)
    hub.console.screen(bytes(PRINTED))
    shows(hub, TERMINAL, PRINTED)
    assert not paused(hub)
    hub.said()
    hub.console.screen(b"more")
    assert hub.said() == [(TERMINAL, Kind.SCREEN, b"more", 0)]
    shows(hub, WATCHER, PRINTED)
    assert hub.told[-1][1]["text"].startswith("… 4 bytes not shown")


def test_a_task_has_credit_for_what_all_have_shown(two: Hub) -> None:
    task = Pid(bytes([1]) * 16, 5)
    two.console.handlers[Kind.OUTPUT](None, Frame(Kind.OUTPUT, task, Pid(OWN, EVALUATOR), 3, payload=bytes(100)))
    assert [(process, kind) for process, kind, *_ in two.said()] == [(TERMINAL, Kind.OUTPUT), (OTHER, Kind.OUTPUT)]
    shows(two, TERMINAL, 60, Kind.OUTPUT, task, 3)
    assert two.said() == []
    shows(two, OTHER, 40, Kind.OUTPUT, task, 3)
    assert two.said() == [(5, Kind.CREDIT, b"", 3)]
    shows(two, OTHER, 60, Kind.OUTPUT, task, 3)
    two.said()
    two.goes(TERMINAL)
    assert two.said() == [(5, Kind.CREDIT, b"", 3)]


def test_what_the_last_terminal_had_not_shown_is_shown_to_the_next(two: Hub) -> None:
    two.console.screen(b"out")
    assert not two.goes(TERMINAL)
    assert two.goes(OTHER)
    assert two.attach(4)["missed"] == b"out"


def test_a_terminal_that_went_over_to_another_shell_keeps_this_one_and_sees_what_it_missed() -> None:
    hub = Hub()
    assert hub.console.goes_away(cast(Any, SimpleNamespace(process=TERMINAL)))
    hub.console.screen(b"out")
    assert hub.said() == []
    assert (hub.console.attached, hub.console.attended) == (True, False)
    assert hub.attach(TERMINAL)["missed"] == b"out"
    hub.console.goes_away(cast(Any, SimpleNamespace(process=TERMINAL)))
    assert hub.goes(TERMINAL), "the last one"


def test_a_notice_that_is_to_be_kept_waits_for_whoever_comes() -> None:
    hub = Hub()
    assert hub.goes(TERMINAL)
    hub.console.notice("of no use later")
    hub.console.notice("task 7 failed", "error", keep=True)
    assert hub.attach(TERMINAL)["missed"] == b"task 7 failed\n"


def test_a_notice_that_is_held_back_still_tells_which_nodes_are_suspect() -> None:
    hub = Hub()
    hub.console.hush.set("warn")
    hub.told.clear()
    hub.console.notice("w1 is suspect", "warn")
    hub.console.notice("task 7 failed", "error")
    assert [meta["text"] for _, meta in hub.told] == ["", "task 7 failed"]
    assert all("suspects" in meta for _, meta in hub.told)


def test_a_notice_goes_to_all_and_one_that_only_watchers_saw_is_kept(two: Hub) -> None:
    two.attach(WATCHER, watch=True)
    two.told.clear()
    two.console.notice("task 7 failed", "error", keep=True)
    assert [(process, meta["text"]) for process, meta in two.told] == [
        (process, "task 7 failed") for process in (TERMINAL, OTHER, WATCHER)
    ]
    two.goes(TERMINAL)
    two.goes(OTHER)
    two.console.notice("task 8 failed", "error", keep=True)
    assert two.attach(OTHER)["missed"] == b"task 8 failed\n"


def test_the_end_of_a_job_is_told_to_all_and_kept_if_nobody_is_there(two: Hub) -> None:
    ended = {"text": "job 1 done", "level": "info"}
    two.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2, jobs=2)
    two.told.clear()
    two.hears(EVALUATOR, Kind.NOTICE, jobs=1, **ended)
    two.hears(OTHER, Kind.NOTICE, jobs=7, **ended)
    assert [(process, meta["text"]) for process, meta in two.told] == [(TERMINAL, "job 1 done"), (OTHER, "job 1 done")]
    assert two.console.jobs == 1
    two.goes(TERMINAL)
    two.goes(OTHER)
    two.hears(EVALUATOR, Kind.NOTICE, jobs=0, **ended)
    assert two.attach(OTHER)["missed"] == b"job 1 done\n"


def test_nothing_that_was_written_elsewhere_reaches_a_terminal_later_with_its_escapes() -> None:
    hub = Hub()
    assert hub.goes(TERMINAL)
    title, task = "\x1b]0;pwned\x07", Pid(b"n2-incarnation--", 7)
    hub.console.screen(f"own {title}\n".encode())
    hub.console.notice(f"task 7 failed: {title}", "error", keep=True)
    hub.console.audience.miss(task, f"printed {title}\n".encode())
    hub.hears(EVALUATOR, Kind.NOTICE, text=f"job 1 failed: {title}", level="error", jobs=0)
    hub.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2, text=f"ValueError: {title}")
    assert (missed := hub.attach(OTHER)["missed"]).startswith(f"own {title}\n".encode())
    assert missed.count(b"\x1b") == 1
    assert [line.partition(b": ")[0] for line in missed.splitlines()[1:4:2]] == [b"task 7 failed", b"job 1 failed"]


def test_what_the_next_prompt_begins_with_is_of_who_typed_the_cell(two: Hub) -> None:
    two.hears(TERMINAL, Kind.CELL, b"edit()", CELL_REF)
    two.told.clear()
    two.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2, offer="1 + 1", jobs=1, folder="/tmp")
    assert two.told == [
        (TERMINAL, {"cell": 2, "offer": "1 + 1", "jobs": 1, "folder": "/tmp"}),
        (OTHER, {"cell": 2, "jobs": 1, "folder": "/tmp"}),
    ]
    assert two.attach(4)["folder"] == "/tmp"


def test_a_program_paints_for_the_terminal_that_typed_its_cell() -> None:
    hub = Hub()
    hub.attach(OTHER, plain=True)
    assert hub.console.paints, "the first that came"
    hub.hears(OTHER, Kind.CELL, b"top()", CELL_REF)
    assert not hub.console.paints
    hub.goes(OTHER)
    assert hub.console.paints, "its keys are those of the other one now"
    hub.goes(TERMINAL)
    assert not hub.console.paints


def test_the_death_of_a_shell_that_was_killed_says_so_once() -> None:
    hub = Hub()
    hub.console.jobs, hub.console.killed = 2, True
    hub.console.evaluator_died("signal 9")
    assert "was killed from its terminal" in hub.told[-1][1]["text"]
    assert (hub.console.jobs, hub.console.killed) == (0, False)


def test_who_may_kill_a_shell_is_a_terminal_that_may_type(two: Hub) -> None:
    two.attach(WATCHER, watch=True)
    may = {
        process: two.console.types(cast(Any, SimpleNamespace(process=process))) for process in (TERMINAL, WATCHER, 5)
    }
    assert may == {TERMINAL: True, WATCHER: False, 5: False}


def raw(frame: Frame) -> Raw:
    """As it comes over a connection."""
    data = b"".join(encode(frame))
    return Raw(data[: HEADER.size], data[HEADER.size :])


def test_of_a_connection_that_watches_a_hub_takes_what_it_has_shown_and_refuses_the_rest() -> None:
    node = Node("n1@here", OWN, python="3.11", cores=1)
    node.opened(1, Hello("terminal", "", bytes(16), bytes(32)), 0.0)
    (terminal,) = node.processes
    own = Pid(OWN, terminal)

    def says(kind: int, dest: Pid = MAIN, **meta: Any) -> list[Frame]:
        node.take()
        node.received(1, [raw(Frame(kind, own, dest, 9, meta=pack(meta), payload=b"x"))], 0.0)
        taken = node.take()
        assert all(isinstance(action, Write) for action in taken), taken
        whole = [b"".join(action.buffers) for action in taken if isinstance(action, Write)]
        return [parse(Raw(data[: HEADER.size], data[HEADER.size :])) for data in whole]

    (told,) = says(Kind.REQUEST, verb="attach", watch=True)
    assert told.options()["ok"]["cell"] == 1
    for kind in (Kind.SPAWN, Kind.CELL, Kind.INPUT, Kind.INTERRUPT, Kind.SEND, Kind.EXIT, Kind.DONE):
        assert says(kind) == []
        assert says(kind, Pid(OWN, 5)) == []
    assert says(Kind.REQUEST, Pid(OWN, 5), verb="eval") == []
    for verb in ("eval", "leave", "stop", "attach"):
        (told,) = says(Kind.REQUEST, verb=verb, source="1")
        assert "only watches" in told.options()["text"]


@pytest.mark.parametrize(
    ("first", "second", "linked"),
    [("here", None, "here"), ("here", "here", "here"), ("here", "", ""), ("", "here", ""), ("here", "there", "")],
)
def test_a_cell_may_print_links_where_all_who_see_it_take_those_of_one_machine(
    first: str, second: str | None, linked: str
) -> None:
    hub = Hub()
    hub.attach(TERMINAL, links=first)
    if second is not None:
        hub.attach(OTHER, links=second)
    hub.told.clear()
    hub.hears(TERMINAL, Kind.CELL, b"work()", CELL_REF, person=True)
    given = [meta for number, meta in hub.told if number == EVALUATOR]
    assert given == [{"person": True, "links": linked} if linked else {"person": True}]


def test_every_terminal_is_told_when_another_number_of_messages_waits_and_the_next_one_too(hub: Hub) -> None:
    hub.attach(OTHER)
    hub.hears(EVALUATOR, Kind.DONE, ref=CELL_REF, cell=2, unread=1)
    hub.told.clear()
    for count in (2, 2, 0):
        hub.hears(EVALUATOR, Kind.NOTICE, unread=count)
    told = [(number, meta["text"], meta["unread"]) for number, meta in hub.told]
    assert told == [(TERMINAL, "", 2), (OTHER, "", 2), (TERMINAL, "", 0), (OTHER, "", 0)]
    hub.hears(EVALUATOR, Kind.NOTICE, unread=5)
    assert hub.attach(WATCHER)["unread"] == 5


def test_what_waits_for_a_shell_that_dies_waits_no_more(hub: Hub) -> None:
    hub.hears(EVALUATOR, Kind.NOTICE, unread=5)
    hub.console.evaluator_died("signal 9")
    assert hub.attach(OTHER)["unread"] == 0
