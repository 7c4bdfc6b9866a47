"""The evaluator: the process that holds the names of one node's shell and runs its cells.

Its main thread is an asyncio loop that runs for ever. A cell is a task in it, one at a time, so that
background tasks go on while the user types; a cell that does not await holds the loop, and they pause.
A second thread reads the hub's socket: a busy evaluator still answers, if only that it is busy.
"""

import builtins
import contextvars
import faulthandler
import os
import sys
from collections import deque
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from socket import socket
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner import cells, inside
from pysh.runtime.runner.background import TABLE
from pysh.runtime.runner.cells import Namespace, Outcome
from pysh.runtime.runner.completer import Completer
from pysh.runtime.runner.entrance import Entrance
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.jobs import Captured, Exit, Job, goes, leave_child, outcome_of
from pysh.runtime.runner.mates import Mates
from pysh.runtime.runner.outcomes import Outcomes
from pysh.runtime.runner.output import flush
from pysh.runtime.runner.requests import Requests
from pysh.runtime.runner.startup import Startup, startups
from pysh.runtime.runner.supplied import Supply
from pysh.runtime.runner.suspends import Suspends
from pysh.runtime.runner.terminal import Terminal
from pysh.runtime.runner.unread import Unread

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.attention import Attention
    from pysh.runtime.runner.visitors import Visitors

IDLE = 0.3
"""Seconds from the start until what the first cells will want is imported, while nobody waits."""
WANTED = (
    "pysh.runtime.runner.completing", "pysh.runtime.runner.display", "pysh.runtime.runner.publish",
    "pysh.runtime.payload",
)  # fmt: skip
PRELUDE = "pysh.shell.prelude"


def main(sock: socket, config: dict[str, Any]) -> NoReturn:
    """Be the evaluator of the hub at the other end of `sock`, until the hub ends it or is gone.

    `config` has `name`, `secret` and `incarnation` (hex), and perhaps `cell`, the number of the first
    one, `former`, whether an evaluator before it left names that are callable, `placed`, the hashes of what was
    pushed here under a name, `rc`, the path of code to run before the first cell, `project`, that of a `.pysh.toml`
    which may have more, `shell`, the number of a shell that not all share, `first_job`, the number of its first job,
    and `prelude`, the module of the preloaded names.
    """
    interrupts = Interrupts()
    interrupts.install()
    interrupts.heed_finalizers()
    terminal = Terminal()
    terminal.own()
    faulthandler.enable()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    incarnation, nonce = bytes.fromhex(config["incarnation"]), os.urandom(32)
    hello = Hello("evaluator", config["name"], incarnation, nonce, python=python, pid=os.getpid())
    client = Mates(sock, hello, bytes.fromhex(config["secret"]))
    interrupts.shield = client
    client.shield()
    Evaluator(client, config, interrupts, terminal).serve()


