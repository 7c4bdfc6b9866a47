"""The node that a command names, on this machine or through SSH; no node of our own is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Any, Literal

from pysh.runtime.hub import discovery
from pysh.runtime.hub.discovery import Entry
from pysh.runtime.hub.trace import Trace
from pysh.runtime.protocol.addresses import Here, Socket, There
from pysh.runtime.protocol.handshake import HandshakeError
from pysh.runtime.runner import asking
from pysh.shell.way import own_way
from pysh.transports import unix

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.hub.probe import Machine
    from pysh.runtime.hub.starting import Asked, Started
    from pysh.runtime.protocol.handshake import Work
    from pysh.transports.control import Ran
    from pysh.transports.tunnels import Connection


Pin = Literal["accept-new"] | None
"""Whether the key of an unknown host is written down and vouched for by that, as `--hostkey` says."""


class Reached:
    """A node that runs on this machine."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def connect(self) -> socket:
        """A socket that leads to it. Raises `TransportError`."""
        return unix.connected_socket(self.entry.socket)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return discovery.alive(self.entry.name)

    def proof(self) -> dict[str, Any]:
        """What a proof of the cookie takes there, besides the cookie."""
        return {}


class Far(Reached):
    """A node that runs on another machine."""

    def __init__(self, entry: Entry, other: "OtherMachine") -> None:
        super().__init__(entry)
        self._other = other

    def connect(self) -> socket:
        return self._other.connect(self.entry.socket)

    def is_alive(self) -> bool:
        return self._other.has(self.entry)

    def proof(self) -> dict[str, Any]:
        return self._other.proof()


class OtherMachine:
    """An SSH connection to another machine, or to a node that listens there by itself, by a carrier of our own;
    `close` ends it. Without a `cookie` to be proved somebody has to vouch for the host key, or `hostkey` to
    write it down."""

    def __init__(self, destination: str, trace: Trace, cookie: bytes = b"", hostkey: Pin = None) -> None:
        self.destination = destination
        # Only who goes to another machine pays for the import of these.
        from pysh.runtime.hub.trust import check_vouched

        self._way = own_way()
        self._connection: Connection | None = None
        try:
            ask = partial(self._way.ask, destination) if asking.somebody_here() else None
            connecting = self._way.carrier.connect(destination, hostkey=hostkey, ask=ask, secret=cookie)
            self._ssh = self._connection = self._way.run(connecting)
            trace.connected(self._ssh.facts, shared=False)
            if not cookie:
                check_vouched(self._ssh.facts, destination)
        except BaseException:
            self.close()
            raise

    def find(self, node: str) -> Entry:
        """The node that is meant. Raises `TransportError`, or `NoSuchNode` with who runs there."""
        from pysh.transports.means import EMBEDDED, SERVICE

        if self._ssh.facts.server == EMBEDDED:
            return Entry(f"{node}@{self.destination}", SERVICE, 0)
        return self.survey().find(node, self.destination)

    def has(self, entry: Entry) -> bool:
        """Whether the node still runs there."""
        import asyncio

        if entry.pid:
            return entry.name in (entry.name for entry in self.survey().nodes)
        self._way.run(asyncio.sleep(0))  # so that the end of the connection, which is the node's, is noticed
        return not self._ssh.lost.done()

    def proof(self) -> dict[str, Any]:
        """What a proof of the cookie takes: SPAKE2 over the host key that was seen, where nobody vouches for it."""
        from pysh.runtime.hub.trust import host_key_to_bind

        host_key = host_key_to_bind(self._ssh.facts)
        return {"host_key": host_key, "compute": self._compute} if host_key else {}

    def _compute(self, work: "Work") -> tuple[bytes, bytes]:
        share, key = self._way.run(self._way.carrier.spake2(*work))
        return share, key

    def survey(self) -> "Machine":
        """Who runs there now. Raises `TransportError`."""
        from pysh.runtime.hub import probe

        machine: Machine = self._way.run(probe.survey(self._ssh, self.destination))
        return machine

    def logout(self) -> str:
        """Why a node that is started there ends with a logout; empty if it does not. Raises `TransportError`."""
        from pysh.runtime.hub import probe

        return str(self._way.run(probe.logout(self._ssh, self.destination)))

    def connect(self, path: str) -> socket:
        """A blocking socket that leads to the Unix socket `path` there. Raises `TransportError`."""
        from pysh.runtime.hub import probe

        sock: socket = self._way.run(probe.stream(self._ssh, path, self.destination)).sock
        sock.setblocking(True)
        return sock

    def start(self, asked: "Asked", settings: dict[str, Any]) -> "Started":
        """Start a node there. Raises `TransportError`; nothing of it stays then."""
        from pysh.runtime.hub import starting

        started: Started = self._way.run(starting.start(self._ssh, asked, settings))
        return started

    def wait(self, ended: "asyncio.Future[Any]", seconds: float) -> None:
        """Wait until a stream has ended, so that all that was said over it is there."""
        self._way.run(_within(seconds, ended))

    def run(self, command: str, stdin: bytes = b"") -> "Ran":
        """Run a command there, and wait for its end. Raises `TransportError`."""
        ran: Ran = self._way.run(self._ssh.run(command, stdin))
        return ran

    def check_vouched(self) -> None:
        """Raise `TransportError` unless somebody vouches for the host's key: a secret is to go there."""
        from pysh.runtime.hub.trust import check_vouched

        check_vouched(self._ssh.facts, self.destination)

    def close(self) -> None:
        """End the connection and what goes over it."""
        self._way.release(self._connection)


async def _within(seconds: float, ended: "asyncio.Future[Any]") -> None:
    import asyncio

    await asyncio.wait([ended], timeout=seconds)


@contextmanager
def other_machine(
    destination: str, hostkey: Pin = None, *, trace: Trace | None = None, cookie: bytes = b""
) -> Iterator[OtherMachine]:
    """A machine for as long as a command needs it; `trace` is told of the way there.

    Raises `TransportError` or `BadName`.
    """
    from pysh.runtime.protocol.addresses import check_destination

    check_destination(destination)
    made = OtherMachine(destination, trace or Trace(), cookie, hostkey)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def reached(text: str, cookie: bytes, hostkey: Pin = None) -> Iterator[Reached]:
    """The node that `text` names, to be proved the `cookie`.

    Raises `TransportError`, `NoSuchNode` with who runs there, or `BadName`.
    """
    match discovery.meant(text):
        case There(node, destination, _):
            with other_machine(destination, hostkey, cookie=cookie) as other:
                entry = other.find(node)
                with answering(entry.name):  # its pid is one of that machine, and to be ended there
                    yield Far(entry, other)
        case Here(_, written):
            entry = discovery.find(written)
            with answering(entry.name, entry.pid):
                yield Reached(entry)
        case Socket(path):
            with answering(text):
                yield Reached(Entry(text, path, 0))


@contextmanager
def answering(node: str, pid: int = 0) -> Iterator[None]:
    """Have the error say which node it is that let us connect and then said nothing.

    `pid` is that of its hub, where that runs on this machine. Raises `TransportError`.
    """
    try:
        yield
    except HandshakeError as error:
        if error.code != "timeout":
            raise
        raise discovery.silent(node, str(error), pid) from error
