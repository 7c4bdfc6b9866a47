"""Async processes of a node, from its core's side: ended, evicted, and what becomes of the mates."""

from typing import Any

import pytest

from pysh.runtime.protocol import actions, tenancy
from pysh.runtime.protocol.apartments import AHEAD
from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.frames import LOCAL, Decoder, Flag, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import HUB, Pid

HERE = b"h" * 16


class Building:
    """A node with one core and a program that spawns async processes; what its apartment would say is ours to say."""

    def __init__(self) -> None:
        self.node = Node("n1@here", HERE, python="3.11", cores=1)
        self.now = 0.0
        self.apartment = 0
        self.refs = 0
        self.ends: dict[int, str] = {}
        """How each process ended of which the program was told."""
        self.killed: list[int] = []
        self.asked: list[int] = []
        """Apartments that were asked whose code runs."""
        self.closed: list[int] = []
        self.said: list[Frame] = []
        """What was written to the apartment, in order."""
        self.shown = b""
        self.node.opened(1, self._hello("program"), 0.0)
        self.program = self.node.links[1].process
        self._act()

    def _hello(self, role: str) -> Hello:
        return Hello(role, "n1@here", HERE, b"n" * 32, python="3.11", pid=1)

    def _act(self) -> None:
        for action in self.node.take():
            if isinstance(action, actions.ForkWorker):
                assert action.apartment
                self.apartment = action.worker
            elif isinstance(action, actions.Signal) and action.signal in ("SIGKILL", "SIGUSR1"):
                (self.killed if action.signal == "SIGKILL" else self.asked).append(action.worker)
            elif isinstance(action, actions.Close):
                self.closed.append(action.link)
            elif isinstance(action, actions.Write):
                for raw in Decoder().feed(b"".join(bytes(data) for data in action.buffers)):
                    self._written(action.link, parse(raw))

    def _written(self, link: int, frame: Frame) -> None:
        if link != 1:
            self.said.append(frame)
        elif frame.kind == Kind.DOWN:
            self.ends[frame.source.number] = frame.options()["reason"]
        elif frame.kind == Kind.OUTPUT:
            self.shown += bytes(frame.payload)

    def hear(self, link: int, frame: Frame) -> None:
        self.node.received(link, Decoder().feed(b"".join(bytes(data) for data in encode(frame))), self.now)
        self._act()

    def spawn(self, *, more: bool = False) -> int:
        """The number of a new process, which the program watches; of whose arguments `more` are to come."""
        self.refs += 1
        meta = {"kind": "process", "async": True, "label": "f", "monitor": True}
        self.hear(
            1,
            Frame(
                Kind.SPAWN,
                Pid(HERE, self.program),
                Pid(HERE, HUB),
                self.refs,
                meta=pack(meta),
                payload=b"f",
                flags=int(more),
            ),
        )
        return max(job.number for job in self.node.work.jobs)

    def up(self) -> None:
        """The apartment says who it is."""
        self.node.opened(2, self._hello("apartment"), self.now, worker=self.apartment)
        self._act()

    def says(self, kind: int, number: int = HUB, **frame: Any) -> None:
        """The apartment says something of one of them."""
        self.hear(2, Frame(kind, Pid(HERE, number), Pid(HERE, self.program), **frame))

    def ask(self, kind: int, number: int, **told: Any) -> None:
        self.hear(1, Frame(kind, Pid(HERE, self.program), Pid(HERE, number), meta=pack(told)))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.node.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.node.tick(self.now)
            self._act()
        self.now = until

    def dies(self) -> None:
        """The apartment is gone."""
        self.node.now = self.now
        self.node.work.exited(self.apartment, {"signal": 9}, 0)
        self._act()


@pytest.fixture
def building() -> Building:
    return Building()


def kinds(building: Building) -> list[int]:
    return [frame.kind for frame in building.said if frame.kind != Kind.WELCOME]


def test_a_process_is_sent_to_its_apartment_and_its_end_told(building: Building) -> None:
    one, two = building.spawn(), building.spawn()
    assert kinds(building) == []
    building.up()
    assert kinds(building) == [Kind.SPAWN, Kind.SPAWN]
    building.says(Kind.RESULT, one)
    building.says(Kind.RESULT, two, flags=Flag.ERROR, payload=b"ValueError: bad")
    assert building.ends == {one: "normal", two: "ValueError: bad"}
    assert len(building.node.work.jobs) == 0


