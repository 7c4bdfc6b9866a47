"""The SSH connections of a carrier: one for each destination and way, shared by all that goes there."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from pysh.transports import openssh, sshconfig
from pysh.transports.asking import Ask
from pysh.transports.base import TransportError
from pysh.transports.destination import parse
from pysh.transports.interactive import Compute
from pysh.transports.means import Connection, NeedsPerson
from pysh.transports.sshconfig import Settings, Stop, ssh_binary
from pysh.transports.sshmaster import users_master

MAX_STOPS = 8
"""Hosts on one way. More of them is a ProxyJump that leads in a circle."""


async def way(text: str, via: Sequence[str]) -> list[Stop]:
    """The hosts on the way to `text`, itself the last: through `via`, else as ProxyJump says.

    Before the first of them come those that its own ProxyJump names. Raises `TransportError` with the
    stage `resolve`.
    """
    written = [parse(stop) for stop in (*via, text)]
    stops = [Stop(stop, await sshconfig.resolve(stop)) for stop in written]
    while jump := stops[0].settings.jump:
        stops[:0] = [Stop(stop, await sshconfig.resolve(stop)) for stop in map(parse, jump)]
        if len(stops) > MAX_STOPS:
            evidence = " -> ".join(str(stop.destination) for stop in stops[-MAX_STOPS:])
            hint = f"end it: ProxyJump none, in the Host block of {jump[0]}"
            raise TransportError("resolve", "the way is too long, or a circle", evidence, hint)
    return stops


async def by_binary(transport: str, stops: Sequence[Stop]) -> bool:
    """Whether the ssh binary is the means, as told by `transport`, else by what only it can do.

    Raises `TransportError` with the stage `resolve` where asyncssh is told to and cannot.
    """
    needs = next((stop.settings.needs_binary for stop in stops if stop.settings.needs_binary), "")
    if transport == "openssh":
        return True
    if transport == "auto" and ssh_binary():
        return bool(needs) or await users_master(stops[-1].settings.control_path)
    if needs:
        what, hint = "asyncssh does not know an option of the configuration", 'take the ssh binary: transport="openssh"'
        raise TransportError("resolve", what, needs, hint)
    return False


class Entry:
    """A connection that is there or on its way, and who needs it."""

    task: "asyncio.Task[Connection]"

    def __init__(self, key: tuple[str, ...], hop: "Entry | None" = None) -> None:
        self.key, self.hop = key, hop
        self.asked = False  # by the hub, for itself
        self.users = 0  # who waits for it, and the connections that lead through it


class Pool:
    """Opens connections, and closes each with its last user.

    `own` is pysh's own known_hosts file, and `sockets` a folder that only we can enter.
    """

    def __init__(self, own: str, sockets: str) -> None:
        self._own, self._sockets = own, sockets
        self._entries: dict[tuple[str, ...], Entry] = {}
        self._closing: set[asyncio.Future[None]] = set()

    async def connect(
        self, text: str, via: Sequence[str], transport: str, *, pin: bool, ask: Ask | None = None,
        prove: Compute | None = None,
    ) -> Entry:  # fmt: skip
        """The connection to `text`, shared if it is there; `close` gives it back.

        What a server asks a person is for `ask`, by the ssh binary. `prove` is SPAKE2 with the secret of nodes
        that listen, which the binary has no use for.
        Raises `TransportError` with the stage that was not reached.
        """
        stops = await way(text, via)
        asked = transport == "auto" and self._key(stops, via) in self._entries
        if asked or await by_binary(transport, stops):
            return await self._use(self._by_openssh(stops, via, pin=pin, ask=ask), pin=pin)
        try:
            return await self._use(self._by_asyncssh(stops, pin=pin, prove=prove), pin=pin)
        except NeedsPerson:
            if transport != "auto" or ask is None or not ssh_binary():
                raise
        return await self._use(self._by_openssh(stops, via, pin=pin, ask=ask), pin=pin)

    async def _use(self, entry: Entry, *, pin: bool) -> Entry:
        """Wait until it is there."""
        entry.users += 1
        try:
            connection = await asyncio.shield(entry.task)
            if pin:
                connection.accept()
            entry.asked = True
        finally:
            entry.users -= 1
            self._release(entry)
        return entry

    def close(self, entry: Entry) -> None:
        """The hub needs it no more."""
        entry.asked = False
        self._release(entry)

    async def close_all(self) -> None:
        """End every connection."""
        tasks = [entry.task for entry in self._entries.values()]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        closing = [one.close() for one in ended if isinstance(one, Connection)]
        await asyncio.gather(*closing, *self._closing, return_exceptions=True)

    @staticmethod
    def _key(stops: Sequence[Stop], via: Sequence[str]) -> tuple[str, ...]:
        """Where a connection by the ssh binary is held."""
        return ("openssh", *via, str(stops[-1].destination))

    def _by_openssh(self, stops: Sequence[Stop], via: Sequence[str], *, pin: bool, ask: Ask | None) -> Entry:
        key = self._key(stops, via)
        if key not in self._entries:
            where = self._own, self._sockets
            self._add(Entry(key), openssh.connect(stops, *where, users=not via, pin=pin, ask=ask))
        return self._entries[key]

    def _by_asyncssh(self, stops: Sequence[Stop], *, pin: bool, prove: Compute | None = None) -> Entry:
        """The connection to the last of `stops`, through connections to those before it."""
        key = ("asyncssh", *(str(stop.destination) for stop in stops))
        if key not in self._entries:
            hop = self._by_asyncssh(stops[:-1], pin=pin) if len(stops) > 1 else None
            if hop:
                hop.users += 1
            self._add(Entry(key, hop), self._dial(stops[-1].settings, hop, pin=pin, prove=prove))
        return self._entries[key]

    async def _dial(self, settings: Settings, hop: Entry | None, *, pin: bool, prove: Compute | None) -> Connection:
        from pysh.transports import ssh  # 130 ms and 25 MB, and the ssh binary needs none of it

        through = await asyncio.shield(hop.task) if hop else None
        assert through is None or isinstance(through, ssh.SSHConnection)
        return await ssh.connect(settings, self._own, pin=pin, hop=through, prove=prove)

    def _add(self, entry: Entry, dialling: Coroutine[Any, Any, Connection]) -> None:
        self._entries[entry.key] = entry
        entry.task = asyncio.create_task(dialling)
        entry.task.add_done_callback(lambda _: self._dialled(entry))

    def _dialled(self, entry: Entry) -> None:
        if entry.task.cancelled() or entry.task.exception():
            self._drop(entry)
        else:
            entry.task.result().lost.add_done_callback(lambda _: self._drop(entry))

    def _release(self, entry: Entry) -> None:
        """Close it if nobody needs it any more."""
        if entry.asked or entry.users or self._entries.get(entry.key) is not entry:
            return
        if not entry.task.done():
            entry.task.cancel()
            return
        closing = asyncio.ensure_future(entry.task.result().close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._drop(entry)  # at once: who asks meanwhile must not get it

    def _drop(self, entry: Entry) -> None:
        """It is gone: the next who asks dials anew, and its hop has a user less."""
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
            if entry.hop:
                entry.hop.users -= 1
                self._release(entry.hop)
