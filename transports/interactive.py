"""The secret proved inside SSH's keyboard-interactive authentication, by programs: nobody types it.

    client                                 server
                          ◄───────────     challenge ""
    its share             ───────────►
                          ◄───────────     challenge: its share
    its confirmation      ───────────►     a guess that was wrong ends the connection
                          ◄───────────     challenge: its confirmation
    ""                    ───────────►     the client is in

All in base64. The confirmations are made with the key of SPAKE2 over the user's name, the host key and
both shares; each end takes the host key that it sees or has, so that nobody in between gets through.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Awaitable, Callable, Sequence

from pysh.transports.base import TransportError
from pysh.transports.pake import SHARE_BYTES, A, B, Result, confirmation

METHOD = "spake2@pysh"
"""The submethod that a client asks for, by which a server knows that no person is there."""
WRONG = "the cookies differ, or somebody is in between"

Compute = Callable[[str, bytes, bytes], Awaitable[Result]]
"""SPAKE2 with the secret: a side, entropy and the other side's share (or nothing) make a share and a key."""


def encode(data: bytes) -> str:
    """`data` as a challenge or an answer."""
    return base64.b64encode(data).decode()


def decode(texts: Sequence[str]) -> bytes:
    """The one challenge, or answer, that `texts` has. Raises `TransportError` (`malformed`)."""
    try:
        (text,) = texts
        return base64.b64decode(text, validate=True) if len(text) <= 2 * SHARE_BYTES else b""
    except (ValueError, binascii.Error) as error:
        raise TransportError("malformed", "a challenge of another protocol", str(error)) from error


class Client:
    """Answers the challenges of a server."""

    def __init__(self, compute: Compute, user: str, host_key: bytes) -> None:
        self.proved = False  # whether the server has proved itself
        self._compute = compute
        self._names = user.encode(), host_key
        self._entropy = os.urandom(32)
        self._steps = [self._share, self._confirm, self._check]
        self._key = b""
        self._shares: tuple[bytes, bytes] = b"", b""

    async def answer(self, challenges: Sequence[str]) -> str:
        """The answer to what the server sent. Raises `TransportError`: `cookie` for one that knows no better."""
        if not self._steps:
            raise TransportError("malformed", "the server asks for more than there is")
        return encode(await self._steps.pop(0)(decode(challenges)))

    async def _share(self, _: bytes) -> bytes:
        share, _key = await self._compute(A, self._entropy, b"")
        return share

    async def _confirm(self, theirs: bytes) -> bytes:
        share, self._key = await self._compute(A, self._entropy, theirs or b"nothing")
        self._shares = share, theirs
        return confirmation(self._key, A, *self._names, *self._shares)

    async def _check(self, shown: bytes) -> bytes:
        if not hmac.compare_digest(shown, confirmation(self._key, B, *self._names, *self._shares)):
            raise TransportError("cookie", WRONG, "the server cannot confirm the key")
        self.proved = True
        return b""


class Server:
    """Challenges one client, once."""

    def __init__(self, compute: Compute, user: str, host_key: bytes) -> None:
        self.proved = False
        self._compute = compute
        self._names = user.encode(), host_key
        self._steps = [self._share, self._check, self._last]
        self._key = b""
        self._shares: tuple[bytes, bytes] = b"", b""

    async def challenge(self, answers: Sequence[str]) -> str:
        """The challenge that follows `answers`; after the last one `proved` is set.

        Raises `TransportError`: `cookie` for a wrong guess, `busy` or `malformed` where it came to none.
        """
        if not self._steps:
            raise TransportError("malformed", "the client says more than it was asked")
        return encode(await self._steps.pop(0)(decode(answers)))

    async def _share(self, theirs: bytes) -> bytes:
        share, self._key = await self._compute(B, os.urandom(32), theirs or b"nothing")
        self._shares = theirs, share
        return share

    async def _check(self, shown: bytes) -> bytes:
        if not hmac.compare_digest(shown, confirmation(self._key, A, *self._names, *self._shares)):
            raise TransportError("cookie", WRONG)
        return confirmation(self._key, B, *self._names, *self._shares)

    async def _last(self, _: bytes) -> bytes:
        self.proved = True
        return b""