def test_one_that_is_killed_is_dead_at_once_and_its_apartment_stays_if_its_code_is_gone(building: Building) -> None:
    one, mate = building.spawn(), building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="kill")
    assert building.ends == {one: "killed"}
    assert kinds(building)[-1] == Kind.CANCEL
    building.says(Kind.RESULT, one, flags=Flag.FAILED)
    building.wait(10)
    assert building.killed == []
    assert building.node.lives(mate)


def test_code_that_outlives_its_process_costs_the_apartment_and_its_mates(building: Building) -> None:
    one, mate = building.spawn(), building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="kill")
    building.wait(tenancy.MOVING)
    assert (building.asked, building.killed) == ([building.apartment], [])
    building.wait(tenancy.SPEAKING)
    assert building.killed == [building.apartment]
    before = building.apartment
    building.dies()
    assert building.ends == {one: "killed", mate: "runner_killed"}
    building.spawn()
    assert building.apartment != before


def test_one_that_is_stopped_has_its_grace(building: Building) -> None:
    one = building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="shutdown")
    building.wait(1.9)
    assert building.ends == {}
    building.wait(0.2)
    assert building.ends == {one: "shutdown"}
    building.wait(tenancy.MOVING + tenancy.SPEAKING)
    assert building.killed == [building.apartment]


def test_one_that_waits_for_its_apartment_never_runs_if_it_is_stopped_before(building: Building) -> None:
    one, two = building.spawn(), building.spawn()
    building.ask(Kind.EXIT, one, reason="shutdown")
    assert building.ends == {one: "shutdown"}
    building.up()
    assert [frame.dest.number for frame in building.said if frame.kind == Kind.SPAWN] == [two]


def test_whoever_waits_for_an_apartment_that_dies_before_it_is_up_gets_another(building: Building) -> None:
    one = building.spawn()
    before = building.apartment
    building.dies()
    assert building.apartment != before
    building.up()
    assert [frame.dest.number for frame in building.said if frame.kind == Kind.SPAWN] == [one]


def test_after_three_that_died_before_they_were_up_it_fails(building: Building) -> None:
    one = building.spawn()
    for _ in range(3):
        building.dies()
    assert building.ends == {one: "runner_killed"}


def test_an_apartment_whose_loop_stands_still_is_asked_about_it_and_evicted(building: Building) -> None:
    one = building.spawn()
    building.up()
    building.wait(10)
    assert kinds(building).count(Kind.ALIVE) == 1
    building.says(Kind.ALIVE)
    building.wait(tenancy.HANGS)
    assert building.killed == []
    building.wait(3)
    assert set(building.killed) == {building.apartment}
    building.dies()
    assert building.ends == {one: "runner_killed"}


def test_an_empty_one_is_not_asked(building: Building) -> None:
    one = building.spawn()
    building.up()
    building.says(Kind.RESULT, one)
    building.wait(100)
    assert Kind.ALIVE not in kinds(building)
    assert building.node.next_deadline() is None


def test_a_flood_that_nobody_takes_is_left_out_and_counted(building: Building) -> None:
    one = building.spawn()
    building.up()
    line = b"x" * 65535 + b"\n"
    while len(building.shown) < PRINTED:
        building.says(Kind.OUTPUT, one, payload=line)
    for _ in range(3):
        building.says(Kind.OUTPUT, one, payload=line)
    shown = len(building.shown)
    assert shown < PRINTED + len(line)
    me = Pid(HERE, building.program)
    building.hear(1, Frame(Kind.CREDIT, me, Pid(HERE, one), meta=pack(Kind.OUTPUT), credit=shown))
    assert building.shown[shown:] == b"\n[196,608 bytes of output were left out here]\n"
    building.says(Kind.OUTPUT, one, payload=b"again\n")
    assert building.shown.endswith(b"again\n")


def test_a_mate_that_holds_the_loop_is_no_reason_to_evict(building: Building) -> None:
    one, mate = building.spawn(), building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="kill")
    for times in range(1, 4):
        building.wait(tenancy.MOVING)
        assert len(building.asked) == times
        building.says(Kind.ALIVE, ref=mate)
    building.wait(tenancy.SPEAKING)
    building.says(Kind.RESULT, one, flags=Flag.FAILED)
    building.wait(3)
    assert (len(building.asked), building.killed) == (3, [])
    assert building.node.lives(mate)


