"""How a job ends before it is done: for whoever asked for it or owns it, at its limit, by an exit signal."""

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from pysh.runtime.protocol.actions import Signal
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.jobs import DONE, KILLED, QUEUED, SENT, Job
from pysh.runtime.protocol.ladder import ladder
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid, Ref

if TYPE_CHECKING:
    from pysh.runtime.protocol.work import Work

LIMIT_GRACE, STOP_GRACE, EXIT_GRACE = 2.0, 0.5, 2.0
"""Seconds that synchronous code has once its limit is over, its owner or its node ends, an exit signal came."""


class Ending:
    """Takes down what is to end, and watches the limits of what runs."""

    def __init__(self, work: "Work") -> None:
        self._work = work
        self._node = work.node
        self._limits: dict[int, float] = {}  # when the running jobs that have a limit reach it
        self._limit_due = inf

    def began(self, job: Job) -> None:
        """`job` runs now: its time is counted, and what was asked for before has its effect."""
        if (limit := job.options.get("limit")) is not None:
            self._limits[job.number] = job.sent_at + max(0.0, limit)
            self._watch_limits()
        if job.cancel is not None:
            self._climb(job, job.cancel)

    def ended(self, number: int) -> None:
        """Job `number` needs no watching any more."""
        self._limits.pop(number, None)

    def _watch_limits(self) -> None:
        """Set a timer for the first limit to pass, unless there is one: most jobs end long before theirs."""
        due = min(self._limits.values(), default=inf)
        if due < self._limit_due:
            self._limit_due = due
            self._node.later(due - self._node.now, self._check_limits)

    def _check_limits(self) -> None:
        self._limit_due = inf
        over = [number for number, due in self._limits.items() if due <= self._node.now]
        for number in over:
            del self._limits[number]
            if (job := self._work.jobs.get(number)) is not None:
                self.cancel(job, LIMIT_GRACE, "limit")
        self._watch_limits()

    def asked(self, link: Link | None, frame: Frame) -> None:
        """Whoever asked for a job, or fetches its result, wants it no more."""
        job = self._work.meant(Ref(frame.source, frame.ref))
        if job is not None:
            self.cancel(job, float(frame.options().get("grace", 2.0)), "cancel")

    def cancel_of(self, owns: Callable[[Pid], bool], grace: float = STOP_GRACE) -> int:
        """Cancel the unfinished tasks of owners for whom `owns` is true, unless detached; how many.

        Whoever asked for one in their name, and goes on, is told. Nobody is left who could fetch what the others, or
        those that ended before, have to say.
        """
        jobs = [
            job for job in self._work.jobs if not job.is_process and not job.options.get("detach") and owns(job.owner)
        ]
        unfinished = [job for job in jobs if job.state != DONE]
        for job in jobs:
            job.wanted = not owns(job.key.owner)
            if job.state == DONE and not job.wanted:
                self._work.remove(job)
        for job in unfinished:
            self.cancel(job, grace, "owner")
        return len(unfinished)

    def cancel(self, job: Job, grace: float, reason: str) -> None:
        """End `job`: not begun, it never begins; begun, the ladder takes it down within `grace` + 1 s.

        Whoever asks again can only be less patient.
        """
        grace = max(0.0, grace)  # 0 also for what is no number
        if job.state == DONE or (job.cancel is not None and job.cancel <= grace):
            return
        job.reason = reason if job.cancel is None else job.reason
        job.cancel = grace
        if self._work.pool.withdrawn(job.number) or job.state == QUEUED or not job.complete:
            self._work.abandon(job)
            self._work.cancelled(job, "no")
            self._work.finish(job)
        elif job.worker in self._work.tenancy.apartments:
            self._work.tenancy.cancel(job, grace)
        elif self._work.pool.of(job.worker or 0)[:1] == [job.number]:
            self._climb(job, grace)
        elif (link := self._work.workers.get(job.worker or 0)) is not None:
            self._node.write(link, Frame(Kind.CANCEL, self._node.me, self._work.pid(job), job.key.number))

    def exit(self, number: int, reason: str, *, patient: bool) -> None:
        """An exit signal ends a process: synchronous code has its grace, if `patient`."""
        job = self._work.jobs.get(number)
        if job is not None and job.state != DONE:
            job.exit = reason if reason == KILLED else job.exit or reason
            self.cancel(job, EXIT_GRACE if patient else 0.0, "exit")

    def _climb(self, job: Job, grace: float) -> None:
        for seconds, signal, group in ladder(grace):
            self._node.later(seconds, partial(self._signal, job.number, signal, group))

    def _signal(self, number: int, signal: str, group: bool) -> None:
        job = self._work.jobs.get(number)
        if job is None or job.state != SENT or job.worker is None:
            return
        if self._work.pool.of(job.worker)[:1] == [number]:
            self._node.actions.append(Signal(job.worker, signal, group, number))
