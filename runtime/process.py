"""Processes: what `spawn` makes, what `me()` is, and what messages go to."""

from typing import Any

from pysh.runtime.errors import NodeDown, rebuild
from pysh.runtime.node import Node
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.terms import HUB, Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Waiter


class Process:
    """One process on one incarnation of a node; it can be sent anywhere, and messages to it from anywhere."""

    __slots__ = ("_node", "pid")

    def __init__(self, pid: Pid, node: str) -> None:
        self.pid = pid
        self._node = node

    @property
    def node(self) -> Node:
        """Where it runs."""
        return Node(self._node)

    def send(self, message: Any) -> None:
        """Put `message` into its mailbox."""
        from pysh.runtime.api import send

        send(self, message)

    def __repr__(self) -> str:
        return f"<{self._node.partition('@')[0]}.{self.pid.number}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and other.pid == self.pid

    def __hash__(self) -> int:
        return hash(self.pid)

    def __reduce__(self) -> Any:
        return _process, (*self.pid, self._node)


def _process(incarnation: bytes, number: int, node: str) -> Process:
    return Process(Pid(incarnation, number), node)


class Spawning:
    """A process on its way: `waiter` gets it once its node has accepted it, or why it has not."""

    def __init__(self, client: Client, dest: Pid) -> None:
        self.dest = dest
        self.waiter = Waiter(client)
        self._client = client
        self._ref = client.next_ref()

    def submit(self, meta: bytes, payload: Payload) -> None:
        """Send it; once."""
        self._client.track(self._ref, self)
        try:
            self._client.post(Kind.SPAWN, self.dest, ref=self._ref, meta=meta, payload=payload)
        except BaseException:  # Ctrl-C too: nobody has a handle on it
            self._client.forget(self._ref)
            raise

    def progressed(self, frame: Frame) -> None:
        """It was accepted, and lives from now on."""
        pid = Pid(self.dest.incarnation, frame.options().get("pid", HUB))
        self._client.forget(self._ref)
        self.waiter.set(Process(pid, self._client.view.name_of(pid.incarnation)))

    def arrived(self, frame: Frame) -> None:
        """It was refused."""
        self.waiter.set(error=rebuild(frame.options()))

    def lost(self, reason: str) -> None:
        """Its node is gone."""
        name = self._client.view.name_of(self.dest.incarnation)
        self.waiter.set(error=NodeDown(name, reason, executed="maybe"))
