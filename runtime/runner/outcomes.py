"""What came of a cell or an eval: what is told of it, what its shell remembers, and what is callable after it."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import LOCAL, Kind
from pysh.runtime.runner import asjson
from pysh.runtime.runner.background import plainly
from pysh.runtime.runner.cells import Outcome
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.inside import Inside
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.jobs import Job, refused, told
from pysh.runtime.runner.past import in_a_line

if TYPE_CHECKING:
    from pysh.runtime.runner.publish import Publisher

UNSHOWN = {
    "kind": "error",
    "error": "KeyboardInterrupt",
    "text": "KeyboardInterrupt, while the result was shown\n",
}


class Outcomes:
    """Of the shell `inside`, which succeeds one with callable names if `former`.

    What is still code of the user's here (a repr, a text, a pickle) Ctrl-C can stop, and it stops nothing.
    """

    def __init__(self, client: Client, interrupts: Interrupts, inside: Inside, *, former: bool) -> None:
        self._client = client
        self._interrupts = interrupts
        self._inside = inside
        self._former = former
        self._publisher: Publisher | None = None

    def guarded(self, step: Callable[..., Any], *args: Any) -> Any:
        """Do a step that runs code of the user's; None if that fails or is interrupted."""
        try:
            return self._interrupts.within(step, *args)
        except BaseException:
            return None

    def _files(self, error: BaseException | None) -> dict[str, Any]:
        """The files of this machine that a traceback names, where they may become links."""
        if not isinstance(error, Exception) or not self._inside.links:
            return {}
        from pysh.runtime import tracebacks

        return {"files": tracebacks.files(tracebacks.of(error).of_users()), "machine": self._inside.links}

    def meta(self, job: Job, outcome: Outcome) -> dict[str, Any]:
        """What is told of the end of `job`, and remembered of it."""
        if isinstance(outcome.error, Exception):
            sys.last_type, sys.last_value = type(outcome.error), outcome.error
            sys.last_traceback = outcome.error.__traceback__  # for pdb.pm()
            self._client.last_failed = None
        self.guarded(self._inside.past.explain, outcome.error)
        meta = self.guarded(_shown, job, outcome) or dict(UNSHOWN)
        meta |= self.guarded(self._files, outcome.error) or {}
        self.guarded(self._remember, job, outcome, meta)
        return meta

    def went_on(self, job: Job, text: str) -> None:
        """The cell `job` goes on in the background, which is told by `text`."""
        cell = job.remembered[-1]
        cell.text, cell.took = text, job.took
        self._inside.past.add(cell)

    def ended_behind(self, job: Job, outcome: Outcome, text: str) -> None:
        """It has ended there, which is told by `text`."""
        raised = plainly(outcome.error) if outcome.error is not None else ""
        for cell in job.remembered:
            more = f"\n{text}" if cell is job.remembered[-1] else ""
            self.guarded(self._inside.past.end, cell, outcome, raised, more)

    def answer(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> dict[str, Any]:
        """The answer to an eval, of which `meta` is told."""
        if meta["kind"] != "error" or job.by:  # a command shows an error as a prompt does
            return {"ok": {"text": "", **meta}}
        error, node = outcome.error or KeyboardInterrupt(), self._inside.node
        answer = self.guarded(refused, error, meta, node) or {
            "error": "RemoteError", "type": meta["error"], "text": "", "node": node, "executed": "yes",
            "traceback": meta["text"],
        }  # fmt: skip
        return {**answer, "output": meta["output"]}

    def publish(self) -> None:
        """Tell the hub what is callable by name from now on: what the shared shell defines."""
        if self._inside.shared:
            self.guarded(self._publish)

    def _publish(self) -> None:
        if self._publisher is None:
            from pysh.runtime.runner.publish import Publisher

            self._publisher = Publisher(self._inside.namespace.names, self._post, former=self._former)
        self._publisher.refresh()

    def _post(self, meta: dict[str, Any], pickle: bytes) -> None:
        self._client.post(Kind.PUBLISH, LOCAL, meta=meta, payload=pickle)

    def _remember(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> None:
        if job.number:
            *before, cell = job.remembered
            cell.good, cell.text, cell.took = outcome.error is None, str(meta.get("text", "")), job.took
            for each in before:  # first, as the value is the last one by the number of this cell
                self._inside.past.end(each, outcome, "" if cell.good else in_a_line(cell.text))
            self._inside.past.add(cell, outcome)


def _shown(job: Job, outcome: Outcome) -> dict[str, Any]:
    if outcome.error is None and job.captured is not None and job.frame.options().get("json"):
        return asjson.answer(outcome.value)
    return told(outcome, job.number, person=bool(job.frame.options().get("person", True)))
