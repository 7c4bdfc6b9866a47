"""A cluster of node cores on a virtual clock, joined by wires of memory, with workers that only pretend.

The cores are those of production; what is simulated is the world around them: time, wires with delay,
processes. A run is a function of its seed.
"""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Any

from pysh.runtime.protocol import actions
from pysh.runtime.protocol.attachment import GRACE, Attachment
from pysh.runtime.protocol.frames import Decoder, Flag, Frame, Kind, Raw, encode, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import HUB, Buffer, Pid

Deliver = Callable[[list[Raw]], None]


class Cluster:
    """Nodes by name, and everything that will happen to them, in order."""

    def __init__(self, *names: str, seed: int = 0, delay: float = 0.001, cores: int = 2) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.delay = delay
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.machines = {name: Machine(self, name, cores) for name in names}

    def __getitem__(self, name: str) -> "Machine":
        return self.machines[name]

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Let `do` happen `seconds` from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), do))

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        end = self.now + seconds
        while True:
            due = min((m.core.next_deadline() or end for m in self.machines.values() if m.up), default=end)
            first = min(self._events[0][0] if self._events else end, due)
            if first >= end:
                break
            self.now = max(self.now, first)
            if self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            for machine in self.machines.values():
                machine.pass_time()
        self.now = end

    def join(self, one: str, other: str) -> None:
        """Connect two nodes, as `connect` of the first would."""
        a, b = self.machines[one], self.machines[other]
        near, far = next(a.links), next(b.links)
        a.wire(near, lambda raws: self._carry(b, far, raws), lambda: b.hang_up(far))
        b.wire(far, lambda raws: self._carry(a, near, raws), lambda: a.hang_up(near))
        a.core.opened(near, b.hello(), self.now, token=next(a.core.members.tokens))
        b.core.opened(far, a.hello(), self.now)
        a.settle()
        b.settle()

    def _carry(self, machine: "Machine", link: int, raws: list[Raw]) -> None:
        self.at(self.delay, lambda: machine.hear(link, raws))

    def cut(self, one: str, other: str) -> None:
        """The connection of two nodes breaks; either notices at once."""
        for near, far in ((one, other), (other, one)):
            machine, peer = self.machines[near], self.machines[far]
            if (link := machine.core.peers.get(peer.incarnation)) is not None:
                machine.hang_up(link.number)

    def kill(self, name: str) -> None:
        """kill -9: the node is gone, and its neighbours' kernels say so."""
        machine = self.machines[name]
        machine.up = False
        for hang_up in list(machine.hang_ups.values()):
            self.at(self.delay, hang_up)


