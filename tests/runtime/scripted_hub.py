"""A hub that a test plays itself: it starts a real evaluator on a real pty and speaks frames with it."""

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pysh
from pysh.runtime.protocol.frames import Decoder, Flag, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.handshake import Handshake
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import Pid

NAME = "n1@here"
INCARNATION = bytes(range(16))
SECRET = bytes(32)
TERMINAL = Pid(INCARNATION, 5)
EVALUATOR = Pid(INCARNATION, 1)
DEADLINE = 10.0

PYSH = str(Path(pysh.__file__).absolute().parent.parent)
"""Where a process with another current folder imports `pysh` from."""

BOOT = (
    "import json, socket, sys; from pysh.runtime.runner.evaluator import main; "
    "main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))"
)


class Shell:
    """One evaluator, with everything it sent and printed so far."""

    def __init__(self, home: Path, cell: int = 1, **more: object) -> None:
        self._hub, end = socket.socketpair()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        config = {"name": NAME, "secret": SECRET.hex(), "incarnation": INCARNATION.hex(), "cell": cell, **more}
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOOT, str(end.fileno()), json.dumps(config)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=(end.fileno(),),
            env={**os.environ, "PYTHONPATH": PYSH, "HOME": str(home), "TERM": "xterm"},
            cwd=home,
            start_new_session=True,
        )
        end.close()
        self.slave = slave
        self.screen = b""
        self.frames: list[Frame] = []
        self._decoder = Decoder()
        self._ref = 0
        self._greet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.close()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            os.close(self._master)
            os.close(self.slave)

    def _greet(self) -> None:
        hello = Hello("node", NAME, INCARNATION, os.urandom(32))
        handshake = Handshake(hello, SECRET, dialling=False, now=time.monotonic())
        self._hub.settimeout(DEADLINE)
        while not handshake.done:
            handshake.receive_data(self._hub.recv(65536), time.monotonic())
            assert handshake.error is None, handshake.error
            self._hub.sendall(handshake.data_to_send())
        meta = {"number": EVALUATOR.number, "name": NAME, "incarnation": INCARNATION, "nodes": []}
        self.send(Kind.WELCOME, meta=meta)
        self._keep(handshake.rest)

    def send(self, kind: int, *, meta: dict[str, Any] | None = None, payload: bytes = b"") -> int:
        """Send one frame from the terminal; its ref."""
        self._ref += 1
        frame = Frame(kind, TERMINAL, EVALUATOR, self._ref, 0, pack(meta) if meta else b"", payload)
        self._hub.sendall(b"".join(encode(frame)))
        return self._ref

    def begin(self, source: str, meta: dict[str, Any] | None = None) -> int:
        """Send a cell and wait for nothing."""
        return self.send(Kind.CELL, payload=source.encode(), meta=meta)

    def cell(self, source: str) -> dict[str, Any]:
        """Run a cell; what its DONE says."""
        return self.done(self.begin(source))

    def done(self, ref: int) -> dict[str, Any]:
        """Wait for the DONE of a cell."""
        return self.answer(Kind.DONE, ref)

    def text(self, source: str) -> str:
        """Run a cell; the text its DONE shows."""
        return str(self.cell(source).get("text", ""))

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        """Send a request; what its REPLY says."""
        return self.answer(Kind.REPLY, self.send(Kind.REQUEST, meta={"verb": verb, **args}))

    def answer(self, kind: int, ref: int) -> dict[str, Any]:
        """Wait for the frame of that kind and ref; its meta."""
        found: list[Frame] = []

        def arrived() -> bool:
            found[:] = [frame for frame in self.frames if frame.kind == kind and frame.ref == ref]
            return bool(found)

        self.wait(arrived)
        assert found[0].dest == TERMINAL
        options = found[0].options()
        assert isinstance(options, dict)
        return options

    def unread(self) -> bytes:
        """Ask for what was typed and nobody read."""
        before = len(self.frames)
        self.send(Kind.INPUT)

        def returned() -> list[Frame]:
            return [frame for frame in self.frames[before:] if frame.kind == Kind.INPUT and not frame.ref]

        self.wait(lambda: bool(returned()))
        return bytes(returned()[0].payload)

    def published(self) -> list[tuple[dict[str, Any], bytes]]:
        """The PUBLISH frames since the last call, as meta and pickle."""
        posts = [frame for frame in self.frames if frame.kind == Kind.PUBLISH]
        self.frames = [frame for frame in self.frames if frame.kind != Kind.PUBLISH]
        assert not any(frame.flags & Flag.MORE for frame in posts)
        return [(frame.options(), bytes(frame.payload)) for frame in posts]

    def type(self, keys: bytes) -> None:
        """Type into the pty."""
        os.write(self._master, keys)

    def interrupt(self) -> None:
        """What the hub does when a terminal sends INTERRUPT."""
        os.kill(self.process.pid, signal.SIGINT)

    def see(self, text: str) -> None:
        """Wait until `text` was printed after what was seen before, and forget what led up to it."""
        self.wait(lambda: text.encode() in self.screen)
        self.screen = self.screen.partition(text.encode())[2]

    def wait(self, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Read frames and output until `condition` holds; fails after `seconds`."""
        until = time.monotonic() + seconds
        while not condition():
            left = until - time.monotonic()
            assert left > 0, f"in vain; last {list(map(str, self.frames[-5:]))}, screen {self.screen[-500:]!r}"
            self.pump(min(left, 0.005))  # it may be none of these two that it is about

    def pump(self, seconds: float) -> None:
        """Read what comes within `seconds`, once."""
        ready, _, _ = select.select([self._hub.fileno(), self._master], [], [], seconds)
        if self._master in ready:
            self.screen += os.read(self._master, 65536)
        if self._hub.fileno() in ready:
            data = self._hub.recv(65536)
            assert data, f"the evaluator is gone: {self.screen!r}"
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self.frames += [parse(raw) for raw in self._decoder.feed(data)]
