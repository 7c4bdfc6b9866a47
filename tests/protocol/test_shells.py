"""The shells of one node: who is at which, what is told where, and when one ends. Evaluators are the test's."""

from typing import Any

import pytest

from pysh.runtime.protocol.actions import (
    Attended,
    Close,
    EndShell,
    Interrupt,
    Kill,
    Pause,
    Prepare,
    Resize,
    Stop,
    Type,
    Write,
)
from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.frames import LOCAL, Decoder, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.shells import MOST
from pysh.runtime.protocol.terms import HUB, Pid

HERE, THERE = bytes(16), bytes([1]) * 16
LINGER = 600.0


class Hub:
    """A node, and all that it does; processes are told apart by the numbers of their links, which are `process`es."""

    def __init__(self, *, persistent: bool = False) -> None:
        self.node = Node("n1@here", HERE, python="3.11", cores=2, persistent=persistent, linger=LINGER)
        self.now = 0.0
        self.actions: list[Any] = []
        self.links = 0
        self.process: dict[int, int] = {}  # of a link
        self.said: list[tuple[int, Frame]] = []  # to which link
        self.evaluator(0)

    def evaluator(self, shell: int) -> int:
        """That of a shell connects; its link."""
        return self._opens("evaluator", worker=-shell)

    def terminal(self, **asked: Any) -> int:
        """One that attaches; its link."""
        link = self._opens("terminal")
        self.ask(link, "attach", **asked)
        return link

    def _opens(self, role: str, **opening: Any) -> int:
        self.links += 1
        self.node.opened(self.links, Hello(role, "", THERE, bytes(32), python="3.11"), self.now, **opening)
        self._act()
        self.process[self.links] = self.node.links[self.links].process
        return self.links

    def closes(self, link: int) -> None:
        self.node.closed(link, "lost", self.now)
        self._act()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        while (due := self.node.next_deadline()) is not None and due <= self.now:
            self.node.tick(due)
        self.node.tick(self.now)
        self._act()

    def hears(self, link: int, kind: int, dest: int = HUB, /, ref: int = 7, payload: bytes = b"", **meta: Any) -> None:
        frame = Frame(kind, Pid(HERE, self.process[link]), Pid(HERE, dest), ref, meta=pack(meta), payload=payload)
        raws = list(Decoder().feed(b"".join(map(bytes, encode(frame)))))
        self.node.received(link, raws, self.now)
        self._act()

    def ask(self, link: int, verb: str, **asked: Any) -> Any:
        """The answer, which comes at once; that to an attach is not among what is said."""
        before = len(self.said)
        self.hears(link, Kind.REQUEST, ref=99, verb=verb, **asked)
        for at in range(before, len(self.said)):
            to, frame = self.said[at]
            if (to, frame.kind, frame.ref) == (link, Kind.REPLY, 99):
                del self.said[at]
                told = frame.options()
                return told.get("ok", told)
        return None

    def cell(self, terminal: int, evaluator: int, source: bytes = b"work()") -> None:
        """A cell begins."""
        self.hears(terminal, Kind.CELL, payload=source)
        self.hears(evaluator, Kind.INPUT)

    def done(self, terminal: int, evaluator: int, **told: Any) -> None:
        """It has ended."""
        self.hears(evaluator, Kind.DONE, self.process[terminal], cell=2, **told)

    def _act(self) -> None:
        for action in self.node.take():
            if isinstance(action, Write):
                for raw in Decoder().feed(b"".join(map(bytes, action.buffers))):
                    self.said.append((action.link, parse(raw)))
            else:
                self.actions.append(action)

    def acts(self) -> list[Any]:
        acted, self.actions = self.actions, []
        return [action for action in acted if action != Pause(0, on=False)]  # whoever leaves holds up nobody

    def to(self, link: int, kind: int) -> list[Frame]:
        """What of one kind a link was told since the last call."""
        told = [frame for to, frame in self.said if (to, frame.kind) == (link, kind)]
        self.said = [(to, frame) for to, frame in self.said if (to, frame.kind) != (link, kind)]
        return told

    def notices(self, link: int) -> list[str]:
        return [frame.options()["text"] for frame in self.to(link, Kind.NOTICE)]

    @property
    def numbers(self) -> list[int]:
        return [shell.number for shell in self.node.shells]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def two(hub: Hub) -> tuple[Hub, int, int, int]:
    """A hub, a terminal at its shell, and one at shell 1, whose evaluator is there."""
    shared, own = hub.terminal(), hub.terminal(own=True)
    evaluator = hub.evaluator(1)
    hub.acts()
    hub.said.clear()
    return hub, shared, own, evaluator


