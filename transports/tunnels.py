"""A hub's side of its carrier: the SSH connections it has, what runs there, and sockets that lead there.

    carrier = await Carrier.start(known_hosts)
    connection = await carrier.connect("deploy@db1", via=["bastion"])
    listed = await connection.run("pysh ls --json")
    passage = await connection.stream(path="/run/user/1000/pysh/n1.sock")

`passage.sock` is a connected socket for the event loop; nothing of SSH is imported here.
"""

import asyncio
import base64
import os
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from itertools import count
from typing import Literal, NamedTuple, Self

from pysh.transports.asking import Ask, Question
from pysh.transports.base import CLOSE_GRACE, TransportError
from pysh.transports.control import Facts, Message, Ran, Wire, hash_of
from pysh.transports.listening import NOTHING, Offers
from pysh.transports.means import LIMIT, Ended, Passage

MAX_STDIN = 4 << 20
"""Bytes that `run` takes for standard input."""

Came = Callable[[socket.socket, str, str], None]


class Listener(NamedTuple):
    """Where somebody may come in, and the fingerprint of the host key that he sees."""

    host: str
    port: int
    fingerprint: str

    @property
    def key_hash(self) -> bytes:
        """The SHA-256 of the host key, which a handshake binds itself to."""
        return hash_of(self.fingerprint)


