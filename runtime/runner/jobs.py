"""What an evaluator runs, and what it tells of it: a cell of a terminal's, or an eval of another node's."""

import os
import sys
from io import TextIOBase
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

from pysh.runtime.protocol.frames import Frame, pack
from pysh.runtime.runner.cells import Outcome, exit_code
from pysh.runtime.runner.output import flush
from pysh.runtime.runner.past import Cell

if TYPE_CHECKING:
    import asyncio

OUTPUT = 24 * 1024
"""How many bytes an `eval` may print: its answer is the meta of one frame."""
ANSWER = 10 * 1024
"""Characters of the traceback in the answer to an `eval`."""


class Job:
    """Source on its way through the evaluator: a cell has a `number`.

    An eval has what it prints `captured`, and is `by` a command, perhaps.
    """

    def __init__(
        self, frame: Frame, source: str, filename: str, captured: "Captured | None" = None, by: str = "",
        number: int = 0,
    ) -> None:  # fmt: skip
        self.frame = frame
        self.by = by
        self.number = number
        self.source = source
        self.filename = filename
        self.captured = captured
        self.started = perf_counter()
        self.ended: float | None = None
        self.begun = False
        self.awaits = False  # some of it does
        self.remembered = [Cell(number, source)] if number else []
        """What its shell remembers it by: as the cell that it is, and those that brought it back since it is a job."""

    def __str__(self) -> str:
        return f"{self.filename}, asked by {self.by}" if self.by else self.filename

    def end(self) -> None:
        """It is over, unless it was before."""
        self.ended = self.ended or perf_counter()

    @property
    def took(self) -> float:
        """Seconds from its beginning to its end, or until now."""
        return (perf_counter() if self.ended is None else self.ended) - self.started


class Captured(TextIOBase):
    """Stands in for stdout and stderr and keeps the beginning of what is printed; and for stdin, where nobody is."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._kept = b""
        self._size = 0
        self._replaced = sys.stdout, sys.stderr, sys.stdin
        sys.stdout = sys.stderr = sys.stdin = self

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str, /) -> int:
        """Keep `text`, as far as there is room."""
        data = text.encode("utf-8", "backslashreplace")
        self._kept += data[: OUTPUT - len(self._kept)]
        self._size += len(data)
        return len(text)

    def readable(self) -> bool:
        """Python asks before it reads."""
        return True

    def read(self, _size: int | None = -1, /) -> NoReturn:
        """Say what to do instead; waiting would last for ever."""
        raise EOFError(
            "this code has no terminal, so nobody can be asked: put the answer into it, "
            "or run it at a prompt (pysh attach)"
        )

    readline = read  # which input() calls

    def release(self) -> str:
        """Give the three back; the text that was printed."""
        if sys.stdout is self:
            sys.stdout = self._replaced[0]
        if sys.stderr is self:
            sys.stderr = self._replaced[1]
        if sys.stdin is self:
            sys.stdin = self._replaced[2]
        more = self._size - len(self._kept)
        return self._kept.decode(errors="ignore") + (f" … {more:,} more bytes" if more else "")


class Exit:
    """`exit()` and `quit()` at the prompt. Python's own close stdin first; a shell left running needs it."""

    def __call__(self, code: object = None) -> None:
        """End this shell; `code` is the exit code of its terminal."""
        raise SystemExit(code)

    def __repr__(self) -> str:
        return "exit() or Ctrl-D ends this shell"


def outcome_of(task: "asyncio.Task[Outcome]", *, interrupted: bool) -> Outcome:
    """How a cell ended whose task is done; a cancelled one that Ctrl-C cancelled was interrupted."""
    if task.cancelled():
        outcome = Outcome(error=KeyboardInterrupt() if interrupted else None)
    elif (error := task.exception()) is not None:
        outcome = Outcome(error=error)  # it came before the first or after the last line of the cell
    else:
        outcome = task.result()
    error = outcome.error
    if interrupted and error is not None and type(error).__name__ == "CancelledError":
        interrupt = KeyboardInterrupt().with_traceback(error.__traceback__)
        for note in getattr(error, "__notes__", ()):
            interrupt.add_note(note)
        return Outcome(error=interrupt)
    return outcome


def told(outcome: Outcome, number: int = 0, *, person: bool = True) -> dict[str, Any]:
    """What a terminal is told of `outcome`: `kind`, `text`, perhaps `table`, `footer`, `error` or `exit`.

    `number` is that of the cell, by which the footer of a value that is cut says how to see the rest. A `person`
    sees a long container in several lines, a program gets one.
    """
    from pysh.runtime.runner.display import failure, short, show

    if outcome.error is None:
        return show(outcome.value, number, person=person)
    if isinstance(outcome.error, SystemExit):
        return {"kind": "none", "exit": exit_code(outcome.error)}
    return {"kind": "error", "error": short(type(outcome.error).__name__), "text": failure(outcome.error)}


def goes() -> dict[str, Any]:
    """Where the terminal of the cell is to go over to, if that was asked for."""
    attaching = sys.modules.get("pysh.runtime.attaching")
    there: dict[str, Any] = attaching.taken() if attaching is not None else {}
    return there


def refused(error: BaseException, shown: dict[str, Any], node: str) -> dict[str, Any]:
    """The answer to an eval that raised `error`, as another node rebuilds it: a `RemoteError`."""
    from pysh.runtime import tracebacks
    from pysh.runtime.runner.display import short

    told = tracebacks.fitted(tracebacks.of(error).of_users(), ANSWER).packed()
    return {
        "error": "RemoteError", "type": shown["error"], "text": short(error), "node": node, "executed": "yes",
        **({"told": told} if len(pack(told)) < OUTPUT else {"traceback": shown["text"]}),
    }  # fmt: skip


def leave_child(outcome: Outcome | None) -> None:
    """End a process that a cell forked: it has no prompt to return to."""
    code = 0
    if outcome is not None and outcome.error is not None:
        answer = told(outcome)
        code = answer.get("exit", 1)
        if answer["kind"] == "error":
            print(answer["text"], file=sys.stderr)
    flush()
    os._exit(code)
