"""`jobs`, `fg` and `cancel`: cells in the background of a shell, and whatever else can be cancelled."""

from typing import Any

from pysh.runtime import attaching, messages
from pysh.runtime.errors import PyshError
from pysh.runtime.process import Actor, Process
from pysh.runtime.results import Rows
from pysh.runtime.runner import inside
from pysh.runtime.runner.background import TABLE, Job
from pysh.runtime.started import current


def jobs() -> Rows:
    """The cells of this shell that go on in the background, and those whose result nobody has fetched.

    Ctrl-Z makes a job of the cell that runs, if that awaits; so does the third Ctrl-C, if it does not end. First are
    the cells that end by no Ctrl-C, for which their shell was left for this one. `state` is `running`, `done`,
    `failed`, `cancelled`, or `died` with its shell, `age` the seconds from its beginning to its end, or until now.
    """
    left = [{**{name: job[name] for name in ("job", "cell", "state")}, "age": round(job["age"], 3)} for job in _left()]
    rows = [{"job": job.number, "cell": job.text, "state": job.state, "age": round(job.cell.took, 3)} for job in TABLE]
    return Rows(["job", "cell", "state", "age"], left + rows, empty="no jobs: Ctrl-Z makes one of a cell that awaits")


def _left() -> list[dict[str, Any]]:
    """The cells for which other shells were left for this one; no shell but one of its own has any."""
    if inside.here is None or inside.here.shared:
        return []
    left: list[dict[str, Any]] = current().ask("left")
    return left


def _left_for(number: int | None) -> dict[str, Any] | None:
    """That of this number; or the latest, if there is no other job."""
    left = _left()
    if number is None:
        return left[-1] if left and not list(TABLE) else None
    return next((job for job in left if job["job"] == number), None)


def fg(number: int | None = None) -> Job | None:
    """Bring job `number`, or the latest, back to the foreground: typed alone, it is the cell from then on.

    Its value, or what it raised, is that of the cell, at once if it has ended, and Ctrl-C and Ctrl-Z reach it. In an
    expression it is the job: `x = await fg(1)` waits for its value. Of a cell for which its shell was left the terminal
    goes back to that shell, and there is no value here. Raises `PyshError` if there is no such job.
    """
    if (left := _left_for(number)) is not None:
        attaching.go_back(left["shell"])
        return None
    return TABLE.fetch(number)


def cancel(what: Any = None) -> bool:
    """Cancel job `what`, or the latest; or a task, or a process (which gets an exit signal, as by `stop`).

    False if it had ended. It does not wait for the end. Raises `PyshError` if there is no such job, and `TypeError`.
    """
    if isinstance(what, Process | Actor):
        messages.exit_signal(what, "shutdown")
        return True
    if what is None or type(what) is int:
        if (left := _left_for(what)) is not None:
            text = f"job {left['job']} is in another shell and heeds no Ctrl-C; nothing was done. Kill that shell:"
            raise PyshError(f"{text} fg({left['job']}), then Ctrl-C three times, then k")
        return TABLE.find(what).cancel()
    end = getattr(what, "cancel", None)
    if not callable(end):
        raise TypeError(f"cancel() takes the number of a job, a task or a process, not {what!r}; nothing was done")
    return bool(end())
