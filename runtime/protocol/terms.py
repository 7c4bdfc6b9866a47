"""The words of the wire: names, incarnations, pids and refs."""

import re
from collections.abc import Sequence
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview
"""Bytes in whatever form they came; nobody writes to them."""


class Parts:
    """Bytes in several buffers, in order: joined they would be copied, which takes long and lets no thread run."""

    __slots__ = ("_size", "buffers")

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = buffers
        self._size = sum(map(len, buffers))

    def __len__(self) -> int:
        return self._size

    def join(self) -> bytes:
        """All of them as one."""
        return b"".join(self.buffers)


Payload = Buffer | Parts
"""What is to be sent."""


class Cookie(bytes):
    """The secret that nodes share; `source` says from where this one is, for the error that refuses it."""

    source: str

    def __new__(cls, secret: bytes, source: str = "") -> "Cookie":
        made = super().__new__(cls, secret)
        made.source = source
        return made


INCARNATION_BYTES = 16
NOWHERE = bytes(INCARNATION_BYTES)
"""The incarnation of a connection's own two ends, for frames that no session carries."""

HUB = 0
"""The process number of a node's hub; every other process of the node has a higher one."""

TAKEN_OVER = "taken_over"
"""The reason that a terminal is told when another one took its shell."""
MIRRORED = 1
"""The ref of a cell, and of what becomes of it, as those terminals are told that did not type it; theirs begin at 2."""

_NODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")


class Pid(NamedTuple):
    """One process on one incarnation of a node: a restarted node never answers to an old pid.

    A node is named on the wire by its incarnation alone, 128 bits drawn at its start; the name that
    people use belongs to the incarnation and is exchanged once, in the handshake.
    """

    incarnation: bytes
    number: int


class Ref(NamedTuple):
    """One request of one process: unique for ever, made without asking anybody."""

    owner: Pid
    number: int


class BadName(ValueError):
    """A node or host name with characters that names may not have."""


def check_node(text: str) -> str:
    """`text` itself if it may name a node (`[a-z0-9][a-z0-9_.-]{0,62}`); raises `BadName`."""
    if not _NODE.fullmatch(text):
        raise BadName(f"{printable(text)} is no node name: 1-63 of a-z 0-9 _ . - and no - _ . in front")
    return text


def check_host(text: str) -> str:
    """`text` itself if it may name a host; raises `BadName` (also for a leading `-`)."""
    if not _HOST.fullmatch(text):
        raise BadName(f"{printable(text)} is no host name: letters, digits, . : _ - and a letter or digit first")
    return text


def split_name(text: str) -> tuple[str, str]:
    """The node and the host part of a full node name, both checked: `n1@db1` gives `("n1", "db1")`.

    Raises `BadName` when either part is missing or holds a forbidden character.
    """
    node, at, host = text.partition("@")
    if not at:
        raise BadName(f"{printable(text)} is no full node name: it lacks @HOST")
    return check_node(node), check_host(host)


def shown(node: str, number: int) -> str:
    """How users see the pid of a process of `node`."""
    return f"<{node.partition('@')[0]}.{number}>"


def printable(text: object, limit: int = 200) -> str:
    """`text` quoted, cut to `limit` and without control characters, safe on any terminal."""
    shown = str(text)[:limit]
    return repr("".join(c if c.isprintable() else "?" for c in shown))
