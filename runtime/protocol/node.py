"""A node's core: frames, events and `now` go in, actions come out.

Here are time, its links and the way of every frame; `members` has who the other nodes are, `work` what
runs, and `console` the shell. None of them ever looks into a payload: those stay bytes, from the runner that
made them to the runner that reads them.
"""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from math import inf
from typing import Any

from pysh.runtime.protocol import parked, requests
from pysh.runtime.protocol.actions import Action, Close, Meta, Stop, Write
from pysh.runtime.protocol.apartments import SHELL
from pysh.runtime.protocol.attachment import Attachment
from pysh.runtime.protocol.calls import Calls
from pysh.runtime.protocol.console import Console
from pysh.runtime.protocol.delivery import Delivery
from pysh.runtime.protocol.drain import Drain
from pysh.runtime.protocol.ending import STOP_GRACE
from pysh.runtime.protocol.frames import (
    HEADER,
    LINK_KINDS,
    LOCAL,
    MAX_META,
    Class,
    Flag,
    Frame,
    Kind,
    Raw,
    dest_of,
    encode,
    flags_of,
    kind_of,
    pack,
    parse,
    route_of,
)  # fmt: skip
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.jobs import DONE, KILLED, NORMAL, RUNNER_KILLED, Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.mailboxes import Mailboxes
from pysh.runtime.protocol.member import FULL, GRACE, Member, Resume
from pysh.runtime.protocol.members import Members
from pysh.runtime.protocol.relations import Relations
from pysh.runtime.protocol.shells import Shells
from pysh.runtime.protocol.terms import HUB, NOWHERE, Buffer, Pid, Ref, shown
from pysh.runtime.protocol.undelivered import Undelivered
from pysh.runtime.protocol.unfinished import Unfinished
from pysh.runtime.protocol.upgrades import Upgrades
from pysh.runtime.protocol.work import Work

LINGER = 600.0
"""Seconds that a node which `pysh` made outlives a lost terminal while nothing runs on it."""
MAX_VALUE = 2 << 30
OF_WORKERS = frozenset({Kind.RESULT, Kind.OUTPUT, Kind.ALIVE, Kind.CENSUS})
"""What only those say that run code here for others."""
INTERCEPTED = frozenset({
    Kind.RESULT, Kind.OUTPUT, Kind.CREDIT, Kind.CELL, Kind.DONE, Kind.REPLY,
    Kind.LINK, Kind.UNLINK, Kind.UNLINKED, Kind.EXIT, Kind.MONITOR, Kind.MONITORED, Kind.DEMONITOR, Kind.DOWN,
    Kind.LOST, Kind.CALL, Kind.ANSWER, Kind.SPAWN,
})  # fmt: skip
"""Kinds that a hub sees to also when they are for one of its processes; a SPAWN is for one that is to be."""
WAITS = frozenset((Kind.SEND, Kind.CALL))
"""What waits for its receiver, in a mailbox that has so much room and no more."""


