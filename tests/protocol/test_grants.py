"""Numbers that runners hold in advance, and the processes that are spawned with them."""

import pytest

from pysh.runtime.protocol import actions, grants
from pysh.runtime.protocol.flow import NUMBERS
from pysh.runtime.protocol.frames import Decoder, Frame, FrameError, Kind, encode, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import HUB, Pid

HERE = b"h" * 16
ME = Pid(HERE, HUB)
CHILD = {"kind": "process", "async": True, "label": "f"}


def asks(count: int, source: Pid = ME) -> Frame:
    """An apartment's REQUEST for so many."""
    return Frame(Kind.REQUEST, source, ME, 77, meta=pack({"verb": "numbers", "count": count}))


class Office:
    """A node with two programs, and what was written to each."""

    def __init__(self) -> None:
        self.node = Node("n1@here", HERE, python="3.11", cores=1)
        self.got: dict[int, list[Frame]] = {}
        for link in (1, 2):
            self.begin(link)
        self.refs = 0
        self.act()

    def begin(self, link: int) -> None:
        """A program is there, at `link`."""
        self.node.opened(link, Hello("program", "n1@here", HERE, b"n" * 32, python="3.11", pid=link), 0.0)

    def act(self) -> None:
        for action in self.node.take():
            if isinstance(action, actions.Write):
                data = b"".join(bytes(each) for each in action.buffers)
                self.got.setdefault(action.link, []).extend(map(parse, Decoder().feed(data)))

    def says(self, link: int, kind: int, dest: Pid = ME, meta: object = None, payload: bytes = b"") -> list[Frame]:
        """What the program at `link` is told once it has sent that."""
        self.refs += 1
        me = Pid(HERE, self.node.links[link].process)
        frame = Frame(kind, me, dest, self.refs, meta=pack(meta) if meta else b"", payload=payload)
        return self.tells(link, frame)

    def move_in(self, link: int, worker: int = 1) -> None:
        """The first apartment, or the one that is called so, is up, at `link`."""
        hello = Hello("worker", "n1@here", HERE, b"n" * 32, python="3.11", pid=link)
        self.node.opened(link, hello, 0.0, worker=worker)
        self.act()

    def tells(self, link: int, frame: Frame) -> list[Frame]:
        """What the runner at `link` is told once it has sent that frame."""
        self.got.clear()
        self.node.received(link, Decoder().feed(b"".join(map(bytes, encode(frame)))), 0.0)
        self.act()
        return self.got.get(link, [])

    def fill(self, count: int) -> None:
        """So many processes wait for the first apartment."""
        while count > 0:
            numbers = self.granted(1, min(count, NUMBERS))
            for number in numbers:
                self.spawn(1, number)
            count -= len(numbers)

    def begins(self, link: int, count: int) -> None:
        """The apartment at `link` says that it has begun so many."""
        self.tells(link, Frame(Kind.ALIVE, Pid(HERE, HUB), ME, credit=count))

    def granted(self, link: int, count: int) -> list[int]:
        [reply] = self.says(link, Kind.REQUEST, meta={"verb": "numbers", "count": count})
        numbers: list[int] = reply.options()["ok"]
        return numbers

    def spawn(self, link: int, number: int, **options: object) -> list[Frame]:
        return self.says(link, Kind.SPAWN, Pid(HERE, number), {**CHILD, **options}, b"f")


def test_a_process_with_a_granted_number_lives_at_once_and_nobody_is_told_so() -> None:
    office = Office()
    number = office.granted(1, 4)[2]
    assert office.spawn(1, number) == []
    assert office.node.lives(number)
    [awaited] = office.spawn(1, HUB)
    assert awaited.kind == Kind.STAGE and awaited.options()["pid"] == number + 2


def test_no_number_is_granted_twice_or_used_otherwise() -> None:
    office = Office()
    held = [number for link in (1, 2, 1) for number in office.granted(link, 3)]
    [told] = office.spawn(2, HUB)
    assert len({*held, told.options()["pid"], *(link.process for link in office.node.links.values())}) == 9 + 3


def test_only_who_holds_a_number_spawns_with_it_and_only_once() -> None:
    office = Office()
    number, *_ = office.granted(1, 4)
    with pytest.raises(FrameError, match="not granted"):
        office.spawn(2, number)
    office.spawn(1, number)
    for wrong in (number, number + 100):
        with pytest.raises(FrameError, match="not granted"):
            office.spawn(1, wrong)


def test_a_runner_holds_so_many_and_what_it_leaves_is_nobodys() -> None:
    office = Office()
    assert len(office.granted(1, 10**9)) == NUMBERS
    assert office.granted(1, 10) == []
    number = office.granted(2, 4)[0]
    office.node.closed(2, "it was left", 0.0)
    office.begin(2)
    with pytest.raises(FrameError, match="not granted"):
        office.spawn(2, number)


