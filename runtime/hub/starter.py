"""Starts nodes for the core, here or on other machines, and connects to them."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pysh.runtime import interpreter, launch
from pysh.runtime.errors import STAGES
from pysh.runtime.hub import probe, starting
from pysh.runtime.hub.dialling import Attempt
from pysh.runtime.hub.environment import after
from pysh.runtime.hub.far import PARTING, Tunnel
from pysh.runtime.hub.persistence import survival
from pysh.runtime.hub.trace import Trace
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.actions import Start
from pysh.runtime.protocol.addresses import Way
from pysh.transports import unix
from pysh.transports.base import TransportError

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

AT_ONCE, PER_HOST = 32, 4
"""Starts that are under way at the same time: in all, and on one host, whose sshd lets in no more than
some ten logins at once."""
SECONDS = 20.0
"""How long a node here may take until it is up."""


class Starter:
    """Starts what the core asks for; the outcome reaches it under the token that came with it."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: list[subprocess.Popen[bytes]] = []
        self._kept: set[asyncio.Future[Any]] = set()
        self._all = asyncio.Semaphore(AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))

    def start(self, asked: Start) -> None:
        """Begin."""
        task = self._server.loop.create_task(self._start(asked))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._report(done, asked))

    def reap(self) -> None:
        """Take note of nodes started here that have ended."""
        self._children = [child for child in self._children if child.poll() is None]

    async def close(self) -> None:
        """Give up what is under way; nothing of it stays, and what is to live on is told so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kept:
            await asyncio.wait(self._kept, timeout=PARTING)

    def _report(self, done: "asyncio.Task[None]", asked: Start) -> None:
        self._tasks.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        stage = getattr(error, "stage", "launch")
        told = {
            "error": "ConnectError", "stage": stage if stage in STAGES else "launch", "address": asked.name,
            "text": str(error), "executed": "no",
        }  # fmt: skip
        self._server.core.members.dial_failed(asked.token, told)
        self._server.carry_out()

    async def _start(self, asked: Start) -> None:
        async with self._all, self._hosts[asked.host]:
            if asked.host:
                await self._there(asked)
            else:
                await self._here(asked)

    def _settings(self, asked: Start) -> dict[str, Any]:
        """What the new node is told whatever machine it is on."""
        ours = self._server.config
        return {
            "role": "headless", "name": asked.name, "cookie": self._server.cookie.hex(),
            "cookie_source": f"{self._server.name}, which started it",
            "incarnation": secrets.token_hex(16), "persistent": True, "env": asked.env,
            "starter": "" if asked.persist else self._server.incarnation.hex(),
            **{key: ours[key] for key in ("grace", "cores") if key in ours},
        }  # fmt: skip

    async def _there(self, asked: Start) -> None:
        far, way = self._server.dialler.far(), Way(hostkey="accept-new" if asked.hostkey == "accept-new" else None)
        dialler = self._server.dialler
        ssh, _ = await far.connect(asked.host, way, dialler.asking(asked.token, asked.host) if asked.asks else None)
        try:
            words = starting.Asked(asked.name, asked.host, asked.python, asked.cwd, asked.setup)
            started = await starting.start(ssh, words, self._settings(asked))
        except BaseException:
            far.part(ssh)
            raise
        address = f"{asked.name.partition('@')[0]}@{asked.host}"
        self._warn(asked, started.warning)
        try:
            passage = await probe.stream(ssh, started.socket, asked.host)
            if not await self._greeted(asked, address, way, Tunnel(passage.sock, b"", ssh, passage.ended)):
                started.give_up()
                return
        except BaseException:
            started.give_up()
            raise
        started.keep()
        self._kept.add(started.passage.ended)
        started.passage.ended.add_done_callback(self._kept.discard)
        self._say(f"{asked.name}: Python {started.python.version}, {started.python.executable} ({started.why})")

    async def _here(self, asked: Start) -> None:
        settings = await asyncio.to_thread(_settings_here, asked)
        prefix, warning = await asyncio.to_thread(survival)
        child, sock = launch.start_hub_process({**self._settings(asked), **settings, "leashed": True}, prefix=prefix)
        self._children.append(child)
        with sock:
            told = await _status(sock)
            if "error" in told:
                stage = "name" if told["error"] == "NameTaken" else "launch"
                raise TransportError(stage, told["text"])
            self._warn(asked, warning)
            near = unix.connected_socket(told["socket"], timeout=0)
            if await self._greeted(asked, asked.name, Way(), near):
                sock.send(b"keep\n")

    async def _greeted(self, asked: Start, address: str, way: Way, to: "Tunnel | socket.socket") -> bool:
        """Connect to the new node; whether that went well, which whoever asked is told then."""
        greeted: asyncio.Future[bool] = self._server.loop.create_future()
        attempt, dialler = Attempt(asked.token, address, way, Trace(), greeted=greeted), self._server.dialler
        if isinstance(to, Tunnel):
            await dialler.greet(attempt, to.sock, to)
        else:
            await dialler.greet(attempt, to)
        return await greeted

    def _warn(self, asked: Start, warning: str) -> None:
        """Pass `warning` on before whoever asked hears that the node is up: a script may end with that."""
        if warning and asked.program:
            self._server.core.tell(asked.program, f"{asked.name}: {warning}")
            self._server.carry_out()
        elif warning:
            self._say(f"{asked.name}: {warning}", "warn")

    def _say(self, text: str, level: str = "info") -> None:
        self._server.core.shells.notice(text, level)
        self._server.carry_out()


def _settings_here(asked: Start) -> dict[str, Any]:
    """What only the machine of the node can say: its Python, its folder, the environment after `setup`.

    Raises `ConfigError`.
    """
    cwd = os.path.abspath(os.path.expanduser(asked.cwd or "."))  # noqa: PTH100, PTH111
    if not os.path.isdir(cwd):  # noqa: PTH112
        raise ConfigError("there is no such folder", f"cwd={asked.cwd!r}")
    env = {**(after(asked.setup, cwd) if asked.setup else {}), **asked.env}
    python = interpreter.user_python(asked.python, cwd, {**os.environ, **env})
    version, executable = interpreter.check_python(python)
    return {"cwd": cwd, "env": env, "python": executable, "python_version": version}


async def _status(sock: socket.socket) -> dict[str, Any]:
    """The one line by which a hub says that it is up, or why not."""
    loop, line = asyncio.get_running_loop(), b""
    sock.setblocking(False)
    async with asyncio.timeout(SECONDS):
        while not line.endswith(b"\n"):
            data = await loop.sock_recv(sock, 4096)
            if not data:
                return {"error": "hub", "text": "the hub ended before it was up; nothing was run"}
            line += data
    told: dict[str, Any] = json.loads(line)
    return told
