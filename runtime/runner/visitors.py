"""What tasks and processes run in a shell (`where="shell"`): with its names, between its cells and while they await.

A `def` has the main thread until it returns, as a cell that does not await; an `async def` is one more task of the
loop. Nothing but a cancel that raises in it ends either, and code that catches that runs on: the names there are worth
more. `heard` and `stack` are called where the socket is read, all else in the main thread.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from functools import partial
from time import perf_counter
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NoReturn

from pysh.runtime.errors import NoFunction, describe
from pysh.runtime.payload import loads
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, pack
from pysh.runtime.protocol.terms import Buffer, Pid
from pysh.runtime.runner.cells import Namespace, Outcome
from pysh.runtime.runner.execution import (
    TRACE,
    Answer,
    Withheld,
    call_of,
    cancelled,
    described,
    dumps_result,
    is_process,
    of_users,
    options_of,
    untold,
)
from pysh.runtime.runner.interrupts import Cancelled, Interrupts
from pysh.runtime.runner.jobs import leave_child
from pysh.runtime.runner.mates import Mates, Tenant
from pysh.runtime.runner.printer import Printer

LEAVING = 0.02
"""Seconds between two looks whether what a process sent has left."""


class Visit:
    """One task or process on its way through the shell."""

    def __init__(self, tenant: Tenant, frame: Frame, options: Mapping[str, Any]) -> None:
        self.tenant = tenant
        self.payload: Buffer = frame.payload
        self.options = options
        self.started = 0.0
        self.began = False  # code of it
        self.coroutine: Any = None


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
        self._current: Visit | None = None  # whose code has the main thread
        self._since = 0.0
        self._streams = tuple(Printer(fd, client.say) for fd in (1, 2))
        interrupts.let_in(Visitors._step.__code__, self._is_unwanted, self.holds)

    def heard(self, frame: Frame) -> None:
        """One came, or is to end."""
        (self._arrives if frame.kind == Kind.SPAWN else self._cancel)(frame)

    def _arrives(self, frame: Frame) -> None:
        options = options_of(frame.meta)
        client, owner = self._client, options.get("owner")
        tenant = Tenant(frame.dest, frame.source, frame.ref, Pid(*owner) if owner else frame.source)
        client.moved_in(tenant)
        visit = self._visits[frame.dest.number] = Visit(tenant, frame, options)
        self._arrived.append(visit)
        if not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        """Begin one, unless a cell is about to end; what else the loop has to do comes before the next."""
        self._due = False
        try:
            visit = None if self._waits() else self._arrived.popleft()
        except IndexError:
            return  # it was cancelled
        if self._arrived or visit is None:
            self._due = True
            self._loop.call_soon(self._turn)
        if visit is not None:
            self._begin(visit)

    def _begin(self, visit: Visit) -> None:
        self._client.post(Kind.ALIVE, LOCAL, ref=visit.tenant.pid.number)
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
        steps = _Steps(partial(self._step, visit), value)
        label = visit.options.get("label")
        task = visit.tenant.task = asyncio.Task(steps, loop=self._loop, name=label, context=visit.tenant.context)
        task.add_done_callback(partial(self._task_ended, visit))

    def _called(self, visit: Visit) -> Any:
        options, names = visit.options, self._namespace.names
        name, payload = options.get("fn"), visit.payload
        visit.payload = b""
        if name is None or ":" in name:
            function, args, kwargs = call_of(payload, options)
            function = _at_home(function, names)
        else:
            args, kwargs = loads(payload)
            function = self._named(name)
        self._namespace.provide(_codes(function))
        visit.began = True
        return function(*args, **kwargs)

    def _named(self, name: str) -> Any:
        """What `name` means in this shell now, which may be `model.predict`."""
        first, *path = name.split(".")
        names = self._namespace.names
        if first not in names:
            text = f"no name {first!r} in the shell of {self._client.name}; see what is there: .run('dir()')"
            raise NoFunction(name, self._client.name, text=text)
        found = names[first]
        for part in path:
            found = getattr(found, part)
        return found

    def _step(self, visit: Visit, function: Callable[..., Any], *args: Any) -> Any:
        """Code of a visitor runs, and prints to its owner; on the stack whenever such code does."""
        before, self._current = self._current, visit
        self._since = perf_counter()
        streams = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, (sys.stdout, sys.stderr) = _nobody, self._streams
        try:
            if visit.tenant.cancelled and not visit.began:
                raise Cancelled
            return function(*args)
        finally:
            if sys.stdout is self._streams[0]:
                sys.stdout = streams[1]
            if sys.stderr is self._streams[1]:
                sys.stderr = streams[2]
            if sys.stdin is _nobody:
                sys.stdin = streams[0]
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
        except BaseException:  # one more press, or a cancel
            told = cancelled("yes")
        self._goes(visit, told)
        self._left()

    def _answer(self, visit: Visit, value: Any, error: BaseException | None) -> Answer:
        """What comes of it; pickling that runs code of the user's."""
        took, unseen = pack(perf_counter() - visit.started), is_process(visit.options)
        executed = "yes" if visit.began else "no"
        foreign = self._client.view.is_foreign(visit.tenant.parent.incarnation)
        try:
            if error is None:
                return Answer(0, took, b"" if unseen else dumps_result(value, portable=foreign))
        except Withheld as withheld:
            return withheld.answer(executed)
        except BaseException as raised:
            error = raised
        if visit.tenant.cancelled and (isinstance(error, Cancelled) or type(error).__name__ == "CancelledError"):
            return cancelled(executed)
        if isinstance(error, NoFunction) and not visit.began:
            return Answer(Flag.FAILED, pack(describe(error)))
        error = BaseException.with_traceback(error, of_users(TRACE.__get__(error)))
        if isinstance(error, NameError) and visit.began:
            error.add_note(_elsewhere(self._client.name))
        try:
            return Answer(Flag.ERROR, took, described(error, executed, unseen, self._client.name))
        except BaseException as worse:
            return untold(error, worse, executed)

    def _goes(self, visit: Visit, told: Answer) -> None:
        tenant = visit.tenant
        for fd in list(tenant.printed or ()):
            tenant.context.run(self._client.say, fd, "", True)
        self._visits.pop(tenant.pid.number, None)
        self._client.moved_out(tenant)
        self._client.post(
            Kind.RESULT,
            tenant.parent,
            ref=tenant.ref,
            source=tenant.pid,
            flags=told.flags,
            meta=told.meta,
            payload=told.payload,
        )

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

    def _is_unwanted(self) -> bool:
        """Whether code of one that was cancelled has the main thread."""
        return self._current is not None and self._current.tenant.cancelled

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
        if visit is self._current:
            return "".join(_lines(sys._current_frames().get(main)))
        return "".join(reversed(list(_awaits(visit.coroutine)))) or "it is about to end\n"

    def holds(self, least: float = 0.0) -> str:
        """Which of them has the main thread, for whoever has to wait; `""` for none, and before `least` seconds."""
        visit, took = self._current, perf_counter() - self._since
        if visit is None or took < least:
            return ""
        by = self._client.view.name_of(visit.tenant.parent.incarnation)
        return f"{took:.1f} s with {visit.options.get('label', '?')}, asked by {by}"


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine each of whose steps is made by `step`."""

    def __init__(self, step: Callable[..., Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        self._step = step
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        self._step(self._coroutine.close)

    def __await__(self) -> Generator[Any, None, Any]:
        raise TypeError("only its task takes these steps")


class _Nobody:
    """What stands for stdin: whoever sits at the shell is not to be asked by others."""

    encoding = "utf-8"

    def read(self, _size: int | None = -1, /) -> NoReturn:
        """Say what to do instead."""
        raise EOFError("a task has no terminal, in a shell neither: ask before you start it and pass the answer")

    readline = read  # which input() calls


_nobody: Any = _Nobody()


def _at_home(function: Any, names: dict[str, Any]) -> Any:
    """`function` with `names` for its globals, if it came by value, and the modules that it uses among them."""
    if isinstance(function, partial):
        return partial(_at_home(function.func, names), *function.args, **function.keywords)
    if type(function) is not FunctionType:
        return function
    module = sys.modules.get(function.__module__ or "")
    if module is not None and function.__globals__ is vars(module):
        return function
    for name, value in function.__globals__.items():
        if isinstance(value, ModuleType) and not name.startswith("__"):
            names.setdefault(name, value)
    code, defaults, closure = function.__code__, function.__defaults__, function.__closure__
    bound = FunctionType(code, names, function.__name__, defaults, closure)
    bound.__kwdefaults__, bound.__qualname__ = function.__kwdefaults__, function.__qualname__
    return bound


def _codes(function: Any) -> list[CodeType]:
    inner = function.func if isinstance(function, partial) else function
    code = getattr(inner, "__code__", None)
    return [code] if isinstance(code, CodeType) else []


def _elsewhere(node: str) -> str:
    return (
        f'where="shell" looks global names up in the shell of {node}, modules apart: define it there, or pass what the '
        "function needs as an argument"
    )


_ENDS = frozenset((Visitors._step.__code__, Visitors._called.__code__))


def _lines(frame: FrameType | None) -> Iterator[str]:
    while frame is not None and frame.f_code not in _ENDS:
        yield _line(frame)
        frame = frame.f_back


def _awaits(coroutine: Any) -> Iterator[str]:
    while (frame := getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)) is not None:
        yield _line(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _line(frame: FrameType) -> str:
    """As faulthandler writes it for those in workers."""
    return f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n'
