"""The hub's end of a runner's socket, played by the test: a real handshake, and real frames.

A test reads what the client sent with `expect` and answers by hand, or lets a thread answer (`serve`).
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from pysh.runtime.payload import dumps, dumps_error, loads, loads_call
from pysh.runtime.protocol.frames import (
    LOCAL,
    Decoder,
    Flag,
    Frame,
    Kind,
    encode,
    pack,
    pages,
    parse,
)
from pysh.runtime.protocol.handshake import Handshake
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import HUB, Buffer, Parts, Pid
from pysh.runtime.runner.client import Client

DEADLINE = 10.0
HERE, THERE = b"1" * 16, b"2" * 16
SECRET = b"s" * 32
ME = Pid(HERE, 7)
WORKER = Pid(THERE, 30)


def entry(name: str, incarnation: bytes, state: str = "up", **more: Any) -> dict[str, Any]:
    """What a hub tells of a node."""
    return {"name": name, "incarnation": incarnation, "state": state, "python": "", "aliases": [], "load": 0} | more


N1, N2 = entry("n1@here", HERE, "self"), entry("n2@there", THERE)


class HubEnd:
    """One hub with one client, which is `client`, made by `make`."""

    def __init__(
        self, role: str = "program", nodes: tuple[dict[str, Any], ...] = (N1, N2), make: type[Client] = Client
    ) -> None:  # fmt: skip
        self.sock, theirs = socket.socketpair()
        self._decoder = Decoder()
        self.frames: list[Frame] = []
        greeting = threading.Thread(target=self._greet, args=(list(nodes),))
        greeting.start()
        hello = Hello(role, "n1@here", bytes(16), os.urandom(32))
        self.client = make(theirs, hello, SECRET)
        greeting.join()
        self._server: threading.Thread | None = None

    def _greet(self, nodes: list[dict[str, Any]]) -> None:
        hello = Hello("node", "n1@here", HERE, os.urandom(32))
        handshake = Handshake(hello, SECRET, dialling=False, now=time.monotonic())
        while not handshake.done:
            handshake.receive_data(self.sock.recv(65536), time.monotonic())
            self.sock.sendall(handshake.data_to_send())
        first, *rest = pages(nodes)
        meta = {"number": ME.number, "name": "n1@here", "incarnation": HERE, "nodes": first, "more": bool(rest)}
        self.send(Kind.WELCOME, source=LOCAL, dest=LOCAL, meta=meta)
        for number, page in enumerate(rest, 1):
            self.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": page, "more": number < len(rest)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self._server is not None:
            self._server.join(DEADLINE)
        self.sock.close()
        self.client.close()
        if Client.current is self.client:
            Client.current = None

    def hang_up(self) -> None:
        """Be gone, as a hub that died."""
        self.sock.shutdown(socket.SHUT_RDWR)

    # sending

    def send(
        self,
        kind: int,
        *,
        source: Pid = WORKER,
        dest: Pid = ME,
        ref: int = 0,
        flags: int = 0,
        meta: Any = None,
        payload: Buffer = b"",
        credit: int = 0,
    ) -> None:
        """Send one frame."""
        packed = b"" if meta is None else pack(meta)
        frame = Frame(kind, source, dest, ref, flags, packed, payload, credit)
        self.sock.sendall(b"".join(encode(frame)))

    def result(self, spawn: Frame, value: object, took: float = 0.001) -> None:
        """Answer a SPAWN with a value."""
        self.send(Kind.RESULT, dest=spawn.source, ref=spawn.ref, meta=took, payload=dumped(value))

    def error(self, spawn: Frame, error: BaseException) -> None:
        """Answer a SPAWN with what its code raised."""
        payload = dumps_error(error)
        self.send(Kind.RESULT, dest=spawn.source, ref=spawn.ref, flags=Flag.ERROR, meta=0.1, payload=payload)

    def fail(self, spawn: Frame, **meta: Any) -> None:
        """Answer a SPAWN in the place of its code."""
        self.send(Kind.RESULT, dest=spawn.source, ref=spawn.ref, flags=Flag.FAILED, meta=meta)

    def stage(self, spawn: Frame, stage: str, pid: int = WORKER.number) -> None:
        """Say how far a SPAWN is."""
        self.send(Kind.STAGE, dest=spawn.source, ref=spawn.ref, meta={"stage": stage, "pid": pid})

    def message(self, value: object, source: Pid = WORKER) -> None:
        """Put a message into the client's mailbox."""
        self.send(Kind.SEND, source=source, payload=dumped(value))

    def tell_nodes(self, *nodes: dict[str, Any], reason: str = "") -> None:
        """Say which nodes there are now."""
        event = {"event": {"reason": reason}} if reason else {}
        self.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": list(nodes), **event})

    def ping(self) -> None:
        """Wait until the client has taken all that was sent to it."""
        self.send(Kind.PING, source=LOCAL, dest=LOCAL)
        self.expect(Kind.PONG)

    # receiving

    def expect(self, kind: int) -> Frame:
        """The next frame of that kind; the others are kept for later."""
        until = time.monotonic() + DEADLINE
        while True:
            for index, frame in enumerate(self.frames):
                if frame.kind == kind:
                    return self.frames.pop(index)
            self.read(until - time.monotonic())

    def read(self, seconds: float = DEADLINE) -> None:
        """Read what comes, once."""
        ready, _, _ = select.select([self.sock], [], [], max(0, seconds))
        assert ready, f"waited in vain; there is {[str(frame) for frame in self.frames]}"
        data = self.sock.recv(1 << 18)
        assert data, "the client is gone"
        self.frames += [parse(raw) for raw in self._decoder.feed(data)]

    def whole(self, kind: int) -> bytes:
        """The next payload of that kind, granting credit for its chunks."""
        payload = b""
        while True:
            frame = self.expect(kind)
            payload += bytes(frame.payload)
            if not frame.flags & Flag.MORE:
                return payload
            self.send(
                Kind.CREDIT, source=frame.dest, dest=frame.source, ref=frame.ref, meta=kind,
                credit=len(frame.payload),
            )  # fmt: skip

    # answering by itself

    def serve(self, **verbs: Callable[[dict[str, Any]], Any]) -> None:
        """Answer in a thread: run what is spawned, and give what `verbs` return to what is asked."""
        self._server = threading.Thread(target=self._serve, args=(verbs,), daemon=True)
        self._server.start()

    def _serve(self, verbs: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
        with suppress(ConnectionError):  # a client may go before it has read an answer
            while data := self.sock.recv(1 << 18):
                for raw in self._decoder.feed(data):
                    self._answer(parse(raw), verbs)

    def _answer(self, frame: Frame, verbs: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
        if frame.kind == Kind.SPAWN:
            self._run(frame)
        elif frame.kind == Kind.REQUEST:
            asked = frame.options()
            meta = {"ok": verbs.get(asked.pop("verb"), lambda _: {})(asked)}
            self.send(Kind.REPLY, source=frame.dest, dest=frame.source, ref=frame.ref, meta=meta)
        elif frame.kind == Kind.SEND:
            self.send(Kind.SEND, source=frame.source, dest=frame.dest, payload=frame.payload)
        else:
            self.frames.append(frame)

    def _run(self, spawn: Frame) -> None:
        meta = spawn.options()
        if meta.get("kind") == "process":
            self.stage(spawn, "accepted")
            return
        if "fn" in meta:
            self.result(spawn, (meta["fn"], *loads(spawn.payload)))
            return
        function, args, kwargs = loads_call(spawn.payload)
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            self.error(spawn, error)
        else:
            self.result(spawn, value)


@contextmanager
def hub_end(role: str = "program", *, thread: bool = True, **options: Any) -> Iterator[HubEnd]:
    """A hub and its client, whose reading thread runs unless told otherwise."""
    with HubEnd(role, **options) as hub:
        if thread:
            hub.client.start_thread()
        yield hub


def dumped(value: object) -> Buffer:
    """A value as it is after the way."""
    data = dumps(value)
    return data.join() if isinstance(data, Parts) else data


def hub_of(incarnation: bytes) -> Pid:
    """The hub of a node."""
    return Pid(incarnation, HUB)
