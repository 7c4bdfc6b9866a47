"""`jobs`, `fg` and `cancel`: cells in the background of a shell, and whatever else can be cancelled."""

from typing import Any

from pysh.runtime import messages
from pysh.runtime.process import Actor, Process
from pysh.runtime.results import Rows
from pysh.runtime.runner.background import TABLE, Job


def jobs() -> Rows:
    """The cells of this shell that go on in the background, and those whose result nobody has fetched.

    Ctrl-Z makes a job of the cell that runs, if that awaits; so does the third Ctrl-C, if it does not end. `state` is
    `running`, `done`, `failed` or `cancelled`, `age` the seconds from its beginning to its end, or until now.
    """
    rows = [{"job": job.number, "cell": job.text, "state": job.state, "age": round(job.cell.took, 3)} for job in TABLE]
    return Rows(["job", "cell", "state", "age"], rows, empty="no jobs: Ctrl-Z makes one of a cell that awaits")


def fg(number: int | None = None) -> Job:
    """Bring job `number`, or the latest, back to the foreground: typed alone, it is the cell from then on.

    Its value, or what it raised, is that of the cell, at once if it has ended, and Ctrl-C and Ctrl-Z reach it. In an
    expression it is the job: `x = await fg(1)` waits for its value. Raises `PyshError` if there is no such job.
    """
    return TABLE.fetch(number)


def cancel(what: Any = None) -> bool:
    """Cancel job `what`, or the latest; or a task, or a process (which gets an exit signal, as by `stop`).

    False if it had ended. It does not wait for the end. Raises `PyshError` if there is no such job, and `TypeError`.
    """
    if isinstance(what, Process | Actor):
        messages.exit_signal(what, "shutdown")
        return True
    if what is None or type(what) is int:
        return TABLE.find(what).cancel()
    end = getattr(what, "cancel", None)
    if not callable(end):
        raise TypeError(f"cancel() takes the number of a job, a task or a process, not {what!r}; nothing was done")
    return bool(end())
