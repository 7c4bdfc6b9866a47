"""Which worker runs what: decisions only; forking and sending is the hub's.

A task gets a worker when one of `size` slots is free; until then it waits. A worker that blocks in
`result()` or `receive()` gives its slot back, or nested tasks would wait for each other for ever. A
process never waits behind tasks: it gets a worker of its own at once, up to `cap` workers in all.
While tasks prove short, a busy worker is handed a few more in advance, and has to give them back when the
one it runs turns out long.
"""

from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

CAP = 256
SHORT = 0.001
"""Seconds: below this mean a task is short, and the next ones may be prefetched."""
AHEAD = 32
"""How many short tasks a busy worker may hold besides the one it runs."""
_SMOOTHING = 0.1


class Fork(NamedTuple):
    """Start worker `worker`, or an apartment; call `ready` when it has opened its connection."""

    worker: int
    apartment: bool = False


class Run(NamedTuple):
    """Send job `job` to `worker`."""

    worker: int
    job: int


class Retire(NamedTuple):
    """Close the connection of `worker`: it is not wanted any more and ends by itself."""

    worker: int


Step = Fork | Run | Retire


class Worker:
    """What the pool knows of one worker. `jobs[0]` runs; the others were prefetched."""

    __slots__ = ("blocked", "fresh", "jobs", "long", "number", "own", "ready")

    def __init__(self, number: int) -> None:
        self.number = number
        self.jobs: deque[int] = deque()
        self.ready = False
        self.blocked = False
        self.own = False
        self.fresh = False  # forked for one job alone
        self.long = False


class Full(Exception):
    """Every one of the pool's `cap` workers is taken."""


