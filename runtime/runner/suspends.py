"""Ctrl-Z, and the third Ctrl-C: the cell that runs goes on as a job, and comes back by `fg()`."""

import os
import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol import presses
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.background import TABLE, Job
from pysh.runtime.runner.beside import Beside
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.jobs import Job as Cell

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.cells import Outcome

    Foreground = Callable[[], tuple[Cell, asyncio.Task[Outcome]] | None]

SAID = {
    presses.LATER: "\nthe cell has the main thread: it goes on as a job from its next await on\n",
    presses.REFUSE: "\nno job: this cell does not await, so nothing could run beside it; Ctrl-C interrupts it\n",
}


class Suspends:
    """Takes SIGTSTP, and what Ctrl-C did not end.

    `foreground` gives the cell that runs and its task; `let_go` has the terminal told what it is given, and the
    prompt free; `left` is called when a job has ended, with what is told of that.
    """

    def __init__(
        self, client: Client, interrupts: Interrupts, foreground: "Foreground",
        let_go: Callable[[dict[str, Any]], None], left: "Callable[[Cell, Outcome, str], object]",
    ) -> None:  # fmt: skip
        self._client = client
        self._interrupts = interrupts
        self._foreground = foreground
        self._let_go = let_go
        self._left = left
        self._early = False  # pressed while no cell ran
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beside: Beside | None = None
        self._ends: dict[int, Callable[[asyncio.Task[Outcome]], None]] = {}

    def install(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Take the signal in the main thread, whose loop that is."""
        self._loop = loop
        self._beside = Beside(loop)
        self._interrupts.stubborn = self._outlived
        self._interrupts.heed_jobs(self._beside)
        signal.signal(signal.SIGTSTP, self._handle)

    def holds(self) -> str:
        """Which job has the main thread; `""` for none. Called in any thread."""
        return self._beside.holds() if self._beside is not None else ""

    def expect(self) -> None:
        """A cell has arrived: presses from now on are for it. Called in any thread, while none runs."""
        self._early = False

    def begin(self, task: "asyncio.Task[Outcome]") -> None:
        """A cell runs from now on, as `task`; it may have been pressed while that was on its way."""
        early, self._early = self._early, False
        if early:
            task.get_loop().call_soon(self._suspend, task, "")

    def _handle(self, _signum: int, frame: FrameType | None) -> None:
        foreground = self._foreground()
        if foreground is None or self._loop is None:
            self._early = True
            return
        cell, task = foreground
        verdict = presses.suspend(awaits=cell.awaits, on_stack=self._interrupts.is_on_stack(frame))
        if verdict in SAID:
            os.write(2, SAID[verdict].encode())
        if verdict != presses.REFUSE:
            self._loop.call_soon_threadsafe(self._suspend, task, "")

    def _outlived(self, task: "asyncio.Task[Any]") -> None:
        """The cell was interrupted for the third time, or once more."""
        if self._loop is not None:
            note = ", as Ctrl-C does not end it"
            self._loop.call_soon_threadsafe(
                partial(self._loop.call_later, presses.MOMENT, self._suspend, task, note)
            )  # fmt: skip

    def _suspend(self, task: "asyncio.Task[Outcome]", note: str) -> None:
        """The cell of `task` goes on as a job, unless it is over. Called between two steps of it."""
        cell, current = self._foreground() or (None, None)
        if cell is None or current is not task or task.done():
            return
        job = TABLE.add(cell, task)
        end = self._ends[job.number] = partial(self._ended, job)
        text = f"job {job.number} goes on{note}: {job.text}; fg({job.number}) brings it back"
        self._let_go({"kind": "job", "text": text})
        task.add_done_callback(end)

    @property
    def told(self) -> dict[str, int]:
        """How many jobs run, if any do: a part of what is told at the end of each cell."""
        return {"jobs": running} if (running := TABLE.running) else {}

    def forget(self, task: "asyncio.Task[Outcome]") -> None:
        """The cell of `task`, which may have been a job, is over, and its result is shown."""
        TABLE.forget_cell(task)

    def fetched(self, by: Cell, value: object) -> "tuple[Cell, asyncio.Task[Outcome]] | None":
        """The job that is in the foreground from now on, if the cell `by` ended with `value` to have it there."""
        job = TABLE.take_fetched(value)
        if job is None or by.captured is not None or job.cell is by:
            return None  # also a job that fetched itself
        if (end := self._ends.pop(job.number, None)) is not None:
            job.task.remove_done_callback(end)
        job.cell.frame = by.frame
        for cell in by.remembered:
            cell.fetched = True
            job.cell.remembered.append(cell)
        return job.cell, job.task

    def _ended(self, job: Job, _task: "asyncio.Task[Outcome]") -> None:
        """A job is over: one line says so, wherever somebody sits."""
        if self._ends.pop(job.number, None) is None:
            return  # it was fetched in that very moment
        job.cell.end()
        text, level = job.told()
        TABLE.make_room()
        self._left(job.cell, job.outcome, text)  # with all that it printed
        _, cell = self._foreground() or (None, None)
        if cell is None or cell not in job.waiters:  # else the end of that cell tells how many there are
            meta = {"text": text, "level": level, "jobs": TABLE.running}
            self._client.post(Kind.NOTICE, self._client.hub, meta=meta)
