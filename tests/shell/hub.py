"""A hub that a test plays itself: it speaks the real frames with a terminal, and says what it is told."""

import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.frames import Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.handshake import Handshake
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import HUB, Pid

NAME = "node1@localhost"
COOKIE = b"my_secret_cookie"
INCARNATION = bytes(range(16))
OWN = Pid(INCARNATION, HUB)
TERMINAL = Pid(INCARNATION, 7)
ELSEWHERE = bytes(range(16, 32))


class Hub:
    """One end of a socketpair; `end` is the terminal's.

    Requests are answered from `answers`; everything else that comes is kept in `frames`.
    """

    def __init__(self) -> None:
        self._sock, self.end = socket.socketpair()
        self._sock.setblocking(False)
        self.frames: list[Frame] = []
        self.asked: list[dict[str, Any]] = []
        self.refs: list[int] = []  # of these
        self.cell = 1
        self.running = False
        self.accepts = True  # the evaluator takes cells at once
        self.unread = b""  # what was typed to the cell: it reads nothing unless a test says so
        self.answers: dict[str, Any] = {
            "attach": {"evaluator": 1, "cell": 1, "busy": False, "missed": b"", "dropped": 0},
            "leave": {"stop": True, "reasons": []},
            "complete": {"start": 0, "found": [], "more": False, "signature": None},
        }
        hello = Hello("node", NAME, INCARNATION, os.urandom(32))
        self._shake = Handshake(hello, COOKIE, dialling=False, now=time.monotonic())
        self._connection = Connection(self._shake, now=time.monotonic())
        self._welcomed = False
        self.gone = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> None:
        """Take what the terminal sent."""
        try:
            data = b"" if self.gone else self._sock.recv(65536)
        except ConnectionResetError:  # it ended, and had not read everything
            data = b""
        if not data:
            self.gone = True
            return
        for raw in self._connection.receive_data(data, time.monotonic()):
            self._take(parse(raw))
        if self._connection.opened and not self._welcomed:
            self._welcomed = True
            self.send(Kind.WELCOME, {"number": 7, "name": NAME, "incarnation": INCARNATION, "nodes": []})
        self._flush()

    def receive_some(self) -> None:
        """Take what the terminal sent, if anything."""
        try:
            self.receive()
        except BlockingIOError:
            pass

    def stop(self) -> None:
        """Send nothing more."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Die."""
        self._sock.close()

    def send(
        self, kind: int, meta: Any = None, payload: bytes = b"", *, source: Pid = OWN, ref: int = 0, credit: int = 0
    ) -> None:  # fmt: skip
        """Send one frame to the terminal."""
        packed = b"" if meta is None else pack(meta)
        frame = Frame(kind, source, TERMINAL, ref, meta=packed, payload=payload, credit=credit)
        self._connection.send(encode(frame))
        self._flush()

    def done(self, text: str = "", **told: Any) -> None:
        """The last cell is over."""
        ref = self.of(Kind.CELL)[-1].ref if self.of(Kind.CELL) else 0
        self.running = False
        self.cell += 1
        kind = "text" if text else "none"
        self.send(Kind.DONE, {"cell": self.cell, "kind": kind, "text": text, "took": 0.0, **told}, ref=ref)

    def accept(self) -> None:
        """The evaluator has the last cell."""
        self.send(Kind.INPUT, ref=self.of(Kind.CELL)[-1].ref)

    def screen(self, data: bytes) -> None:
        """The shell's code writes to its terminal."""
        self.send(Kind.SCREEN, payload=data)

    def output(self, label: str, data: bytes, *, job: int = 1, **meta: Any) -> None:
        """A task elsewhere prints."""
        self.send(Kind.OUTPUT, {"label": label, **meta}, data, source=Pid(ELSEWHERE, job), ref=job)

    def notice(self, text: str, level: str = "info", suspects: Sequence[str] = ()) -> None:
        """The node says something, and which nodes are suspect."""
        self.send(Kind.NOTICE, {"text": text, "level": level, "suspects": list(suspects)})

    def of(self, kind: int) -> list[Frame]:
        """The frames of one kind so far."""
        return [frame for frame in self.frames if frame.kind == kind]

    @property
    def cells(self) -> list[str]:
        """The sources that were to be run so far."""
        return [bytes(frame.payload).decode() for frame in self.of(Kind.CELL)]

    @property
    def typed(self) -> bytes:
        """What was typed for the code that runs."""
        return b"".join(bytes(frame.payload) for frame in self.of(Kind.INPUT))

    def credit(self, kind: int) -> int:
        """What was granted so far for SCREEN or OUTPUT."""
        return sum(frame.credit for frame in self.of(Kind.CREDIT) if frame.options() == kind)

    def _take(self, frame: Frame) -> None:
        if frame.kind != Kind.REQUEST:
            self.frames.append(frame)
            self._run(frame)
            return
        asked = frame.options()
        self.asked.append(asked)
        self.refs.append(frame.ref)
        answer = self.answers[asked["verb"]]
        if callable(answer):
            answer = answer(asked)
        if answer is None:
            return  # it hangs
        self.send(Kind.REPLY, answer if "error" in answer else {"ok": answer}, ref=frame.ref)

    def _run(self, frame: Frame) -> None:
        """Begin a cell, or return what is typed while none runs."""
        if frame.kind == Kind.CELL:
            self.running = True
            if self.accepts:
                self.accept()
        elif frame.kind == Kind.INPUT:
            self.unread += bytes(frame.payload)
            if not self.running:
                unread, self.unread = self.unread, b""
                self.send(Kind.INPUT, payload=unread, ref=frame.ref)

    def _flush(self) -> None:
        data = b"".join(self._connection.data_to_send())
        if data:  # also an empty one fails once the terminal is gone
            self._sock.setblocking(True)
            self._sock.sendall(data)
            self._sock.setblocking(False)