class Pool:
    """Every method returns the steps to take now, in order."""

    def __init__(self, size: int, *, cap: int = CAP, warm: int = 1, numbers: Iterator[int] | None = None) -> None:
        self.size = size
        self.cap = cap
        self.warm = warm
        self.workers: dict[int, Worker] = {}
        self.waiting: deque[int] = deque()
        self._numbers = numbers or count(1)
        self._mean = SHORT * 4
        self._careful: set[int] = set()

    # what happens

    def submit(self, job: int, *, prefetch: bool = True) -> list[Step]:
        """A task arrived. One that must not be prefetched waits for a free worker."""
        self.waiting.append(job)
        if not prefetch:
            self._careful.add(job)
        # Those that wait already found no place, and nothing has changed since.
        return self._dispatch() if len(self.waiting) == 1 else []

    def submit_own(self, job: int, *, fresh: bool = False) -> list[Step]:
        """A process arrived, or what wants a `fresh` worker that nothing else ever uses; raises `Full` at the cap."""
        idle = (w for w in self.workers.values() if not w.jobs and not w.own)
        worker = None if fresh else next(idle, None)
        if worker is None and len(self.workers) >= self.cap:
            raise Full(f"{self.cap} workers are taken")
        steps: list[Step] = []
        if worker is None:
            worker = self._fork(steps)
        worker.own, worker.fresh = True, fresh
        worker.jobs.append(job)
        if worker.ready:
            steps.append(Run(worker.number, job))
        return [*steps, *self._keep_warm()]

    def ready(self, number: int) -> list[Step]:
        """A forked worker has opened its connection."""
        worker = self.workers[number]
        worker.ready = True
        return [*(Run(number, job) for job in worker.jobs), *self._dispatch()]

    def finished(self, number: int, job: int, took: float) -> list[Step]:
        """A worker sent the result of `job`, which ran `took` seconds."""
        self._mean += (took - self._mean) * _SMOOTHING
        self._careful.discard(job)
        worker = self.workers.get(number)
        if worker is None:
            return []
        if job in worker.jobs:
            worker.jobs.remove(job)
        worker.blocked = worker.long = False
        if worker.fresh:
            del self.workers[number]
            return [Retire(number), *self._dispatch()]
        if not worker.jobs:
            worker.own = False
        idle = sum(not w.jobs for w in self.workers.values())
        if not worker.jobs and not self.waiting and idle > max(self.size, self.warm):
            del self.workers[number]
            return [Retire(number)]
        return self._dispatch()

    def blocked(self, number: int) -> list[Step]:
        """A worker's job waits for something; its slot is free."""
        if worker := self.workers.get(number):
            worker.blocked = True
        return self._dispatch()

    def unblocked(self, number: int) -> list[Step]:
        """It goes on; for a while one worker more than `size` may run."""
        if worker := self.workers.get(number):
            worker.blocked = False
        return []

    def is_blocked(self, number: int) -> bool:
        """Whether a worker's job waits for something."""
        worker = self.workers.get(number)
        return worker is not None and worker.blocked

    def proved_long(self, number: int) -> bool:
        """A worker's job is no short one: nothing more is prefetched there; whether anything was."""
        worker = self.workers.get(number)
        if worker is None:
            return False
        worker.long = True
        return len(worker.jobs) > 1

    def returned(self, number: int, job: int) -> list[Step]:
        """A worker gave a prefetched job back unstarted: it goes first now."""
        if (worker := self.workers.get(number)) and job in worker.jobs:
            worker.jobs.remove(job)
            self.waiting.appendleft(job)
        return self._dispatch()

    def withdrawn(self, job: int) -> bool:
        """Forget a job that was not sent yet; whether it was waiting here."""
        if job in self.waiting:
            self.waiting.remove(job)
            self._careful.discard(job)
            return True
        for worker in self.workers.values():
            if not worker.ready and job in worker.jobs:
                worker.jobs.remove(job)
                worker.own = False
                self._careful.discard(job)
                return True
        return False

    def exited(self, number: int, unstarted: list[int]) -> list[Step]:
        """A worker is gone. Its `unstarted` jobs go to others; the caller answers for the rest."""
        worker = self.workers.pop(number, None)
        self._careful.difference_update(set(worker.jobs if worker else ()).difference(unstarted))
        self.waiting.extendleft(reversed(unstarted))
        return self._dispatch()

    # what is known

    def of(self, number: int) -> list[int]:
        """The jobs that a worker holds, the running one first."""
        worker = self.workers.get(number)
        return list(worker.jobs) if worker else []

    def runs_besides(self, number: int) -> bool:
        """Whether any worker but that one runs something."""
        return any(worker.ready and worker.jobs for worker in self.workers.values() if worker.number != number)

    @property
    def running(self) -> int:
        """How many workers run something now, processes and what is isolated among them, which take no slot."""
        return sum(bool(w.jobs) and not w.blocked for w in self.workers.values())

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return sum(bool(w.jobs) and not w.own and not w.blocked for w in self.workers.values())

    # how it is decided

    def _dispatch(self) -> list[Step]:
        steps: list[Step] = []
        while self.waiting and (worker := self._free(steps) or self._spare()) is not None:
            job = self.waiting.popleft()
            worker.jobs.append(job)
            if worker.ready:
                steps.append(Run(worker.number, job))
        return [*steps, *self._keep_warm()]

    def _free(self, steps: list[Step]) -> Worker | None:
        if self.busy >= self.size:
            return None
        idle = [w for w in self.workers.values() if not w.jobs and not w.own]
        if idle:
            return next((w for w in idle if w.ready), idle[0])
        return self._fork(steps) if len(self.workers) < self.cap else None

    def _spare(self) -> Worker | None:
        if self._mean >= SHORT or self.waiting[0] in self._careful:
            return None
        able = [
            w
            for w in self.workers.values()
            if w.ready and w.jobs and not (w.own or w.blocked or w.long) and len(w.jobs) <= AHEAD
            and self._careful.isdisjoint(w.jobs)
        ]  # fmt: skip
        return min(able, key=lambda w: len(w.jobs), default=None)

    def _fork(self, steps: list[Step]) -> Worker:
        number = next(self._numbers)
        worker = self.workers[number] = Worker(number)
        steps.append(Fork(worker.number))
        return worker

    def _keep_warm(self) -> list[Step]:
        steps: list[Step] = []
        idle = sum(not w.jobs for w in self.workers.values())
        while self.workers and idle < self.warm and len(self.workers) < self.cap:
            self._fork(steps)
            idle += 1
        return steps