def test_a_runner_that_is_gone_is_granted_nothing_once_there_is_something_to_grant() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    assert office.says(2, Kind.REQUEST, meta={"verb": "numbers", "count": 4}) == []
    office.node.closed(2, "it was left", 0.0)
    office.begins(9, 2)
    assert 2 not in office.got


def test_a_draining_node_grants_no_more_and_honours_what_it_granted() -> None:
    office = Office()
    number = office.granted(1, 4)[0]
    office.node.drain.begin(5.0)
    assert office.granted(1, 4) == []
    office.spawn(1, number, monitor=True)
    assert office.node.lives(number)


def test_ties_of_a_process_with_a_granted_number_hold_from_its_first_moment() -> None:
    office = Office()
    number = office.granted(1, 1)[0]
    office.spawn(1, number, monitor=True)
    ref = office.refs
    told = office.says(1, Kind.EXIT, Pid(HERE, number), {"reason": "kill"})
    [down] = [frame for frame in told if frame.kind == Kind.DOWN]
    assert (down.ref, down.source.number, down.options()["reason"]) == (ref, number, "killed")


def test_no_numbers_are_granted_while_an_apartment_is_far_behind() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    assert office.says(1, Kind.REQUEST, meta={"verb": "numbers", "count": 4}) == []
    office.begins(9, 1)
    assert office.got.get(1) is None
    office.begins(9, 1)
    [reply] = office.got[1]
    assert len(reply.options()["ok"]) == 4


def test_who_waits_for_an_apartment_that_is_not_up_counts_as_behind_too() -> None:
    office = Office()
    office.fill(grants.BEHIND + 1)
    asked = {"verb": "numbers", "count": 4}
    assert office.says(1, Kind.REQUEST, meta=asked) == []
    last = max(job.number for job in office.node.work.jobs)
    told = office.says(1, Kind.EXIT, Pid(HERE, last), {"reason": "kill"})
    assert [len(frame.options()["ok"]) for frame in told if frame.kind == Kind.REPLY] == [4]


def test_who_waits_for_an_apartment_that_is_not_up_finds_the_next_one_and_stays_behind() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    assert office.says(1, Kind.REQUEST, meta={"verb": "numbers", "count": 4}) == []
    office.node.work.exited(1, {"signal": "SIGKILL"}, 0)
    office.act()
    assert [frame for frame in office.got.get(1, []) if frame.kind == Kind.REPLY] == []
    office.move_in(9, worker=2)
    office.begins(9, 2)
    assert [len(frame.options()["ok"]) for frame in office.got[1]] == [4]


def test_an_apartment_that_dies_holds_up_nobody() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    assert office.says(1, Kind.REQUEST, meta={"verb": "numbers", "count": 4}) == []
    office.node.work.exited(1, {"signal": "SIGKILL"}, 0)
    office.act()
    assert [len(frame.options()["ok"]) for frame in office.got[1] if frame.kind == Kind.REPLY] == [4]


def test_numbers_go_to_the_runner_also_when_the_process_that_asked_has_ended() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    asker = Pid(HERE, max(job.number for job in office.node.work.jobs))
    assert office.tells(9, asks(4, asker)) == []
    office.tells(9, Frame(Kind.RESULT, asker, ME, 1))
    assert not office.node.lives(asker.number)
    office.begins(9, 2)
    [reply] = office.got[9]
    assert (reply.kind, reply.ref, len(reply.options()["ok"])) == (Kind.REPLY, 77, 4)


def test_an_asker_that_is_dead_already_keeps_its_runner_from_nothing() -> None:
    office = Office()
    office.spawn(1, HUB)
    office.move_in(9)
    [reply] = office.tells(9, asks(4, Pid(HERE, 10**6)))
    assert (reply.ref, len(reply.options()["ok"])) == (77, 4)


def test_a_runner_that_asks_again_while_it_waits_is_told_at_once_that_there_are_none() -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    assert office.tells(9, asks(4)) == []
    assert [frame.options() for frame in office.tells(9, asks(4))] == [{"ok": []}]
    office.begins(9, 2)
    [reply] = office.got[9]
    assert len(reply.options()["ok"]) == 4


@pytest.mark.parametrize("ends", ["drain", "stop"])
def test_who_waits_for_numbers_when_the_node_begins_to_end_gets_none(ends: str) -> None:
    office = Office()
    office.fill(grants.BEHIND + 2)
    office.move_in(9)
    assert office.says(1, Kind.REQUEST, meta={"verb": "numbers", "count": 4}) == []
    if ends == "drain":
        office.node.drain.begin(50.0)
    else:
        office.node.stop("it was told to")
    office.begins(9, grants.BEHIND)
    assert [frame.options() for frame in office.got[1] if frame.kind == Kind.REPLY] == [{"ok": []}]
