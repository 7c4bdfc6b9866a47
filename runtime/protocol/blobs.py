"""Sources that runners of this node left with it, by their hashes, for other nodes to fetch.

A hub does not look into them: they are packed as they came, and whoever fetches one holds it against its hash.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import ROOM, Frame
from pysh.runtime.protocol.links import Link

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

BYTES = 64 << 20
"""Of all that is left, packed; each counts `LEAST` at least. What nobody asked for the longest goes first."""
LEAST = 512
PARTS = 64
"""Blobs of which some has still to come."""
NAMES = 1000
"""Modules that may have been pushed."""
HASH = 32
"""Bytes of a SHA-256."""
Pushed = dict[str, str]
"""The hashes of trees by their names, that were pushed together."""


class Blobs:
    """What was left. A blob comes in pieces, one behind the other, and is there when it is whole."""

    def __init__(self, room: int = BYTES) -> None:
        self._room = room
        self._whole: dict[bytes, bytes] = {}  # the latest used last
        self._parts: dict[bytes, bytearray] = {}
        self._size = 0
        self._pushed: dict[str, Pushed] = {}

    def __len__(self) -> int:
        return len(self._whole)

    def __contains__(self, name: bytes) -> bool:
        return name in self._whole

    def keep(self, name: bytes, at: int, size: int, piece: bytes) -> None:
        """A piece came, which begins at `at` of `size` bytes. Raises `ValueError` for what makes no sense."""
        if len(name) != HASH or not 0 <= at <= size <= self._room or at + len(piece) > size:
            raise ValueError(f"a piece of {len(piece)} bytes at {at} of {size}")
        if name in self._whole:
            return
        part = self._parts.setdefault(name, bytearray()) if at else bytearray()
        if at != len(part):
            return  # the same is left by somebody else, too, and one of the two was first
        part += piece
        if len(part) < size:
            self._parts[name] = part
            if len(self._parts) > PARTS:
                del self._parts[next(iter(self._parts))]  # whoever left it ended before the end of it
            return
        self._parts.pop(name, None)
        self._whole[name] = bytes(part)
        self._size += max(LEAST, size)
        while self._size > self._room:
            first = next(iter(self._whole))
            self._size -= max(LEAST, len(self._whole.pop(first)))

    def pieces(self, names: Iterable[bytes], at: int, room: int = ROOM) -> list[list[Any]]:
        """What of the blobs `names` fits into `room` bytes, from `at` of the first on: pairs of size and piece.

        For one that is not there the size is -1.
        """
        told: list[list[Any]] = []
        for name in names:
            blob = self._whole.pop(name, None)
            if blob is None:
                told.append([-1, b""])
            else:
                self._whole[name] = blob
                piece = blob[at : at + max(0, room)]
                told.append([len(blob), piece])
                room -= len(piece)
                if at + len(piece) < len(blob):
                    break
            at, room = 0, room - 16
            if room <= 0:
                break
        return told

    def pushed(self, code: Pushed) -> dict[str, Pushed | None]:
        """These trees are what their names mean here from now on, for what is named by text; what they meant before.

        Raises `ValueError`.
        """
        texts = [*code, *code.values()]
        if (
            not all(isinstance(text, str) and len(text) <= 2 * HASH for text in texts)
            or len(self._pushed | code) > NAMES
        ):
            raise ValueError(f"at most {NAMES} modules of names of at most {2 * HASH} characters")
        before = {name: self._pushed.get(name) for name in code}
        self._pushed.update(dict.fromkeys(code, code))
        return before

    def meant(self, code: Pushed) -> bool:
        """Whether all its names mean that code here."""
        return self.hashes(code) == code

    def hashes(self, names: Iterable[str]) -> Pushed:
        """What those of these names mean here that mean anything."""
        return {name: self._pushed[name][name] for name in names if name in self._pushed}

    def restore(self, before: dict[str, Pushed | None]) -> None:
        """The names mean again what `pushed` said that they meant."""
        for name, code in before.items():
            if code is None:
                self._pushed.pop(name, None)
            else:
                self._pushed[name] = code

    def named(self, function: str) -> Pushed:
        """The code that `"module:function"` needs, as it was pushed; nothing where it was not."""
        return self._pushed.get(function.partition(":")[0].partition(".")[0], {})


def _keep(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    for name, at, size, piece in asked["blobs"]:
        node.work.blobs.keep(name, at, size, piece)
    return {"ok": True}


def _blobs(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    return {"ok": node.work.blobs.pieces(asked["names"], int(asked["at"]))}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], dict[str, Any] | None]] = {
    "keep": _keep, "blobs": _blobs,
}  # fmt: skip