def test_one_that_holds_the_loop_itself_is_evicted(building: Building) -> None:
    one = building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="kill")
    building.wait(tenancy.MOVING)
    building.says(Kind.ALIVE, ref=one)
    building.wait(tenancy.SPEAKING)
    assert building.killed == [building.apartment]


def test_nobody_moves_into_an_apartment_that_may_be_evicted(building: Building) -> None:
    one = building.spawn()
    building.up()
    building.ask(Kind.EXIT, one, reason="kill")
    building.wait(tenancy.MOVING)
    before = building.apartment
    two = building.spawn()
    assert building.apartment != before
    building.node.work.exited(before, {"signal": 9}, 0)
    assert building.node.lives(two)


@pytest.mark.parametrize("how", ["kill", "the requester ends"])
def test_one_whose_arguments_never_come_costs_its_mates_nothing(building: Building, how: str) -> None:
    mate = building.spawn()
    building.up()
    one = building.spawn(more=True)
    assert kinds(building)[-1] == Kind.SPAWN
    if how == "kill":
        building.ask(Kind.EXIT, one, reason="kill")
    else:
        building.node.work.requester_lost(lambda pid: pid.number == building.program)
        building._act()
    assert (kinds(building)[-1], building.said[-1].dest.number) == (Kind.CANCEL, one)
    building.wait(5)
    assert (building.closed, building.killed) == ([], [])
    assert building.node.lives(mate)
    assert building.node.work.tenancy.apartments.tenants(building.apartment) == 1


def test_one_whose_requester_ends_while_it_waits_for_its_apartment_gives_its_place_back(building: Building) -> None:
    building.spawn(more=True)
    building.node.work.requester_lost(lambda pid: pid.number == building.program)
    assert building.node.work.tenancy.apartments.tenants(building.apartment) == 0


def test_what_was_left_out_is_told_at_the_end_at_the_latest(building: Building) -> None:
    one = building.spawn()
    building.up()
    line = b"x" * 65535 + b"\n"
    while len(building.shown) < PRINTED:
        building.says(Kind.OUTPUT, one, payload=line)
    building.says(Kind.OUTPUT, one, payload=line)
    building.says(Kind.RESULT, one)
    assert building.shown.endswith(b"\n[65,536 bytes of output were left out here]\n")


def test_what_c_code_writes_there_is_shown_as_of_the_eldest(building: Building) -> None:
    one, _ = building.spawn(), building.spawn()
    building.up()
    building.node.work.printed(building.apartment, b"by a child\n")
    building._act()
    assert building.shown == b"by a child\n"
    assert building.node.work.jobs.get(one).output  # type: ignore[union-attr]


def test_who_dies_with_an_apartment_is_told_to_the_owner_in_one_line(building: Building) -> None:
    one, two, killed = building.spawn(), building.spawn(), building.spawn()
    building.up()
    building.ask(Kind.EXIT, killed, reason="killed", type="exit")
    building.says(Kind.OUTPUT, one, payload=b"a line without an end")
    building.dies()
    assert building.shown == f"a line without an end\n<n1.{one}>, <n1.{two}>: the worker died of SIGKILL\n".encode()


class Shelly(Building):
    """The same with a shell, in which things are to run; what it would say is ours to say."""

    def begin(self, *, process: bool = False, more: bool = False) -> int:
        """The number of a task of the program's that is to run in the shell; of its arguments `more` are to come."""
        self.refs += 1
        meta = {"label": "f", "where": "shell", "kind": "process" if process else "task"}
        self.send(self.refs, meta=pack(meta), flags=int(more))
        return max(job.number for job in self.node.work.jobs)

    def send(self, ref: int, **frame: Any) -> None:
        """Some of the arguments of that task."""
        me = Pid(HERE, self.program)
        self.hear(1, Frame(Kind.SPAWN, me, Pid(HERE, HUB), ref, payload=b"f", **frame))

    def up(self) -> None:
        self.node.opened(2, self._hello("evaluator"), self.now)
        self._act()

    def answers(self, number: int) -> list[int]:
        """What of some frames for that process goes to the shell."""
        self.said.clear()
        for kind in (Kind.RESULT, Kind.REPLY, Kind.STAGE, Kind.SEND):
            self.hear(1, Frame(kind, Pid(HERE, self.program), Pid(HERE, number), 1, payload=b"x"))
        return kinds(self)


@pytest.fixture
def shelly() -> Shelly:
    return Shelly()


ANSWERED = [Kind.RESULT, Kind.REPLY, Kind.STAGE]