class Machine:
    """One node core and the pretended processes around it."""

    def __init__(self, cluster: Cluster, name: str, cores: int) -> None:
        self.cluster = cluster
        self.name = f"{name}@sim"
        self.incarnation = cluster.random.randbytes(16)
        self.core = Node(self.name, self.incarnation, python="3.11", cores=cores)
        self.links = count(1)
        self.up = True
        self.stopped = ""  # why it ended, if it did so itself
        self.hang_ups: dict[int, Callable[[], None]] = {}
        self.signals: list[actions.Signal] = []
        self._wires: dict[int, Deliver] = {}
        self._decoders: dict[int, Decoder] = {}
        self.closed: set[int] = set()  # links that the core closed
        self._parts: dict[int, bytes] = {}  # what came of the arguments of jobs
        self._ran: list[int] = []

    def attach(self, starter: "Machine") -> None:
        """Be a node that `starter` started."""
        self.core.attachment = Attachment(self.core, starter.incarnation, GRACE)

    def stop(self) -> None:
        """Be told to stop."""
        self.core.now = self.cluster.now
        self.core.stop("it was told to")
        self.settle()

    def drain(self, seconds: float) -> None:
        """Be told to stop gently."""
        self.core.now = self.cluster.now
        self.core.drain.begin(seconds)

    @property
    def hub(self) -> Pid:
        """Where to send what is for the node."""
        return Pid(self.incarnation, HUB)

    def hello(self, role: str = "node") -> Hello:
        """What it says of itself."""
        return Hello(role, self.name, self.incarnation, bytes(32), python="3.11")

    def wire(self, link: int, deliver: Deliver, hang_up: Callable[[], None] | None = None) -> None:
        """Say where what is written to `link` goes."""
        self._wires[link] = deliver
        self._decoders[link] = Decoder()
        if hang_up is not None:
            self.hang_ups[link] = hang_up

    def program(self) -> "Program":
        """A program that is a runner of this node."""
        link = next(self.links)
        made = Program(self, link)
        self.wire(link, made.hear)
        self.core.opened(link, self.hello("program")._replace(incarnation=bytes(16)), self.cluster.now)
        self.settle()
        return made

    def terminal(self) -> "Seat":
        """A terminal that is attached to this node's shell."""
        link = next(self.links)
        made = Seat(self, link)
        self.wire(link, made.hear)
        self.core.opened(link, self.hello("terminal")._replace(incarnation=bytes(16)), self.cluster.now)
        self.settle()
        made.ask("attach", force=True)
        return made

    def hear(self, link: int, raws: list[Raw]) -> None:
        """Frames arrive."""
        if self.up and link in self._wires:
            self.core.received(link, raws, self.cluster.now)
            self.settle()

    def hang_up(self, link: int) -> None:
        """The other end is gone."""
        if self.up and self._wires.pop(link, None) is not None:
            self.hang_ups.pop(link, None)
            self.core.closed(link, "connection lost", self.cluster.now)
            self.settle()

    def pass_time(self) -> None:
        """Let the core see what time it is."""
        due = self.core.next_deadline()
        if self.up and due is not None and due <= self.cluster.now:
            self.core.tick(self.cluster.now)
            self.settle()

    def settle(self) -> None:
        """Carry out what the core asks for."""
        while todo := self.core.take():
            for action in todo:
                if isinstance(action, actions.Write):
                    self._write(action.link, action.buffers)
                elif isinstance(action, actions.Close):
                    self._close(action.link)
                elif isinstance(action, actions.ForkWorker):
                    self._fork(action.worker)
                elif isinstance(action, actions.Signal):
                    self.signals.append(action)
                elif isinstance(action, actions.Stop):
                    self.stopped = action.reason

    def _write(self, link: int, buffers: list[Buffer]) -> None:
        if link in self._wires:
            raws = list(self._decoders[link].feed(b"".join(bytes(b) for b in buffers)))
            self._wires[link](raws)

    def _close(self, link: int) -> None:
        self.closed.add(link)
        self._wires.pop(link, None)
        if (far := self.hang_ups.pop(link, None)) is not None:
            self.cluster.at(2 * self.cluster.delay, far)

    def _fork(self, worker: int) -> None:
        link = next(self.links)

        def start() -> None:
            if self.up:
                self.core.opened(link, self.hello("worker"), self.cluster.now, worker=worker)
                self.settle()

        self.wire(link, lambda raws: [self._work(link, worker, parse(raw)) for raw in raws] and None)
        self.cluster.at(0.002, start)

    def _work(self, link: int, worker: int, frame: Frame) -> None:
        """A pretended job: its payload says for how many milliseconds it runs, or that its worker dies."""
        if frame.kind != Kind.SPAWN:
            return
        number = frame.dest.number
        text = self._parts.pop(number, b"") + bytes(frame.payload)
        if frame.flags & Flag.MORE:
            self._parts[number] = text
            return
        if text == b"die":
            self.cluster.at(0.001, lambda: self._die(worker, number))
            return
        result = Frame(Kind.RESULT, frame.dest, frame.source, frame.ref, meta=pack(0.001), payload=b"done " + text)
        raws = list(Decoder().feed(b"".join(bytes(b) for b in encode(result))))
        self.cluster.at(float(text) / 1000, lambda: self.hear(link, raws))

    def _die(self, worker: int, number: int) -> None:
        if self.up:
            self.core.now = self.cluster.now
            self.core.work.exited(worker, {"signal": 9}, number)
            self.settle()


