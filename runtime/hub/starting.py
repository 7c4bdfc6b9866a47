"""Start a node on another machine, over an SSH connection that is there: the near end of `stage0` and `stage1`.

    starter                                    there
    the command line      ───────────►         stage 0 looks for a Python
                          ◄───────────         it is up, and has our core or not
    the core, if it lacks ───────────►
    the node's settings   ───────────►         stage 1 starts the hub
                          ◄───────────         the node is up, or why not
    keep, or hold         ───────────►         the node lives by itself, or as long as this stream

Until `keep` the other end stops the node when the stream ends: whatever happens here, nothing that was
half started stays there.
"""

import asyncio
import json
import secrets
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from pysh.runtime.hub import stage0
from pysh.runtime.hub.core_zip import node_zip
from pysh.runtime.hub.trust import check_vouched
from pysh.transports.base import TransportError, cleaned
from pysh.transports.means import Passage
from pysh.transports.tunnels import Connection

SECONDS = 45.0
"""How long a start may take in all, a slow login shell included."""
MINOR = "{}.{}".format(*sys.version_info)
OLDEST = "3.11"
_LINES = 12
"""Lines of the log that the error of a failed start shows."""


class Asked(NamedTuple):
    """What the user asked for. Empty means: as it is there."""

    name: str  # in full
    host: str
    python: str = ""
    cwd: str = ""
    setup: str = ""


class Core(NamedTuple):
    """The zip that a node runs from, packed for the way, and its SHA-256."""

    digest: str
    packed: bytes


class Started(NamedTuple):
    """A node that is up there, and our hold on it."""

    socket: str
    pid: int
    python: stage0.Up
    why: str
    warning: str
    passage: Passage

    def keep(self) -> None:
        """Let the node live by itself: who asked has the answer."""
        self._decide(b"keep\n")
        self.passage.sock.close()

    def hold(self) -> None:
        """Have the node live as long as the stream does."""
        self._decide(b"hold\n")

    def give_up(self) -> None:
        """Nobody wants it: it stops there."""
        self.passage.sock.close()

    def _decide(self, word: bytes) -> None:
        try:
            self.passage.sock.send(word)  # a socket to which nothing else was written takes five bytes
        except OSError:
            pass  # the node has noticed, and has stopped


_core: Core | None = None


async def core() -> Core:
    """The node's zip, made and packed once, away from the loop."""
    global _core
    if _core is None:
        _core = await asyncio.to_thread(_packed)
    return _core


def _packed() -> Core:
    with open(node_zip(), "rb") as file:
        data = file.read()
    # Level 1 takes a third of the time of level 6, and sends a tenth more.
    return Core(sha256(data).hexdigest(), zlib.compress(data, 1))


async def start(connection: Connection, asked: Asked, settings: dict[str, Any]) -> Started:
    """Have a hub with `settings` up on the machine of `connection`; its python and cwd are found there.

    Raises `TransportError` with one of the stages `hostkey launch name`; nothing of the node stays then.
    """
    check_vouched(connection.facts, asked.host)
    word = secrets.token_hex(8)
    try:
        packed = await core()
        line = stage0.command(word, packed.digest, MINOR, python=asked.python, cwd=asked.cwd, setup=asked.setup)
    except (OSError, ValueError) as error:
        raise TransportError("launch", "nothing was started", str(error)) from error
    passage = await connection.stream(command=line)
    try:
        async with asyncio.timeout(SECONDS):
            return await _Conversation(passage, asked, word).start(packed, settings)
    except TimeoutError:
        passage.sock.close()
        hint = f"see what keeps it: ssh {asked.host} true"
        raise TransportError("launch", f"{asked.host} did not start the node within {SECONDS:g} s", hint=hint) from None
    except BaseException:
        passage.sock.close()
        raise