def test_what_one_left_in_the_shell_gets_its_answers_until_all_have_come(shelly: Shelly) -> None:
    one, two = shelly.begin(), shelly.begin()
    shelly.up()
    shelly.says(Kind.RESULT, one, credit=1)
    shelly.says(Kind.RESULT, two)
    assert (shelly.answers(one), shelly.answers(two)) == (ANSWERED, [])
    shelly.hear(2, Frame(Kind.ALIVE, LOCAL, LOCAL, one, credit=1))
    assert shelly.answers(one) == []


def test_code_in_the_shell_that_outlives_its_task_gets_its_answers(shelly: Shelly) -> None:
    one = shelly.begin()
    shelly.up()
    shelly.hear(1, Frame(Kind.CANCEL, Pid(HERE, shelly.program), Pid(HERE, HUB), 1, meta=pack({"grace": 0})))
    assert not shelly.node.work.lives(one)
    assert shelly.answers(one) == ANSWERED
    shelly.says(Kind.RESULT, one, flags=Flag.FAILED, meta=pack({"error": "TaskCancelled"}))
    assert shelly.answers(one) == []


def test_the_death_of_the_shell_ends_what_ran_there_and_what_was_left(shelly: Shelly) -> None:
    left, begun = shelly.begin(), shelly.begin(process=True)
    shelly.up()
    shelly.hear(2, Frame(Kind.ALIVE, LOCAL, LOCAL, begun))
    shelly.says(Kind.RESULT, left, credit=1)
    shelly.node.evaluator_died("SIGKILL")
    shelly._act()
    assert not shelly.node.work.lives(begun)
    assert shelly.answers(left) == []


def test_of_arguments_that_came_in_pieces_nothing_is_kept_once_all_were_sent(shelly: Shelly) -> None:
    one = shelly.begin(more=True)
    shelly.up()
    job = shelly.node.work.jobs.get(one)
    assert job is not None
    assert job.chunks
    shelly.send(1)
    assert [bytes(frame.payload) for frame in shelly.said if frame.kind == Kind.SPAWN] == [b"f", b"f"]
    assert not job.chunks


def sent(shelly: Shelly) -> list[int]:
    return [frame.dest.number for frame in shelly.said if frame.kind == Kind.SPAWN]


def test_a_busy_shell_is_sent_a_few_and_then_one_for_each_that_begins(shelly: Shelly) -> None:
    shelly.up()
    numbers = [shelly.begin() for _ in range(AHEAD + 2)]
    assert sent(shelly) == numbers[:AHEAD]
    last = shelly.node.work.jobs.get(numbers[-1])
    assert last is not None
    assert shelly.node.work.standing.of(last) == ("queued", "the shell of n1 is busy")
    shelly.hear(2, Frame(Kind.ALIVE, LOCAL, LOCAL, numbers[0]))
    assert sent(shelly) == numbers[:-1]
    cancel = Frame(Kind.CANCEL, Pid(HERE, shelly.program), Pid(HERE, HUB), 2, meta=pack({"grace": 1}))
    shelly.hear(1, cancel)
    shelly.says(Kind.RESULT, numbers[1], flags=Flag.FAILED, meta=pack({"error": "TaskCancelled", "executed": "no"}))
    assert sent(shelly) == numbers


def test_one_whose_arguments_are_slow_keeps_nobody_from_the_shell(shelly: Shelly) -> None:
    shelly.up()
    numbers = [shelly.begin(more=True) for _ in range(AHEAD)]
    numbers.append(shelly.begin())
    assert sent(shelly) == numbers


def test_a_shell_that_is_reaped_before_its_connection_ends_is_gone_for_all_who_wait_for_it(shelly: Shelly) -> None:
    shelly.node.opened(2, shelly._hello("evaluator"), shelly.now)
    evaluator = shelly.node.console.evaluator
    assert evaluator in shelly.node.processes
    shelly.node.evaluator_died("SIGKILL")
    assert evaluator not in shelly.node.processes
    assert shelly.node.console.evaluator is None


def test_what_waits_for_a_shell_that_dies_ends_with_it(shelly: Shelly) -> None:
    numbers = [shelly.begin() for _ in range(AHEAD + 2)]
    shelly.up()
    shelly.node.evaluator_died("SIGKILL")
    shelly._act()
    assert not any(map(shelly.node.work.lives, numbers))
    one = shelly.begin()
    assert shelly.node.work.lives(one)