class Program:
    """A runner that asks, and keeps what it is told."""

    def __init__(self, machine: Machine, link: int) -> None:
        self.machine = machine
        self.results: dict[int, list[Frame]] = {}
        self.downs: list[str] = []
        self.nodes: list[str] = []
        self._link = link
        self._refs = count(1)
        self._pid = Pid(machine.incarnation, 0)

    def hear(self, raws: list[Raw]) -> None:
        """Frames of the hub."""
        for frame in map(parse, raws):
            if frame.kind == Kind.WELCOME:
                self._pid = Pid(self.machine.incarnation, frame.options()["number"])
            elif frame.kind == Kind.NODES:
                told = frame.options()
                self.nodes = [node["name"] for node in told["nodes"]]
                if told.get("event", {}).get("state") == "down":
                    self.downs.append(told["event"]["name"])
            elif frame.kind == Kind.RESULT and not frame.flags & Flag.MORE:
                self.results.setdefault(frame.ref, []).append(frame)
                self._send(Kind.FETCHED, Pid(frame.source.incarnation, HUB), payload=frame.ref.to_bytes(8, "big"))

    def task(self, there: Machine, work: bytes, *, ref: int = 0, more: bool = False, **options: Any) -> int:
        """Ask for a task, or send the next chunk of its arguments (with `more`, not the last); its ref."""
        meta = b"" if ref else pack({"label": "work", **options})
        ref = ref or next(self._refs)
        self._send(Kind.SPAWN, there.hub, ref, flags=Flag.MORE if more else 0, meta=meta, payload=work)
        return ref

    def cancel(self, there: Machine, ref: int, grace: float = 1.0) -> None:
        """Cancel a task."""
        self._send(Kind.CANCEL, there.hub, ref, meta=pack({"grace": grace}))

    def _send(
        self, kind: int, dest: Pid, ref: int = 0, *, flags: int = 0, meta: bytes = b"", payload: bytes = b""
    ) -> None:
        frame = Frame(kind, self._pid, dest, ref, flags, meta=meta, payload=payload)
        data = b"".join(bytes(b) for b in encode(frame))
        raws = list(Decoder().feed(data))
        machine, link = self.machine, self._link
        machine.cluster.at(0.0001, lambda: machine.hear(link, raws))


class Seat:
    """A terminal on a node's shell, and what it is answered."""

    def __init__(self, machine: Machine, link: int) -> None:
        self.machine = machine
        self.answers: list[dict[str, Any]] = []
        self._link = link
        self._pid = Pid(machine.incarnation, 0)

    def hear(self, raws: list[Raw]) -> None:
        """Frames of the hub."""
        for frame in map(parse, raws):
            if frame.kind == Kind.WELCOME:
                self._pid = Pid(self.machine.incarnation, frame.options()["number"])
            elif frame.kind == Kind.REPLY:
                self.answers.append(frame.options()["ok"])

    def ask(self, verb: str, **args: object) -> None:
        """Send a request; the answer comes at once."""
        self._send(Frame(Kind.REQUEST, self._pid, self.machine.hub, 1, meta=pack({"verb": verb, **args})))

    def shows(self, size: int) -> None:
        """Show so many bytes of what the shell printed, and say so."""
        self._send(Frame(Kind.CREDIT, self._pid, self.machine.hub, meta=pack(Kind.SCREEN), credit=size))

    def _send(self, frame: Frame) -> None:
        self.machine.hear(self._link, list(Decoder().feed(b"".join(bytes(b) for b in encode(frame)))))

    def lose(self) -> None:
        """It is killed, or its line hangs up."""
        self.machine.core.closed(self._link, "connection lost", self.machine.cluster.now)
        self.machine.settle()
