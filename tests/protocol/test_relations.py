"""Links, monitors and names, held against a model that knows everything at once."""

from collections import deque
from collections.abc import Iterable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.jobs import NORMAL
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.relations import Relations
from pysh.runtime.protocol.terms import Pid, Ref
from tests.sim.cluster import Cluster

NODES = tuple(bytes([number]) * 16 for number in (1, 2))
PIDS = [Pid(node, number) for node in NODES for number in (1, 2)]
DEAD = Pid(NODES[0], 9)


class Host:
    """What `Relations` needs of a node; signals wait in `net` until somebody carries them over."""

    def __init__(self, incarnation: bytes, net: dict[tuple[bytes, bytes], deque[Frame]]) -> None:
        self.name = f"n{incarnation[0]}"
        self.incarnation = incarnation
        self.living = {pid.number for pid in PIDS if pid.incarnation == incarnation}
        self.told: list[tuple[Pid, int, Pid, int, str]] = []
        self.reachable = set(NODES)
        self.relations = Relations(cast(Node, self))
        self._net = net

    def lives(self, number: int) -> bool:
        return number in self.living

    def reaches(self, incarnation: bytes) -> bool:
        return incarnation in self.reachable

    def post(self, dest: Pid, kind: int, *, ref: int, meta: Any, source: Pid) -> None:
        self._net[self.incarnation, dest.incarnation].append(Frame(kind, source, dest, ref, meta=pack(meta)))

    def to_process(self, number: int, frame: Frame) -> None:
        assert number in self.living
        self.told.append((frame.dest, frame.kind, frame.source, frame.ref, frame.options()["reason"]))

    def end_process(self, number: int, reason: str, by: Pid | None = None) -> None:
        if number in self.living:
            self.living.discard(number)
            self.relations.ended(number, reason)


class World:
    """Two nodes with two processes each."""

    def __init__(self) -> None:
        self.net: dict[tuple[bytes, bytes], deque[Frame]] = {(a, b): deque() for a in NODES for b in NODES}
        self.hosts = {node: Host(node, self.net) for node in NODES}
        self.refs: dict[Ref, Pid] = {}
        self.undone: dict[Ref, int] = {}  # how often it was heard of by then
        self.unlinked: dict[tuple[Pid, Pid], int] = {}

    def of(self, pid: Pid) -> Host:
        return self.hosts[pid.incarnation]

    def lives(self, pid: Pid) -> bool:
        return self.of(pid).lives(pid.number)

    @property
    def told(self) -> list[tuple[Pid, int, Pid, int, str]]:
        return [told for host in self.hosts.values() for told in host.told]

    def do(self, what: str, me: Pid, other: Pid, number: int) -> None:
        """Let `me` do something; the dead do nothing."""
        if not self.lives(me):
            return
        relations = self.of(me).relations
        if what == "link":
            self.unlinked.pop((me, other), None)
            self.unlinked.pop((other, me), None)
            relations.link(me, other)
        elif what == "unlink":
            if self.linked(me, other, active=True):  # else a link that is on its way is none of its business
                self.unlinked.setdefault((me, other), len(self.exits(me, other)))
            relations.unlink(me, other)
        elif what == "monitor":
            self.refs[Ref(me, number)] = other
            relations.monitor(me, other, number)
        elif what == "demonitor":
            made = [ref for ref in self.refs if ref.owner == me and ref not in self.undone]
            if made:
                self.undone[made[-1]] = len(self.downs(made[-1]))
                relations.demonitor(me, made[-1].number)
        elif what == "trap":
            relations.trap(me, True)
        elif what == "end":
            self.of(me).end_process(me.number, NORMAL)
        elif what == "raise":
            self.of(me).end_process(me.number, "ValueError: bad")
        elif what == "exit":
            self.of(me).post(other, Kind.EXIT, ref=0, meta={"reason": "bored"}, source=me)
        elif what == "kill":
            self.of(me).post(other, Kind.EXIT, ref=0, meta={"reason": "kill"}, source=me)

    def carry(self, which: int) -> bool:
        """Carry one signal over, of whichever way; whether there was one."""
        ways = [way for way, waiting in self.net.items() if waiting]
        if not ways:
            return False
        way = ways[which % len(ways)]
        frame = self.net[way].popleft()
        self.hosts[way[1]].relations.handlers[frame.kind](None, frame)
        return True

    def settle(self) -> None:
        while self.carry(0):
            pass

    def downs(self, ref: Ref) -> list[str]:
        """The reasons that a monitor brought."""
        return [t[4] for t in self.told if t[:2] == (ref.owner, Kind.DOWN) and t[3] == ref.number]

    def exits(self, me: Pid, other: Pid) -> list[str]:
        """The reasons that a link brought, and no `stop`."""
        return [t[4] for t in self.told if t[:3] == (me, Kind.EXIT, other) and t[4] != "bored"]

    def linked(self, a: Pid, b: Pid, *, active: bool = False) -> bool:
        ties = self.of(a).relations._ties.get(a.number)
        return ties is not None and b in ties.links and not (active and ties.links[b])

    def check_settled(self) -> None:
        """What holds once no signal is on its way, whatever was done in whatever order."""
        for a in PIDS:
            for b in PIDS:
                assert self.linked(a, b) == self.linked(b, a)
                assert not (self.linked(a, b) and not (self.lives(a) and self.lives(b)))
        self.check_heard()

    def check_heard(self) -> None:
        """Each end was heard of once by those who wanted to, and by nobody else."""
        for ref, other in self.refs.items():
            downs = self.downs(ref)
            assert len(downs) <= 1
            if ref in self.undone:
                assert len(downs) == self.undone[ref]
            elif self.lives(ref.owner):
                assert len(downs) == (not self.lives(other))
        for pair, heard in self.unlinked.items():
            assert len(self.exits(*pair)) == heard


