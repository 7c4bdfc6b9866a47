"""What every transport offers: a stream of bytes between two ends, and an honest error.

Three words for the end of a conversation, as in trio: a stream that **ended** reads as `b""` (the
peer closed it), a **cut** one raises `TransportError` with the stage `cut` (nobody meant it), and a
**closed** one raises it with the stage `closed` (we closed it ourselves).

Nothing here imports asyncio: the command line dials with plain sockets and must start fast.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview

HIGH_WATER = 64 * 1024
"""Bytes that may wait to be sent, or to be read, before `write` waits."""

CLOSE_GRACE = 1.0
"""Seconds that `close` gives a peer to take what was written before."""


def explained(what: str, evidence: str = "", hint: str = "") -> str:
    """The one form of an error's text: what happened, how we know, what to type next."""
    return what + (f" ({evidence})" if evidence else "") + (f"; {hint}" if hint else "")


def cleaned(text: str, limit: int = 400) -> str:
    """What another machine wrote, in one line, safe on any terminal and at most `limit` long."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return words if len(words) <= limit else words[: limit - 3] + "..."


class TransportError(Exception):
    """Bytes could not be moved: at which stage, what happened, how we know, what to type next.

    While dialling, `stage` is one of those of `ConnectError` (`find`, `tcp`, ...), or `refused` where
    the other side is there and does not offer this way; afterwards it is `cut` or `closed`.
    """

    def __init__(self, stage: str, what: str, evidence: str = "", hint: str = "") -> None:
        super().__init__(stage, what, evidence, hint)
        self.stage = stage
        self.what = what
        self.evidence = evidence
        self.hint = hint

    def __str__(self) -> str:
        return explained(self.what, self.evidence, self.hint)


class Address(NamedTuple):
    """Where an end is: `unix:/run/user/1000/pysh/n1.sock`."""

    kind: str  # "unix", "memory", "stdio"
    place: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"


class Peer(NamedTuple):
    """The other end of a stream, and as whom it runs where the kernel tells."""

    address: Address
    uid: int | None = None


class Stream(ABC):
    """An ordered, reliable stream of bytes in both directions. One task reads, any may write."""

    peer: Peer

    @abstractmethod
    async def read(self) -> bytes:
        """The next bytes, as many as there are; `b""` once the peer has closed.

        Raises `TransportError`: stage `cut` when the connection broke, `closed` when this end was
        closed, be it while the read was waiting.
        """

    @abstractmethod
    async def write(self, *buffers: Buffer) -> None:
        """Send `buffers` in order, without another write between them.

        Returns once at most `HIGH_WATER` bytes wait, so a slow reader slows its writer. When it is
        cancelled while it waits, the bytes are sent all the same: never half of them. Raises
        `TransportError` as `read` does.
        """

    @abstractmethod
    async def close(self) -> None:
        """End the stream; what was written still goes out, as far as the peer takes it within
        `CLOSE_GRACE` seconds. Closing twice is closing once."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.peer.address}>"


class Listener(ABC):
    """Waits for peers at one address."""

    address: Address

    @abstractmethod
    async def accept(self) -> Stream:
        """The next peer's stream. Raises `TransportError` with the stage `closed` after `close`."""

    @abstractmethod
    async def close(self) -> None:
        """Accept nobody any more; streams that were accepted go on."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.address}>"


def closed(address: Address) -> TransportError:
    """The error of whoever uses an end after it was closed here."""
    return TransportError("closed", f"the connection to {address} was closed on this side")


def cut(address: Address, error: object = None) -> TransportError:
    """The error of an end whose connection broke."""
    return TransportError("cut", f"the connection to {address} broke", str(error) if error else "")
