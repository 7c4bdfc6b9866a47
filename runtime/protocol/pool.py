"""Which worker runs what: decisions only; forking and sending is the hub's.

A task gets a worker when one of `size` slots is free; until then it waits. A worker that blocks in
`result()` or `receive()` gives its slot back, or nested tasks would wait for each other for ever. A
process never waits behind tasks: it gets a worker of its own at once, up to `cap` workers in all.
While tasks prove short, a busy worker is handed a few more in advance, and has to give them back when the
one it runs turns out long.

A job may name the code that it needs: hashes by the names of modules. A worker that has run one of these names in
another version is of no use to it, and is retired where its place is wanted. What is named by text is to be found as it
is here, so that no worker will do to which somebody has brought any.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import count
from typing import NamedTuple

Code = Mapping[str, str]
NONE: Code = {}
OF_HERE: Code = {"": ""}
"""That of this node, whatever it is called."""


def fits(code: Code, other: Code) -> bool:
    """Whether none of it is there in another version."""
    if "" in other:
        return not any(code.values())
    return not other or all(code.get(name, version) == version for name, version in other.items())


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

    __slots__ = ("blocked", "code", "fresh", "jobs", "keeps", "long", "number", "own", "ready")

    def __init__(self, number: int) -> None:
        self.number = number
        self.jobs: deque[int] = deque()
        self.code: dict[str, str] = {}  # what its jobs brought, or will bring
        self.ready = False
        self.blocked = False
        self.own = False
        self.fresh = False  # forked for one job alone
        self.keeps = False  # it has the frames of a failure, which end with it
        self.long = False

    def fits(self, code: Code) -> bool:
        """Whether it has none of that code in another version."""
        return fits(self.code, code)

    def takes(self, job: int, code: Code) -> None:
        """It is to run `job`."""
        self.jobs.append(job)
        self.code.update(code)


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
        self._code: dict[int, Code] = {}

    # what happens

    def submit(self, job: int, *, prefetch: bool = True, code: Code = NONE) -> list[Step]:
        """A task arrived, which needs `code`. One that must not be prefetched waits for a free worker."""
        self.waiting.append(job)
        if code:
            self._code[job] = code
        if not prefetch:
            self._careful.add(job)
        # Those that wait already found no place, and nothing has changed since.
        return self._dispatch() if len(self.waiting) == 1 else []

    def submit_own(self, job: int, *, fresh: bool = False, code: Code = NONE) -> list[Step]:
        """A process arrived, or what wants a `fresh` worker that nothing else ever uses; raises `Full` at the cap."""
        idle = (w for w in self.workers.values() if not w.jobs and not w.own and w.fits(code))
        worker = None if fresh else min(idle, key=lambda w: w.keeps, default=None)
        if worker is None and len(self.workers) >= self.cap:
            raise Full(f"{self.cap} workers are taken")
        steps: list[Step] = []
        if worker is None:
            worker = self._fork(steps)
        worker.own, worker.fresh = True, fresh
        worker.takes(job, code)
        if worker.ready:
            steps.append(Run(worker.number, job))
        return [*steps, *self._keep_warm()]

    def submit_at(self, number: int, job: int) -> list[Step]:
        """What is for that worker alone, which runs nothing."""
        worker = self.workers[number]
        worker.own = True
        worker.takes(job, NONE)
        return [Run(number, job), *self._keep_warm()]

    def keeps(self, number: int, frames: bool) -> None:
        """Whether a worker has the `frames` of a failure: of those that do as well others are taken before it."""
        if worker := self.workers.get(number):
            worker.keeps = frames

    def ready(self, number: int) -> list[Step]:
        """A forked worker has opened its connection."""
        worker = self.workers[number]
        worker.ready = True
        return [*(Run(number, job) for job in worker.jobs), *self._dispatch()]

    def finished(self, number: int, job: int, took: float) -> list[Step]:
        """A worker sent the result of `job`, which ran `took` seconds."""
        self._mean += (took - self._mean) * _SMOOTHING
        self._forget(job)
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
        idle = [w for w in self.workers.values() if not w.jobs]
        if not worker.jobs and not self.waiting and len(idle) > max(self.size, self.warm):
            # Rather than the one that has just shown what is wanted, one that has it in another version, or not at all.
            able = [w for w in idle if w.ready and not w.own and w is not worker]
            return self._retire(min([worker, *able], key=lambda w: (w.keeps, w.fits(worker.code), len(w.code))))
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
            self._forget(job)
            return True
        for worker in self.workers.values():
            if not worker.ready and job in worker.jobs:
                worker.jobs.remove(job)
                worker.own = False
                self._forget(job)
                return True
        return False

    def exited(self, number: int, unstarted: list[int]) -> list[Step]:
        """A worker is gone. Its `unstarted` jobs go to others; the caller answers for the rest."""
        worker = self.workers.pop(number, None)
        for job in set(worker.jobs if worker else ()).difference(unstarted):
            self._forget(job)
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
        while self.waiting:
            code = self._code.get(self.waiting[0], NONE)
            worker = self._free(steps, code) or self._spare(code)
            if worker is None:
                break
            job = self.waiting.popleft()
            worker.takes(job, code)
            if worker.ready:
                steps.append(Run(worker.number, job))
        return [*steps, *self._keep_warm()]

    def _free(self, steps: list[Step], code: Code) -> Worker | None:
        if self.busy >= self.size:
            return None
        idle = [w for w in self.workers.values() if not w.jobs and not w.own]
        fitting = [w for w in idle if w.fits(code)] if code else idle
        if fitting:
            # One that has the code already, rather than one that would have to import it.
            return max(fitting, key=lambda w: (w.code.items() >= code.items(), not w.keeps, w.ready))
        useless = next((w for w in idle if w.ready), None)
        if useless and (len(idle) >= max(self.size, self.warm) or len(self.workers) >= self.cap):
            steps += self._retire(useless)
        return self._fork(steps) if len(self.workers) < self.cap else None

    def _spare(self, code: Code) -> Worker | None:
        if self._mean >= SHORT or self.waiting[0] in self._careful:
            return None
        able = [
            w
            for w in self.workers.values()
            if w.ready and w.jobs and not (w.own or w.blocked or w.long) and len(w.jobs) <= AHEAD
            and w.fits(code) and self._careful.isdisjoint(w.jobs)
        ]  # fmt: skip
        return min(able, key=lambda w: len(w.jobs), default=None)

    def _retire(self, worker: Worker) -> list[Step]:
        del self.workers[worker.number]
        return [Retire(worker.number)]

    def _forget(self, job: int) -> None:
        self._careful.discard(job)
        self._code.pop(job, None)

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
