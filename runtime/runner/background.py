"""Jobs: cells that await and go on in the background, while others are typed."""

from collections.abc import Generator, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.cells import Outcome
from pysh.runtime.runner.jobs import Job as Cell
from pysh.runtime.runner.jobs import outcome_of

if TYPE_CHECKING:
    import asyncio

KEPT = 32
"""Of so many jobs that have ended the result is kept until it is fetched."""
SHOWN = 60
"""Characters of a cell, and of what came of it, that stand in a line about it."""
PLAIN = (bool, int, float, complex, str, bytes)
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"


class Job:
    """A cell in the background: `await job` waits for its value, and is to end with whoever waits."""

    def __init__(self, number: int, cell: Cell, task: "asyncio.Task[Outcome]") -> None:
        self.number = number
        self.cell = cell
        self.task = task
        self.waiters: list[object] = []
        """The tasks that wait for its value."""

    @property
    def state(self) -> str:
        """`running`, `done`, `failed` or `cancelled`."""
        if not self.task.done():
            return RUNNING
        error = self.outcome.error
        if error is None:
            return DONE
        return CANCELLED if type(error).__name__ == "CancelledError" else FAILED

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return outcome_of(self.task, interrupted=False)

    @property
    def text(self) -> str:
        """The beginning of the cell, in one line."""
        return _short(" ".join(self.cell.source.split()))

    def cancel(self) -> bool:
        """Cancel what it awaits; False if it has ended."""
        if self.task.done():
            return False
        self.task.get_loop().call_soon_threadsafe(self.task.cancel)
        return True

    def told(self) -> tuple[str, str]:
        """A line about how it ended, and how loud that is. No code of the user's is asked for it."""
        state, outcome = self.state, self.outcome
        line = f"job {self.number} {state}: {self.text}"
        if state == FAILED:
            line += f" raised {plainly(outcome.error)}"
            return (line, "info") if self.waiters else (f"{line}; its traceback: fg({self.number})", "error")
        if state == DONE and outcome.value is not None:
            line += f" gave {_plain(outcome.value)}"
            line += "" if self.waiters else f"; the value itself: fg({self.number})"
        return line, "info"

    def __await__(self) -> Generator[Any, None, Any]:
        from asyncio import current_task

        waiter = current_task()
        self.waiters.append(waiter)
        try:
            if not self.task.done():
                yield from self.task  # what cancels that cancels the job
        finally:
            self.waiters.remove(waiter)
        TABLE.forget(self)
        outcome = self.outcome
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def __repr__(self) -> str:
        return f"<job {self.number} {self.state} {self.cell.took:.1f}s: {self.text}>"


class Jobs:
    """Those of one shell, by their numbers."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._numbers = count(1)
        self._fetched: Job | None = None

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def begin(self, number: int) -> None:
        """Have that as the number of the first: those before it are cells of other shells."""
        self._numbers = count(number)

    def add(self, cell: Cell, task: "asyncio.Task[Outcome]") -> Job:
        """A cell goes on as a job, under the number that it had before if it was one."""
        known = next((job for job in self._jobs.values() if job.task is task), None)
        if known is not None:
            return known
        job = Job(next(self._numbers), cell, task)
        self._jobs[job.number] = job
        return job

    def find(self, number: int | None = None) -> Job:
        """Job `number`, else the latest. Raises `PyshError`."""
        if number is None and self._jobs:
            return self._jobs[max(self._jobs)]
        if number in self._jobs:
            return self._jobs[number]
        there = ", ".join(map(str, self._jobs)) or "none"
        what = "job" if number is None else f"job {number}"
        raise PyshError(f"there is no {what} in this shell (jobs: {there}); Ctrl-Z makes one of a cell that awaits")

    def fetch(self, number: int | None) -> Job:
        """The same, and the cell that it is the value of is to go on as that job."""
        self._fetched = self.find(number)
        return self._fetched

    def take_fetched(self, value: object) -> Job | None:
        """The job that `value` is, if the cell that ends with that asked for it."""
        fetched, self._fetched = self._fetched, None
        return fetched if fetched is not None and fetched is value else None

    def forget(self, job: Job) -> None:
        """Somebody has its result."""
        self._jobs.pop(job.number, None)

    def forget_cell(self, task: "asyncio.Task[Outcome]") -> None:
        """The cell in the foreground, which may have been a job, has ended, and its result is shown."""
        for job in self:
            if job.task is task:
                self.forget(job)

    def make_room(self) -> None:
        """Forget the eldest of those that have ended, if they are too many."""
        ended = [job for job in self if job.task.done()]
        for job in ended[:-KEPT]:
            self.forget(job)

    @property
    def running(self) -> int:
        """How many there are that have not ended."""
        return sum(not job.task.done() for job in self)


TABLE = Jobs()
"""Those of the shell that this process is; anywhere else there are none."""


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _plain(value: object) -> str:
    """A value whose repr is Python's own; of any other its type."""
    if type(value) not in PLAIN:
        return f"<{type(value).__name__}>"
    try:
        return _short(repr(value[:SHOWN] if isinstance(value, str | bytes) else value))
    except ValueError:  # an int of too many digits
        return "a large int"


def plainly(error: BaseException | None) -> str:
    """The type of an error, and its text where that is one, in a line. No code of the user's runs."""
    args = getattr(error, "args", ())
    text = next(iter(args), "")
    text = text if type(text) is str and len(args) == 1 else ""
    return f"{type(error).__name__}: {_short(' '.join(text.split()))}" if text else type(error).__name__
