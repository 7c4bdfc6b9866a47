"""What Ctrl-C and Ctrl-Z come to while a cell runs: the ladder, as its shell and its terminal climb it.

1. The first Ctrl-C cancels what the cell awaits, or raises `KeyboardInterrupt` where the cell itself is on the stack.
2. The second does so again.
3. From the third on a cell that awaits, and has not ended a moment later, goes on as a job. One that does not await
   cannot: its terminal sees that it is not over, and offers to kill the shell. Nothing of that needs the shell, which
   may be in C code that holds the GIL.
"""

from collections.abc import Iterable

STUBBORN = 3
"""So many presses a cell outlives, and is then let go, or given up."""
MOMENT = 0.2
"""Seconds after such a press in which a cell may still end as others do."""
OFFER = 0.6
"""Seconds after it until the terminal offers what else can be done: longer than a `MOMENT` and its way there."""

PAUSE = 10.0
"""Seconds after which a press is the first again: some programs save their work at each."""

RAISE, CANCEL, LET_GO = "raise", "cancel", "let go"
JOB, LATER, REFUSE = "job", "later", "refuse"


def interrupt(presses: int, *, on_stack: bool) -> tuple[str, ...]:
    """What a shell does at the press that makes `presses`; `on_stack` if the cell itself has the main thread."""
    if on_stack:
        return (RAISE,)
    return (CANCEL,) if presses < STUBBORN else (CANCEL, LET_GO)


def suspend(*, awaits: bool, on_stack: bool) -> str:
    """What a shell does at Ctrl-Z while a cell runs; `awaits` if there is an `await` in it."""
    if not on_stack:
        return JOB
    return LATER if awaits else REFUSE


def awaitable(calls: Iterable[tuple[str, str]]) -> str:
    """What to write in place of a verb that waits, such as `await aio.call(...)`; empty where none does.

    `calls` are those of a stack, innermost first, each by the file and the name of its function.
    """
    found = ""
    for file, name in calls:
        if file.endswith("pysh/runtime/api.py") and not name.startswith("_"):
            found = f"await aio.{name}(...)"
        elif file.endswith("pysh/runtime/task.py") and name in ("result", "exception"):
            found = "await t"
    return found


class Outlived:
    """How often Ctrl-C was pressed in vain, as a terminal counts it, and when it is to say what else there is."""

    def __init__(self) -> None:
        self._presses = 0
        self._last = 0.0
        self.due: float | None = None

    def pressed(self, times: int, now: float) -> None:
        """It was pressed `times` more."""
        self._presses = times + (self._presses if now - self._last < PAUSE else 0)
        self._last = now
        if self._presses >= STUBBORN and self.due is None:
            self.due = now + OFFER

    def start_again(self) -> None:
        """Whoever pressed it has decided to wait, or typed something else; or the program takes it for a key."""
        self._presses = 0
        self.due = None
