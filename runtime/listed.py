"""Tasks as `tasks()` lists them: rows of a table, and handles on what anybody asked for."""

from collections.abc import Generator
from typing import Any

from pysh.runtime.calls import check_seconds
from pysh.runtime.dumps import shown_stack
from pysh.runtime.errors import PyshError
from pysh.runtime.process import Process
from pysh.runtime.protocol.terms import Pid, shown
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Waiter, refuse_to_block
from pysh.runtime.task import Task


class Fetched(Task):
    """A task that somebody asked for, and whose result is fetched here."""

    __slots__ = ()

    def __init__(self, client: Client, hub: Pid, label: str, number: int) -> None:
        super().__init__(client, hub, label, detached=True)
        self._number = number

    def fetch(self) -> None:
        """Ask for its result; once."""
        ask = self._client.ask_later
        asked = self._track(lambda: ask("fetch", dest=self.dest, number=self._number, ref=self.ref))
        asked.add_callback(self._answered)

    def _answered(self, asked: Waiter) -> None:
        if asked.error is not None and self._client.forget(self.ref) is not None:
            self._error, self._value = asked.error, None
            self.waiter.set()


class Listed(dict[str, Any]):
    """One task of some node: how it was when it was asked for, and the task itself, whoever asked for it.

    `result()` and `await` fetch its result. A task whose requester is lost is over with that; from another one
    it takes nothing.
    """

    __slots__ = ("_client", "_hub", "_task")

    def __init__(self, row: dict[str, Any], client: Client, hub: Pid) -> None:
        super().__init__(row)
        for one in ("requester", "owner_pid"):
            if one in row:
                self[one] = Process(Pid(*row[one]), client.view.name_of(row[one][0]))
        self._client = client
        self._hub = hub
        self._task: Task | None = None

    def __hash__(self) -> int:  # type: ignore[override]  # which a dict has none of
        return hash((self.get("node"), self.get("number")))  # so that `gather` takes it

    def __repr__(self) -> str:
        kind = str(self.get("kind", "task")).capitalize()
        where = str(self.get("node", "")).partition("@")[0]
        return f"<{kind} {self.get('number')} {self.get('label')} on {where} {self.get('status')}>"

    @property
    def hub(self) -> Pid:
        """That of its node."""
        return self._hub

    @property
    def task(self) -> Task:
        """The task, whose result is on its way here from now on. Raises `PyshError` for a process: it has none."""
        if self.get("kind") == "process":
            pid = shown(str(self["node"]), int(self["number"]))
            raise PyshError(f"{pid} is a process, which has no result: its end is told by monitor(pid('{pid}'))")
        if self._task is None:
            task = Fetched(self._client, self._hub, str(self["label"]), int(self["number"]))
            task.fetch()
            self._task = task
        return self._task

    def result(self, timeout: float | None = None) -> Any:
        """The value, or what it raised; `TaskTimeout` after `timeout` seconds, and then wait again.

        `PyshError` if its node does not have it any more.
        """
        return self.task.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it raised, or None; waits like `result`."""
        return self.task.exception(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.task.__await__()

    def cancel(self, grace: float = 2) -> bool:
        """End it, as `Task.cancel` does, whoever waits for it. False if it had ended."""
        check_seconds("grace", grace)
        return bool(self._ask("cancel_task", grace=grace))

    def stack(self) -> str:
        """Where its code is, as `Task.stack` tells it."""
        return shown_stack(self._ask("stack")["text"])

    @property
    def output(self) -> str:
        """The last of what it printed."""
        return str(self._ask("output", owner=list(self["requester"].pid), ref=self["ref"])["text"])

    def _ask(self, verb: str, **args: Any) -> Any:
        refuse_to_block(verb, "await asyncio.to_thread(...)")
        return self._client.ask(verb, dest=self._hub, number=self["number"], **args)
