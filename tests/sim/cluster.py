"""A cluster of node cores on a virtual clock, joined by wires of memory, with workers that only pretend.

The cores are those of production; what is simulated is the world around them: time, wires with delay,
processes. A run is a function of its seed.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from pysh.runtime.protocol import actions, session
from pysh.runtime.protocol.attachment import Attachment
from pysh.runtime.protocol.frames import (
    CHUNK,
    LOCAL,
    Decoder,
    Flag,
    Frame,
    Kind,
    Raw,
    encode,
    kind_of,
    pack,
    parse,
    unpack,
)
from pysh.runtime.protocol.heartbeat import Heartbeat, Ping, Silent, Suspect
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import HUB, Buffer, Pid
from pysh.runtime.protocol.work import UNKNOWN

Deliver = Callable[[list[Raw]], None]
BEAT = 2.0
"""Seconds of silence after which a node asks another for a sign of life."""
LARGE_RESULT = 20 * CHUNK
DIGITS = 9
"""The number of a message is in the last of its payload, which may be much longer."""


class Line:
    """One connection between two nodes, which may stall one way, or break with all that is on it."""

    def __init__(self, cluster: "Cluster", near: "Machine", far: "Machine") -> None:
        self.cluster = cluster
        self.ends = ((near, next(near.links)), (far, next(far.links)))
        self.broken = False
        self.stalled = [False, False]  # what the near end sends, and the far one
        self._held: list[list[Callable[[], None]]] = [[], []]

    def send(self, end: int, do: Callable[[], None]) -> None:
        """Let what `end` sends arrive, `delay` from now or when the line is no longer stalled."""
        if self.stalled[end]:
            self._held[end].append(do)
        else:
            self.cluster.at(self.cluster.delay, lambda: self._arrive(do))

    def _arrive(self, do: Callable[[], None]) -> None:
        if not self.broken:
            do()

    def wire(self, end: int, *, beating: float) -> None:
        """Open `end`: what it writes goes to the other, which hears of its end."""
        (machine, link), (other, there) = self.ends[end], self.ends[1 - end]
        machine.lines[link] = self
        machine.wire(
            link,
            lambda raws: self.send(end, lambda: other.hear(there, raws)),
            lambda: self.send(end, lambda: other.hang_up(there)),
        )
        machine.beats[link] = Heartbeat(beating, 2.5 * beating, 7.5 * beating, now=self.cluster.now)

    def stall(self, end: int, on: bool = True) -> None:
        """Hold back what `end` sends, or let it go on."""
        self.stalled[end] = on
        held, self._held[end] = self._held[end], []
        for do in held:
            self.send(end, do)

    def cut(self) -> None:
        """Lose what is under way; both ends hear of it."""
        self.broken = True
        for machine, link in self.ends:
            self.cluster.at(self.cluster.delay, lambda machine=machine, link=link: machine.hang_up(link))  # type: ignore[misc]


class Cluster:
    """Nodes by name, and everything that will happen to them, in order."""

    def __init__(
        self, *names: str, seed: int = 0, delay: float = 0.001, cores: int = 2,
        grace: tuple[float, float] = (60.0, 900.0), one_machine: bool = True,
    ) -> None:  # fmt: skip
        self.random = random.Random(seed)
        self.now = 0.0
        self.delay = delay
        self.grace = grace
        self.one_machine = one_machine  # whether a node can see that another one's process is gone
        self.unreachable: set[frozenset[str]] = set()
        self.lines: list[Line] = []
        self._cores = cores
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
        end, events = self.now + seconds, self._events
        while True:
            first, whose = events[0][0] if events else end, None
            for machine in self.machines.values():
                if machine.running and (due := machine.core.next_deadline()) is not None and due < first:
                    first, whose = due, machine
            if first >= end:
                break
            self.now = max(self.now, first)
            if whose is not None:
                whose.pass_time()
            else:
                heapq.heappop(events)[2]()
        self.now = end

    def join(self, one: str, other: str) -> None:
        """Connect two nodes, as `connect` of the first does."""
        self.machines[one].dial(other)
        self.run(20 * self.delay)

    def connect(self, near: "Machine", token: int, address: str) -> None:
        """Carry out what a core asks for with `Dial`: the address of a node is its short name."""
        far = self.machines[address]
        if not far.up or frozenset((near.short, far.short)) in self.unreachable:
            self.at(self.delay, lambda: near.dial_failed(token, "tcp", "nobody answers there"))
            return
        line = Line(self, near, far)
        self.lines.append(line)
        line.wire(0, beating=BEAT)
        near.await_handshake(line.ends[0][1], token)
        self.at(2 * self.delay, lambda: line.broken or self._accept(line, token, address))

    def _accept(self, line: Line, token: int, address: str) -> None:
        (near, here), (far, there) = line.ends
        if not far.up or far.core.members.refuse(near.hello()) is not None:
            near.hang_up(here)
        else:
            line.wire(1, beating=BEAT)
            self.at(self.delay, lambda: near.opened(here, far.hello(), token=token, address=address))
            far.opened(there, near.hello())

    def cut(self, one: str, other: str) -> None:
        """The connection of two nodes breaks; either notices at once."""
        for near, far in ((one, other), (other, one)):
            machine, peer = self.machines[near], self.machines[far]
            member = machine.core.peers.get(peer.incarnation)
            if member is not None and member.link is not None:
                machine.hang_up(member.link.number)

    def kill(self, name: str) -> None:
        """kill -9: the node is gone, and its neighbours' kernels say so."""
        machine = self.machines[name]
        machine.up = False
        for hang_up in list(machine.hang_ups.values()):
            hang_up()

    def restart(self, name: str) -> "Machine":
        """Start a node anew under a name whose node was killed."""
        before = self.machines[name]
        machine = self.machines[name] = Machine(self, name, self._cores)
        machine.core.now = self.now
        for number, kept in before.disk.items():
            machine.disk[machine.core.work.spool.found(unpack(kept[0]), 0.0)] = before.disk[number]
        return machine


