"""Which of several nodes a task goes to: the one with the fewest running and queued tasks.

A node reports its load now and then; what was sent there since is known here. A report counts our own
tasks as well, so what others have there is taken to be the rest of it, until the next report.
"""

from collections.abc import Iterable, Mapping


class Loads:
    """How busy each node is, as far as one client of one node can tell; a node is any hashable."""

    def __init__(self) -> None:
        self._ours: dict[bytes, int] = {}
        self._others: dict[bytes, float] = {}

    def reported(self, loads: Mapping[bytes, float]) -> None:
        """The nodes there are now, with the loads they report."""
        self._ours = {node: tasks for node, tasks in self._ours.items() if node in loads}
        self._others = {}
        self.changed(loads)

    def changed(self, loads: Mapping[bytes, float]) -> None:
        """What some nodes report anew."""
        for node, load in loads.items():
            self._others[node] = max(0.0, load - self._ours.get(node, 0))

    def started(self, node: bytes) -> None:
        """We sent a task to `node`."""
        self._ours[node] = self._ours.get(node, 0) + 1

    def ended(self, node: bytes) -> None:
        """One of our tasks at `node` ended."""
        left = self._ours.get(node, 0) - 1
        if left > 0:
            self._ours[node] = left
        else:
            self._ours.pop(node, None)

    def of(self, node: bytes) -> float:
        """How many tasks `node` has, running or queued."""
        return self._others.get(node, 0.0) + self._ours.get(node, 0)

    def least(self, nodes: Iterable[bytes]) -> bytes:
        """The least loaded of `nodes`, the first of several such. Raises `ValueError` for none."""
        return min(nodes, key=self.of)
