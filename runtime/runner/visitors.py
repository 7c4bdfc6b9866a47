"""What tasks and processes run in a shell (`where="shell"`): with its names, between its cells and while they await.

A `def` has the main thread until it returns, as a cell that does not await; an `async def` is one more task of the
loop. Nothing but a cancel that raises in it ends either, and code that catches that runs on: the names there are worth
more. `heard` and `stack` are called where the socket is read, all else in the main thread.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter
from typing import Any

from pysh.runtime.errors import NoFunction, describe
from pysh.runtime.lent import Unpickler
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, pack
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.cells import Namespace, Outcome
from pysh.runtime.runner.execution import (
    TRACE,
    Answer,
    cancelled,
    described,
    dumps_result,
    failed,
    importable,
    is_process,
    of_users,
    options_of,
    untold,
)
from pysh.runtime.runner.interrupts import Cancelled, Interrupts
from pysh.runtime.runner.jobs import leave_child
from pysh.runtime.runner.mates import LEAVING, Mates, Tenant, here
from pysh.runtime.runner.printer import Printer
from pysh.runtime.runner.visit import Nobody, Steps, Visit


class Visitors:
    """Takes them in as the hub sends them, and says how each of them ended; then calls `left`.

    None begins while `waits()`.
    """

    def __init__(
        self, client: Mates, namespace: Namespace, interrupts: Interrupts, loop: asyncio.AbstractEventLoop,
        waits: Callable[[], bool], left: Callable[[], object],
    ) -> None:  # fmt: skip
        self._client = client
        self._namespace = namespace
        self._interrupts = interrupts
        self._loop = loop
        self._waits = waits
        self._left = left
        self._pid = os.getpid()
        self._arrived: deque[Visit] = deque()
        self._visits: dict[int, Visit] = {}
        self._due = False  # a turn
        self._turns = False
        self._current: Visit | None = None  # whose code has the main thread
        self._streams = Nobody(), Printer(1, client.say), Printer(2, client.say)
        interrupts.heed_visitors(Visit.step.__code__, self)
        self._make: Callable[..., asyncio.Task[Any]] = loop.get_task_factory() or _made  # type: ignore[assignment]
        loop.set_task_factory(self._make_task)

    def heard(self, frame: Frame) -> None:
        """One came, or is to end."""
        (self._arrives if frame.kind == Kind.SPAWN else self._cancel)(frame)

    def _arrives(self, frame: Frame) -> None:
        options = options_of(frame.meta)
        client, owner = self._client, options.get("owner")
        tenant = Tenant(frame.dest, frame.source, frame.ref, Pid(*owner) if owner else frame.source)
        client.moved_in(tenant)
        visit = self._visits[frame.dest.number] = Visit(
            tenant, frame.payload, options, self._streams, self._namespace.names
        )  # fmt: skip
        self._arrived.append(visit)
        if not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        """Begin one, unless a cell comes first; what else the loop has to do comes before the next."""
        self._due = False
        self._turns = True  # first: whoever came before this is seen to wait, and who comes after it sees this
        try:
            visit = None if self._waits() else self._arrived.popleft()
        except IndexError:
            self._turns = False
            return  # it was cancelled
        try:
            if visit is not None:
                self._begin(visit)
        finally:
            self._turns = False
            if self._arrived or visit is None:
                self._due = True
                self._loop.call_soon(self._turn)

    def _begin(self, visit: Visit) -> None:
        self._client.post(Kind.ALIVE, LOCAL, ref=visit.tenant.pid.number)
        self._interrupts.install()
        visit.started = perf_counter()
        try:
            value = visit.tenant.context.run(self._step, visit, self._called, visit)
        except BaseException as error:
            self._ends(visit, None, error)
            return
        if not asyncio.iscoroutine(value):
            self._ends(visit, value, None)
            return
        visit.coroutine = value
        steps = Steps(partial(self._step, visit), value)
        label, context = visit.options.get("label"), visit.tenant.context
        task = visit.tenant.task = asyncio.Task(steps, loop=self._loop, name=label, context=context)
        task.add_done_callback(partial(self._task_ended, visit))
        if visit.tenant.cancelled:  # meanwhile
            task.cancel()

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        """A task of the loop; while a visitor that made it is here, its code is that visitor's."""
        tenant = here.get()
        visit = self._visits.get(tenant.pid.number) if tenant is not None else None
        if visit is None or not asyncio.iscoroutine(coroutine):
            return self._make(loop, coroutine, **options)
        tasks = visit.tenant.tasks = visit.tenant.tasks or set()
        task = self._make(loop, Steps(partial(self._step, visit), coroutine), **options)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _called(self, visit: Visit) -> Any:
        name = visit.options.get("fn")
        if visit.tenant.cancelled:
            raise Cancelled
        unpickler = Unpickler(visit.payload, visit.live)
        visit.payload = b""
        function, args, kwargs = unpickler.load() if name is None else (None, *unpickler.load())
        visit.lent = unpickler.lent
        self._namespace.provide(unpickler.codes)
        if name is not None:
            function = importable(name) if ":" in name else self._named(name)
        visit.began = True
        return function(*args, **kwargs)

    def _named(self, name: str) -> Any:
        """What `name` means in this shell now, which may be `model.predict`."""
        first, *path = name.split(".")
        names = self._namespace.names
        if first not in names:
            text = f"no name {first!r} in the shell of {self._client.name}; see what is there: .eval('dir()')"
            raise NoFunction(name, self._client.name, text=text)
        found = names[first]
        for part in path:
            found = getattr(found, part)
        return found

    def _step(self, visit: Visit, function: Callable[..., Any], *args: Any) -> Any:
        """Code of a visitor runs, and prints to its owner, unless it has ended: what it left is the shell's."""
        if visit.ended:
            return visit.step(function, *args)
        before, self._current = self._current, visit
        try:
            return visit.step(function, *args)
        finally:
            self._current = before

    # how it ends

    def _task_ended(self, visit: Visit, task: "asyncio.Task[Any]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._ends(visit, task.result() if error is None else None, error)

    def _ends(self, visit: Visit, value: Any, error: BaseException | None) -> None:
        if os.getpid() != self._pid:
            leave_child(Outcome(value, error))
        if not visit.tenant.last and self._client.sends(visit.tenant):
            self._loop.call_later(LEAVING, self._ends, visit, value, error)
            return
        try:
            told = visit.tenant.context.run(self._step, visit, self._answer, visit, value, error)
        except BaseException as worse:  # a cancel, or one more press
            cut = visit.tenant.cancelled
            told = cancelled(visit.executed) if cut else untold(error or worse, worse, visit.executed)
        self._goes(visit, told)
        self._left()

    def _answer(self, visit: Visit, value: Any, error: BaseException | None) -> Answer:
        """What comes of it; pickling that runs code of the user's."""
        took, unseen = pack(perf_counter() - visit.started), is_process(visit.options)
        executed = visit.executed
        foreign = self._client.view.is_foreign(visit.tenant.parent.incarnation)
        try:
            if error is None:
                return Answer(0, took, b"" if unseen else dumps_result(value, portable=foreign))
        except BaseException as raised:
            error = raised
        if isinstance(error, NoFunction) and not visit.began and not unseen:
            return Answer(Flag.FAILED, pack(describe(error)))
        error = BaseException.with_traceback(error, of_users(TRACE.__get__(error)))
        if isinstance(error, NameError) and visit.began:
            error.add_note(_elsewhere(self._client.name))
        tell = partial(described, error, executed, unseen, self._client.name)
        return failed(error, took, executed, lambda: visit.tenant.cancelled, tell)

    def _goes(self, visit: Visit, told: Answer) -> None:
        tenant = visit.tenant
        visit.ended = True
        for fd in list(tenant.printed or ()):
            tenant.context.run(self._client.say, fd, "", True)
        self._visits.pop(tenant.pid.number, None)
        leaves = self._client.leaves(tenant)
        self._client.moved_out(tenant)
        self._client.post(
            Kind.RESULT,
            tenant.parent,
            ref=tenant.ref,
            source=tenant.pid,
            flags=told.flags,
            meta=told.meta,
            payload=told.payload,
            credit=leaves,
        )
        if leaves:
            self._client.settled(tenant)  # perhaps it is by now

    # while it runs

    def _cancel(self, frame: Frame) -> None:
        """One of them is to end; if it has not begun it never does."""
        visit = self._visits.get(frame.dest.number)
        if visit is None:
            self._client.never_came(frame.dest)
            return
        tenant, last = visit.tenant, bool(frame.options().get("last"))
        tenant.cancelled, tenant.last = True, tenant.last or last
        try:
            self._arrived.remove(visit)
        except ValueError:
            pass
        else:
            self._goes(visit, cancelled("no"))
            return
        if tenant.task is not None:
            self._loop.call_soon_threadsafe(tenant.task.cancel)
        if visit is self._current and (tenant.task is None or last):
            self._interrupts.turn_out()

    def is_unwanted(self) -> bool:
        """Whether code of one that was cancelled has the main thread."""
        return self._current is not None and self._current.tenant.cancelled

    def pressed(self) -> int:
        """Ctrl-C came while code of one of them had the main thread: how often by now."""
        assert self._current is not None
        self._current.presses += 1
        return self._current.presses

    def stands(self, numbers: Iterable[int]) -> list[tuple[int, str, int]]:
        """Of those among `numbers` that are here: the state of each, and how many messages wait for it."""
        synchronous = {
            number for number, visit in list(self._visits.items()) if visit.began and visit.tenant.task is None
        }
        stands = self._client.stands(numbers)
        return [(number, "running" if number in synchronous else state, queue) for number, state, queue in stands]

    def stack(self, number: int, main: int) -> str:
        """Where the code of one of them is, innermost call first; `main` is the main thread."""
        visit = self._visits.get(number)
        if visit is None:
            return "it has ended\n"
        current, frame = self._current, sys._current_frames().get(main)
        return visit.stack(frame if current is visit is self._current else None, _ENDS)

    @property
    def busy(self) -> bool:
        """Whether one of them has the main thread, or is about to."""
        return self._turns or self._current is not None

    def holds(self, least: float = 0.0) -> str:
        """Which of them has the main thread, for whoever has to wait; `""` for none, and before `least` seconds."""
        visit = self._current
        if visit is None or (took := perf_counter() - visit.since) < least:
            return ""
        by = self._client.view.name_of(visit.tenant.parent.incarnation)
        return f"{took:.1f} s with {visit.label}, asked by {by}"

    def will_not_let(self, asker: Pid) -> bool:
        """Whether an eval of `asker` would wait for what may last: a `def`, or the asker itself."""
        visit = self._current
        return visit is not None and (not visit.options.get("async") or visit.tenant.pid == asker)


def _made(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
    return asyncio.Task(coroutine, loop=loop, **options)


def _elsewhere(node: str) -> str:
    return (
        f'where="shell" looks global names up in the shell of {node}; functions, classes and modules go along: '
        "define it there, or pass it as an argument"
    )


_ENDS = frozenset((Visit.step.__code__, Visitors._called.__code__))