class Evaluator:
    """One namespace, one loop, one cell at a time.

    `deliver` and `return_input` are called in the thread that reads the socket, all else in the main thread.
    """

    def __init__(self, client: Mates, config: dict[str, Any], interrupts: Interrupts, terminal: Terminal) -> None:
        self._client = client
        self._interrupts = interrupts
        self._terminal = terminal
        shell = config.get("shell", 0)
        self._name: str = f"{config['name']}#{shell}" if shell else config["name"]
        self._cell: int = config.get("cell", 1)
        self._evals = 0
        self._prelude: Any = import_module(config.get("prelude", PRELUDE))
        self._namespace = Namespace(self._provide)
        self._inside = inside.here = inside.Inside(self._name, self._namespace, self._is_preloaded, shared=not shell)
        self._supply = Supply(self._namespace.names, config.get("placed", {}))
        self._startups = startups(config)
        self._startup = next(self._startups, None)
        self._attention: Attention | None = None
        self._unread: Unread | None = None
        self._context = contextvars.copy_context()
        self._before = self._context
        self._waiting: deque[Frame] = deque()
        self._running: Job | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._entrance = Entrance(client, self._make_visitors)
        self._requests = Requests(
            client, self._name, self._entrance, self._waiting, self._runs, self.deliver, lambda: self._suspends.holds()
        )
        prelude, reply = self._prelude, self._requests.reply
        self._completer = Completer(client, self._namespace.names, prelude.NAMES, prelude.value, reply)
        client.shared = not shell
        TABLE.begin(config.get("first_job", 1))
        self._outcomes = Outcomes(client, interrupts, self._inside, former=config.get("former", False))
        self._suspends = Suspends(client, interrupts, self._foreground, self._let_go, self._job_ended)

    def serve(self) -> NoReturn:
        """Run what the hub sends, for ever."""
        builtins.exit = builtins.quit = Exit()  # type: ignore[assignment]  # as Python's
        sys.ps1, sys.ps2 = ">>> ", "... "  # where libraries look to see whether somebody types
        self._client.handlers[Kind.CELL] = self.deliver
        self._client.handlers[Kind.REQUEST] = partial(
            self._requests.handle, completer=self._completer, supply=self._supply
        )
        self._client.handlers[Kind.INPUT] = self.return_input
        self._client.handlers[Kind.SPAWN] = self._client.handlers[Kind.CANCEL] = self._entrance.let_in
        self._client.handlers[Kind.CENSUS] = self._entrance.count
        self._client.on_lost.append(lambda: os._exit(0))
        self._client.on_ended = self._task_ended
        if self._startup is None:
            self._begun()
        else:
            self._waiting.append(self._startup.frame)
        self._client.start_thread()

        import asyncio  # takes longer than all the rest; the hub is answered meanwhile

        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        os.register_at_fork(after_in_child=self._forked)
        self._suspends.install(loop)
        self._unread = Unread(self._client, loop, lambda: self._running is not None)
        loop.call_soon(self._unread.count)
        loop.call_soon(self._next)
        loop.call_soon(self._entrance.open)
        loop.call_later(IDLE, self._prepare, *WANTED)
        while True:
            try:
                loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                pass  # a background task raised it, which ends that task and no more

    def _prepare(self, *modules: str) -> None:
        """Import `modules`, then what stands behind the preloaded names; the loop is free in between."""
        if modules and self._loop is not None:
            import_module(modules[0])
            self._loop.call_soon(self._prepare, *modules[1:])
        else:
            self._prelude.provide_all(self._namespace.names)

    def _begun(self) -> None:
        self._client.post(Kind.REQUEST, self._client.hub, meta={"verb": "begun"})

    def deliver(self, frame: Frame) -> None:
        """Queue a cell or an eval. From now on Ctrl-C reaches it, and a terminal is told that."""
        if self._running is None and not self._waiting:
            self._interrupts.expect()
            self._suspends.expect()
        if frame.kind == Kind.CELL:
            self._client.post(Kind.INPUT, self._client.hub, ref=frame.ref)
        self._waiting.append(frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._next)

    def _make_visitors(self) -> "Visitors":
        from pysh.runtime.runner.visitors import Visitors  # most shells have none

        assert self._loop is not None
        return Visitors(self._client, self._namespace, self._interrupts, self._loop, self._comes_first, self._visited)

    def _runs(self) -> Job | None:
        return self._running

    def _comes_first(self) -> bool:
        """Whether a cell is about to begin, or what it came to has still to be told."""
        if self._running is None or self._task is None:
            return bool(self._waiting)
        return not self._running.begun or self._task.done()

    def _visited(self) -> None:
        """What ran here, of others or as a job, may have defined something."""
        if self._running is None:
            self._outcomes.publish()

    def return_input(self, _frame: Frame) -> None:
        """Return what was typed to cells that are over."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._return_input)

    def _return_input(self) -> None:
        # Once another cell runs it is for that one.
        typed = self._terminal.unread() if self._running is None else b""
        self._client.post(Kind.INPUT, self._client.hub, payload=typed)

    def _next(self) -> None:
        """Begin what waits, if nothing runs."""
        if self._running is None and self._waiting and self._loop is not None:
            try:
                frame = self._waiting.popleft()
            except IndexError:
                return  # it was refused meanwhile
            job = self._job(frame)
            self._before = self._context.copy()
            running = cells.run(partial(self._compiled, job), self._namespace.names)
            self._run(job, self._loop.create_task(running, context=self._context))

    def _run(self, job: Job, task: "asyncio.Task[Outcome]") -> None:
        """Have `job` in the foreground from now on."""
        self._running, self._task = job, task
        self._terminal.remember()
        self._interrupts.begin(task)
        self._suspends.begin(task)
        task.add_done_callback(self._end)

    def _foreground(self) -> "tuple[Job, asyncio.Task[Outcome]] | None":
        """The cell that runs; None if none does, or an eval, or what runs before the first."""
        job, task = self._running, self._task
        if job is None or task is None or job.captured is not None or isinstance(job, Startup):
            return None
        return job, task

    def _let_go(self, told: dict[str, Any]) -> None:
        """The cell that runs goes on as a job, and the terminal is `told`; its names and its prompt are here."""
        job, task = self._running, self._task
        assert job is not None and task is not None
        task.remove_done_callback(self._end)
        self._outcomes.guarded(self._inside.bindings.end)
        self._outcomes.went_on(job, told["text"])
        # What it has changed of the context for a while is not for those that follow.
        self._context = self._before
        self._finish(job, Outcome(), told)
        self._next()

    def _job_ended(self, job: Job, outcome: Outcome, text: str) -> None:
        self._outcomes.guarded(flush)
        self._outcomes.ended_behind(job, outcome, text)
        self._visited()

    def _task_ended(self, task: Any) -> None:
        """A task of this shell's ended. Called in the thread that reads."""
        if self._attention is None and self._loop is not None:
            from pysh.runtime.runner.attention import Attention

            self._attention = Attention(self._client, self._loop, lambda: self._running is not None)
        if self._attention is not None:
            self._attention.ended(task)

    def _provide(self, names: dict[str, Any], codes: Iterable[CodeType]) -> None:
        """Add what the code looks up and the shell has not: preloaded names, and those of what was pushed here."""
        codes = list(codes)
        self._prelude.provide(names, codes)
        self._supply.supply(codes)

    def _is_preloaded(self, name: str) -> bool:
        return name in self._prelude.NAMES and self._namespace.names.get(name) is self._prelude.value(name)

    def _compiled(self, job: Job) -> list[CodeType]:
        job.begun = True
        codes = self._namespace.compile(job.source, job.filename, escapes=job.number > 0)
        job.awaits = any(code.co_flags & cells.CO_COROUTINE for code in codes)
        if job.number:
            self._inside.bindings.begin(job.number, codes)
        return codes

    def _job(self, frame: Frame) -> Job:
        if self._startup is not None and frame is self._startup.frame:
            return self._startup
        self._inside.begins(frame.options(), cell=frame.kind == Kind.CELL)
        if frame.kind == Kind.CELL:
            number, self._cell = self._cell, self._cell + 1
            source = bytes(frame.payload).decode("utf-8", "replace")
            return Job(frame, source, f"<{self._name}:{number}>", number=number)
        self._evals += 1
        asked = frame.options()
        filename = f"<{self._name}:eval {self._evals}>"
        return Job(frame, str(asked.get("source")), filename, Captured(), str(asked.get("by", "")))

    def _end(self, task: "asyncio.Task[Outcome]") -> None:
        """The cell is over: tell what came of it, or have the job that it fetched in its place."""
        job = self._running
        assert job is not None
        job.end()
        outcome = outcome_of(task, interrupted=self._interrupts.pressed > 0)
        self._suspends.forget(task)
        if (fetched := self._suspends.fetched(job, outcome.value)) is not None:
            self._run(*fetched)
            return
        self._outcomes.guarded(self._inside.bindings.end)
        self._finish(job, outcome, self._outcomes.meta(job, outcome))
        self._next()

    def _finish(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> None:
        """The foreground is free: whoever waits is told `meta`."""
        took = job.took
        self._outcomes.publish()
        self._outcomes.guarded(flush)
        self._interrupts.end()
        self._terminal.restore()
        # Free from here on: whoever reads the answer may ask the next thing at once.
        self._running = self._task = None
        if isinstance(job, Startup):
            job.tell(meta)
            self._startup = next(self._startups, None)
            if self._startup is None:
                self._begun()
            else:
                self._waiting.appendleft(self._startup.frame)
        elif job.captured is not None:
            answer = self._outcomes.answer(job, outcome, meta | {"output": job.captured.release()})
            self._requests.reply(job.frame, answer)
        else:
            meta |= {"cell": self._cell, "took": took, "folder": _folder(), **self._inside.offers(), **goes()}
            meta |= self._unread.count() if self._unread is not None else {}
            self._client.post(Kind.DONE, job.frame.source, ref=job.frame.ref, meta=meta | self._suspends.told)
        if self._attention is not None:
            self._attention.calm()

    def _forked(self) -> None:
        """A child has neither a hub nor a loop of its own: it ends with the cell, or at its first await."""
        self._client.close()
        if self._loop is not None:
            self._loop.call_soon(self._leave)

    def _leave(self) -> None:
        done = self._task is not None and self._task.done()
        leave_child(outcome_of(self._task, interrupted=False) if self._task is not None and done else None)


def _folder() -> str:
    """The current one; empty if it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib is not imported for it
    except OSError:
        return ""