class Carrier:
    """A carrier process, and the requests under way to it.

    Each of its methods may be cancelled, and what it began there ends then. Once the process is gone
    they all raise `TransportError` with the stage `cut`.
    """

    def __init__(self, sock: socket.socket, process: Process, folder: str) -> None:
        self._wire = Wire(sock, self._received, self._ended)
        self._process, self._folder = process, folder
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._connections: dict[int, Connection] = {}
        self._streams: dict[int, asyncio.Future[Ended]] = {}
        self._came: dict[int, Came] = {}
        self._asking: dict[int, Ask] = {}
        self._questions: set[asyncio.Future[None]] = set()
        self._gone = ""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when nothing can be asked of it any more."""

    @classmethod
    async def start(cls, known_hosts: str, *, python: str = sys.executable, log: int = DEVNULL) -> Self:
        """Start a carrier with pysh's own `python`; `known_hosts` is pysh's own file of host keys.

        What it prints of itself goes to the file descriptor `log`.
        """
        folder = tempfile.mkdtemp(prefix="pysh-ssh-")  # 0700
        ours, theirs = socket.socketpair()
        words = ["-P", "-m", "pysh.transports.carrier", str(theirs.fileno()), known_hosts, folder]
        try:
            process = await asyncio.create_subprocess_exec(
                python, *words, pass_fds=[theirs.fileno()], stdin=DEVNULL, stdout=log, stderr=log
            )
        except BaseException:
            ours.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            theirs.close()
        return cls(ours, process, folder)

    @property
    def folder(self) -> str:
        """A folder that only we can enter, and that is gone when the carrier is."""
        return self._folder

    @property
    def pid(self) -> int:
        """The process id of the carrier."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether nothing was asked of it that it has not answered, and nobody has a connection."""
        return not self._waiting and not self._connections

    @property
    def gone(self) -> str:
        """Why nothing can be asked of it any more; empty while it is there."""
        return self._gone

    async def connect(
        self, destination: str, *, via: Sequence[str] = (), hostkey: Literal["accept-new"] | None = None,
        transport: Literal["auto", "asyncssh", "openssh"] = "auto", ask: Ask | None = None, secret: bytes = b"",
    ) -> "Connection":  # fmt: skip
        """An SSH connection to `destination`, through the hops `via`; the one that is there is shared.

        A host key that no known_hosts file has makes it `provisional`, or is written down when
        `hostkey` says so; look at `facts.verified` before a secret goes there. What the server asks a person
        (a password, a code) is for `ask`; without it nobody is asked. `secret` is proved, by SPAKE2, to a server that
        is a node itself, before it is shown any key; asyncssh alone can. Raises `TransportError` with one of the stages
        `resolve tcp hostkey sshauth`.
        """
        answer, _ = await self._ask(
            "connect",
            destination=destination,
            via=list(via),
            hostkey=hostkey,
            transport=transport,
            asking=ask,
            ask=ask is not None,
            secret=base64.b64encode(secret).decode(),
        )
        made: Connection = answer["made"]
        return made

    async def spake2(
        self, side: Literal["A", "B"], secret: bytes, entropy: bytes, theirs: bytes = b"", *, source: str = ""
    ) -> tuple[bytes, bytes]:
        """The share of one side (A begins) and, from the other side's share `theirs`, the key they make.

        The same arguments give the same share: call it first without `theirs` and then with it. `source`
        is who made us ask; what one of them asks is computed one at a time. Raises `TransportError`:
        `hostkey` where SPAKE2 is not installed, `busy` when too many wait, `malformed` for no share.
        """
        texts = {"secret": secret, "entropy": entropy, "theirs": theirs}
        encoded: Message = {name: base64.b64encode(value).decode() for name, value in texts.items()}
        answer, _ = await self._ask("spake2", source=source, side=side, **encoded)
        return base64.b64decode(answer["share"]), base64.b64decode(answer["key"])

    async def listen(
        self, host: str, port: int, *, key: str, authorized: str, secret: bytes, came: Came,
        offers: Offers = NOTHING,
    ) -> Listener:  # fmt: skip
        """Let nodes in at a TCP port (0: any free one) that have a key in the file `authorized`, or the `secret`.

        `came(stream, source, by)` owns each stream that they open; `source` is who, as far as the address
        tells, and `by` is `key` or `secret`. `key` is the file of our own host key, made if it is missing.
        A person who has an authorized key is given one of the commands of `offers`.
        Raises `TransportError` with one of the stages `resolve tcp hostkey`.
        """
        text = base64.b64encode(secret).decode()
        answer, _ = await self._ask(
            "listen", host=host, port=port, key=key, authorized=authorized, secret=text, offers=offers._asdict()
        )
        self._came[answer["listener"]] = came
        return Listener(answer["host"], answer["port"], answer["fingerprint"])

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

    async def _ask(self, verb: str, *, asking: Ask | None = None, **details: object) -> tuple[Message, list[int]]:
        if self._gone:
            raise TransportError("cut", "the carrier is gone", self._gone, "nothing was run; connect again")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        if asking:
            self._asking[number] = asking
        self._wire.send({"id": number, "verb": verb, **details})
        try:
            message, fds = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and not answer.exception():
                self._unwanted(*answer.result())
            else:
                self._wire.send({"id": number, "verb": "cancel"})
            raise
        finally:
            del self._waiting[number]
            self._asking.pop(number, None)
        if "error" in message:
            raise TransportError(*message["error"])
        return message["ok"], fds

    def _received(self, message: Message, fds: list[int]) -> None:
        if message.get("told") == "question":
            questioned = asyncio.ensure_future(self._questioned(message))
            self._questions.add(questioned)
            questioned.add_done_callback(self._questions.discard)
            return
        waiting = self._waiting.get(message.get("id", 0))
        if waiting and not waiting.done():
            self._make(message.get("ok", {}))
            waiting.set_result((message, fds))
            return
        if message.get("told") == "came" and message["listener"] in self._came and len(fds) == 1:
            self._came[message["listener"]](socket.socket(fileno=fds[0]), message["source"], message["by"])
            return
        self._unwanted(message, fds)
        match message:
            case {"told": "lost", "connection": number, "why": why}:
                if connection := self._connections.pop(number, None):
                    connection.lost.set_result(why)
            case {"told": "ended", "stream": number, "status": status, "stderr": stderr}:
                if ended := self._streams.pop(number, None):
                    ended.set_result(Ended(status, stderr))

    def _unwanted(self, message: Message, fds: list[int]) -> None:
        """Let go of what an answer brings for which nobody waits any more."""
        for fd in fds:
            os.close(fd)
        made = message.get("ok", {}).get("made")
        if isinstance(made, Connection):
            made.close()
        elif (number := message.get("ok", {}).get("connection")) is not None:
            self._give_back(number, 1)

    def _give_back(self, number: int, answers: int) -> None:
        """Tell the carrier that so many answers that named connection `number` are needed no more."""
        self._wire.send({"id": next(self._numbers), "verb": "close", "connection": number, "answers": answers})

    async def _questioned(self, told: Message) -> None:
        """Ask, and pass the answer on; none where whoever could be asked does not wait any more."""
        text, ask = None, self._asking.get(told["id"])
        try:
            text = await ask(Question(told["text"], told["wanted"])) if ask else None
        finally:
            self._wire.send({"id": next(self._numbers), "verb": "answer", "question": told["question"], "text": text})

    def _make(self, answer: Message) -> None:
        """Put beside an answer what it is about, before anything that is told of it arrives."""
        match answer:
            case {"connection": number, "facts": facts}:
                known = self._connections.get(number) or Connection(self, number, Facts(**facts))
                known.facts = Facts(**facts)
                known.uses += 1  # now, and not when who asked runs: meanwhile the others may give theirs back
                answer["made"] = self._connections[number] = known
            case {"stream": number}:
                answer["made"] = self._streams[number] = asyncio.get_running_loop().create_future()

    def _ended(self, why: str) -> None:
        self._gone = self._gone or why
        shutil.rmtree(self._folder, ignore_errors=True)
        if not self.ended.done():
            self.ended.set_result(self._gone)
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
        self.uses = 0
        """How many asked for it and did not give it back."""
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
        return Passage(socket.socket(fileno=fds[0]), answer["made"])

    async def accept(self) -> None:
        """Write a provisional host key into pysh's own file. Raises `TransportError`."""
        answer, _ = await self._carrier._ask("accept", connection=self._number)
        self.facts = Facts(**answer["facts"])

    def close(self) -> None:
        """Give it back, once for each who asked for it: it ends with the last, if nothing else leads through it."""
        self._give_back(1)

    def end(self) -> None:
        """Give it back for all who asked for it."""
        self._give_back(self.uses)

    def _give_back(self, uses: int) -> None:
        if self.lost.done():
            return
        self.uses -= uses
        if not self.uses:
            self._carrier._connections.pop(self._number, None)
            self.lost.set_result("it was closed")
        self._carrier._give_back(self._number, uses)

    def __repr__(self) -> str:
        facts = self.facts
        return f"<SSH connection to {facts.user}@{facts.host} by {facts.means}, host key {facts.verified}>"
