"""Where the code of a running task is, for whoever asks."""

from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Dump
from pysh.runtime.protocol.frames import Frame, cut, pack
from pysh.runtime.protocol.jobs import DONE, SENT, Job

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


class Stacks:
    """Who waits for the stack of which job."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._asked: dict[int, list[Frame]] = {}

    def ask(self, job: Job, asked: Frame) -> dict[str, Any] | None:
        """The answer to whoever `asked`, if there is one already: `job` does not run."""
        work = self._node.work
        if job.state == DONE:
            return {"ok": {"text": "it has ended\n"}}
        if job.in_shell and job.told:
            self._node.console.to_evaluator(asked._replace(meta=pack({"verb": "stack", "number": job.number})))
            return None
        if job.state != SENT or work.pool.of(job.worker or 0)[:1] != [job.number]:
            state, why = work.standing.of(job)
            return {"ok": {"text": f"it does not run yet; {state}{': ' * bool(why)}{why}\n"}}
        waiting = self._asked.setdefault(job.number, [])
        waiting.append(asked)
        if len(waiting) == 1:
            self._node.actions.append(Dump(job.worker or 0, job.number))
        return None

    def dumped(self, number: int, text: str) -> None:
        """What `Dump` asked for is here."""
        told = {"ok": {"text": cut(text)}}
        for asked in self._asked.pop(number, []):
            self._node.reply(asked, told)
