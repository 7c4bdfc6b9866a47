"""The TCP port of a node, where other nodes come in without an sshd: `--listen [HOST:]PORT`.

The server runs in a carrier of its own, so that no stranger holds up a tunnel of ours. Whoever gets
through it has proved a key or the cookie, and proves the cookie once more to the hub, by SPAKE2 over
the host key that he saw: to a hub all that come are equal. A person with a key is given `pysh attach` on a
pty beside the node, as the login shell of that user would be by an sshd; plain lines without a terminal;
`pysh rpc` for a command.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pysh.runtime.hub.proving import Prover
from pysh.runtime.places import state_dir
from pysh.runtime.protocol.handshake import SPAKE2
from pysh.transports import listening, unix
from pysh.transports.base import TransportError
from pysh.transports.tunnels import Carrier

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

AGAIN = 1.0
"""Seconds after which a server that ended is started again."""


class Port:
    """Listens for a node, and does so again should its carrier die."""

    def __init__(self, server: "Server", place: str, log: int) -> None:
        self._server, self._log = server, log
        self._text = place
        self._place = "", 0
        self._carrier: Carrier | None = None
        self._prover = Prover(self._lent)
        self._key_hash = b""
        self._keeping: asyncio.Task[None] | None = None
        self._taking: set[asyncio.Task[Any]] = set()

    async def open(self) -> str:
        """Listen; where, as HOST:PORT. Raises `TransportError`: one of `resolve tcp hostkey`."""
        self._place = listening.parse(self._text)
        place = await self._listen()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        return place

    async def close(self) -> None:
        """Listen no more; what came in through it ends too."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._prover.close()
        if self._carrier is not None:
            await self._carrier.close()

    async def _listen(self) -> str:
        state = state_dir()
        self._carrier = await Carrier.start(os.path.join(state, "known_hosts"), log=self._log)  # noqa: PTH118
        try:
            listener = await self._carrier.listen(
                *self._place, secret=self._server.cookie, came=self._came,
                key=os.path.join(state, "host_ed25519"),  # noqa: PTH118
                authorized=os.path.expanduser("~/.ssh/authorized_keys"),  # noqa: PTH111
                offers=self._offers(self._carrier.folder),
            )  # fmt: skip
        except BaseException:
            await self._carrier.close()
            raise
        self._key_hash, self._place = listener.key_hash, (listener.host, listener.port)
        host = f"[{listener.host}]" if ":" in listener.host else listener.host
        return f"{host}:{listener.port}"

    def _offers(self, folder: str) -> listening.Offers:
        """What people with a key are given: terminals of this node, as any other here, and what they ask to run."""
        cookie = os.path.join(folder, "cookie")  # noqa: PTH118
        with open(os.open(cookie, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(self._server.cookie)
        name = self._server.name
        node = [name, "--cookie-file", cookie]
        pysh = [sys.executable, "-P", "-m", "pysh"]
        attach, watch = [*pysh, "attach", *node], [*pysh, "attach", "--watch", *node]
        called = [name, name.partition("@")[0]]
        return listening.Offers(
            terminal=attach, plain=[*attach, "--plain"], run=[*pysh, "rpc", *node, "-c"],
            watch=watch, watch_plain=[*watch, "--plain"],
            watching=[f"pysh attach {words}" for each in called for words in (f"--watch {each}", f"{each} --watch")],
        )  # fmt: skip

    async def _keep(self) -> None:
        """Start anew whenever the carrier has died, at the same place."""
        while True:
            assert self._carrier is not None
            await asyncio.shield(self._carrier.ended)
            await self._carrier.close()
            while self._carrier.gone:
                await asyncio.sleep(AGAIN)
                try:
                    await self._listen()
                except (TransportError, OSError) as error:
                    print(f"cannot listen at {self._place}: {error}", flush=True)  # to the node's log

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Carrier]:
        assert self._carrier is not None
        yield self._carrier

    def _came(self, sock: socket.socket, source: str, by: str) -> None:
        """Somebody is through: what he says is for the hub."""
        peer = self._server.entrance.expecting(
            suites=(SPAKE2,), host_keys=lambda: (self._key_hash,), prover=self._prover, source=source
        )
        taking = self._server.loop.create_task(unix.carry(sock, peer))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
