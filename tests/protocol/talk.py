"""Two handshakes joined by a fake wire, and SPAKE2 over a group that is fast and of no use to anybody."""

import hashlib
from collections.abc import Callable
from typing import Any

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.handshake import HMAC, PREFACE, SPAKE2, Handshake, Hello, Work

COOKIE = b"a cookie"
HOST_KEY = b"h" * 32
NEAR = Hello("node", "n1@db1", b"1" * 16, b"x" * 32, python="3.11.7", pid=11)
FAR = Hello("node", "n2@db2", b"2" * 16, b"y" * 32, python="3.12.1", pid=22)
SUITES = [HMAC, SPAKE2]
Tamper = Callable[[bytes, int, bool], bytes]


def dialler(hello: Hello = NEAR, secret: bytes = COOKIE, suite: int = HMAC, **options: Any) -> Handshake:
    if suite == SPAKE2:
        options = {"binding": HOST_KEY, "entropy": b"near" * 8, **options}
    return Handshake(hello._replace(suite=suite), secret, dialling=True, now=0.0, **options)


def acceptor(hello: Hello = FAR, secret: bytes = COOKIE, **options: Any) -> Handshake:
    options = {"suites": SUITES, "entropy": b"far!" * 8, "host_keys": lambda: (HOST_KEY,), **options}
    return Handshake(hello, secret, dialling=False, now=0.0, **options)


PRIME, BASE, BLINDS = 2**255 - 19, 2, {"A": 3, "B": 5}


def toy(side: str, secret: bytes, entropy: bytes, theirs: bytes = b"") -> tuple[bytes, bytes]:
    """SPAKE2 as `transports.pake.compute` does it, modulo a prime. Raises `ValueError` for no share."""
    share = side.encode() + (
        pow(BASE, number(entropy), PRIME) * pow(BLINDS[side], number(secret), PRIME) % PRIME
    ).to_bytes(32)
    if not theirs:
        return share, b""
    if theirs[:1] != b"AB".replace(side.encode(), b"") or not 1 < int.from_bytes(theirs[1:]) < PRIME - 1:
        raise ValueError("no share of the other side")
    return share, toy_key(secret, entropy, share, theirs)


def toy_key(secret: bytes, entropy: bytes, ours: bytes, theirs: bytes) -> bytes:
    """The key of whoever sent `ours`, got `theirs` and takes `secret` for the password."""
    unblinded = int.from_bytes(theirs[1:]) * pow(BLINDS[theirs[:1].decode()], -number(secret), PRIME)
    first, second = sorted((ours, theirs))
    return hashlib.sha256(secret + first + second + pow(unblinded, number(entropy), PRIME).to_bytes(32)).digest()


def number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


def work(end: Handshake) -> Work | None:
    """Do what `end` asks for, if anything; what it asked."""
    asked = end.take_work()
    if asked is not None:
        try:
            end.work_done(*toy(*asked), 1.0)
        except ValueError as error:
            end.work_failed("malformed", str(error))
    return asked


class Talk:
    """Carries bytes between two handshakes until both are quiet, and keeps what each said."""

    def __init__(self, near: Handshake, far: Handshake, tamper: Tamper | None = None) -> None:
        self.near, self.far = near, far
        self.said = {True: b"", False: b""}
        self.keys: list[bytes] = []
        self.works = 0
        self._work(near)
        while self._carry(near, far, True, tamper) or self._carry(far, near, False, tamper):
            pass

    def _carry(self, speaker: Handshake, listener: Handshake, dialling: bool, tamper: Tamper | None) -> bool:
        data = speaker.data_to_send()
        offset = len(self.said[dialling])
        self.said[dialling] += data
        listener.receive_data(tamper(data, offset, dialling) if tamper else data, 1.0)
        self._work(listener)
        return bool(data)

    def _work(self, end: Handshake) -> None:
        if (asked := work(end)) is not None:
            self.works += 1
            if asked.theirs and not end.error:
                self.keys.append(toy(*asked)[1])

    @property
    def codes(self) -> tuple[str | None, str | None]:
        """The error of the dialler and that of the acceptor."""
        near, far = (end.error and end.error.code for end in (self.near, self.far))
        return near or None, far or None


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(2) + body


def greeting(hello: Hello = NEAR, **changed: Any) -> bytes:
    return PREFACE + message(1, pack({**hello._asdict(), **changed}))