class Node:
    """One node. `facts()` adds to `info` what only the process around knows.

    `grace` is how long it waits for another without a connection, and how long while it has a terminal;
    `jitter()` is a number between 0 and 1, so that not all dial again at once; `memory(pid)` are
    the bytes that a process of this machine has.
    """

    def __init__(
        self, name: str, incarnation: bytes, *, python: str, cores: int, facts: Callable[..., dict[str, Any]] = dict,
        persistent: bool = False, linger: float = LINGER, limit: int = MAX_VALUE,
        starter: bytes = b"",
        grace: tuple[float, float] = GRACE, jitter: Callable[[], float] = lambda: 1.0,
        memory: Callable[[int], int] = lambda _: 0,
    ) -> None:  # fmt: skip
        self.name = name
        self.incarnation = incarnation
        self.python = python
        self.facts = facts
        self.persistent = persistent
        self.linger = linger
        self.jitter = jitter
        self.memory = memory
        self._grace = grace
        self.alone_since = -inf  # when the last terminal was lost
        self.me = Pid(incarnation, HUB)
        self.links: dict[int, Link] = {}
        self.processes: dict[int, Link] = {}
        self.elsewhere: dict[Ref, bool] = {}  # tasks of this node's on others, and whether they outlive it
        self.paths: dict[str, Any] = {}
        self.actions: list[Action] = []
        self.stopping = False
        self.now = 0.0
        self._numbers = count(1)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_ids = count()
        self.work = Work(self, cores, limit)
        self.shells = Shells(self)
        self.console = self.shells.first
        self.members = Members(self)
        self.peers = self.members.peers
        self.drain = Drain(self)
        self.upgrades = Upgrades(self)
        self.attachment = Attachment(self, starter)
        self.relations = Relations(self)
        self.undelivered = Undelivered(self)
        self.delivery = Delivery(self)
        self.mailboxes = Mailboxes(self)
        self.calls = Calls(self)
        self.unfinished = Unfinished(self)
        self._handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            **self.work.handlers, **self.shells.handlers, **self.relations.handlers, **self.calls.handlers,
            Kind.SEND: self._named, Kind.LOST: self.undelivered.lost,
            Kind.RESULT: self._result, Kind.CREDIT: self._credited, Kind.REQUEST: self._requested,
        }  # fmt: skip

    # time and actions

    def take(self) -> list[Action]:
        """The actions since the last call, to be carried out in order."""
        taken, self.actions = self.actions, []
        return taken

    def next_deadline(self) -> float | None:
        """When to call `tick` at the latest."""
        return self._timers[0][0] if self._timers else None

    def tick(self, now: float) -> None:
        """Let time pass."""
        self.now = now
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Call `do` in a `tick` that far from now."""
        heapq.heappush(self._timers, (self.now + seconds, next(self._timer_ids), do))

    @property
    def grace(self) -> float:
        """Seconds that this node waits for another without a connection."""
        return self._grace[self.shells.attached]

    def next_number(self) -> int:
        """A process number that this incarnation never used."""
        return next(self._numbers)

    # links

    def opened(
        self, number: int, hello: Hello, now: float, *, worker: int = 0, token: int = 0,
        address: str = "", alias: str = "", told: Meta | None = None,
    ) -> None:  # fmt: skip
        """A handshake ended well: `worker` is set for a worker's (less than 0: of a shell), `token` for one dialled.

        Whoever asked for that is `told` too how it went.
        """
        self.now = now
        process = 0 if worker > 0 else self.next_number()
        link = Link(number, hello, process, dial=token, address=address, worker=max(0, worker), since=now)
        if hello.role == "node":
            self.members.joined(link, token, alias, told or {})
            return
        self.links[number] = link
        if process:
            self.processes[process] = link
        meta = {"number": process, "name": self.name, "incarnation": self.incarnation}
        for frame in self.members.introductions(Kind.WELCOME, meta):
            self.write(link, frame)
        if worker > 0:
            self.work.worker_up(worker, link)
        elif hello.role == "evaluator" and (shell := self.shells.get(-worker)) is not None:
            link.worker = 0 if shell.number else SHELL  # code of others runs in the shared one alone
            shell.evaluator_up(link)
            if link.worker:
                self.work.worker_up(SHELL, link)

    def closed(self, number: int, reason: str, now: float, *, fault: bool = False) -> None:
        """A link is gone; by a `fault` of its other end, which broke the rules, if that is the reason."""
        self.now = now
        self.work.grants.closed(number)
        link = self.links.pop(number, None)
        if link is None:
            return
        if link.role == "node":
            (self.members.broke_rules if fault else self.members.lost)(link, reason)
            return
        self.processes.pop(link.process, None)
        shell = self.shells.of(link.process) if link.role == "evaluator" else None  # none for one that was to end
        self.ended(link.process, RUNNER_KILLED if shell is not None and not self.stopping else NORMAL)
        self.work.requester_lost(lambda asked: asked == Pid(self.incarnation, link.process))
        if link.role == "terminal":
            if not self.shells.terminal_gone(link):
                return
            self.members.tell_grace()
            if not self.persistent:
                self.alone_since = now
                self.later(self.linger, self._stop_if_idle)
        elif link.role == "program":
            self.stop(f"the program {link.hello.pid} ended")
        elif link.role == "evaluator":
            if shell is not None:
                shell.evaluator = None
            parked.tell_gone(self, Pid(self.incarnation, link.process))

    def evaluator_died(self, death: str, shell: int = 0) -> None:
        """That of a shell is gone: its terminal is told, and whoever waits for what ran there or was to."""
        if (console := self.shells.get(shell)) is not None:
            if (link := self.processes.get(console.evaluator or 0)) is not None:
                self.closed(link.number, death, self.now)  # it was reaped before the end of its connection was seen
            self.shells.died(console, death)
        if shell:
            return
        told = {"signal": None, "status": None, "text": f"the shell of {self.name} died ({death})"}
        self.work.exited(SHELL, told, running=0)

    # frames that come

    def received(self, number: int, raws: Iterable[Raw], now: float) -> None:
        """Frames came on a link, in order. Raises `FrameError` if one of them breaks the rules."""
        self.now = now
        link = self.links.get(number)
        if link is None:
            return
        if link.role == "terminal" and self.shells.watches(link):
            raws = [raw for raw in raws if self._may_watcher(raw)]
        for raw in raws:
            kind = kind_of(raw)
            if kind < LINK_KINDS:
                self._neighbourly(link, parse(raw))
            elif link.session is not None:
                self._conversed(link, kind, raw)
            elif link.worker and kind in OF_WORKERS:
                self._worked(link, kind, parse(raw))
            elif dest_of(raw) in (self.incarnation, NOWHERE):
                self._mine(link, parse(raw))
            else:
                self._forward(kind, raw)
        if link.member is not None:
            self.go_on(link.member)
            self.acknowledge_soon(link)

    def _may_watcher(self, raw: Raw) -> bool:
        """Whether a terminal that only watches may say that: what it has shown, and what the hub refuses."""
        to_hub = dest_of(raw) == self.incarnation and route_of(raw).number == HUB
        return kind_of(raw) < LINK_KINDS or kind_of(raw) == Kind.CREDIT or (kind_of(raw) == Kind.REQUEST and to_hub)

    def _worked(self, link: Link, kind: int, frame: Frame) -> None:
        """A worker or an apartment says something of what runs there."""
        if kind == Kind.RESULT:
            self.work.result(link, frame)
        elif kind == Kind.OUTPUT:
            self.work.tenancy.printed(frame)
        elif kind == Kind.CENSUS:
            self.work.census.answered(link.worker, frame)
        else:
            self.work.tenancy.answered(link.worker, frame)

    def _conversed(self, link: Link, kind: int, raw: Raw) -> None:
        """A frame came in a session with another node. The commonest, a result, is passed on unread."""
        assert link.session is not None
        route = route_of(raw)
        if (
            link.session.receive(route.seq, route.ack, len(raw.body), self.now) != "new"
            or route.dest != self.incarnation
        ):
            return
        flags = flags_of(raw)
        runner = self.processes.get(route.number) if kind == Kind.RESULT and not flags & Flag.FAILED else None
        if runner is None:
            self._mine(link, parse(raw))
            return
        if not flags & Flag.MORE:
            self.elsewhere.pop(Ref(Pid(link.hello.incarnation, route.number), route.ref), None)
        self.actions.append(Write(runner.number, [raw.header, raw.body]))

    def acknowledge_soon(self, link: Link) -> None:
        """Send an ACK for what came on `link`, once that is due, unless something else carries it before."""
        session = link.session
        if session is None or link.number not in self.links:
            return
        if (ack := session.ack_due(self.now)) is not None:
            self.write(link, Frame(Kind.ACK, LOCAL, LOCAL, ack=ack))
        elif not link.acknowledging and (due := session.next_deadline()) < inf:
            link.acknowledging = True
            self.later(max(0.0, due - self.now), lambda: self._acknowledge(link))

    def _acknowledge(self, link: Link) -> None:
        link.acknowledging = False
        self.acknowledge_soon(link)

    def _neighbourly(self, link: Link, frame: Frame) -> None:
        if frame.kind == Kind.ACK and link.session is not None:
            link.session.acked(frame.ack, self.now)
        elif frame.kind == Kind.RESUME:
            self.members.resumed(link, Resume(frame.options()))
        elif frame.kind == Kind.ABOUT:
            self.members.told(link, frame.options())
        elif frame.kind == Kind.SENT:
            self.delivery.said(link, frame.options())
        elif frame.kind == Kind.BYE:
            reason = str(frame.options().get("reason", "closed"))
            if link.role == "node":
                self.members.said_bye(link, reason)
            else:
                self.actions.append(Close(link.number))
                self.closed(link.number, reason, self.now)

    def _mine(self, link: Link | None, frame: Frame) -> None:
        handler = self._handlers.get(frame.kind) if frame.dest.number == HUB or frame.kind in INTERCEPTED else None
        if handler is not None:
            handler(link, frame)
        else:
            self.to_process(frame.dest.number, frame)

    def _forward(self, kind: int, raw: Raw) -> None:
        if kind == Kind.CREDIT and self.shells.shown(parse(raw)):
            return
        peer = self.peers.get(dest_of(raw))
        if peer is None:
            self.undeliverable(parse(raw))
            return
        if kind == Kind.SPAWN:
            frame = parse(raw)
            asked = {} if frame.flags & Flag.MORE else frame.options()
            if asked and asked.get("kind") != "process":
                ref = Ref(Pid(frame.dest.incarnation, frame.source.number), frame.ref)
                self.elsewhere[ref] = bool(asked.get("detach"))
        elif kind == Kind.REPLY:
            self.shells.answered(parse(raw))
        elif kind == Kind.ANSWER:
            self.calls.answered(parse(raw))
        self._put(peer, raw)

    def undeliverable(self, frame: Frame, node: str = "", reason: str = "noconnection") -> None:
        """It never went to the node it is for: whoever waits is told, and told that nothing ran."""
        node = node or frame.dest.incarnation.hex()[:8]
        lost = {"error": "NodeDown", "node": node, "reason": reason, "executed": "no"}
        if frame.kind == Kind.SPAWN and not frame.flags & Flag.MORE:
            self.post(frame.source, Kind.RESULT, ref=frame.ref, flags=Flag.FAILED, meta=lost, source=frame.dest)
        elif frame.kind == Kind.CALL and not frame.flags & Flag.MORE:
            self.post(frame.source, Kind.ANSWER, ref=frame.ref, flags=Flag.FAILED, meta=lost, source=frame.dest)
        elif frame.kind == Kind.REQUEST:
            self.post(frame.source, Kind.REPLY, ref=frame.ref, meta=lost, source=frame.dest)
        elif frame.kind == Kind.SEND:
            self.undelivered.returned(frame, str(frame.options().get("to", "")), f"{node} is down")

    def to_process(self, number: int, frame: Frame, name: str = "") -> None:
        """Hand a frame to a process of this node; `name` is what the sender of a message calls it."""
        local = self.processes.get(number) or self.work.tenancy.heir(number, frame.kind)
        if local is not None or self.work.hold(number, frame):
            if local is not None:
                self.write(local, frame)
            self.unfinished.arrives(frame)
            if frame.kind in WAITS:
                self.mailboxes.arrives(frame, name)
            return
        self.unfinished.nobody(frame)
        if frame.kind == Kind.REQUEST:
            self.reply(frame, {"error": "NoProcess", "pid": shown(self.name, number), "executed": "no"})
        elif frame.kind == Kind.SEND:
            self.undelivered.returned(frame)

    def _named(self, link: Link | None, frame: Frame) -> None:
        """A message for whoever has a name here."""
        name = str(frame.options().get("to", ""))
        if number := self.relations.whereis(name):
            self.to_process(number, frame._replace(dest=Pid(self.incarnation, number), meta=b""), name)
        else:
            self.undelivered.returned(frame, name)

    def lives(self, number: int) -> bool:
        """Whether there is such a process here."""
        return number in self.processes or self.work.lives(number)

    def reaches(self, incarnation: bytes) -> bool:
        """Whether frames can go there."""
        return incarnation == self.incarnation or incarnation in self.peers

    def ended(self, number: int, reason: str | Job) -> None:
        """A process of this node is gone; a job knows itself why."""
        self.relations.ended(number, reason)
        self.mailboxes.ended(number)
        self.calls.ended(number, reason)
        self.unfinished.ended(number)
        self.upgrades.ended(number)

    def end_process(self, number: int, reason: str, by: Pid | None = None) -> None:
        """An exit signal ends a process, `by` whose end if it came of a link; a shell or a program says so."""
        if (link := self.processes.get(number)) is not None and link.process == number:
            if by is not None and number not in self.delivery.ending:
                self.tell(number, f"exit signal from <{self.members.label(by.incarnation)}.{by.number}>: {reason}")
        else:
            self.work.ending.exit(number, reason, patient=reason != KILLED)

    def tell(self, number: int, text: str) -> None:
        """Show `text` to whoever sits at the shell or the program `number`."""
        link = self.processes.get(number)
        if link is not None and link.role == "evaluator":
            self.shells.at(link).notice(text, "warn")
        elif link is not None and link.role == "program":
            self.write(link, Frame(Kind.NOTICE, self.me, Pid(self.incarnation, number), meta=pack({"text": text})))

    def _result(self, link: Link | None, frame: Frame) -> None:
        if not frame.flags & Flag.MORE:
            self.elsewhere.pop(Ref(Pid(frame.source.incarnation, frame.dest.number), frame.ref), None)
        self.to_process(frame.dest.number, self.members.knowing(frame) if frame.flags & Flag.FAILED else frame)

    def _credited(self, link: Link | None, frame: Frame) -> None:
        kind = frame.options()
        if self.shells.shown(frame):
            return
        if kind == Kind.SEND and frame.dest.number == HUB:  # else it is credit for the chunks of a message
            self.mailboxes.received(frame.source.number, frame.ref, frame.credit)
            return
        if kind in (Kind.OUTPUT, Kind.RESULT) and frame.dest.incarnation == self.incarnation:
            self.work.credited(frame, kind)
        else:
            self.to_process(frame.dest.number, frame)

    def _requested(self, link: Link | None, frame: Frame) -> None:
        requests.answer(self, link, frame)

    # frames that go

    def post(
        self, dest: Pid, kind: int, *, ref: int = 0, flags: int = 0, meta: Any = None, payload: Buffer = b"",
        credit: int = 0, source: Pid | None = None, cls: int = Class.NORMAL,
    ) -> None:  # fmt: skip
        """Send a frame from this node to any process anywhere."""
        packed = meta if isinstance(meta, bytes) else pack(meta) if meta else b""
        frame = Frame(kind, source or self.me, dest, ref, flags, packed, payload, credit, cls)
        if dest.incarnation in (self.incarnation, NOWHERE):
            self._mine(None, frame)
        elif (peer := self.peers.get(dest.incarnation)) is not None:
            head, *body = encode(frame)
            if packed:
                self._put(peer, Raw(head[: HEADER.size], b"".join([head[HEADER.size :], *body])))
            else:
                self._put(peer, Raw(head, body[0] if body else b""))

    def _put(self, member: Member, raw: Raw) -> None:
        session = member.session
        stamped = session.send(raw, self.now)
        if stamped is not None and member.wire:
            self.actions.append(Write(member.wire, [stamped.header, stamped.body]))
        if session.kept > FULL and not member.full:
            self.members.filled(member)

    def go_on(self, member: Member) -> None:
        """Send what had to wait until the peer acknowledged some of what was sent before."""
        self._put_all(member, member.session.release(self.now))
        self.members.relieved(member)

    def flush(self, member: Member) -> None:
        """Send all that waits: nothing more will be acknowledged."""
        self._put_all(member, member.session.flush(self.now))

    def _put_all(self, member: Member, raws: list[Raw]) -> None:
        if member.wire:
            for raw in raws:
                self.actions.append(Write(member.wire, [raw.header, raw.body]))

    def write(self, link: Link, frame: Frame) -> None:
        """Send a frame to a neighbour, outside any session."""
        self.actions.append(Write(link.number, encode(frame)))

    def reply(self, asked: Frame, meta: dict[str, Any]) -> None:
        """Answer a REQUEST: `{"ok": value}`, or an error as `errors.describe` has it."""
        packed = pack(meta)
        if len(packed) > MAX_META:
            text = f"the answer takes {len(packed):,} bytes; the limit is {MAX_META:,}"
            packed = pack({"error": "PyshError", "text": text})
        if (member := self.peers.get(asked.source.incarnation)) is not None and member.answered(len(packed)):
            self.members.part(member, "it asks and takes no answers")
            return
        self.post(asked.source, Kind.REPLY, ref=asked.ref, meta=packed, source=asked.dest)

    # leaving

    def part(self, link: Link, reason: str) -> None:
        """Leave a terminal or a runner, saying so."""
        self.write(link, Frame(Kind.BYE, LOCAL, LOCAL, meta=pack({"reason": reason})))
        self.actions.append(Close(link.number))
        self.closed(link.number, reason, self.now)

    def reasons_to_stay(self, at: Console | None = None) -> list[str]:
        """What would be lost if this node stopped now, in words for who is at that shell; else the shared one."""
        jobs = list(self.work.jobs)
        counts = (
            ("running here", sum(job.state != DONE for job in jobs)),
            ("running on other nodes for this shell", list(self.elsewhere.values()).count(False)),
            (
                "finished, not fetched",
                sum(
                    job.state == DONE and job.key.owner.incarnation != self.incarnation and not job.restored
                    for job in jobs
                ),
            ),
        )
        return self.shells.running(at or self.console) + [
            f"{amount} task{'s' if amount > 1 else ''} {what}" for what, amount in counts if amount
        ]

    def expect_terminal(self, seconds: float) -> None:
        """Stop if no terminal attaches in time: whoever started this node for one is gone."""
        self.later(seconds, self._stop_if_idle)

    def _stop_if_idle(self) -> None:
        if self.shells.attached or self.now < self.alone_since + self.linger:
            return  # the timer of an earlier loss
        if self.reasons_to_stay():
            self.later(max(self.linger, 1.0), self._stop_if_idle)
        else:
            self.stop("its terminal was lost and nothing runs here")

    def stop(self, reason: str) -> None:
        """Leave every node, cancel every task, and end."""
        if self.stopping:
            return
        self.stopping = True
        for member in list(self.peers.values()):
            self.members.part(member, "shutdown")
        self.shells.notice(f"{self.name} stops: {reason}")
        for job in self.work.jobs:
            self.work.ending.cancel(job, STOP_GRACE, "owner")
        self.actions.append(Stop(reason))
