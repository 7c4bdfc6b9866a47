"""`python -m pysh.transports.carrier FD KNOWN_HOSTS FOLDER`: speak SSH for a hub, and know nothing of nodes.

FD is the control socket (see `control`); when it ends, so does this process, and every connection
with it. KNOWN_HOSTS is pysh's own file of host keys, read beside the user's. FOLDER is for sockets of
the ssh binary: ours alone, and removed at the end by whichever of hub and carrier is left.

Each request has an `id` and a `verb`, and its answer the same `id` with `ok` or `error`. Four things
are told unasked: `lost`, that a connection broke, `ended`, how a stream's command ended, `came`, with a
stream, that somebody came in where we listen, and `question`, what a person is to be asked meanwhile.
"""

import asyncio
import base64
import os
import shutil
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.transports import listening
from pysh.transports.asking import Question
from pysh.transports.base import TransportError, cleaned
from pysh.transports.control import Message, Wire
from pysh.transports.interactive import Compute
from pysh.transports.means import LIMIT, Connection
from pysh.transports.pake import Desk
from pysh.transports.pool import Entry, Pool

if TYPE_CHECKING:
    from pysh.transports.sshd import Port


class Carrier:
    """Answers the hub's requests, each in a task of its own."""

    def __init__(self, sock: socket.socket, known_hosts: str, folder: str) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = Wire(sock, self._received, lambda _: self.finish())
        self._pool = Pool(known_hosts, folder)
        self._desk = Desk()
        self._entries: dict[int, Entry] = {}
        self._ports: dict[int, Port] = {}
        self._answers: Counter[int] = Counter()  # how often the hub was given each, and did not give it back
        self._numbers = count(1)
        self._questions: dict[int, asyncio.Future[str | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def finish(self) -> None:
        """Stop serving: the hub is gone, or wants us to be."""
        if not self.over.done():
            self.over.set_result(None)

    async def close(self) -> None:
        """End every request and every connection."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for port in self._ports.values():
            port.close()
        await self._pool.close_all()
        self._wire.close()

    def _received(self, message: Message, fds: list[int]) -> None:
        for fd in fds:  # no verb takes any
            os.close(fd)
        number = message.get("id", 0)
        if message.get("verb") == "cancel":
            if task := self._tasks.get(number):
                task.cancel()
        else:
            task = self._tasks[number] = asyncio.create_task(self._answer(number, message))
            task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answer(self, number: int, message: Message) -> None:
        """Do what `message` asks, and say how it went."""
        fds: list[int] = []
        try:
            answer: Message = {"ok": await VERBS[message["verb"]](self, message, fds)}
        except TransportError as error:
            answer = {"error": list(error.args)}
        except Exception as error:  # a fault of ours must not leave the hub waiting
            answer = {"error": ["cut", "the carrier failed", cleaned(repr(error)), "nothing more is known"]}
        self._wire.send({"id": number, **answer}, *fds)
        for fd in fds:
            os.close(fd)

    async def _connect(self, asked: Message, _: list[int]) -> Message:
        entry = await self._pool.connect(
            asked["destination"],
            asked["via"],
            asked["transport"],
            pin=asked["hostkey"] == "accept-new",
            ask=partial(self._ask, asked["id"]) if asked["ask"] else None,
            prove=self._proving(base64.b64decode(asked.get("secret", ""))),
        )
        number = next((known for known, held in self._entries.items() if held is entry), 0) or next(self._numbers)
        if number not in self._entries:
            self._entries[number] = entry
            entry.task.result().lost.add_done_callback(lambda lost: self._lost(number, lost.result()))
        self._answers[number] += 1
        return {"connection": number, "facts": entry.task.result().facts._asdict()}

    async def _ask(self, number: int, question: Question) -> str | None:
        """Have request `number`'s asker ask whoever sits there."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        key = next(self._numbers)
        self._questions[key] = answer
        self._wire.send({"told": "question", "id": number, "question": key, **question._asdict()})
        try:
            return await answer
        finally:
            del self._questions[key]

    async def _answered(self, asked: Message, _: list[int]) -> Message:
        if (answer := self._questions.get(asked["question"])) and not answer.done():
            answer.set_result(asked["text"])
        return {}

    def _lost(self, number: int, why: str) -> None:
        self._answers.pop(number, None)
        if self._entries.pop(number, None):
            self._wire.send({"told": "lost", "connection": number, "why": why})

    async def _run(self, asked: Message, _: list[int]) -> Message:
        stdin = base64.b64decode(asked["stdin"])
        ran = await self._connection(asked).run(asked["command"], stdin, asked.get("limit", LIMIT))
        out, err = (base64.b64encode(data).decode() for data in (ran.stdout, ran.stderr))
        return {"status": ran.status, "stdout": out, "stderr": err, "cut": ran.cut}

    async def _stream(self, asked: Message, fds: list[int]) -> Message:
        passage = await self._connection(asked).stream(path=asked["path"], command=asked["command"])
        fds.append(passage.sock.detach())
        number = next(self._numbers)

        def ended(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled() and not future.exception():
                self._wire.send({"told": "ended", "stream": number, **future.result()._asdict()})

        # Not before the answer itself, even where it ended already.
        asyncio.get_running_loop().call_soon(passage.ended.add_done_callback, ended)
        return {"stream": number}

    async def _spake2(self, asked: Message, _: list[int]) -> Message:
        secret, entropy, theirs = (base64.b64decode(asked[name]) for name in ("secret", "entropy", "theirs"))
        share, key = await self._desk.compute(asked["source"], asked["side"], secret, entropy, theirs)
        return {"share": base64.b64encode(share).decode(), "key": base64.b64encode(key).decode()}

    def _proving(self, secret: bytes) -> Compute | None:
        """SPAKE2 with `secret`, for a connection of our own."""
        return (lambda side, entropy, theirs: self._desk.compute("", side, secret, entropy, theirs)) if secret else None

    async def _listen(self, asked: Message, _: list[int]) -> Message:
        from pysh.transports import sshd

        number = next(self._numbers)

        def came(sock: socket.socket, who: sshd.Came) -> None:
            with sock:
                self._wire.send({"told": "came", "listener": number, **who._asdict()}, sock.fileno())

        key = sshd.host_key(asked["key"])
        sock = listening.bind(asked["host"], asked["port"])
        self._ports[number] = sshd.Port(
            sock, key, authorized=asked["authorized"], secret=base64.b64decode(asked["secret"]),
            desk=self._desk, came=came, offers=listening.Offers(**asked["offers"]),
        )  # fmt: skip
        host, port, *_ = sock.getsockname()
        return {"listener": number, "host": host, "port": port, "fingerprint": key.get_fingerprint()}

    async def _accept(self, asked: Message, _: list[int]) -> Message:
        connection = self._connection(asked)
        connection.accept()
        return {"facts": connection.facts._asdict()}

    async def _close(self, asked: Message, _: list[int]) -> Message:
        """Close what the hub gives back, if it gave back every answer that named it, those on their way there too."""
        number = asked["connection"]
        self._answers[number] -= asked["answers"]
        if self._answers[number] <= 0:
            self._answers.pop(number)
            if entry := self._entries.pop(number, None):
                self._pool.close(entry)
        return {}

    def _connection(self, asked: Message) -> Connection:
        entry = self._entries.get(asked["connection"])
        if entry is None:
            hint = "nothing was run; connect again"
            raise TransportError("cut", "the SSH connection is gone", f"number {asked['connection']}", hint)
        return entry.task.result()


VERBS: dict[str, Callable[[Carrier, Message, list[int]], Coroutine[Any, Any, Message]]] = {
    "connect": Carrier._connect,
    "run": Carrier._run,
    "stream": Carrier._stream,
    "accept": Carrier._accept,
    "spake2": Carrier._spake2,
    "listen": Carrier._listen,
    "close": Carrier._close,
    "answer": Carrier._answered,
}


async def serve(fd: int, known_hosts: str, folder: str) -> None:
    """Serve the control socket `fd` until it ends."""
    carrier = Carrier(socket.socket(fileno=fd), known_hosts, folder)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, carrier.finish)
    await carrier.over
    await carrier.close()
    shutil.rmtree(folder, ignore_errors=True)


def main(fd: int, known_hosts: str, folder: str) -> None:
    """Be a carrier."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whom we work
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        runner.run(serve(fd, known_hosts, folder))
        os._exit(0)  # no waiting for a name server that a thread may still ask


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