class _Conversation:
    """What is said over the stream of one start."""

    def __init__(self, passage: Passage, asked: Asked, word: str) -> None:
        self._passage, self._asked = passage, asked
        self._answers = stage0.Answers(word)
        self._lines = self._heard()
        passage.sock.setblocking(False)

    async def start(self, packed: Core, settings: dict[str, Any]) -> Started:
        up = await self._python()
        header = f"{0 if up.has_core else len(packed.packed)}\n".encode()
        config = {**settings, "name": self._asked.name}
        await self._send(header + (b"" if up.has_core else packed.packed) + json.dumps(config).encode() + b"\n")
        try:
            answer = await anext(self._lines, "")
        except stage0.Noise:
            raise self._noisy() from None
        if not answer.startswith("{"):
            raise await self._broke(f"Python {up.version} there ended before the node was up", cleaned(answer))
        try:
            return self._started(json.loads(answer), up)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = "the answer from there makes no sense"
            raise TransportError("launch", what, cleaned(repr(error))) from error

    def _started(self, told: dict[str, Any], up: stage0.Up) -> Started:
        """The node that stage 1 says is up. Raises `TransportError` if it says that there is none."""
        if "error" in told:
            raise self._failed(told)
        path = str(told["socket"])
        if not path.startswith("/") or not path.isprintable():
            raise ValueError(f"a socket at {path!r}")
        why = stage0.why(up, MINOR, python=self._asked.python, active=bool(self._asked.setup))
        return Started(path, int(told["pid"]), up, why, cleaned(str(told["warning"])), self._passage)

    async def _python(self) -> stage0.Up:
        search = stage0.Search()
        try:
            async for answer in self._lines:
                if answer == "none":
                    raise self._no_python(search.tried)
                if up := search.heard(answer):
                    return up
        except stage0.Noise:
            raise self._noisy() from None
        raise await self._broke(f"the login shell of {self._asked.host} did not get to Python", *search.tried)

    async def _heard(self) -> AsyncIterator[str]:
        """The answers, until the stream ends."""
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while data := await loop.sock_recv(self._passage.sock, 65536):
                for answer in self._answers.feed(data):
                    yield answer

    def _noisy(self) -> TransportError:
        hint = "let the shell's start-up files print nothing where there is no terminal"
        said = cleaned(self._answers.noise.decode(errors="replace"), 200)
        return TransportError("launch", f"{self._asked.host} prints and does not answer", said, hint)

    async def _send(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._passage.sock, data)
        except ConnectionError:
            pass  # why it ended is read next

    def _no_python(self, tried: list[str]) -> TransportError:
        asked = self._asked
        wanted = asked.python or f"Python {OLDEST} or newer"
        looked = ", ".join(stage0.looked_for(MINOR, python=asked.python))
        evidence = "tried: " + "; ".join(tried) if tried else f"none of these is a program there: {looked}"
        hint = 'name one that is: python="/path/to/python3.11"; or install one: uv python install'
        return TransportError("launch", f"there is no {wanted} on {asked.host} that pysh can use", evidence, hint)

    async def _broke(self, what: str, *evidence: str) -> TransportError:
        """The stream ended too early: whatever is known of it."""
        try:
            async with asyncio.timeout(1.0):
                status, complaint = await asyncio.shield(self._passage.ended)
        except TimeoutError:
            status, complaint = None, ""
        noise = cleaned(self._answers.noise.decode(errors="replace"), 200)
        ended = [] if status is None else [f"exit status {status}"]
        known = "; ".join(text for text in (*evidence, *ended, complaint, noise) if text)
        if status == 255 or (status is None and not known):
            return TransportError("launch", what, known or "the connection broke", f"try: ssh {self._asked.host} true")
        way = [f"{name}={text!r}" for name in ("cwd", "setup") if (text := getattr(self._asked, name))]
        return TransportError("launch", what, known, f"try there what you gave: {', '.join(way)}" if way else "")

    def _failed(self, told: dict[str, Any]) -> TransportError:
        """The hub itself says why there is no node."""
        text = cleaned(str(told["text"]))
        if told["error"] == "NameTaken":
            return TransportError("name", text)
        log = "\n".join(cleaned(line, 200) for line in str(told.get("log", "")).splitlines()[-_LINES:])
        hint = f"see its log: pysh logs {self._asked.name}" + (f"\nits last words:\n{log}" if log else "")
        return TransportError("launch", f"the node did not start on {self._asked.host}", text, hint)
