"""Stopping a node gently: no new tasks, and those that were accepted finish or were never begun."""

from typing import TYPE_CHECKING

from pysh.runtime.protocol.jobs import DONE, Job
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

LOOK = 0.02
"""Seconds between two looks at what is left."""
GRACE = 0.5
"""Seconds that code has which still runs when the time is up, before it is ended; it takes 1 s more at most."""
LAST = GRACE + 2.0
"""Seconds after which the node stops whatever is left."""


class Drain:
    """Begun by `stop_node(n, drain=...)`, and never taken back."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._until: float | None = None
        self._cancelled = False

    def begin(self, seconds: float) -> None:
        """Accept no new task; stop once those there are have ended and were fetched, or in `seconds`."""
        until = self._node.now + seconds
        if self._until is None:
            self._node.later(0, self._look)
        self._until = until if self._until is None else min(until, self._until)

    def refuses(self, source: Pid) -> bool:
        """Whether a new task from `source` comes too late. What an accepted task asks for is a part of it."""
        if self._until is None:
            return False
        return source.incarnation != self._node.incarnation or self._node.work.jobs.get(source.number) is None

    def _look(self) -> None:
        assert self._until is not None
        now, left = self._node.now, [job for job in self._node.work.jobs if self._counts(job)]
        if now >= self._until and not self._cancelled:
            self._cancelled = True
            for job in left:
                self._node.work.ending.cancel(job, GRACE, "drain")
        if left and now < self._until + LAST:
            self._node.later(LOOK, self._look)
        else:
            self._node.stop("it was told to, and is drained")

    def _counts(self, job: Job) -> bool:
        """Whether `job` is waited for: a task that has not ended, or whose result somebody can still fetch."""
        if job.is_process:
            return False
        there = job.owner.incarnation
        reachable = not job.lost and (there == self._node.incarnation or there in self._node.peers)
        return job.state != DONE or (reachable and not self._cancelled)