class Model:
    """The same, where every signal arrives at once."""

    def __init__(self) -> None:
        self.living = set(PIDS)
        self.links: set[frozenset[Pid]] = set()
        self.traps: set[Pid] = set()
        self.told: list[tuple[Pid, Pid, str]] = []

    def do(self, what: str, me: Pid, other: Pid) -> None:
        if me not in self.living:
            return
        if what == "link" and me != other:
            if other in self.living:
                self.links.add(frozenset((me, other)))
            else:
                self.shake(me, other, "noproc")
        elif what == "unlink":
            self.links.discard(frozenset((me, other)))
        elif what == "trap":
            self.traps.add(me)
        elif what == "end":
            self.end(me, NORMAL)
        elif what == "raise":
            self.end(me, "ValueError: bad")
        elif what == "exit" and other in self.living:
            self.shake(other, me, "bored")
        elif what == "kill" and other in self.living:
            self.end(other, "killed")

    def shake(self, who: Pid, by: Pid, reason: str) -> None:
        if who in self.traps:
            self.told.append((who, by, reason))
        elif reason != NORMAL:
            self.end(who, reason)

    def end(self, pid: Pid, reason: str) -> None:
        self.living.discard(pid)
        for link in [link for link in self.links if pid in link]:
            self.links.discard(link)
            (other,) = link - {pid}
            if other in self.living:
                self.shake(other, pid, reason)


STEPS = ("link", "link", "unlink", "monitor", "demonitor", "trap", "end", "raise", "exit", "kill")
doings = st.lists(
    st.tuples(st.sampled_from(STEPS), st.sampled_from(PIDS), st.sampled_from([*PIDS, DEAD]), st.integers(0, 5)),
    max_size=30,
)


@given(doings)
def test_one_thing_after_the_other_is_as_the_model_has_it(done: Iterable[tuple[str, Pid, Pid, int]]) -> None:
    world, model = World(), Model()
    for number, (what, me, other, _) in enumerate(done):
        world.do(what, me, other, number)
        world.settle()
        model.do(what, me, other)
        assert {pid for pid in PIDS if world.lives(pid)} == model.living
        assert {frozenset((a, b)) for a in PIDS for b in PIDS if world.linked(a, b)} == model.links
    exits = [(dest, source, reason) for dest, kind, source, _, reason in world.told if kind == Kind.EXIT]
    assert sorted(exits) == sorted(model.told)
    world.check_settled()


@given(doings)
def test_signals_that_cross_leave_both_ends_of_one_mind(done: Iterable[tuple[str, Pid, Pid, int]]) -> None:
    world = World()
    for number, (what, me, other, carried) in enumerate(done):
        world.do(what, me, other, number)
        for _ in range(carried):
            world.carry(carried + number)
    world.settle()
    world.check_settled()


@given(
    st.lists(st.tuples(st.sampled_from(("link", "unlink", "trap")), st.booleans(), st.integers(0, 3)), max_size=20),
    st.sampled_from(("", "end", "lost")),
)
def test_links_that_are_made_and_undone_from_both_ends(done: Iterable[tuple[str, bool, int]], end: str) -> None:
    world = World()
    pair = PIDS[0], PIDS[2]
    for what, second, carried in done:
        world.do(what, pair[second], pair[not second], 0)
        for _ in range(carried):
            world.carry(carried)
    if end == "end":
        world.do("raise", pair[1], pair[0], 0)
    elif end == "lost":
        lose(world)
    world.settle()
    world.check_heard()
    if end != "lost":
        world.check_settled()


@given(doings)
def test_a_node_that_is_lost_is_heard_of_once(done: Iterable[tuple[str, Pid, Pid, int]]) -> None:
    world = World()
    for number, (what, me, other, carried) in enumerate(done):
        world.do(what, me, other, number)
        for _ in range(carried):
            world.carry(carried)
    lose(world)
    world.settle()
    world.check_heard()
    for ties in world.hosts[NODES[0]].relations._ties.values():
        assert not any(pid.incarnation == NODES[1] for pid in (*ties.links, *ties.watched.values()))


def lose(world: World) -> None:
    """The second node is gone, and the first one has heard of it."""
    here, there = (world.hosts[node] for node in NODES)
    for way, waiting in world.net.items():
        if NODES[1] in way:
            waiting.clear()
    here.reachable.discard(NODES[1])
    here.relations.node_down(NODES[1])
    there.living.clear()


def test_a_link_that_crosses_an_unlink_is_no_link() -> None:
    world = World()
    a, b = PIDS[0], PIDS[2]
    world.do("link", a, b, 0)
    world.do("unlink", a, b, 0)
    world.do("link", b, a, 0)
    world.settle()
    assert not world.linked(a, b)
    assert not world.linked(b, a)


def test_a_name_is_free_again_when_its_process_has_ended() -> None:
    relations = (host := World().hosts[NODES[0]]).relations
    assert relations.named(1, "db") is None
    assert relations.named(1, "db") is None
    taken = relations.named(2, "db")
    assert taken is not None
    assert "taken on n1, by <n1.1>" in taken["text"]
    assert relations.whereis("db") == 1
    host.end_process(1, NORMAL)
    assert relations.whereis("db") == 0
    assert relations.named(2, "db") is None


def test_a_process_is_listed_under_all_its_names() -> None:
    relations = Cluster("a")["a"].core.relations
    for name in ("log", "db"):
        assert relations.named(7, name) is None
    assert (relations.name_of(7), relations.name_of(8)) == ("db, log", "")
