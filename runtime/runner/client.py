"""A runner's side of the socket to its hub: who we are there, what we asked for, and what comes of it."""

import struct
import sys
from collections.abc import Callable
from itertools import count
from socket import socket
from typing import Any, ClassVar, Protocol

from pysh.runtime.errors import NodeDown, rebuild
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.relations import NO_CONNECTION
from pysh.runtime.protocol.terms import HUB, Payload, Pid
from pysh.runtime.runner.greet import greet
from pysh.runtime.runner.mailbox import TOLD, TOLD_BYTES, Mailbox
from pysh.runtime.runner.numbers import Numbers
from pysh.runtime.runner.view import View
from pysh.runtime.runner.waiting import Waiter
from pysh.runtime.runner.wire import Wire

UNSEEN = 100
LOOK = 128
"""Whoever sends so often without a wait has what came meanwhile read in passing: in a coroutine nobody else reads."""
ENDED = 1000
"""Of so many processes that ended last it is remembered."""
LATE = 64
"""How many mailboxes a worker keeps, some of them of jobs that ended before their last message came."""
Watcher = Callable[[str, str, str], object]
"""What is told of a node: its name, `up` or `down`, and why."""


class Tracked(Protocol):
    """What was sent somewhere to run, and wants to hear of it; called in the thread that reads."""

    dest: Pid

    def progressed(self, frame: Frame) -> None:
        """A STAGE came."""

    def arrived(self, frame: Frame) -> None:
        """The RESULT came, and was the last of it."""

    def lost(self, reason: str) -> None:
        """Its node is gone, and that was the last of it."""


