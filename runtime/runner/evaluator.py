"""The evaluator: the process that holds the names of one node's shell and runs its cells.

Its main thread is an asyncio loop that runs for ever. A cell is a task in it, one at a time, so that
background tasks go on while the user types; a cell that does not await holds the loop, and they pause.
A second thread reads the hub's socket: a busy evaluator still answers, if only that it is busy.
"""

import builtins
import contextvars
import faulthandler
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from socket import socket
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from pysh.runtime.protocol.frames import LOCAL, Frame, Kind, pack
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner import asjson, cells, inside
from pysh.runtime.runner.cells import Namespace, Outcome
from pysh.runtime.runner.completer import Completer
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.jobs import Captured, Exit, Job, goes, leave_child, outcome_of, refused, told
from pysh.runtime.runner.mates import Mates
from pysh.runtime.runner.output import flush
from pysh.runtime.runner.past import Cell
from pysh.runtime.runner.startup import Startup, startup
from pysh.runtime.runner.supplied import Supply
from pysh.runtime.runner.suspends import Suspends
from pysh.runtime.runner.terminal import Terminal

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.attention import Attention
    from pysh.runtime.runner.publish import Publisher
    from pysh.runtime.runner.visitors import Visitors

IDLE = 0.3
"""Seconds from the start until what the first cells will want is imported, while nobody waits."""
HOLDS = 0.5
"""Seconds that an async task of others may have the main thread until an eval that waits for it is refused."""
WANTED = (
    "pysh.runtime.runner.completing", "pysh.runtime.runner.display", "pysh.runtime.runner.publish",
    "pysh.runtime.payload",
)  # fmt: skip
PRELUDE = "pysh.shell.prelude"
UNSHOWN = {
    "kind": "error",
    "error": "KeyboardInterrupt",
    "text": "KeyboardInterrupt, while the result was shown\n",
}


