"""What both means of speaking SSH, asyncssh and the ssh binary, offer a carrier."""

import asyncio
import socket
from abc import ABC, abstractmethod
from typing import NamedTuple

from pysh.transports.base import TransportError
from pysh.transports.control import Facts, Ran

LIMIT = 1 << 20
"""Bytes that are kept of what a command prints, of each of its streams."""
NOTED = 4096
"""Bytes that are kept of what a stream's command prints on standard error."""
BROKEN = 255
"""The exit status, as ssh's own, of a command whose connection broke before it ended."""
AES_GCM = "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""The ciphers that are asked for first: ten times less work a packet than chacha20 in Python."""
DROPPED = "the server ended before it showed its host key"
"""What happened, in an error, when a server lets nobody more in at the moment (MaxStartups): later it may."""
BROKE = "the connection broke before the server let us in"
"""The same where it had shown its host key: that we may not come in nobody said."""
NO_SSH = "it speaks no SSH with us"
PASSING = frozenset((DROPPED, BROKE, NO_SSH))
"""What may go better at another time, whatever stage was not reached."""
KEEPALIVE, KEEPALIVES = 5, 3
"""Seconds of silence after which the other side is asked, and how often before it is given up."""
SERVICE = "/pysh-node"
"""The path of the one socket that the embedded server of a node leads to; there is no such file."""
EMBEDDED = "pysh"
"""What such a server calls itself, where an sshd says `OpenSSH_9.2`."""
ASKED = frozenset(("password", "keyboard-interactive"))
"""The ways to authenticate that take a person."""
LOGIN_TIMEOUT = 15.0
"""Seconds from a TCP connection to an authenticated one."""


class NeedsPerson(TransportError):
    """A server, or a key of ours, wants an answer from a person, and nobody was asked."""

    def __init__(self, what: str, evidence: str, host: str) -> None:
        hint = (
            f"connect at a terminal, where you are asked; or once by hand, with ControlMaster and ControlPath set: "
            f"ssh {host}; or give it a key of yours: ssh-copy-id {host}"
        )
        super().__init__("sshauth", what, evidence, hint)


class Ended(NamedTuple):
    """How a stream's command ended: its exit status (None for a socket's stream), what it complained."""

    status: int | None
    stderr: str


class Passage(NamedTuple):
    """A stream under way: the hub's end of it, and a future of its end."""

    sock: socket.socket
    ended: "asyncio.Future[Ended]"


class Connection(ABC):
    """An SSH connection to one destination, shared by all that goes there."""

    facts: Facts
    lost: "asyncio.Future[str]"
    """Done when the connection is over; its result says why."""

    @abstractmethod
    async def run(self, command: str, stdin: bytes, limit: int = LIMIT) -> Ran:
        """Run `command` through the login shell there and wait for its end.

        `stdin` alone may carry secrets. Raises `TransportError` (`cut`) when it could not be started.
        """

    @abstractmethod
    async def stream(self, *, path: str = "", command: str = "") -> Passage:
        """A stream to the Unix socket `path` there, or to `command`'s standard input and output.

        Raises `TransportError`: `refused` when the server forwards no sockets (a command may do),
        `find` when nobody listens at `path`, `cut` when the connection is gone.
        """

    @abstractmethod
    def accept(self) -> None:
        """Write a provisional host key down, so that it is known from now on. Raises `TransportError`."""

    @abstractmethod
    async def close(self) -> None:
        """End the connection and all that goes over it."""


def not_there(path: str, host: str) -> TransportError:
    """The error of a stream to a socket that is not there."""
    hint = "see who runs there: pysh ls HOST"
    return TransportError("find", "nobody listens on that socket there", f"{host}: {path}", hint)


def not_forwarded(path: str, host: str) -> TransportError:
    """The error of a stream to a socket that is there, and that the server does not lead to."""
    what, hint = "the server does not lead to its Unix socket", "a command that relays there may"
    return TransportError("refused", what, f"{host}: {path}", hint)


class Bounded:
    """The first `limit` bytes of what comes, and the count of the rest."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.dropped = 0
        self._limit = limit

    def add(self, data: bytes) -> None:
        """Keep of `data` what there is room for."""
        kept = data[: self._limit - len(self.data)]
        self.data += kept
        self.dropped += len(data) - len(kept)