class Machine:
    """One node core and the pretended processes around it."""

    def __init__(self, cluster: Cluster, name: str, cores: int) -> None:
        self.cluster = cluster
        self.short = name
        self.name = f"{name}@sim"
        self.incarnation = cluster.random.randbytes(16)
        jitter = random.Random(self.incarnation).random
        self.core = Node(self.name, self.incarnation, python="3.11", cores=cores, grace=cluster.grace, jitter=jitter)
        self.links = count(1)
        self.up = True
        self.stopped = ""  # why it ended, if it did so itself
        self.hang_ups: dict[int, Callable[[], None]] = {}
        self.signals: list[actions.Signal] = []
        self.programs: list[Program] = []
        self.lines: dict[int, Line] = {}
        self.beats: dict[int, Heartbeat] = {}
        self._dialled: dict[int, int] = {}  # the tokens of links that wait for the end of the handshake
        self._frozen: list[Callable[[], None]] | None = None
        self._asleep = 0.0
        self._wires: dict[int, Deliver] = {}
        self._decoders: dict[int, Decoder] = {}
        self.closed: set[int] = set()  # links that the core closed
        self.disk: dict[int, tuple[bytes, bytes]] = {}  # the results that were kept, each with its record
        self.disk_fault = ""  # why nothing can be written there
        self._parts: dict[int, bytes] = {}  # what came of the arguments of jobs
        self.runs: Counter[tuple[Pid, int]] = Counter()
        cluster.at(0.5, self._watch)

    def attach(self, starter: "Machine") -> None:
        """Be a node that `starter` started."""
        self.core.attachment = Attachment(self.core, starter.incarnation)

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

    @property
    def running(self) -> bool:
        """Whether it lives, and is not frozen."""
        return self.up and self._frozen is None

    def hello(self, role: str = "node") -> Hello:
        """What it says of itself."""
        return Hello(role, self.name, self.incarnation, bytes(32), python="3.11")

    def wire(self, link: int, deliver: Deliver, hang_up: Callable[[], None] | None = None) -> None:
        """Say where what is written to `link` goes, and how the other end learns that it is closed."""
        self._wires[link] = deliver
        self._decoders[link] = Decoder()
        if hang_up is not None:
            self.hang_ups[link] = hang_up

    def program(self, role: str = "program") -> "Program":
        """A program that is a runner of this node, or its shell."""
        link = next(self.links)
        made = Program(self, link)
        self.programs.append(made)
        self.wire(link, made.hear)
        self.opened(link, self.hello(role)._replace(incarnation=bytes(16)))
        return made

    def terminal(self) -> "Seat":
        """A terminal that is attached to this node's shell."""
        link = next(self.links)
        made = Seat(self, link)
        self.wire(link, made.hear)
        self.opened(link, self.hello("terminal")._replace(incarnation=bytes(16)))
        made.ask("attach", force=True)
        return made

    def publish(self, name: str, pickle: bytes = b"1", *, role: str = "evaluator", **told: object) -> None:
        """Have a shell of this node publish a name, or somebody who is none."""
        link = next(self.links)
        self.wire(link, lambda _: None)
        self.opened(link, self.hello(role)._replace(incarnation=bytes(16)))
        frame = Frame(Kind.PUBLISH, LOCAL, LOCAL, meta=pack({"name": name, **told}), payload=pickle)
        self.hear(link, list(Decoder().feed(b"".join(map(bytes, encode(frame))))))

    # what happens to it

    def dial(self, other: str) -> None:
        """Connect to another node, as `connect` does."""
        self.core.now = self.cluster.now
        self.core.members.connect(other)
        self.settle()

    def await_handshake(self, link: int, token: int) -> None:
        """`link` is being dialled; ten seconds later that has failed."""
        self._dialled[link] = token

        def expire() -> None:
            if link in self._dialled:
                self.hang_up(link)

        self.cluster.at(10, expire)

    def dial_failed(self, token: int, stage: str, text: str) -> None:
        """What it dialled did not answer."""
        self.happens(
            lambda: self.core.members.dial_failed(token, {"error": "ConnectError", "stage": stage, "text": text})
        )

    def opened(self, link: int, hello: Hello, **opening: Any) -> None:
        """A handshake ended well."""
        self.happens(lambda: self._opened(link, hello, opening))

    def _opened(self, link: int, hello: Hello, opening: dict[str, Any]) -> None:
        if link in self._wires:
            self._dialled.pop(link, None)
            self.core.opened(link, hello, self.cluster.now, **opening)

    def hear(self, link: int, raws: list[Raw]) -> None:
        """Frames arrive."""
        self.happens(lambda: self._hear(link, raws))

    def _hear(self, link: int, raws: list[Raw]) -> None:
        if link not in self._wires:
            return
        if (beat := self.beats.get(link)) is not None:
            beat.heard(self.cluster.now)
            if kind_of(raws[0]) == Kind.PING:
                self._write(link, encode(Frame(Kind.PONG, LOCAL, LOCAL)))
                return
        self.core.received(link, [raw for raw in raws if kind_of(raw) != Kind.PONG], self.cluster.now)

    def hang_up(self, link: int) -> None:
        """The other end is gone."""
        self.happens(lambda: self._hung_up(link, "connection lost"))

    def drop(self, link: int, fault: str) -> None:
        """What came on `link` breaks the rules."""
        self.core.closed(link, fault, self.cluster.now, fault=True)
        self.settle()
        self._close(link)

    def _hung_up(self, link: int, reason: str) -> None:
        if self._wires.pop(link, None) is not None:
            self.hang_ups.pop(link, None)
            self.beats.pop(link, None)
            self.core.closed(link, reason, self.cluster.now)
        if (token := self._dialled.pop(link, None)) is not None:
            self.dial_failed(token, "ready", reason)

    def happens(self, do: Callable[[], None]) -> None:
        """Let the core see something, once it is not frozen any more."""
        if self._frozen is not None:
            self._frozen.append(do)
        elif self.up:
            do()
            self.settle()

    def freeze(self, seconds: float, *, asleep: bool) -> None:
        """Stop it for a while, as SIGSTOP does, or (`asleep`) with its whole machine: its clock stops as well."""
        if not self.running:
            return
        self._frozen = []
        self.cluster.at(seconds, lambda: self._thaw(seconds if asleep else 0.0))

    def _thaw(self, asleep: float) -> None:
        waiting, self._frozen = self._frozen or [], None
        self._asleep += asleep
        first = self.cluster.random.random() < 0.5
        if first:  # a loop may run its timers before it reads
            self.pass_time()
        for do in waiting:
            self.happens(do)

    def _watch(self) -> None:
        """What a hub does twice a second."""
        if not self.up:
            return
        self.cluster.at(0.5, self._watch)
        if self._frozen is not None:
            return
        now = self.cluster.now
        self.core.members.slept(self._asleep, now)
        for link, beat in list(self.beats.items()):
            for event in beat.tick(now):
                if isinstance(event, Ping):
                    self._write(link, encode(Frame(Kind.PING, LOCAL, LOCAL)))
                elif isinstance(event, Silent):
                    self._close(link)
                    self.core.closed(link, "silent", now)
                else:
                    self.core.members.suspect(link, isinstance(event, Suspect), now)
        self.settle()

    def pass_time(self) -> None:
        """Let the core see what time it is."""
        due = self.core.next_deadline()
        if self.running and due is not None and due <= self.cluster.now:
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
                elif isinstance(action, actions.Dial):
                    self.cluster.connect(self, action.token, action.address)
                elif isinstance(action, actions.Probe):
                    self._probe(action.incarnation)
                elif isinstance(action, actions.ForkWorker):
                    self._fork(action.worker)
                elif isinstance(action, actions.Signal):
                    self.signals.append(action)
                elif isinstance(action, actions.Keep | actions.Recall | actions.Discard):
                    self.cluster.at(0.001, lambda action=action: self.happens(lambda: self._store(action)))  # type: ignore[misc]
                elif isinstance(action, actions.Stop):
                    self.stopped = action.reason

    def _store(self, action: actions.Keep | actions.Recall | actions.Discard) -> None:
        """A pretended disk."""
        spool = self.core.work.spool
        if isinstance(action, actions.Keep):
            if not self.disk_fault:
                self.disk[action.number] = action.record, bytes(action.payload)
            spool.written(action.number, self.disk_fault)
        elif isinstance(action, actions.Discard):
            self.disk.pop(action.number, None)
        else:
            _, payload = self.disk[action.number]
            spool.recalled(action.ref, payload[action.offset : action.offset + action.size])

    def _write(self, link: int, buffers: list[Buffer]) -> None:
        if link in self._wires:
            raws = list(self._decoders[link].feed(b"".join(bytes(b) for b in buffers)))
            self._wires[link](raws)

    def _close(self, link: int) -> None:
        self.closed.add(link)
        self._wires.pop(link, None)
        self.beats.pop(link, None)
        if (hang_up := self.hang_ups.pop(link, None)) is not None:
            hang_up()

    def _probe(self, incarnation: bytes) -> None:
        if self.cluster.one_machine and not any(
            machine.up and machine.incarnation == incarnation for machine in self.cluster.machines.values()
        ):
            self.core.members.gone(incarnation, self.cluster.now)

    def _fork(self, worker: int) -> None:
        link = next(self.links)
        self.wire(link, lambda raws: [self._work(link, worker, parse(raw)) for raw in raws] and None)
        self.cluster.at(0.002, lambda: self.opened(link, self.hello("worker"), worker=worker))

    def _work(self, link: int, worker: int, frame: Frame) -> None:
        """A pretended job: its payload says for how many milliseconds it runs, or how its worker is lost.

        With an L behind it its result is large.
        """
        if frame.kind != Kind.SPAWN:
            return
        number = frame.dest.number
        text = self._parts.pop(number, b"") + bytes(frame.payload)
        if frame.flags & Flag.MORE:
            self._parts[number] = text
            return
        if text in (b"die", b"torn"):
            running = number if text == b"die" else UNKNOWN
            self.cluster.at(0.001, lambda: self.happens(lambda: self._die(worker, running)))
            return
        self.runs[frame.source, frame.ref] += 1
        result = Frame(Kind.RESULT, frame.dest, frame.source, frame.ref, meta=pack(0.001), payload=b"done " + text)
        raws = [raw for one in _chunked(result, LARGE_RESULT * text.endswith(b"L")) for raw in _raws(one)]
        self.cluster.at(float(text.rstrip(b"L")) / 1000, lambda: self.hear(link, raws))

    def _die(self, worker: int, running: int) -> None:
        self.core.now = self.cluster.now
        self.core.work.exited(worker, {"signal": 9}, running)


