"""What a runner knows of the nodes around it: its hub tells it of every change."""

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from pysh.runtime.protocol.placement import Loads
from pysh.runtime.protocol.terms import HUB, Pid

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class NodeInfo(NamedTuple):
    """One node; `state` is `self`, `up` or `suspect`, `rtt` in seconds.

    `full` tells that so much is on its way there that whoever sends more has to wait.
    """

    name: str
    incarnation: bytes
    state: str
    python: str = ""
    aliases: tuple[str, ...] = ()
    load: float = 0
    rtt: float | None = None
    full: bool = False

    @property
    def hub(self) -> Pid:
        """Where to send what is for the node itself."""
        return Pid(self.incarnation, HUB)


class View:
    """The nodes that can be reached, this one first, and the names of those that could be."""

    def __init__(self) -> None:
        self.nodes: list[NodeInfo] = []
        self.loads = Loads()
        self.rtts: dict[bytes, float] = {}
        """Seconds of a round trip to a node, where that was measured here."""
        self._reached: set[bytes] = set()
        self._foreign: set[bytes] = set()
        self._names: dict[bytes, str] = {}

    def update(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take what the hub tells: all nodes there are."""
        self.nodes = [
            NodeInfo(**{name: entry[name] for name in NodeInfo._fields if name in entry}) for entry in entries
        ]
        self._reached = {info.incarnation for info in self.nodes}
        self._foreign = {info.incarnation for info in self.nodes if info.python not in ("", PYTHON)}
        self._names |= {info.incarnation: info.name for info in self.nodes}
        self.loads.reported({info.incarnation: info.load for info in self.nodes})

    def __contains__(self, incarnation: bytes) -> bool:
        return incarnation in self._reached

    def is_foreign(self, incarnation: bytes) -> bool:
        """Whether code runs in another minor version of Python on that node, as far as that is known."""
        return incarnation in self._foreign

    def name_of(self, incarnation: bytes) -> str:
        """The name of a node that is or was known."""
        return self._names.get(incarnation) or incarnation.hex()[:8]