def test_a_terminal_that_asks_for_it_has_a_shell_with_an_evaluator_of_its_own(hub: Hub) -> None:
    link = hub._opens("terminal")
    told = hub.ask(link, "attach", own=True, rows=10, cols=20)
    assert (told["shell"], told["cell"], told["busy"], hub.numbers) == (1, 1, False, [0, 1])
    assert hub.acts() == [Prepare("evaluator", 1), Resize(10, 20, 1), Attended(True)]


def test_each_has_its_own_cells_keys_interrupts_and_screen(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.cell(own, evaluator, b"mine()")
    hub.cell(shared, 1, b"ours()")
    assert [bytes(frame.payload) for frame in hub.to(evaluator, Kind.CELL)] == [b"mine()"]
    assert [bytes(frame.payload) for frame in hub.to(1, Kind.CELL)] == [b"ours()"]
    assert hub.to(own, Kind.CELL) == hub.to(shared, Kind.CELL) == [], "nothing is mirrored"
    hub.hears(own, Kind.INPUT, payload=b"x")
    hub.hears(own, Kind.INTERRUPT)
    hub.hears(shared, Kind.INPUT, payload=b"y")
    hub.hears(shared, Kind.INTERRUPT)
    assert hub.acts() == [Type(b"x", 1), Interrupt(1), Type(b"y"), Interrupt()]
    hub.node.shells.get(1).screen(b"out")  # type: ignore[union-attr]
    hub._act()
    assert [bytes(frame.payload) for frame in hub.to(own, Kind.SCREEN)] == [b"out"]
    assert hub.to(shared, Kind.SCREEN) == []
    hub.hears(own, Kind.CREDIT)  # of nothing
    hub.done(own, evaluator, kind="text", text="1")
    assert [frame.options()["text"] for frame in hub.to(own, Kind.DONE)] == ["1"]
    assert hub.node.shells.first.busy


@pytest.mark.parametrize("kind", [Kind.CELL, Kind.INPUT, Kind.RESIZE, Kind.INTERRUPT, Kind.DONE, Kind.NOTICE])
def test_what_another_says_in_the_name_of_a_process_here_reaches_no_shell(
    two: tuple[Hub, int, int, int], kind: int
) -> None:
    hub, shared, own, evaluator = two
    hub.cell(shared, 1)
    hub.acts()
    hub.said.clear()
    meta = pack({"rows": 5, "cols": 5, "jobs": 3, "text": "", "level": "info"})
    for sender in (shared, own, evaluator, 1):
        number = hub.process[sender]
        for link, where in ((None, THERE), (hub.node.links[own if sender != own else shared], HERE)):
            hub.node._mine(link, Frame(kind, Pid(where, number), Pid(HERE, HUB), 7, meta=meta, payload=b"x"))
    hub._act()
    assert (hub.acts(), hub.said) == ([], [])
    assert hub.node.shells.first.busy
    assert not hub.node.shells.get(1).busy  # type: ignore[union-attr]


def test_an_evaluator_whose_shell_has_ended_says_nothing_in_the_shared_one(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.ask(own, "leave")
    hub.wait(6)
    hub.cell(shared, 1)
    hub.done(own, evaluator, kind="none", text="")
    assert hub.node.shells.first.busy


def test_a_flood_of_one_stops_that_one_alone(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, _ = two
    shell = hub.node.shells.get(1)
    assert shell is not None
    shell.screen(b"x" * PRINTED)
    hub._act()
    assert hub.acts() == [Pause(-1, on=True)]
    frame = Frame(Kind.CREDIT, Pid(HERE, hub.process[own]), Pid(HERE, HUB), meta=pack(Kind.SCREEN), credit=PRINTED)
    assert hub.node.shells.shown(frame)
    hub._act()
    assert Pause(-1, on=False) in hub.acts()


def test_output_goes_to_the_shell_that_owns_it_and_what_the_node_says_to_all(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    owner, task = Pid(HERE, hub.process[evaluator]), Pid(HERE, 99)
    hub.node._mine(None, Frame(Kind.OUTPUT, task, owner, 3, payload=b"line\n"))
    hub._act()
    assert [bytes(frame.payload) for frame in hub.to(own, Kind.OUTPUT)] == [b"line\n"]
    assert hub.to(shared, Kind.OUTPUT) == []
    hub.node.shells.notice("n2 is up")
    hub.node.tell(hub.process[evaluator], "for one")
    hub._act()
    assert (hub.notices(shared), hub.notices(own)) == (["n2 is up"], ["n2 is up", "for one"])


def test_quiet_holds_what_is_told_to_all_back_once(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.ask(evaluator, "quiet", level="info")
    hub.node.shells.notice("n2 is up")
    hub._act()
    assert hub.notices(shared) == hub.notices(own) == [""]
    assert hub.ask(1, "quiet", level="") == {"info": 1}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"shell": 9}, "n1@here has no shell 9 (there are: 0); 0 is the one that all share"),
        ({"own": True, "watch": True}, "a terminal that only watches has no shell of its own; nothing was started"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_refused(hub: Hub, asked: dict[str, Any], said: str) -> None:
    told = hub.ask(hub._opens("terminal"), "attach", **asked)
    assert said in told["text"]
    assert (told["executed"], hub.numbers, hub.actions) == ("no", [0], [])


def test_who_watches_opens_no_shell_later_either(hub: Hub) -> None:
    watcher = hub.terminal(watch=True)
    for verb, asked in (("attach", {"own": True}), ("beside", {})):
        assert "only watches" in hub.ask(watcher, verb, **asked)["text"]
    assert hub.numbers == [0]


@pytest.mark.parametrize("size", [{"rows": "x"}, {"cols": []}, {"rows": float("inf")}])
def test_a_size_that_is_none_leaves_no_shell_behind(stuck: tuple[Hub, int], size: dict[str, Any]) -> None:
    hub, terminal = stuck
    for verb, asked in (("attach", {"own": True}), ("beside", {}), ("attach", {"force": True})):
        assert "cannot read the request" in hub.ask(terminal, verb, **asked, **size)["text"]
    assert (hub.numbers, hub.node.shells.at(hub.node.links[terminal]).number, hub.acts()) == ([0], 0, [])


def test_a_node_whose_shell_was_taken_over_outlives_who_took_it(hub: Hub) -> None:
    hub.terminal(own=True)
    hub.evaluator(1)
    thief = hub.terminal(shell=1, force=True)
    hub.ask(thief, "leave", stop=True)
    hub.wait(6)
    assert hub.node.persistent
    assert (hub.node.stopping, hub.numbers) == (False, [0])


def test_what_a_terminal_and_an_evaluator_count_and_name_is_bounded(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, evaluator = two
    hub.ask(own, "attach", links="h" * 256)
    hub.cell(own, evaluator)
    assert "links" not in hub.to(evaluator, Kind.CELL)[0].options()
    hub.done(own, evaluator, kind="none", text="", unread=10**12)
    assert hub.ask(own, "attach")["unread"] == 10**9


def test_there_are_so_many_and_no_more(hub: Hub) -> None:
    for _ in range(MOST):
        hub.terminal(own=True)
    told = hub.ask(hub._opens("terminal"), "attach", own=True)
    assert told["text"] == (
        "n1@here has 16 shells beside the shared one already, as many as it may; nothing was started. "
        "Leave one with Ctrl-D: pysh attach --shell 1 n1"
    )
    assert len(hub.numbers) == MOST + 1


# the end of one


def test_one_that_its_last_terminal_leaves_ends_and_the_node_goes_on(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, evaluator = two
    hub.ask(own, "leave")
    hub.hears(evaluator, Kind.SENT)
    hub.wait(5)
    assert hub.acts() == [EndShell(1)]
    assert hub.numbers == [0]
    hub.closes(own)
    hub.closes(evaluator)
    hub.node.evaluator_died("SIGKILL", 1)
    hub._act()
    assert hub.acts() == []


@pytest.mark.parametrize("number", [0, 1])
def test_one_to_which_somebody_came_while_its_last_terminal_left_stays(hub: Hub, number: int) -> None:
    own = hub.terminal(own=number)
    evaluator = hub.evaluator(1) if number else 1
    hub.ask(own, "leave")
    late = hub.terminal(shell=number)
    hub.hears(evaluator, Kind.SENT)
    hub.wait(6)
    assert not any(isinstance(action, EndShell | Stop) for action in hub.acts())
    assert hub.node.shells.at(hub.node.links[late]).number == number
    assert hub.process[evaluator] not in hub.node.delivery.ending


def test_the_node_stays_for_who_came_to_another_shell_meanwhile(hub: Hub) -> None:
    own = hub.terminal(own=True)
    hub.ask(own, "leave")
    hub.terminal()
    hub.wait(6)
    assert [action for action in hub.acts() if isinstance(action, EndShell | Stop)] == [EndShell(1)]


def test_with_another_terminal_at_it_it_stays(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, _ = two
    hub.terminal(shell=1)
    assert hub.ask(own, "leave")["others"] == 1
    assert hub.ask(shared, "leave")["others"] == 2, "the node is theirs too"
    assert hub.numbers == [0, 1]


def test_what_runs_there_is_asked_about_and_nothing_of_the_others(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.cell(shared, 1)
    hub.cell(own, evaluator)
    told = hub.ask(own, "leave")
    assert told == {
        "stop": False, "persistent": False, "reasons": ["a cell is running"], "called": "shell 1 of n1@here"
    }  # fmt: skip
    hub.ask(own, "leave", stop=True)
    hub.wait(6)
    assert hub.acts() == [EndShell(1)]
    assert hub.node.shells.first.busy


def test_the_last_terminal_of_all_ends_the_node_with_its_shell(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, _ = two
    hub.closes(shared)
    hub.ask(own, "leave")
    hub.wait(6)
    assert any(isinstance(action, Stop) for action in hub.acts())


def test_the_last_terminal_is_told_which_of_what_runs_is_of_its_own_shell(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.hears(1, Kind.NOTICE, jobs=2, text="", level="info")
    hub.hears(evaluator, Kind.NOTICE, jobs=1, text="", level="info")
    hub.closes(shared)
    assert hub.ask(own, "leave")["reasons"] == ["2 jobs running in shell 0", "1 job of this shell running"]


def test_who_only_visits_ends_no_node(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, _ = two
    hub.closes(shared)
    hub.ask(own, "leave", visit=True)
    hub.wait(6)
    assert hub.acts() == [EndShell(1)]


def test_one_whose_terminal_is_lost_is_there_for_the_next_as_long_as_a_node_is(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, _ = two
    hub.closes(own)
    hub.wait(LINGER - 1)
    told = hub.ask(shared, "attach")
    assert (told["alone"], told["shell"]) == ([1], 0)
    back = hub.terminal(shell=1)
    hub.wait(10 * LINGER)
    assert hub.numbers == [0, 1]
    hub.closes(back)
    hub.acts()
    hub.wait(LINGER + 1)
    assert (hub.acts(), hub.numbers) == ([EndShell(1)], [0])


def test_one_that_is_busy_stays_until_it_is_not(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, evaluator = two
    hub.cell(own, evaluator)
    hub.closes(own)
    hub.wait(3 * LINGER)
    assert hub.numbers == [0, 1]
    hub.done(own, evaluator, kind="none", text="")
    hub.wait(LINGER + 1)
    assert hub.numbers == [0]


def test_one_that_dies_is_told_where_it_was_and_another_evaluator_follows(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.closes(evaluator)
    hub.node.evaluator_died("SIGKILL", 1)
    hub._act()
    assert hub.notices(own) == ["shell 1 of n1@here died (SIGKILL): its names are gone"]
    assert (hub.notices(shared), hub.numbers) == ([], [0, 1])
    hub.evaluator(1)
    hub.cell(own, hub.links)
    assert len(hub.to(hub.links, Kind.CELL)) == 1


def test_one_that_dies_alone_is_gone_and_everybody_is_told(two: tuple[Hub, int, int, int]) -> None:
    hub, shared, own, evaluator = two
    hub.closes(own)
    hub.closes(evaluator)
    hub.node.evaluator_died("SIGKILL", 1)
    hub._act()
    assert hub.notices(shared) == ["shell 1 of n1@here died (SIGKILL) with nobody at it, and is gone"]
    assert hub.numbers == [0]


def test_the_end_of_one_cancels_the_tasks_that_it_owns_here_and_elsewhere(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, evaluator = two
    hub.hears(evaluator, Kind.SPAWN, payload=b"f", kind="task", label="f")
    assert hub.node.shells.tasks(hub.node.shells.get(1)) == 1  # type: ignore[arg-type]
    assert hub.ask(own, "leave")["reasons"] == ["1 task that it started"]
    hub.ask(own, "leave", stop=True)
    hub.wait(6)
    assert [job.state for job in hub.node.work.jobs] in ([], ["done"])


def test_who_watches_one_that_ends_is_parted_from_and_attaches_to_no_other(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, _ = two
    watcher = hub.terminal(shell=1, watch=True)
    hub.ask(own, "leave")
    hub.wait(6)
    assert hub.numbers == [0]
    assert [frame.options()["reason"] for frame in hub.to(watcher, Kind.BYE)] == ["shell 1 of n1@here has ended"]
    assert Close(watcher) in hub.acts()
    for verb in ("attach", "eval", "leave"):
        assert hub.ask(watcher, verb) is None
    assert not hub.node.shells.first.has(hub.process[watcher])


def test_who_watches_one_that_dies_alone_or_ends_with_another_is_parted_from(hub: Hub) -> None:
    first = hub.terminal(own=True)
    hub.cell(first, hub.evaluator(1))
    watcher = hub.terminal(shell=1, watch=True)
    hub.terminal()
    assert hub.ask(first, "beside")["shell"] == 2
    second = hub.terminal(own=True)
    hub.evaluator(3)
    other = hub.terminal(shell=3, watch=True)
    hub.ask(first, "leave", stop=True)
    hub.closes(second)
    hub.node.evaluator_died("SIGKILL", 3)
    hub.wait(6)
    assert hub.numbers == [0]
    assert len(hub.to(watcher, Kind.BYE)) == len(hub.to(other, Kind.BYE)) == 1


def test_who_watches_does_so_wherever_it_is(two: tuple[Hub, int, int, int]) -> None:
    hub, _, _, _ = two
    watcher = hub.terminal(shell=1, watch=True)
    link = hub.node.links[watcher]
    hub.node.shells.get(1).seats.leave(link.process)  # type: ignore[union-attr]
    for verb in ("attach", "eval", "leave"):
        assert "only watches" in hub.ask(watcher, verb)["text"]


# beside a cell that nothing ends


@pytest.fixture
def stuck(hub: Hub) -> tuple[Hub, int]:
    """A hub, and a terminal whose cell has outlived three Ctrl-C."""
    terminal = hub.terminal()
    hub.cell(terminal, 1, b"while True:\n    pass")
    hub.acts()
    hub.said.clear()
    return hub, terminal


def jobs(hub: Hub, evaluator: int) -> list[tuple[int, int, str, str]]:
    return [(row["job"], row["shell"], row["cell"], row["state"]) for row in hub.ask(evaluator, "left")]


def test_the_cell_is_a_job_of_the_new_shell_to_which_its_terminal_goes(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    told = hub.ask(terminal, "beside", rows=10, cols=20)
    assert (told["shell"], told["cell"], told["busy"]) == (1, 1, False)
    assert hub.acts() == [Prepare("evaluator", 1), Resize(10, 20, 1), Attended(True)]
    evaluator = hub.evaluator(1)
    hub.wait(7)
    assert jobs(hub, evaluator) == [(1, 0, "while True: pass", "running")]
    assert hub.ask(evaluator, "left")[0]["age"] == 7
    assert hub.node.shells.first_job(hub.node.shells.get(1)) == 2  # type: ignore[arg-type]
    assert jobs(hub, 1) == [], "the other one has none"


def test_its_end_is_told_there_and_kept_for_who_goes_back(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    evaluator = hub.evaluator(1)
    hub.done(terminal, 1, kind="error", error="ValueError", text="ValueError: bad")
    assert hub.to(terminal, Kind.DONE) == []
    assert hub.notices(terminal) == ["job 1 failed: while True: pass raised ValueError; fg(1) goes back to its shell"]
    assert jobs(hub, evaluator) == [(1, 0, "while True: pass", "failed")]
    told = hub.ask(terminal, "attach", shell=0)
    assert (told["missed"], told["busy"], told["shell"]) == (b"ValueError: bad\n", False, 0)
    assert jobs(hub, evaluator) == [], "somebody has seen it"
    hub.cell(terminal, 1)
    hub.done(terminal, 1, kind="none", text="")
    assert hub.notices(terminal) == [], "what comes later is no job"


def test_who_goes_back_while_it_runs_has_it_again_and_comes_to_the_same_shell(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    evaluator = hub.evaluator(1)
    assert hub.ask(terminal, "attach", shell=0)["busy"]
    assert jobs(hub, evaluator) == [(1, 0, "while True: pass", "running")]
    assert hub.ask(terminal, "beside")["shell"] == 1
    assert (hub.numbers, hub.node.shells.alone) == ([0, 1], [])


def test_neither_ends_while_somebody_is_at_the_other(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    hub.evaluator(1)
    hub.ask(terminal, "attach", shell=0)
    hub.done(terminal, 1, kind="none", text="")
    hub.wait(3 * LINGER)
    assert hub.numbers == [0, 1]
    hub.closes(terminal)
    hub.wait(LINGER + 1)
    assert 1 not in hub.numbers


def test_beside_two_that_are_stuck_there_is_a_third_with_both_as_jobs(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    second = hub.evaluator(1)
    hub.cell(terminal, second, b"deaf()")
    assert hub.ask(terminal, "beside")["shell"] == 2
    third = hub.evaluator(2)
    running = [(1, 0, "while True: pass", "running"), (2, 1, "deaf()", "running")]
    assert jobs(hub, third) == running
    hub.ask(terminal, "attach", shell=0)
    assert hub.ask(terminal, "beside")["shell"] == 2
    assert jobs(hub, third) == running
    hub.done(terminal, 1, kind="none", text="")
    assert hub.notices(terminal) == ["job 1 done: while True: pass; fg(1) goes back to its shell"]
    assert hub.ask(terminal, "leave")["reasons"] == ["a cell is running in shell 1"]


def test_a_cell_that_has_ended_meanwhile_is_left_for_nothing(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.done(terminal, 1, kind="none", text="")
    assert hub.ask(terminal, "beside") == {"refused": "the cell has ended meanwhile; no shell was started"}
    assert hub.numbers == [0]


def test_a_cell_that_another_has_followed_meanwhile_is_not_taken_for_it(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    began = hub.ask(terminal, "at_stake")["began"]
    other = hub.terminal()
    hub.wait(1)
    hub.done(terminal, 1, kind="none", text="")
    hub.cell(other, 1)
    assert "the cell has ended meanwhile" in hub.ask(terminal, "beside", began=began)["refused"]
    assert hub.ask(terminal, "beside", began=hub.ask(terminal, "at_stake")["began"])["shell"] == 1


def test_a_mirrored_cell_stays_with_the_others(hub: Hub) -> None:
    terminal, other = hub.terminal(), hub.terminal()
    hub.cell(terminal, 1)
    hub.said.clear()
    hub.ask(terminal, "beside")
    assert [frame.kind for frame in hub.to(other, Kind.INPUT)] == [Kind.INPUT], "the keys are theirs now"
    hub.hears(other, Kind.INPUT, payload=b"x")
    assert hub.acts()[-1] == Type(b"x")
    hub.done(terminal, 1, kind="text", text="1")
    assert [frame.options()["text"] for frame in hub.to(other, Kind.DONE)] == ["1"]


def test_one_that_runs_code_before_its_first_cell_and_never_ends_it_is_not_followed_in_that(
    stuck: tuple[Hub, int],
) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    shell = hub.node.shells.get(1)
    assert shell is not None
    assert shell.bare
    hub.hears(1, Kind.REQUEST, verb="begun")
    assert hub.node.shells.first.begun
    assert not shell.begun


def test_a_shell_that_dies_is_told_of_where_its_cell_is_a_job(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    hub.ask(terminal, "beside")
    evaluator = hub.evaluator(1)
    hub.closes(1)
    hub.node.evaluator_died("SIGKILL")
    hub._act()
    assert hub.notices(terminal) == ["job 1 died: while True: pass; fg(1) goes back to its shell"]
    assert jobs(hub, evaluator) == [(1, 0, "while True: pass", "died")]


def test_a_stuck_shell_is_killed_alone(two: tuple[Hub, int, int, int]) -> None:
    hub, _, own, evaluator = two
    hub.cell(own, evaluator)
    assert hub.ask(own, "kill_shell") is True
    assert hub.acts() == [Kill(1)]


def test_a_cell_that_has_followed_the_stuck_one_is_not_killed_for_it(stuck: tuple[Hub, int]) -> None:
    hub, terminal = stuck
    began = hub.ask(terminal, "at_stake")["began"]
    other = hub.terminal()
    hub.hears(other, Kind.CELL, payload=b"next()")
    hub.wait(1)
    hub.done(terminal, 1, kind="none", text="")
    hub.acts()
    assert hub.ask(terminal, "kill_shell", began=began) is False
    assert hub.acts() == []
    assert hub.ask(terminal, "kill_shell", began=hub.ask(terminal, "at_stake")["began"]) is True


def test_what_only_the_shared_shell_may_is_heard_from_no_other(two: tuple[Hub, int, int, int]) -> None:
    hub, _, _, evaluator = two
    frame = Frame(Kind.PUBLISH, Pid(HERE, hub.process[evaluator]), LOCAL, meta=pack({"name": "f"}), payload=b"f")
    hub.node._mine(hub.node.links[evaluator], frame)
    assert hub.node.work.code.empty
    hub.node._mine(hub.node.links[1], frame)
    assert not hub.node.work.code.empty