class Client(Wire):
    """The connection of this process to its hub, from the handshake until either ends.

    `proof` is what `greet` takes for a channel whose host key nobody vouches for. Raises `HandshakeError`, or
    `ConnectionError` if the hub is gone before it says who we are.
    """

    current: ClassVar["Client | None"] = None
    """The one that the public names of this process use."""

    def __init__(self, sock: socket, hello: Hello, secret: bytes, **proof: Any) -> None:
        _, rest = greet(sock, hello, secret, **proof)
        super().__init__(sock, rest, tells_blocked=hello.role == "worker")
        self.role = hello.role
        self.shared = True
        """In a shell, whether it is the one that all share, in which code of others runs."""
        self.incarnation = b""
        self.owner: Pid | None = None
        """In a worker, who owns what its job starts, where that is not the job itself."""
        self.view = View()
        self.talk: Any = None
        """In a worker whose job waited in a debugger, its `Talk`."""
        self.kept: tuple[int, BaseException] | None = None
        """In a worker, the last job that failed with frames at which its owner may look, and its error."""
        self.debugging = False
        """Whether tasks that are started from here are to wait where they raise."""
        self.keeps_frames = hello.role == "evaluator" or hasattr(sys, "ps1")
        """Whether the frames of what fails that is started from here are kept: somebody may type `debug()`."""
        self.last_failed: Any = None
        """The task whose code raised last, as long as nothing was raised at the prompt since."""
        self.codes: Any = None
        """In a worker, its `Codes`: what the names of the user's modules mean there."""
        self.tasks: dict[int, Tracked] = {}
        self.unseen: dict[int, Any] = {}
        """In a program, the tasks that failed and whose outcome nobody has asked for; the first hundred.

        In a shell, how those ended that are worth a notice."""
        self.on_ended: Callable[[Any], object] | None = None
        """In a shell, what is told of each task that ended, in the thread that reads."""
        self.numbers = Numbers(self)
        self._refs = count(1)
        self._asked: dict[int, tuple[Pid, Waiter, Pid]] = {}  # whom, and who asked
        self._mailboxes: dict[int, Mailbox] = {}
        self._gone: dict[Pid, None] = {}  # of which that was told here
        self._watchers: dict[int, Watcher] = {}
        self._filled: dict[tuple[Pid, Pid, str], Waiter] = {}
        self._blind = 0  # how often something was sent since what came was looked at
        self._told: dict[str, Any] = {}  # of the nodes, by frames that more will follow
        self._fetched: dict[tuple[Pid, bytes], list[int]] = {}
        self.handlers |= {
            Kind.RESULT: self._on_result, Kind.REPLY: self._on_reply, Kind.STAGE: self._on_stage,
            Kind.SEND: self._on_send, Kind.EXIT: self._on_signal, Kind.DOWN: self._on_signal,
            Kind.CALL: self._on_call, Kind.ANSWER: self._on_answer,
            Kind.FULL: self._on_full, Kind.CREDIT: self._on_credit, Kind.NODES: self._on_nodes,
            Kind.LOADS: lambda frame: self.view.loads.changed(dict(frame.options())),
            Kind.PING: lambda frame: self._outbox.put(frame._replace(kind=Kind.PONG)),
            Kind.SENT: lambda _: self._outbox.put(Frame(Kind.SENT, LOCAL, LOCAL, meta=pack(self._outbox.unsent()))),
            Kind.BYE: lambda _: self._lose("its hub stopped"),
        }  # fmt: skip
        self._reading.received = self._welcomed
        self._reading.drive(lambda: bool(self.name), None)
        if self.lost:
            raise ConnectionError(self.lost)
        Client.current = self

    def _welcomed(self, data: bytes | None) -> None:
        """Read who we are and who is there. What came behind that waits until there are handlers for it."""
        if data is not None:
            self._take(data)
        while self._raws and not self.name:
            told = self._learnt(parse(self._raws.popleft()))
            if told is not None:
                self.name, self.incarnation = told["name"], told["incarnation"]
                self._pid = Pid(self.incarnation, told["number"])
                self._reading.received = self._received

    def _learnt(self, frame: Frame) -> dict[str, Any] | None:
        """What the frames that tell of the nodes say, with the last of them; None before that."""
        told = frame.options()
        self._told = {**self._told, **told, "nodes": self._told.get("nodes", []) + told["nodes"]}
        if told.get("more"):
            return None
        told, self._told = self._told, {}
        self.view.update(told["nodes"])
        return told

    def __repr__(self) -> str:
        state = f", lost: {self.lost}" if self.lost else ""
        return f"<Client {self.role} {self._pid.number} of {self.name}: {len(self.tasks)} tasks{state}>"

    # who we are

    @property
    def pid(self) -> Pid:
        """The process that runs here."""
        return self._pid

    def begin(self, pid: Pid) -> None:
        """In a worker: `pid` runs here from now on, and has a mailbox of its own."""
        if pid != self._pid:
            self._watchers.clear()
            self._mailboxes.pop(self._pid.number, None)
            if len(self._mailboxes) > LATE:
                self._mailboxes = {number: box for number, box in self._mailboxes.items() if number >= pid.number}
            self._filled.clear()
            self._pid, self._blocked = pid, 0

    @property
    def mailbox(self) -> Mailbox:
        """The messages for the process that runs here."""
        return self._mailbox(self.pid.number)

    def _mailbox(self, number: int) -> Mailbox:
        mailbox = self._mailboxes.get(number)
        if mailbox is None:
            mailbox = self._mailboxes.setdefault(number, Mailbox())
        return mailbox

    @property
    def hub(self) -> Pid:
        """The hub next door."""
        return Pid(self.incarnation, HUB)

    def check_open(self) -> None:
        """Raise `NodeDown` if nothing comes from the hub any more."""
        if self.lost:
            raise self._down("no")

    def check_known(self, incarnation: bytes) -> None:
        """Raise `NodeDown` if no node of that incarnation is connected, so that nothing can be sent there."""
        if incarnation != self.incarnation and incarnation not in self.view:
            raise NodeDown(self.view.name_of(incarnation), "noconnection", executed="no")

    def next_ref(self) -> int:
        """A number that no other request of this process has."""
        return next(self._refs)

    # asking

    def ask_later(self, verb: str, *, dest: Pid | None = None, for_all: bool = False, **args: Any) -> Waiter:
        """Send a REQUEST, to the hub here unless told otherwise; the waiter gets what its REPLY brings.

        It comes from whoever runs here, or from the runner itself where it is `for_all` who do.
        """
        waiter, ref = Waiter(self), self.next_ref()
        dest, source = dest or self.hub, self._pid if for_all else self.pid
        self._asked[ref] = dest, waiter, source
        try:
            self.post(Kind.REQUEST, dest, ref=ref, meta={"verb": verb, **args}, source=source)
        except BaseException:
            self._asked.pop(ref, None)
            raise
        return waiter

    def ask(self, verb: str, *, dest: Pid | None = None, timeout: float | None = None, **args: Any) -> Any:
        """Send a REQUEST and wait for its answer: a value, or an error raised; `TimeoutError` if late."""
        waiter = self.ask_later(verb, dest=dest, **args)
        if not waiter.wait(timeout):
            raise TimeoutError(f"no answer to {verb!r} within {timeout:g} s")
        return waiter.get()

    # what comes

    def _on_result(self, frame: Frame) -> None:
        self._fetched.setdefault((frame.dest, frame.source.incarnation), []).append(frame.ref)
        task = self.forget(frame.ref)
        if task is not None:
            self._outbox.drop_spawn(frame.ref)
            task.arrived(frame)

    def _turned(self) -> None:
        while self._fetched:
            (source, incarnation), refs = self._fetched.popitem()
            payload = struct.pack(f">{len(refs)}Q", *refs)
            self._outbox.put(Frame(Kind.FETCHED, source, Pid(incarnation, HUB), payload=payload), hold=True)

    def _on_stage(self, frame: Frame) -> None:
        task = self.tasks.get(frame.ref)
        if task is not None:
            task.progressed(frame)

    def _on_reply(self, frame: Frame) -> None:
        asked = self._asked.pop(frame.ref, None)
        if asked is None:
            return
        meta = frame.options()
        if "error" in meta:
            asked[1].set(error=rebuild(meta))
        else:
            asked[1].set(meta.get("ok"))

    def _on_send(self, frame: Frame) -> None:
        self._mailbox(frame.dest.number).put(frame.payload)

    def _on_call(self, frame: Frame) -> None:
        self._mailboxes.setdefault(frame.dest.number, Mailbox()).calls.put_record(frame)

    def _on_answer(self, frame: Frame) -> None:
        if frame.flags & Flag.FAILED and frame.options().get("error") == "NoProcess":
            self._has_ended(frame.source)
        call = self.forget(frame.ref)
        if call is not None:
            call.arrived(frame)

    def _on_signal(self, frame: Frame) -> None:
        from pysh.runtime.process import record  # most processes never get one

        if frame.options().get("reason") != NO_CONNECTION:
            self._has_ended(frame.source)
        self._mailbox(frame.dest.number).put_record(record(frame, self.view))

    def _has_ended(self, pid: Pid) -> None:
        self._gone[pid] = None
        if len(self._gone) > ENDED:
            del self._gone[next(iter(self._gone))]

    def fate(self, pid: Pid) -> str:
        """`ended` or `unreachable`, if that much is known of a process without asking; else empty."""
        if pid in self._gone:
            return "ended"
        return "" if pid.incarnation == self.incarnation or pid.incarnation in self.view else "unreachable"

    def _on_full(self, frame: Frame) -> None:
        if not self._runs(frame.dest):
            return
        told = frame.options()
        name = str(told.get("to", ""))
        key = frame.dest, (Pid(frame.source.incarnation, HUB) if name else frame.source), name
        waiter = self._filled.pop(key, None)
        if told.get("full"):
            self._filled[key] = Waiter(self)
        if waiter is not None:
            waiter.set()  # there is room, or a reason to go on waiting

    def hands_over(self, pid: Pid, payload: Payload) -> bool:  # noqa: ARG002 (a client has no mates)
        """Whether a message went straight to a process that lives right here."""
        return False

    def room(self, pid: Pid, name: str = "") -> Waiter | None:
        """What to wait for before anything is sent to a process whose mailbox is full; None if it is not."""
        self._blind += 1
        if self._blind >= LOOK:
            self._look_in_passing()
        return self._filled.get((self.pid, pid, name)) if self._filled else None

    def no_room(self, pid: Pid, name: str = "") -> str:
        """Why nothing can be sent to a process now without waiting; `""` if it can be."""
        self._look_in_passing()  # what its hub said of it by now
        if self.room(pid, name) is not None:
            return "its mailbox is full"
        if pid.incarnation in self._full:
            return f"too much is on its way to {self.view.name_of(pid.incarnation)}"
        return ""

    def _look_in_passing(self) -> None:
        self._blind = 0
        self.look(Waiter(self))

    def leave_out(self, pid: Pid, name: str, why: str) -> None:
        """A message was not sent to a process: have it counted, and told to whoever sits here."""
        told = {key: value for key, value in (("to", name), ("why", why)) if value}
        self.post(Kind.LOST, self.pid, meta=told, source=pid)

    def _runs(self, pid: Pid) -> bool:
        """Whether that process runs here now."""
        return pid == self._pid

    def received(self) -> None:
        """Something was taken from the mailbox of the process that runs here: let its hub know in time."""
        mailbox = self.mailbox
        messages, size = mailbox.taken() if mailbox.counted else (0, 0)
        if messages:
            meta = pack(Kind.SEND)
            frame = Frame(Kind.CREDIT, self.pid, self.hub, messages, meta=meta, credit=size)
            self._outbox.put(frame, hold=messages < TOLD and size < TOLD_BYTES and not len(mailbox))

    def _on_credit(self, frame: Frame) -> None:
        self._outbox.grant(frame.options(), frame.ref, frame.source, frame.credit)

    # what runs elsewhere, and what is lost

    def track(self, ref: int, task: Tracked) -> None:
        """Tell `task` what comes for `ref`."""
        self.tasks[ref] = task
        self.view.loads.started(task.dest.incarnation)

    def forget(self, ref: int) -> Tracked | None:
        """The task of `ref`, which is told nothing more."""
        task = self.tasks.pop(ref, None)
        if task is not None:
            self.view.loads.ended(task.dest.incarnation)
        return task

    def failed(self, task: Any) -> None:
        """Note that `task` failed."""
        if self.role == "program" and len(self.unseen) < UNSEEN:
            self.unseen[task.ref] = task

    def unattended(self, key: int, what: Any, results: Any) -> None:
        """Note that there are failures in `results`, until somebody looks at them."""
        if self.role == "program" and len(self.unseen) < UNSEEN:
            self.unseen[-key] = what
            results.watch(lambda: self.unseen.pop(-key, None))

    def _on_nodes(self, frame: Frame) -> None:
        if (told := self._learnt(frame)) is None:
            return
        event = told.get("event") or {}
        reason = event.get("reason") or "noconnection"
        known = {info.incarnation for info in self.view.nodes}
        self._full = frozenset(info.incarnation for info in self.view.nodes if info.full)

        def gone(incarnation: bytes) -> bool:
            return incarnation not in known

        # A result goes on: its node keeps it, whoever asked for it.
        self._outbox.drop(lambda stream: not stream.for_hub and gone(stream.dest.incarnation))
        self._chunks.drop(gone)
        self._fail(gone, reason)
        for key in [key for key in self._filled if gone(key[1].incarnation)]:
            self._filled.pop(key).set()
        for watcher in list(self._watchers.values()) if event else ():
            watcher(event["name"], event["state"], event["reason"])

    def watch_nodes(self, watcher: Watcher | None) -> None:
        """Call `watcher` for each node that goes up or down, until the process that runs here ends; None ends it."""
        self._watchers.pop(self.pid.number, None)
        if watcher is not None:
            self._watchers[self.pid.number] = watcher

    def _fail(self, gone: Callable[[bytes], bool], reason: str) -> None:
        """Answer everybody who waits for a node that is gone."""
        for ref, task in list(self.tasks.items()):
            if gone(task.dest.incarnation) and self.forget(ref) is not None:
                task.lost(reason)
        for ref, (dest, waiter, _) in list(self._asked.items()):
            if gone(dest.incarnation) and self._asked.pop(ref, None) is not None:
                waiter.set(error=NodeDown(self.view.name_of(dest.incarnation), reason, executed="maybe"))

    def _ended(self) -> None:
        self._fail(lambda _: True, self.lost)
        for mailbox in self._mailboxes.values():
            mailbox.lose(self._down("no"))
