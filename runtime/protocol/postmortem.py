"""Which worker still has the frames of which failure, as their hub knows it.

A worker keeps those of the last task or process that failed in it, if whoever owns that may look at them. They stay
while others run there, until one of these fails too, for `KEPT` seconds at most. The hub decides that they go, and
tells the worker; it remembers why, for whoever asks for them afterwards.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.pool import Full, Step
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

KEPT = 600.0
"""Seconds after which nobody is expected to look any more."""
REMEMBERED = 256
"""Failures of which it is remembered why their frames are gone."""
NEVER = "nothing that failed has that number here, or that was long ago"
OVER = "its worker has ended"
APART = "it had a worker of its own, as with isolate=True, memory= or cpu=, which ended with it"
SHARED = "it ran beside others in one runner, where none are kept: with isolate=True it has a worker"
IN_SHELL = "it ran in the shell there, which keeps none"
UNASKED = "its owner keeps none, as a script does, or after debug(keep=False)"


class Failure(NamedTuple):
    """One whose frames a worker has."""

    number: int
    label: str
    owner: Pid
    until: float


class PostMortems:
    """The failures of a node whose frames are kept, one a worker."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._kept: dict[int, Failure] = {}
        self._gone: dict[int, str] = {}
        self._watches = False

    def failed(self, job: Job) -> None:
        """A worker has told how `job` ended: if it failed, its frames are there, or it is known why not."""
        if job.worker is None or not job.flags & Flag.ERROR or "frames_of" in job.options:
            return
        if not job.options.get("frames"):
            self._forget(job.number, UNASKED)
        elif job.worker in self._node.work.tenancy.apartments:
            self._forget(job.number, IN_SHELL if job.in_shell else SHARED)
        elif job.options.get("isolate"):
            self._forget(job.number, APART)
        else:
            label = str(job.options.get("label", ""))
            self._keep(job.worker, Failure(job.number, label, job.owner, self._node.now + KEPT))

    def _keep(self, worker: int, failure: Failure) -> None:
        if (before := self._kept.get(worker)) is not None:
            self._forget(before.number, f"{failure.label} failed after it in the same worker, which keeps the last")
        self._kept[worker] = failure
        self._node.work.pool.keeps(worker, True)
        self._watch()

    def worker_gone(self, worker: int) -> None:
        """It took what it had along."""
        if (failure := self._kept.pop(worker, None)) is not None:
            self._forget(failure.number, OVER)

    def let_go(self, owns: Callable[[Pid], bool], why: str) -> int:
        """Have the workers let go of the frames whose owner is one for whom `owns` is true; of how many failures."""
        return self._drop(lambda failure: owns(failure.owner), why)

    def _watch(self) -> None:
        if self._kept and not self._watches:
            self._watches = True
            self._node.later(min(failure.until for failure in self._kept.values()) - self._node.now, self._expire)

    def _expire(self) -> None:
        self._watches, now = False, self._node.now
        self._drop(lambda failure: failure.until <= now, f"nobody looked at them for {KEPT / 60:.0f} minutes")
        self._watch()

    def _drop(self, meant: Callable[[Failure], bool], why: str) -> int:
        work = self._node.work
        found = [worker for worker, failure in self._kept.items() if meant(failure)]
        for worker in found:
            failure = self._kept.pop(worker)
            self._forget(failure.number, why)
            work.pool.keeps(worker, False)
            if (link := work.workers.get(worker)) is not None:
                self._node.write(link, Frame(Kind.CANCEL, self._node.me, Pid(self._node.incarnation, failure.number)))
        return len(found)

    def _forget(self, number: int, why: str) -> None:
        self._gone[number] = why
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def place(self, job: Job) -> list[Step]:
        """Where one runs that looks at frames: where these are. Raises `Full`, with why it cannot."""
        number = job.options["frames_of"]
        worker = next((worker for worker, failure in self._kept.items() if failure.number == number), None)
        if worker is None or worker not in self._node.work.pool.workers:
            why = self._gone.get(number, NEVER) if worker is None else OVER
            raise Full(f"the frames of task {number} are gone: {why}")
        if held := self._node.work.pool.of(worker):
            busy = self._node.work.jobs.get(held[0])
            what = f"task {held[0]} {busy.options.get('label', '') if busy is not None else ''}".rstrip()
            raise Full(f"the frames of task {number} are there, but its worker runs {what} now; once that is over")
        self._kept[worker] = self._kept[worker]._replace(until=self._node.now + KEPT)
        return self._node.work.pool.submit_at(worker, job.number)


def _let_go(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """The asker wants the frames of nothing of its own any more."""
    owner = frame.source
    return {"ok": node.work.post_mortems.let_go(partial(Pid.__eq__, owner), "its owner said debug(keep=False)")}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], Any]] = {"let_go": _let_go}
