"""SPAKE2 by the `spake2` library: two ends with one password make a key, and nobody else learns a thing.

It is pure Python and takes some 25 ms a side, in a thread beside the event loop. How long it takes
depends on the password a little; it is only ever computed one at a time.
"""

import asyncio
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from pysh.transports.base import TransportError, cleaned

A, B = "A", "B"
"""The side that begins, and the one that answers."""
SHARE_BYTES = 33  # the side, and a point of Ed25519
PRIME, SIGNLESS = 2**255 - 19, 2**255 - 1
MOST, EACH = 64, 16
"""How many computations for strangers may wait, and how many of one source's."""

Result = tuple[bytes, bytes]


def compute(side: str, secret: bytes, entropy: bytes, theirs: bytes = b"") -> Result:
    """The share of `side`, and the key where `theirs`, the other side's share, is given (else `b""`).

    It is a function of its arguments: `entropy` is to be fresh for each key, and the same for both
    steps of one side. Raises `TransportError`: `hostkey` where the library is missing, `malformed` for
    a share that the other side cannot have made.
    """
    try:
        import spake2
    except ImportError as error:
        what, hint = "the cookie cannot be proved over this channel", "install it there: pip install spake2"
        raise TransportError("hostkey", what, f"SPAKE2 is missing: {error}", hint) from error
    kind = {A: spake2.SPAKE2_A, B: spake2.SPAKE2_B}[side]
    one = kind(secret, idA=b"pysh dialler", idB=b"pysh acceptor", entropy_f=hashlib.shake_256(entropy).digest)
    share: bytes = one.start()
    if not theirs:
        return share, b""
    try:
        # The library refuses points of a small order and others off the group, but for one writing of zero.
        if len(theirs) != SHARE_BYTES or not 1 < int.from_bytes(theirs[1:], "little") & SIGNLESS < PRIME - 1:
            raise ValueError("no point of the curve")
        return share, one.finish(theirs)
    except Exception as error:  # a stranger's bytes: whatever the library makes of them
        raise TransportError("malformed", "this is no share of the other side", cleaned(repr(error), 80)) from error


def confirmation(key: bytes, side: str, *parts: bytes) -> bytes:
    """What `side` shows to prove that it has `key`, over `parts`, which both ends know."""
    joined = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(hmac.digest(key, b"pysh confirmation of " + side.encode(), "sha256"), joined, "sha256")


class Desk:
    """Computes in a thread, one at a time. Each source's wait in a line of their own, so that none is
    held up by more than one of another's. The source `""` is ourselves, and never refused."""

    def __init__(self, *, most: int = MOST, each: int = EACH) -> None:
        self._most, self._each = most, each
        self._lines: dict[str, Line] = {}
        self._thread = ThreadPoolExecutor(1, "spake2")

    async def compute(self, source: str, side: str, secret: bytes, entropy: bytes, theirs: bytes = b"") -> Result:
        """What the function does, in turn. Raises `TransportError` as it does, or `busy` at once."""
        line = self._lines.setdefault(source, Line())
        strangers = sum(line.length for source, line in self._lines.items() if source)
        if source and (line.length >= self._each or strangers >= self._most):
            raise TransportError("busy", "too many prove themselves at once", hint="try again in a few seconds")
        line.length += 1
        try:
            async with line.turn:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, compute, side, secret, entropy, theirs)
        finally:
            line.length -= 1
            if not line.length:
                self._lines.pop(source, None)


class Line:
    """Those of one source that wait."""

    def __init__(self) -> None:
        self.length = 0
        self.turn = asyncio.Lock()
