"""Links and monitors between processes, and the names they have: who hears of whose end.

The hub of a process keeps its half of every link and monitor; the halves agree by signals. Exit signals
travel in order with the messages of the same two processes. A link has two equal ends, so an `unlink` may cross a
`link` that comes the other way: it is over once the other end has acknowledged it by its number, and until
then what comes of it is ignored. (Erlang's unlink protocol: Erlang run-time system, "Distribution
Protocol", section "Link Protocol".)
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.jobs import KILLED, NORMAL, Job
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.terms import Pid, Ref, shown

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

REASON = 1000
"""How many characters an exit reason has at most."""
TIES = 1000
"""How many links of a process are described."""
KILL, NO_PROCESS, NO_CONNECTION = "kill", "noproc", "noconnection"


class _Ties:
    """What ties one process here to others."""

    def __init__(self) -> None:
        self.links: dict[Pid, int] = {}  # the other end: 0, or the number of an unlink on its way
        self.watchers: dict[Ref, None] = {}  # monitors of this process, by whoever made them
        self.watched: dict[int, Pid] = {}  # its own monitors, by their refs
        self.names: set[str] = set()
        self.traps = False


class Relations:
    """The links, monitors and names of the processes of `node`."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._ties: dict[int, _Ties] = {}
        self._names: dict[str, int] = {}
        self._unlinks = 0
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.LINK: self._linked, Kind.UNLINK: self._unlink_asked, Kind.UNLINKED: self._unlinked,
            Kind.MONITOR: self._monitored, Kind.MONITORED: self._spawned, Kind.DEMONITOR: self._demonitored,
            Kind.EXIT: self._exit, Kind.DOWN: self._down,
        }  # fmt: skip

    # what a process here asks for

    def link(self, me: Pid, other: Pid) -> None:
        """Tie `me` to `other`: each hears of the other's end. To what is gone, it hears of that at once."""
        if other == me or not self._lives(me):
            return
        ties = self._of(me.number)
        active = ties.links.get(other) == 0
        ties.links[other] = 0
        if not active:
            self._signal(Kind.LINK, me, other)

    def unlink(self, me: Pid, other: Pid) -> None:
        """Undo `link`, whoever of the two asked for it: no end of `other` reaches `me` from now on."""
        ties = self._ties.get(me.number)
        if ties is not None and ties.links.get(other) == 0:
            self._unlinks += 1
            ties.links[other] = self._unlinks
            self._signal(Kind.UNLINK, me, other, ref=self._unlinks)

    def monitor(self, me: Pid, other: Pid, ref: int) -> None:
        """One DOWN with `ref` for `me` when `other` ends, or at once if it is gone."""
        if not self._lives(me):
            return
        self._of(me.number).watched[ref] = other
        self._signal(Kind.MONITOR, me, other, ref=ref)

    def demonitor(self, me: Pid, ref: int) -> None:
        """Undo `monitor`: no DOWN with `ref` comes from now on."""
        ties = self._ties.get(me.number)
        if ties is not None and (other := ties.watched.pop(ref, None)) is not None:
            self._signal(Kind.DEMONITOR, me, other, ref=ref)

    def trap(self, me: Pid, on: bool) -> None:
        """Whether exit signals reach `me` as messages."""
        if self._lives(me):
            self._of(me.number).traps = on

    def born(self, number: int, parent: Ref, options: Mapping[str, Any]) -> None:
        """Process `number` was spawned as `parent` says: it is tied to it from its first moment if `options` say so."""
        if options.get("link"):
            self.link(Pid(self._node.incarnation, number), parent.owner)
        if options.get("monitor"):
            self._of(number).watchers[parent] = None
            self._signal(Kind.MONITORED, Pid(self._node.incarnation, number), parent.owner, ref=parent.number)

    # names

    def named(self, number: int, name: str) -> dict[str, Any] | None:
        """Call process `number` so, unless the name is empty; the error if another one is called so."""
        if not name:
            return None
        taken = self._names.setdefault(name, number)
        if taken != number:
            text = f"the name {name!r} is taken on {self._node.name}, by {shown(self._node.name, taken)}"
            return {"error": "PyshError", "text": text, "executed": "no"}
        self._of(number).names.add(name)
        return None

    def whereis(self, name: str) -> int:
        """The number of the process of that name; 0 if there is none."""
        return self._names.get(name, 0)

    def name_of(self, number: int) -> str:
        """What a process here is called, `db, log` if it has several names; empty if it has none."""
        return ", ".join(self.names_of(number))

    def names_of(self, number: int) -> list[str]:
        """All names that a process here is registered under."""
        ties = self._ties.get(number)
        return sorted(ties.names) if ties is not None else []

    def described(self, number: int) -> Meta:
        """Who hears of the end of a process here, and of whose ends it hears, as plain data."""
        ties = self._ties.get(number) or _Ties()
        linked = [list(other) for other, unlinking in ties.links.items() if not unlinking]
        told = {"links": linked[:TIES], "monitors": len(ties.watched), "monitored_by": len(ties.watchers)}
        return {**told, "traps_exits": ties.traps}

    # what comes from other processes

    def _linked(self, _link: Link | None, frame: Frame) -> None:
        if not self._lives(frame.dest):
            self._signal(Kind.EXIT, frame.dest, frame.source, reason=NO_PROCESS, link=True)
        else:
            # One that is being undone stays so: the other end will hear of that after this.
            self._of(frame.dest.number).links.setdefault(frame.source, 0)

    def _unlink_asked(self, _link: Link | None, frame: Frame) -> None:
        ties = self._ties.get(frame.dest.number)
        if ties is not None and ties.links.get(frame.source) == 0:
            del ties.links[frame.source]
        self._signal(Kind.UNLINKED, frame.dest, frame.source, ref=frame.ref)

    def _unlinked(self, _link: Link | None, frame: Frame) -> None:
        ties = self._ties.get(frame.dest.number)
        if ties is not None and frame.ref and ties.links.get(frame.source) == frame.ref:
            del ties.links[frame.source]

    def _monitored(self, _link: Link | None, frame: Frame) -> None:
        if self._lives(frame.dest):
            self._of(frame.dest.number).watchers[Ref(frame.source, frame.ref)] = None
        else:
            self._signal(Kind.DOWN, frame.dest, frame.source, ref=frame.ref, reason=NO_PROCESS)

    def _spawned(self, _link: Link | None, frame: Frame) -> None:
        """A process that was spawned to be monitored from its first moment is."""
        if self._lives(frame.dest):
            self._of(frame.dest.number).watched[frame.ref] = frame.source
        else:
            self._signal(Kind.DEMONITOR, frame.dest, frame.source, ref=frame.ref)

    def _demonitored(self, _link: Link | None, frame: Frame) -> None:
        if (ties := self._ties.get(frame.dest.number)) is not None:
            ties.watchers.pop(Ref(frame.source, frame.ref), None)

    def _exit(self, _link: Link | None, frame: Frame) -> None:
        told = frame.options()
        ties = self._ties.get(frame.dest.number)
        if told.get("link") and (ties is None or ties.links.pop(frame.source, -1) != 0):
            return  # of a link that was undone meanwhile, or is being undone
        reason = str(told.get("reason", ""))[:REASON]
        self._shaken(frame.dest, frame.source, reason, linked=bool(told.get("link")))

    def _shaken(self, who: Pid, by: Pid, reason: str, *, linked: bool) -> None:
        """An exit signal reaches a process here, of a process that was `linked` or of one that sent it."""
        ties = self._ties.get(who.number)
        if reason == KILL and not linked:
            self._node.end_process(who.number, KILLED)
        elif ties is not None and ties.traps:
            self._node.to_process(who.number, self._record(Kind.EXIT, by, who, reason=reason))
        elif reason != NORMAL:
            self._node.end_process(who.number, reason, by)

    def _down(self, _link: Link | None, frame: Frame) -> None:
        ties = self._ties.get(frame.dest.number)
        if ties is not None and ties.watched.pop(frame.ref, None) is not None:
            self._node.to_process(frame.dest.number, frame)

    # ends

    def ended(self, number: int, reason: str | Job) -> None:
        """A process here is gone: whoever is tied to it hears of that, once. A job knows the reason itself."""
        ties = self._ties.pop(number, None)
        if ties is None:
            return
        reason = reason if isinstance(reason, str) else reason.exit_reason
        me = Pid(self._node.incarnation, number)
        for name in ties.names:
            del self._names[name]
        for ref, other in ties.watched.items():
            self._signal(Kind.DEMONITOR, me, other, ref=ref)
        for other, unlinking in ties.links.items():
            if not unlinking:
                self._signal(Kind.EXIT, me, other, reason=reason, link=True)
        for watcher in ties.watchers:
            self._signal(Kind.DOWN, me, watcher.owner, ref=watcher.number, reason=reason)

    def node_down(self, incarnation: bytes) -> None:
        """Another node is gone, and all its processes."""
        for number, ties in list(self._ties.items()):
            me = Pid(self._node.incarnation, number)
            for watcher in [watcher for watcher in ties.watchers if watcher.owner.incarnation == incarnation]:
                del ties.watchers[watcher]
            for ref, other in [pair for pair in ties.watched.items() if pair[1].incarnation == incarnation]:
                self._down(None, self._record(Kind.DOWN, other, me, ref=ref, reason=NO_CONNECTION))
            for other in [other for other in ties.links if other.incarnation == incarnation]:
                if ties.links.pop(other) == 0:
                    self._shaken(me, other, NO_CONNECTION, linked=True)

    # how

    def _of(self, number: int) -> _Ties:
        return self._ties.setdefault(number, _Ties())

    def _lives(self, pid: Pid) -> bool:
        return self._node.lives(pid.number)

    def _signal(self, kind: int, source: Pid, dest: Pid, *, ref: int = 0, **told: Any) -> None:
        if self._node.reaches(dest.incarnation):
            self._node.post(dest, kind, ref=ref, meta=told, source=source)
        elif kind == Kind.LINK:
            self._exit(None, self._record(Kind.EXIT, dest, source, reason=NO_CONNECTION, link=True))
        elif kind == Kind.MONITOR:
            self._down(None, self._record(Kind.DOWN, dest, source, ref=ref, reason=NO_CONNECTION))

    @staticmethod
    def _record(kind: int, source: Pid, dest: Pid, *, ref: int = 0, **told: Any) -> Frame:
        return Frame(kind, source, dest, ref, meta=pack(told))


# what a process asks its hub for, by a REQUEST; see `requests`


def _link(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.relations.link(frame.source, addressed(asked["pid"]))
    return {"ok": None}


def _unlink(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.relations.unlink(frame.source, addressed(asked["pid"]))
    return {"ok": None}


def _monitor(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.relations.monitor(frame.source, addressed(asked["pid"]), int(asked["ref"]))
    return {"ok": None}


def _demonitor(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.relations.demonitor(frame.source, int(asked["ref"]))
    return {"ok": None}


def _trap(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.relations.trap(frame.source, bool(asked["on"]))
    return {"ok": None}


def _register(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    number, name = int(asked["number"]), str(asked["name"])
    if not node.lives(number):
        return {"error": "NoProcess", "pid": shown(node.name, number), "executed": "no"}
    return node.relations.named(number, name) or {"ok": None}


def _whereis(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    return {"ok": node.relations.whereis(str(asked["name"]))}


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Meta | None]] = {
    "link": _link, "unlink": _unlink, "monitor": _monitor, "demonitor": _demonitor, "trap": _trap,
    "register": _register, "whereis": _whereis,
}  # fmt: skip
