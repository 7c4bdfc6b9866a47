"""Values that were pushed to this node under a name: which hash a name means. The values themselves are files."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

NAMES = 1000
"""Values that may have been pushed; each of a name of at most `LONGEST` bytes."""
LONGEST = 255
HASH = 64
"""Digits of a SHA-256."""


class Placed:
    """What was pushed, until the end of the node."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def place(self, values: dict[str, str]) -> None:
        """These names mean the values with these hashes from now on. Raises `ValueError`."""
        for name, digest in values.items():
            if not isinstance(name, str) or len(name.encode()) > LONGEST or not name.isidentifier():
                raise ValueError(f"{name!r:.80} is no name")
            if not isinstance(digest, str) or len(digest) != HASH:
                raise ValueError(f"{digest!r:.80} is no hash")
        if len(self.digests.keys() | values.keys()) > NAMES:
            raise ValueError(f"at most {NAMES} values have a name here")
        self.digests.update(values)

    def find(self, names: list[str]) -> dict[str, str]:
        """The hashes of those of the names that mean something."""
        return {name: self.digests[name] for name in names if name in self.digests}


def _place(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    node.work.placed.place(dict(asked["values"]))
    told = pack({"verb": "placed", "values": asked["values"]})
    for number in (shell.evaluator for shell in node.shells if shell.evaluator is not None):
        # It asks nobody when a cell begins.
        node.to_process(number, Frame(Kind.REQUEST, node.me, Pid(node.incarnation, number), meta=told))
    return {"ok": True}


def _placed(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    return {"ok": node.work.placed.find(list(asked["names"]))}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], dict[str, Any] | None]] = {
    "place": _place, "placed": _placed,
}  # fmt: skip