def _chunked(result: Frame, more: int) -> list[Frame]:
    """A result, with `more` bytes behind it: as many frames as that takes."""
    whole = bytes(result.payload) + b"." * more
    chunks = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
    *most, last = [result._replace(payload=chunk) for chunk in chunks]
    return [*(frame._replace(flags=Flag.MORE) for frame in most), last]


def _raws(frame: Frame) -> list[Raw]:
    return list(Decoder().feed(b"".join(bytes(b) for b in encode(frame))))


class Program:
    """A runner that asks and sends, and keeps what it is told."""

    def __init__(self, machine: Machine, link: int) -> None:
        self.machine = machine
        self.results: dict[int, list[Frame | None]] = {}
        """The answers to each task; None is that its node went down."""
        self.parts: dict[int, bytes] = {}
        """What came of results in chunks."""
        self.asked: dict[int, bytes] = {}
        """The incarnation that each task was sent to."""
        self.told: list[tuple[str, bytes, int | str]] = []
        """What came, in order: ("up" or "down", incarnation, reason), or ("message", incarnation, its number)."""
        self.nodes: list[str] = []
        self.loads: dict[bytes, int] = {}
        """How busy each node is, as it was told last by itself."""
        self._listed: list[dict[str, Any]] = []
        self.known: set[bytes] = set()
        self.sent: dict[bytes, list[tuple[int, int]]] = {}
        """The numbered messages to each incarnation, each with the session that its hub put it into."""
        self.pid = Pid(machine.incarnation, 0)
        self.link = link
        self._refs = count(1)
        self._messages = count(1)

    @property
    def downs(self) -> list[str]:
        """The names of the nodes that went down, in order."""
        return [str(reason).partition(": ")[0] for what, _, reason in self.told if what == "down"]

    def hear(self, raws: list[Raw]) -> None:
        """Frames of the hub."""
        for frame in map(parse, raws):
            if frame.kind in (Kind.WELCOME, Kind.NODES):
                self._hear_of_nodes(frame.options())
            elif frame.kind == Kind.LOADS:
                self.loads |= dict(frame.options())
            elif frame.kind == Kind.SEND:
                self.told.append(("message", frame.source.incarnation, int(bytes(frame.payload[-DIGITS:]))))
            elif frame.kind == Kind.RESULT and frame.flags & Flag.MORE:
                self.parts[frame.ref] = self.parts.get(frame.ref, b"") + bytes(frame.payload)
                self._send(Kind.CREDIT, frame.source, frame.ref, meta=pack(Kind.RESULT), credit=len(frame.payload))
            elif frame.kind == Kind.RESULT:
                if self.results.get(frame.ref) != [None]:  # else it was given up when its node went down
                    self.results.setdefault(frame.ref, []).append(frame)
                self._send(Kind.FETCHED, Pid(frame.source.incarnation, HUB), payload=frame.ref.to_bytes(8, "big"))

    def _hear_of_nodes(self, told: dict[str, Any]) -> None:
        """A frame that tells of the nodes; where one has no room, others follow with the rest."""
        if "number" in told:
            self.pid = Pid(self.machine.incarnation, told["number"])
        self._listed += told["nodes"]
        if event := told.get("event"):
            text = f"{event['name']}: {event['reason']}"
            self.told.append((event["state"], event["incarnation"], text))
        if not told.get("more"):
            listed, self._listed = self._listed, []
            self._see(listed)

    def _see(self, nodes: list[dict[str, Any]]) -> None:
        self.nodes = [node["name"] for node in nodes]
        self.known = {node["incarnation"] for node in nodes}
        for ref, there in self.asked.items():
            if there not in self.known:
                self.results.setdefault(ref, [None])

    def task(self, there: Machine, work: bytes, *, ref: int = 0, more: bool = False, **options: Any) -> int:
        """Ask for a task, or send the next chunk of its arguments (with `more`, not the last); its ref."""
        meta = b"" if ref else pack({"label": "work", **options})
        ref = ref or next(self._refs)
        self.asked[ref] = there.incarnation
        self._send(Kind.SPAWN, there.hub, ref, flags=Flag.MORE if more else 0, meta=meta, payload=work)
        return ref

    def fetch(self, there: Machine, number: int) -> int:
        """Ask for the result of task `number` there; the ref that it comes as."""
        ref = next(self._refs)
        self.asked[ref] = there.incarnation
        self._send(Kind.REQUEST, there.hub, ref, meta=pack({"verb": "fetch", "number": number, "ref": ref}))
        return ref

    def cancel(self, there: Machine, ref: int, grace: float = 1.0) -> None:
        """Cancel a task."""
        self._send(Kind.CANCEL, there.hub, ref, meta=pack({"grace": grace}))

    def message(self, other: "Program") -> None:
        """Send the next numbered message to another program, if its node is known here; every third is `LARGE`."""
        there = other.pid.incarnation
        if there in self.known:
            number = next(self._messages)
            text = str(number) if number % 3 else str(number).zfill(session.LARGE)
            self._send(Kind.SEND, other.pid, payload=text.encode(), note=lambda: self._note(there, number))

    def _note(self, there: bytes, number: int) -> None:
        member = self.machine.core.peers.get(there)
        self.sent.setdefault(there, []).append((number, member.number if member is not None else 0))

    def _send(
        self, kind: int, dest: Pid, ref: int = 0, *, flags: int = 0, meta: bytes = b"", payload: bytes = b"",
        credit: int = 0, note: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        data = b"".join(bytes(b) for b in encode(Frame(kind, self.pid, dest, ref, flags, meta, payload, credit)))
        raws = list(Decoder().feed(data))
        machine, link = self.machine, self.link

        def arrive() -> None:
            note()
            machine.hear(link, raws)

        machine.cluster.at(0.0001, lambda: machine.happens(arrive))


class Seat:
    """A terminal on a node's shell, what it is answered, and which nodes it is told to be suspect."""

    def __init__(self, machine: Machine, link: int) -> None:
        self.machine = machine
        self.answers: list[dict[str, Any]] = []
        self.suspects: list[list[str]] = []
        self._link = link
        self._pid = Pid(machine.incarnation, 0)

    def hear(self, raws: list[Raw]) -> None:
        """Frames of the hub."""
        for frame in map(parse, raws):
            if frame.kind == Kind.WELCOME:
                self._pid = Pid(self.machine.incarnation, frame.options()["number"])
            elif frame.kind == Kind.REPLY:
                told = frame.options()
                self.answers.append(told.get("ok", told))
            elif frame.kind == Kind.NOTICE:
                self.suspects.append(frame.options()["suspects"])

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
        self.machine.hang_up(self._link)
