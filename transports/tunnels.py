"""A hub's side of its carrier: the SSH connections it has, what runs there, and sockets that lead there."""

import asyncio
import base64
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from itertools import count
from typing import Literal, Self

from pysh.transports.base import CLOSE_GRACE, TransportError
from pysh.transports.control import Facts, Message, Ran, Wire
from pysh.transports.means import LIMIT, Ended, Passage

MAX_STDIN = 4 << 20
"""Bytes that `run` takes for standard input."""


class Carrier:
    """A carrier process, and the requests under way to it.

    Each of its methods may be cancelled, and what it began there ends then. Once the process is gone
    they all raise `TransportError` with the stage `cut`.
    """

    def __init__(self, sock: socket.socket, process: Process) -> None:
        self._wire = Wire(sock, self._received, self._ended)
        self._process = process
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._connections: dict[int, Connection] = {}
        self._streams: dict[int, asyncio.Future[Ended]] = {}
        self._gone = ""

    @classmethod
    async def start(cls, known_hosts: str, *, python: str = sys.executable, log: int = DEVNULL) -> Self:
        """Start a carrier with pysh's own `python`; `known_hosts` is pysh's own file of host keys.

        What it prints of itself goes to the file descriptor `log`.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            words = ["-P", "-m", "pysh.transports.carrier", str(theirs.fileno()), known_hosts]
            process = await asyncio.create_subprocess_exec(
                python, *words, pass_fds=[theirs.fileno()], stdin=DEVNULL, stdout=log, stderr=log
            )
        return cls(ours, process)

    @property
    def pid(self) -> int:
        """The process id of the carrier."""
        return self._process.pid

    @property
    def gone(self) -> str:
        """Why nothing can be asked of it any more; empty while it is there."""
        return self._gone

    async def connect(
        self, destination: str, *, via: Sequence[str] = (), hostkey: Literal["accept-new"] | None = None,
        transport: Literal["auto", "asyncssh", "openssh"] = "auto", ask: bool = False,
    ) -> "Connection":  # fmt: skip
        """An SSH connection to `destination`, through the hops `via`; the one that is there is shared.

        A host key that no known_hosts file has makes it `provisional`, or is written down when
        `hostkey` says so; look at `facts.verified` before a secret goes there. With `ask` the ssh
        binary may ask for a password on our terminal. Raises `TransportError` with one of the stages
        `resolve tcp hostkey sshauth`.
        """
        answer, _ = await self._ask(
            "connect", destination=destination, via=list(via), hostkey=hostkey, transport=transport, ask=ask
        )
        number, facts = answer["connection"], Facts(**answer["facts"])
        connection = self._connections.get(number)
        if connection is None:
            connection = self._connections[number] = Connection(self, number, facts)
        connection.facts = facts
        connection.answers += 1
        return connection

    async def close(self) -> None:
        """End the carrier and every connection with it."""
        self._wire.close()
        self._ended("it was closed")
        try:
            async with asyncio.timeout(3 * CLOSE_GRACE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ask(self, verb: str, **details: object) -> tuple[Message, list[int]]:
        if self._gone:
            raise TransportError("cut", "the carrier is gone", self._gone, "nothing was run; connect again")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._wire.send({"id": number, "verb": verb, **details})
        try:
            message, fds = await answer
        except asyncio.CancelledError:
            self._wire.send({"id": number, "verb": "cancel"})
            raise
        finally:
            del self._waiting[number]
        if "error" in message:
            raise TransportError(*message["error"])
        return message["ok"], fds

    def _received(self, message: Message, fds: list[int]) -> None:
        waiting = self._waiting.get(message.get("id", 0))
        if waiting and not waiting.done():
            waiting.set_result((message, fds))
            return
        for fd in fds:  # who asked does not wait any more
            os.close(fd)
        if (unwanted := message.get("ok", {}).get("connection")) is not None:
            self._wire.send({"id": next(self._numbers), "verb": "close", "connection": unwanted, "answers": 1})
        match message:
            case {"told": "lost", "connection": number, "why": why}:
                if connection := self._connections.pop(number, None):
                    connection.lost.set_result(why)
            case {"told": "ended", "stream": number, "status": status, "stderr": stderr}:
                if ended := self._streams.pop(number, None):
                    ended.set_result(Ended(status, stderr))

    def _ended(self, why: str) -> None:
        self._gone = self._gone or why
        for waiting in self._waiting.values():
            if not waiting.done():
                hint = "what was under way may have run; connect again"
                waiting.set_exception(TransportError("cut", "the carrier is gone", why, hint))
        for connection in self._connections.values():
            connection.lost.set_result(f"the carrier is gone: {why}")
        for ended in self._streams.values():
            ended.set_result(Ended(None, ""))
        self._connections.clear()
        self._streams.clear()


class Connection:
    """An SSH connection that the carrier holds; `lost` is done, and says why, when it is over."""

    def __init__(self, carrier: Carrier, number: int, facts: Facts) -> None:
        self.facts = facts
        self.answers = 0  # those of `connect` that led to this
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._carrier, self._number = carrier, number

    async def run(self, command: str, stdin: bytes = b"", *, limit: int = LIMIT) -> Ran:
        """Run `command` through the login shell there and wait for its end.

        `command` is seen by others there; `stdin`, at most `MAX_STDIN` bytes, is not. At most `limit`
        bytes are kept of each stream it prints. Raises `TransportError` (`cut`).
        """
        if len(stdin) > MAX_STDIN:
            raise ValueError(f"standard input has {len(stdin)} bytes, and {MAX_STDIN} are allowed")
        text = base64.b64encode(stdin).decode()
        answer, _ = await self._carrier._ask("run", connection=self._number, command=command, stdin=text, limit=limit)
        out, err = (base64.b64decode(answer[name]) for name in ("stdout", "stderr"))
        return Ran(answer["status"], out, err, answer["cut"])

    async def stream(self, *, path: str = "", command: str = "") -> Passage:
        """A socket whose other end is the Unix socket `path` there, or `command`'s standard streams.

        Exactly one of the two is given. Raises `TransportError`: `refused` when no sockets are
        forwarded (a command that relays may do), `find` when nobody listens at `path`, else `cut`.
        """
        if bool(path) == bool(command):
            raise ValueError("give either a path or a command")
        answer, fds = await self._carrier._ask("stream", connection=self._number, path=path, command=command)
        ended = self._carrier._streams[answer["stream"]] = asyncio.get_running_loop().create_future()
        return Passage(socket.socket(fileno=fds[0]), ended)

    async def accept(self) -> None:
        """Write a provisional host key into pysh's own file. Raises `TransportError`."""
        answer, _ = await self._carrier._ask("accept", connection=self._number)
        self.facts = Facts(**answer["facts"])

    async def close(self) -> None:
        """Give the connection back; it ends if nothing else leads through it."""
        self._carrier._connections.pop(self._number, None)
        if not self.lost.done():
            self.lost.set_result("it was closed")
        with contextlib.suppress(TransportError):
            await self._carrier._ask("close", connection=self._number, answers=self.answers)

    def __repr__(self) -> str:
        facts = self.facts
        return f"<SSH connection to {facts.user}@{facts.host} by {facts.means}, host key {facts.verified}>"