def main(sock: socket, config: dict[str, Any]) -> NoReturn:
    """Be the evaluator of the hub at the other end of `sock`, until the hub ends it or is gone.

    `config` has `name`, `secret` and `incarnation` (hex), and perhaps `cell`, the number of the first
    one, `former`, whether an evaluator before it left names that are callable, `placed`, the hashes of what was
    pushed here under a name, `rc`, the path of code to run before the first cell, and `prelude`, the module of the
    preloaded names.
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

    `deliver`, `request`, `let_in`, `count` and `return_input` are called in the thread that reads the socket, all else
    in the main thread.
    """

    def __init__(self, client: Mates, config: dict[str, Any], interrupts: Interrupts, terminal: Terminal) -> None:
        self._client = client
        self._interrupts = interrupts
        self._terminal = terminal
        self._name: str = config["name"]
        self._cell: int = config.get("cell", 1)
        self._evals = 0
        self._prelude: Any = import_module(config.get("prelude", PRELUDE))
        self._namespace = Namespace(self._provide)
        self._inside = inside.here = inside.Inside(self._name, self._namespace)
        self._supply = Supply(self._namespace.names, config.get("placed", {}))
        prelude = self._prelude
        self._completer = Completer(client, self._namespace.names, prelude.NAMES, prelude.value, self._reply)
        self._former: bool = config.get("former", False)
        self._startup: Startup | None = startup(config["rc"]) if config.get("rc") else None
        self._publisher: Publisher | None = None
        self._visitors: Visitors | None = None
        self._attention: Attention | None = None
        self._of_visitors: deque[Frame] = deque()
        self._entrance = threading.Lock()  # at the start both threads let them in
        self._context = contextvars.copy_context()
        self._before = self._context
        self._waiting: deque[Frame] = deque()
        self._running: Job | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main = threading.get_ident()
        self._suspends = Suspends(client, interrupts, self._foreground, self._let_go, self._visited)

    def serve(self) -> NoReturn:
        """Run what the hub sends, for ever."""
        builtins.exit = builtins.quit = Exit()  # type: ignore[assignment]  # as Python's
        sys.ps1, sys.ps2 = ">>> ", "... "  # where libraries look to see whether somebody types
        self._client.handlers[Kind.CELL] = self.deliver
        self._client.handlers[Kind.REQUEST] = self.request
        self._client.handlers[Kind.INPUT] = self.return_input
        self._client.handlers[Kind.SPAWN] = self._client.handlers[Kind.CANCEL] = self.let_in
        self._client.handlers[Kind.CENSUS] = self.count
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
        loop.call_soon(self._next)
        loop.call_soon(self._let_in)
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

    def request(self, frame: Frame) -> None:
        """Answer a request, at once where the main thread is not needed or not free."""
        verb, running = frame.options().get("verb"), self._running
        if verb == "interrupt":
            self._interrupt(frame)
        elif verb == "stack":
            self._tell_stack(frame)
        elif verb == "complete":
            self._completer.request(frame)
        elif verb == "placed":
            self._supply.placed.update(frame.options()["values"])
        elif verb != "eval":
            self._refuse(frame, f"an evaluator has no verb {verb!r}")
        elif running is not None:
            self._refuse(frame, f"{self._name} has been busy for {running.took:.1f} s with {running}")
        elif self._visitors is not None and self._visitors.will_not_let(frame.source):
            self._refuse(frame, f"{self._name} has been busy for {self._visitors.holds()}")
        else:
            self.deliver(frame)
            if (self._visitors is not None and self._visitors.busy) or self._suspends.holds():
                self._watch(frame)

    def _watch(self, frame: Frame) -> None:
        """An eval waits for what others run here, or a job, which was not to last."""
        timer = threading.Timer(HOLDS, self._refuse_late, (frame,))
        timer.daemon = True
        timer.start()

    def _refuse_late(self, frame: Frame) -> None:
        if frame not in self._waiting:
            return
        held = self._visitors.holds(HOLDS) if self._visitors is not None else ""
        if not held and self._running is None and (job := self._suspends.holds()):
            held = f"more than {HOLDS:g} s with {job}"
        if not held:
            self._watch(frame)
            return
        try:
            self._waiting.remove(frame)
        except ValueError:
            return  # it runs, or has
        self._refuse(frame, f"{self._name} has been busy for {held}")

    def let_in(self, frame: Frame) -> None:
        """A task or process came that is to run here, or one of them is to end."""
        self._of_visitors.append(frame)
        if self._loop is not None:
            self._let_in()

    def _let_in(self) -> None:
        with self._entrance:
            self._let_all_in()

    def _let_all_in(self) -> None:
        while self._of_visitors and self._loop is not None:
            if self._visitors is None:
                from pysh.runtime.runner.visitors import Visitors  # most shells have none

                self._visitors = Visitors(
                    self._client, self._namespace, self._interrupts, self._loop, self._comes_first, self._visited
                )
            self._visitors.heard(self._of_visitors.popleft())

    def count(self, frame: Frame) -> None:
        """Somebody lists what runs here."""
        stands = self._visitors.stands(frame.options()) if self._visitors is not None else []
        self._client.post(Kind.CENSUS, LOCAL, ref=frame.ref, meta=pack(stands))

    def _comes_first(self) -> bool:
        """Whether a cell is about to begin, or what it came to has still to be told."""
        if self._running is None or self._task is None:
            return bool(self._waiting)
        return not self._running.begun or self._task.done()

    def _visited(self) -> None:
        """What ran here, of others or as a job, may have defined something."""
        if self._running is None:
            self._guarded(self._publish)

    def _tell_stack(self, frame: Frame) -> None:
        text = "it has ended\n"
        if self._visitors is not None:
            text = self._visitors.stack(int(frame.options()["number"]), self._main)
        self._reply(frame, {"ok": {"text": text}})

    def _interrupt(self, frame: Frame) -> None:
        """Ctrl-C for the eval that its asker wants to end, if that is what runs."""
        running = self._running
        hit = running is not None and running.captured is not None and running.frame.source == frame.source
        if hit:
            os.kill(os.getpid(), signal.SIGINT)
        self._reply(frame, {"ok": hit})

    def return_input(self, _frame: Frame) -> None:
        """Return what was typed to cells that are over."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._return_input)

    def _return_input(self) -> None:
        # Once another cell runs it is for that one.
        typed = self._terminal.unread() if self._running is None else b""
        self._client.post(Kind.INPUT, self._client.hub, payload=typed)

    def _refuse(self, frame: Frame, text: str) -> None:
        self._reply(frame, {"error": "PyshError", "text": text, "executed": "no"})

    def _reply(self, frame: Frame, meta: dict[str, Any]) -> None:
        self._client.post(Kind.REPLY, frame.source, ref=frame.ref, meta=meta)

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
        # What it has changed of the context for a while is not for those that follow.
        self._context = self._before
        self._finish(job, Outcome(), told)
        self._next()

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

    def _compiled(self, job: Job) -> list[CodeType]:
        job.begun = True
        codes = self._namespace.compile(job.source, job.filename)
        job.awaits = any(code.co_flags & cells.CO_COROUTINE for code in codes)
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
        """Tell what came of the cell. What is still the user's code (a repr, a pickle) Ctrl-C can stop."""
        job = self._running
        assert job is not None
        job.end()
        outcome = outcome_of(task, interrupted=self._interrupts.pressed > 0)
        if (fetched := self._suspends.fetched(job, outcome.value)) is not None:
            self._run(*fetched)
            return
        self._suspends.forget(task)
        if isinstance(outcome.error, Exception):
            sys.last_type, sys.last_value = type(outcome.error), outcome.error
            sys.last_traceback = outcome.error.__traceback__  # for pdb.pm()
        self._guarded(self._inside.past.explain, outcome.error)
        meta = self._guarded(told, outcome, job.number) or dict(UNSHOWN)
        self._guarded(self._remember, job, outcome, meta)
        self._finish(job, outcome, meta)
        self._next()

    def _finish(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> None:
        """The foreground is free: whoever waits is told `meta`."""
        took = job.took
        self._guarded(self._publish)
        self._guarded(flush)
        self._interrupts.end()
        self._terminal.restore()
        # Free from here on: whoever reads the answer may ask the next thing at once.
        self._running = self._task = None
        if isinstance(job, Startup):
            job.tell(meta)
            self._begun()
        elif job.captured is not None:
            self._answer(job, outcome, meta | {"output": job.captured.release()})
        else:
            meta |= {"cell": self._cell, "took": took, "folder": _folder(), **self._inside.offers(), **goes()}
            self._client.post(Kind.DONE, job.frame.source, ref=job.frame.ref, meta=meta | self._suspends.told)
        if self._attention is not None:
            self._attention.calm()

    def _remember(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> None:
        if job.number:
            good = outcome.error is None
            self._inside.past.add(Cell(job.number, job.source, good, str(meta.get("text", "")), job.took), outcome)

    def _guarded(self, step: Callable[..., Any], *args: Any) -> Any:
        """Do a step that runs code of the user's; None if that fails or is interrupted."""
        try:
            return self._interrupts.within(step, *args)
        except BaseException:
            return None

    def _answer(self, job: Job, outcome: Outcome, meta: dict[str, Any]) -> None:
        if outcome.error is None and job.frame.options().get("json"):
            meta |= asjson.answer(outcome.value)
        if meta["kind"] == "error" and not job.by:
            error = outcome.error or KeyboardInterrupt()
            self._reply(job.frame, {**refused(error, meta, self._name), "output": meta["output"]})
        else:  # a command shows an error as a prompt does
            self._reply(job.frame, {"ok": {"text": "", **meta}})

    def _publish(self) -> None:
        if self._publisher is None:
            from pysh.runtime.runner.publish import Publisher

            self._publisher = Publisher(self._namespace.names, self._post, former=self._former)
        self._publisher.refresh()

    def _post(self, meta: dict[str, Any], pickle: bytes) -> None:
        self._client.post(Kind.PUBLISH, LOCAL, meta=meta, payload=pickle)

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
