"""A job that keeps the main thread for long, and so a cell waiting: it is named, and interrupted."""

import os
import sys
import threading
from _thread import start_new_thread
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING

from pysh.runtime.protocol.presses import MOMENT
from pysh.runtime.runner.background import TABLE, Job

if TYPE_CHECKING:
    import asyncio


class Step:
    """What a job does from one `await` to the next, in which Ctrl-C was pressed."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.over = False
        self.named = False


class Beside:
    """Knows which job the main thread of `loop` is in; made in that thread."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop
        self._main = threading.get_ident()
        self._step: Step | None = None

    def pressed(self, frame: FrameType | None) -> bool:
        """Ctrl-C came at `frame`; whether it is to interrupt what is there: a step of a job that was named already.

        One that lasts a moment longer is named. Others are left alone: they are in nobody's way.
        """
        job = _at(frame)
        if job is None:
            return False
        step = self._step
        if step is None or step.over or step.job is not job:
            step = self._step = Step(job)
            self._loop.call_soon_threadsafe(setattr, step, "over", True)  # once the loop goes round
            start_new_thread(_name_later, (step,))
        return step.named

    def holds(self) -> str:
        """Which job has the main thread; `""` for none. Called in any thread."""
        job = _at(sys._current_frames().get(self._main))
        return _named(job) if job is not None else ""


def _name_later(step: Step) -> None:
    sleep(MOMENT)
    if not step.over:
        step.named = True
        os.write(2, f"busy with {_named(step.job)}; Ctrl-C again interrupts that\n".encode())


def _at(frame: FrameType | None) -> Job | None:
    """The job whose code led to `frame`."""
    own = {coroutine: job for job in TABLE if (coroutine := _frame(job)) is not None}
    while own and frame is not None:
        if frame in own:
            return own[frame]
        frame = frame.f_back
    return None


def _frame(job: Job) -> FrameType | None:
    found: FrameType | None = getattr(job.task.get_coro(), "cr_frame", None) if not job.task.done() else None
    return found


def _named(job: Job) -> str:
    return f"job {job.number}: {job.text}"
