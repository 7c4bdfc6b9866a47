"""Starts nodes for the core, here or on other machines, and connects to them."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pysh.runtime import interpreter, launch
from pysh.runtime.errors import STAGES
from pysh.runtime.hub import starting
from pysh.runtime.hub.environment import after
from pysh.runtime.places import ConfigError, state_dir
from pysh.runtime.protocol.actions import Start
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.handshake import Handshake
from pysh.transports import tunnels, unix
from pysh.transports.base import TransportError
from pysh.transports.tunnels import Carrier

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

AT_ONCE, PER_HOST = 32, 4
"""Starts that are under way at the same time: in all, and on one host, whose sshd lets in no more than
some ten logins at once."""
PARTING = 1.0
"""Seconds that the last words to other nodes have to leave this machine."""
SECONDS = 20.0
"""How long a node here may take until it is up, and any until it has greeted us."""


class Starter:
    """Starts what the core asks for; the outcome reaches it under the token that came with it."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: list[subprocess.Popen[bytes]] = []
        self._all = asyncio.Semaphore(AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))
        self._machines = Machines()

    def start(self, asked: Start) -> None:
        """Begin."""
        task = self._server.loop.create_task(self._start(asked))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._report(done, asked))

    def reap(self) -> None:
        """Take note of nodes started here that have ended."""
        self._children = [child for child in self._children if child.poll() is None]

    async def close(self) -> None:
        """Give up what is under way; nothing of it stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._machines.close()

    def _report(self, done: "asyncio.Task[None]", asked: Start) -> None:
        self._tasks.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        stage = getattr(error, "stage", "launch")
        told = {
            "error": "ConnectError", "stage": stage if stage in STAGES else "launch", "address": asked.name,
            "text": str(error), "executed": "no",
        }  # fmt: skip
        self._server.core.dial_failed(asked.token, told)
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
            "incarnation": secrets.token_hex(16), "persistent": True, "env": asked.env,
            "starter": "" if asked.persist else self._server.incarnation.hex(),
            **{key: ours[key] for key in ("grace", "cores") if key in ours},
        }  # fmt: skip

    async def _there(self, asked: Start) -> None:
        async with self._machines.connected(asked.host, asked.hostkey) as ssh:
            words = starting.Asked(asked.name, asked.host, asked.python, asked.cwd, asked.setup)
            started = await starting.start(ssh, words, self._settings(asked))
            try:
                passage = await ssh.stream(path=started.socket)
                await self._greet(asked, passage.sock)
            except BaseException:
                started.give_up()
                raise
            started.keep()
            self._machines.lease(ssh, passage.ended)
        self._say(f"{asked.name}: Python {started.python.version}, {started.python.executable} ({started.why})")
        if started.warning:
            self._say(f"{asked.name}: {started.warning}", "warn")

    async def _here(self, asked: Start) -> None:
        settings = await asyncio.to_thread(_settings_here, asked)
        child, sock = launch.start_hub_process({**self._settings(asked), **settings, "leashed": True})
        self._children.append(child)
        with sock:
            told = await _status(sock)
            if "error" in told:
                stage = "name" if told["error"] == "NameTaken" else "launch"
                raise TransportError(stage, told["text"])
            await self._greet(asked, unix.connected_socket(told["socket"], timeout=0))
            sock.send(b"keep\n")

    async def _greet(self, asked: Start, sock: socket.socket) -> None:
        """Connect to the new node; then the core knows it, and whoever asked has the answer."""
        from pysh.runtime.hub.server import Peer

        server, now = self._server, time.monotonic()
        shake = Handshake(server.hello(), server.cookie, dialling=True, now=now)
        connection = Connection(shake, now=now, heartbeat=None)
        outcome: asyncio.Future[None] = server.loop.create_future()
        sock.setblocking(False)
        alias = asked.name.partition("@")[0] + f"@{asked.host}" if asked.host else ""
        address = alias or asked.name
        await server.loop.create_unix_connection(
            lambda: Peer(server, connection, outcome=outcome, token=asked.token, address=address, alias=alias),
            sock=sock,
        )
        async with asyncio.timeout(SECONDS):
            await outcome

    def _say(self, text: str, level: str = "info") -> None:
        self._server.core.console.notice(text, level)
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


class Machines:
    """SSH connections to the machines of nodes that we started, each kept while something needs it."""

    def __init__(self) -> None:
        self._carrier: Carrier | None = None
        self._starting = asyncio.Lock()
        self._uses: Counter[tunnels.Connection] = Counter()
        self._leases: set[asyncio.Future[Any]] = set()
        self._releasing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connected(self, host: str, hostkey: str) -> AsyncIterator[tunnels.Connection]:
        """A connection for the time of a block. Raises `TransportError`."""
        async with self._starting:
            if self._carrier is None:
                self._carrier = await Carrier.start(f"{state_dir()}/known_hosts", log=2)
        ssh = await self._carrier.connect(host, hostkey="accept-new" if hostkey == "accept-new" else None)
        self._uses[ssh] += 1
        try:
            yield ssh
        finally:
            await self._release(ssh)

    def lease(self, ssh: tunnels.Connection, until: "asyncio.Future[Any]") -> None:
        """Keep `ssh` until that is done."""
        self._uses[ssh] += 1
        self._leases.add(until)
        until.add_done_callback(lambda _: self._release_soon(ssh, until))

    async def close(self) -> None:
        """End every connection, once what was written last has left."""
        if self._leases:
            await asyncio.wait(self._leases, timeout=PARTING)
        if self._carrier is not None:
            await self._carrier.close()

    def _release_soon(self, ssh: tunnels.Connection, lease: "asyncio.Future[Any]") -> None:
        self._leases.discard(lease)
        task = asyncio.ensure_future(self._release(ssh))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _release(self, ssh: tunnels.Connection) -> None:
        self._uses[ssh] -= 1
        if not self._uses[ssh]:
            del self._uses[ssh]
            await ssh.close()
