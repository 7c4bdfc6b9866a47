"""The terminal's side of the console protocol: one connection to a hub, frames out and frames in.

Nothing here waits but `open`, `ask` and `wait`; a caller with a loop of its own calls `receive` when the
socket has something to read.
"""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.frames import CHUNK, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.handshake import HMAC, SPAKE2, Handshake
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import HUB, INCARNATION_BYTES, MIRRORED, TAKEN_OVER, Pid
from pysh.runtime.runner.greet import Compute
from pysh.shell.mirrored import ANOTHERS

ANSWER_SECONDS = 10.0
"""How long a hub may take to answer; it never runs user code, so it is quick or broken."""
TYPED_AHEAD = 1024 * 1024
"""How many bytes may be typed to a cell that does not read them."""
RETURN_SECONDS = 1.0
"""How long a prompt waits for what the last cell left unread; if it comes later it comes to that prompt."""


class HubLost(Exception):
    """The connection to the hub ended; the text says why, as far as it is known."""


class Refused(Exception):
    """The hub answered, and the answer is no."""


class Console:
    """A terminal's connection to the node behind `sock`, proved with `cookie`; `given` if by the command line.

    `address` is what the user called the node, if he did.
    Over a host key that nobody vouches for it is proved by SPAKE2, which `compute` does: its SHA-256 is given then.
    """

    def __init__(
        self, sock: socket.socket, cookie: bytes, *, given: bool = False, address: str = "", host_key: bytes = b"",
        compute: Compute | None = None,
    ) -> None:  # fmt: skip
        sock.setblocking(False)
        now = time.monotonic()
        hello = Hello("terminal", "", os.urandom(INCARNATION_BYTES), os.urandom(32), pid=os.getpid())
        self.name = ""
        self.shell = 0
        """The number of the shell of that node at which we are; 0 is the one that all share."""
        self.given, self.address = given, address
        self.suspects: list[str] = []
        """The nodes from which nothing comes at present, as output of theirs is tagged."""
        self.unread = 0
        """How many messages wait in the mailbox of the shell."""
        self._sock = sock
        self._compute = compute
        shake = Handshake(
            hello._replace(suite=SPAKE2 if host_key else HMAC), cookie, dialling=True, now=now,
            binding=host_key, entropy=os.urandom(32),
        )  # fmt: skip
        self._connection = Connection(shake, now=now, heartbeat=None)
        self._unsent = b""
        self._frames: deque[Frame] = deque()
        self._replies: dict[int, Any] = {}
        self._told: dict[int, Callable[[Any], object]] = {}
        self._refs = MIRRORED
        self._reason = ""
        self._self: Pid | None = None
        self._hub = Pid(b"", HUB)
        self._unread = b""  # what was typed to a cell and came back
        self._heard = 0  # the newest ref of an INPUT that came back
        self._typed = False  # anything, to the last cell
        self._holds = False  # another terminal's cell has our keys: that terminal is gone
        self._ahead = 0  # bytes typed to it that are not in its pty yet

    def open(self) -> None:
        """Prove the cookie and learn who we are. Raises `HandshakeError` or `HubLost`."""
        self._work()
        self._flush()
        while self._self is None:
            self.wait((), min(ANSWER_SECONDS, max(0.0, self._connection.next_deadline() - time.monotonic())))
            self._connection.tick(time.monotonic())
            if self._connection.error is not None:
                raise self._connection.error
            self._work()

    @property
    def title(self) -> str:
        """The node's name, and the number of a shell that not all share."""
        return f"{self.name}#{self.shell}" if self.shell else self.name

    def called(self, shell: int) -> str:
        """A shell of this node, in words."""
        return f"shell {shell} of {self.name}" if shell else f"the shell of {self.name}"

    def alone(self, told: Mapping[str, Any]) -> list[str]:
        """Lines about the shells at which nobody is, by the answer to an attach."""
        return [
            f"{self.called(number)} is still here, with nobody at it: {self.again(number)}"
            for number in told.get("alone", ())
        ]

    def _work(self) -> None:
        """Have done what the handshake waits for, if anything."""
        if (work := self._connection.take_work()) is not None:
            assert self._compute is not None
            self._connection.work_done(*self._compute(work), time.monotonic())
            self._flush()

    def again(self, shell: int | None = None, *, force: bool = False) -> str:
        """The command that connects to this shell again, or that of another number, and what else it takes to do so."""
        called = self.address or self.name.partition("@")[0]
        number = self.shell if shell is None else shell
        which = f"--shell {number} " if number else ""
        return f"pysh attach {'--force ' * force}{which}{called}{' (with the same --cookie)' if self.given else ''}"

    def close(self) -> None:
        """End the connection; the node lives on."""
        self._sock.close()

    def fileno(self) -> int:
        """The socket's, for a loop that watches it."""
        return self._sock.fileno()

    @property
    def full(self) -> bool:
        """Whether the hub or the cell is behind with reading what was sent: nobody should type on."""
        return bool(self._unsent) or self._ahead >= TYPED_AHEAD

    def wait(self, others: tuple[int, ...], timeout: float | None) -> list[int]:
        """Wait until there is something to `take`, or one of the files `others` can be read; those that can."""
        # While an answer was waited for, other frames may have come.
        return self._wait(others, 0 if self._frames else timeout)

    def wait_for(self, file: int, timeout: float | None) -> None:
        """Wait until `file` can be read; what the hub sends meanwhile is kept for `take`."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._wait((file,), None if until is None else max(0.0, until - time.monotonic())):
            if until is not None and time.monotonic() >= until:
                return

    def _wait(self, others: tuple[int, ...], timeout: float | None) -> list[int]:
        hub = self._sock.fileno()
        ready, writable, _ = select.select([hub, *others], [hub] if self._unsent else [], [], timeout)
        if writable:
            self._flush()
        if hub in ready:
            self.receive()
        return [file for file in ready if file != hub]

    def receive(self) -> None:
        """Read what the hub sent, for `take`. Raises `HubLost`, `Refused`, `HandshakeError` or `FrameError`."""
        try:
            data = self._sock.recv(4 * CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""  # it ended with something of ours unread
        except OSError as error:
            raise HubLost(error.strerror or str(error)) from None
        if not data:
            self._connection.receive_eof()
            raise self._connection.error or self._gone()
        for raw in self._connection.receive_data(data, time.monotonic()):
            self._sort(parse(raw))
        self._flush()
        if self._connection.error is not None:
            raise self._connection.error

    def take(self) -> list[Frame]:
        """The frames that came and were not taken yet: SCREEN, OUTPUT, NOTICE, CELL, DONE."""
        frames = list(self._frames)
        self._frames.clear()
        return frames

    def put_back(self, frames: list[Frame]) -> None:
        """`frames` are for whoever takes next."""
        self._frames.extendleft(reversed(frames))

    def ask(self, verb: str, **args: Any) -> Any:
        """What the hub answers to `verb`. Raises `Refused` or `HubLost`."""
        ref = self._post(Kind.REQUEST, meta=pack({"verb": verb, **args}))
        until = time.monotonic() + ANSWER_SECONDS
        while ref not in self._replies:
            left = until - time.monotonic()
            if left <= 0:
                raise HubLost(f"its hub gave no answer to {verb!r} within {ANSWER_SECONDS:g} s")
            self._wait((), left)
        reply = self._replies.pop(ref)
        if "ok" not in reply:
            raise Refused(str(reply.get("text", reply.get("error"))))
        return reply["ok"]

    def ask_later(self, verb: str, told: Callable[[Any], object], **args: Any) -> None:
        """Ask the hub, and have `told` called with its answer, or None if that is no, by whoever receives it."""
        self._told[self._post(Kind.REQUEST, meta=pack({"verb": verb, **args}))] = told

    def cell(self, source: bytes, *, person: bool = True, plain: bool = False) -> int:
        """Run a cell, of a `person` who sees what it shows, `plain` lines perhaps; the ref that its DONE will carry."""
        told = {} if person else {"person": False}
        told |= {"plain": True} if plain else {}
        return self._post(Kind.CELL, payload=source, meta=pack(told) if told else b"")

    def accepts(self, ref: int) -> bool:
        """Whether the cell `ref` has arrived where it runs, and takes what is typed here."""
        return self._holds if ref == ANOTHERS else self._heard >= ref

    def type(self, data: bytes) -> None:
        """Pass on what was typed to the program that runs."""
        self._typed = True
        self._ahead += len(data)
        self._post(Kind.INPUT, payload=data)

    def attach(self, size: tuple[int, int], how: Mapping[str, Any]) -> Mapping[str, Any]:
        """Be a terminal of `size` at a shell of this node, and which one `how` says; what is told of it.

        Raises `Refused`, also where the node has one shell alone and another one is asked for.
        """
        told: Mapping[str, Any] = self.ask("attach", rows=size[0], cols=size[1], **how)
        if "shell" not in told and (how.get("own") or how.get("shell")):
            raise Refused(f"{self.name} has one shell alone: what runs there is older. Be there with: {self.again(0)}")
        return told

    def attached(self, told: Mapping[str, Any]) -> None:
        """What the answer to an attach, if it is one, tells of the shell."""
        self.suspects = told.get("suspects", self.suspects)
        self.unread = told.get("unread", self.unread)
        self.shell = int(told.get("shell", self.shell)) if "suspects" in told else self.shell

    def take_back(self) -> bytes:
        """What was typed to cells that are over and they did not read. Call it when a cell is done."""
        typed, self._typed, self._ahead = self._typed, False, 0
        last = self._post(Kind.INPUT) if typed else 0  # nothing comes behind this one
        until = time.monotonic() + RETURN_SECONDS
        while self._heard < last and (left := until - time.monotonic()) > 0:
            self._wait((), left)
        unread, self._unread = self._unread, b""
        return unread

    def resize(self, rows: int, columns: int) -> None:
        """Tell the size of the terminal."""
        self._post(Kind.RESIZE, meta=pack({"rows": rows, "cols": columns}))

    def interrupt(self) -> None:
        """Have SIGINT sent to the shell's code."""
        self._post(Kind.INTERRUPT)

    def shown(self, kind: int, size: int, source: Pid | None = None, ref: int = 0) -> None:
        """Grant credit for `size` bytes of SCREEN, or of the OUTPUT of `source`, that were shown."""
        self._post(Kind.CREDIT, source, ref, meta=pack(kind), credit=size)

    def _post(self, kind: int, dest: Pid | None = None, ref: int = 0, **fields: Any) -> int:
        """Send a frame, to the hub unless told otherwise; its ref."""
        assert self._self is not None  # `open` was called
        self._refs += 1
        frame = Frame(kind, self._self, dest or self._hub, ref or self._refs, **fields)
        self._connection.send(encode(frame))
        self._flush()
        return frame.ref

    def _sort(self, frame: Frame) -> None:
        """Keep `frame` for whom it is meant."""
        if frame.kind == Kind.WELCOME:
            told = frame.options()
            self.name = told["name"]
            self._self, self._hub = Pid(told["incarnation"], told["number"]), Pid(told["incarnation"], HUB)
        elif frame.kind == Kind.REPLY and (told_of := self._told.pop(frame.ref, None)) is not None:
            told_of(frame.options().get("ok"))
        elif frame.kind == Kind.REPLY:
            reply = self._replies[frame.ref] = frame.options()
            if isinstance(told := reply.get("ok"), dict):  # of an attach; here, as what comes behind it is newer
                self.attached(told)
        elif frame.kind == Kind.INPUT:
            self._unread += frame.payload
            self._holds = self._holds or frame.ref == MIRRORED
            self._heard = max(self._heard, frame.ref)
        elif frame.kind == Kind.CREDIT:
            self._ahead = max(0, self._ahead - frame.credit)
        elif frame.kind == Kind.BYE:
            self._reason = str(frame.options().get("reason", ""))
        elif frame.kind != Kind.NODES:
            if frame.kind == Kind.CELL:
                self._holds = False
            if frame.kind in (Kind.NOTICE, Kind.DONE):
                told = frame.options()
                self.suspects = told.get("suspects", self.suspects)
                self.unread = told.get("unread", 0)
            self._frames.append(frame)

    def _gone(self) -> HubLost | Refused:
        """Why the hub closed the connection."""
        if self._reason == TAKEN_OVER:
            back = f"take it back: {self.again(force=True)}"
            return Refused(f"another terminal took over {self.called(self.shell)}; {back}")
        return HubLost(self._reason or "its hub is gone")

    def _flush(self) -> None:
        """Send what can be sent now; the rest with the next call."""
        self._unsent += b"".join(self._connection.data_to_send())
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # reading tells that the hub is gone, after what it said before
