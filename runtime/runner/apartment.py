"""An apartment: a forked process in which many async processes live, as tasks of one asyncio loop.

Each has a context of its own, so that what it calls knows whose it is (see `mates`), and what it prints as well.
Its end is that of the tasks it made, too, and is told once all of them are gone and all that it sent has left.
"""

import asyncio
import faulthandler
import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from socket import socket
from typing import Any, NoReturn

from pysh.runtime.payload import NOTHING
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, pack
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import Buffer, Pid
from pysh.runtime.runner.codes import Codes
from pysh.runtime.runner.execution import (
    TRACE,
    call_of,
    cancelled,
    last_words,
    of_users,
    options_of,
    raise_unbuilt,
)  # fmt: skip
from pysh.runtime.runner.mates import LEAVING, Mates, Tenant, here
from pysh.runtime.runner.printer import Printer
from pysh.runtime.runner.waiting import drive

AGAIN, TRIES = 0.04, 10
"""Seconds after which a process that has to be gone is cancelled again, and how often."""
TOLD = 256
"""The hub is told of so many processes that have begun at once."""
SELDOM = 300
"""So many looks for garbage among what is younger come before one among all that there is, which is very much here."""


_LEFT = Context()
"""That of all processes that have ended."""


class Apartment:
    """Takes processes in as the hub sends them, and says how each of them ended."""

    def __init__(self, sock: socket, hello: Hello, secret: bytes) -> None:
        self._client = Mates(sock, hello, secret)
        self._loop = asyncio.new_event_loop()
        self._client.loop = self._loop
        self._arrived: deque[tuple[Tenant, Buffer, Mapping[str, Any]]] = deque()
        self._done = self._ended
        self._codes = Codes(self._client)
        self._begun = 0  # of which the hub was not told
        self._stubborn: set[int] = set()  # dead processes that were cancelled again and again, and run on
        self._loop.set_task_factory(_task)
        self._loop.set_default_executor(_Threads())
        self._client.handlers |= {
            Kind.SPAWN: self._spawned, Kind.CANCEL: self._cancel,
            Kind.ALIVE: lambda _: self._client.post(Kind.ALIVE, LOCAL), Kind.CENSUS: self._census,
        }  # fmt: skip
        self._client.on_lost.append(lambda: os._exit(0))

    def serve(self) -> NoReturn:
        """Run the loop until the hub closes the connection."""
        gc.set_threshold(*gc.get_threshold()[:2], SELDOM)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nobody here is meant by it alone
        signal.signal(signal.SIGUSR1, self._suspected)
        faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
        sys.stdout, sys.stderr = Printer(1, self._client.say), Printer(2, self._client.say)
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._client.join_loop, self._loop)
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                continue  # asyncio passes these on from the task, which has ended by it as by any other

    # coming and going

    def _spawned(self, frame: Frame) -> None:
        options = options_of(frame.meta)
        client, owner = self._client, options.get("owner")
        parent, pid = client.known(frame.source), Pid(client.incarnation, frame.dest.number)
        tenant = Tenant(pid, parent, frame.ref, Pid(*owner) if owner else parent)
        client.moved_in(tenant)
        if "frames" in options:
            client.keeps_frames = True  # what its mates start is bounded as well
        if not self._arrived:
            self._loop.call_soon(self._begin_all)  # here nothing of the user's may run
        self._arrived.append((tenant, frame.payload, options))

    def _begin_all(self) -> None:
        try:
            while self._arrived:
                self._begun += 1
                self._begin(*self._arrived.popleft())
        finally:
            if self._arrived:  # what one of them raised is not to be the end of the others
                self._loop.call_soon(self._begin_all)
        if self._begun >= TOLD:
            self._client.post(Kind.ALIVE, LOCAL, credit=self._begun)
            self._begun = 0

    def _begin(self, tenant: Tenant, payload: Buffer, options: Mapping[str, Any]) -> None:
        try:
            if tenant.cancelled:
                raise asyncio.CancelledError
            if self._codes.ready(options):
                coroutine = tenant.context.run(self._called, payload, options)
            else:
                coroutine = self._prepared(tenant, payload, options)
        except BaseException as error:
            self._leaves(tenant, error)
            return
        tenant.task = asyncio.Task(coroutine, loop=self._loop, name=options.get("label"), context=tenant.context)
        # One callback for all, as there may be very many: its context tells whose end it is.
        tenant.task.add_done_callback(self._done, context=tenant.context)

    async def _prepared(self, tenant: Tenant, payload: Buffer, options: Mapping[str, Any]) -> Any:
        """Run it once what it needs is here; its mates go on meanwhile."""
        supplied = await drive(self._codes.prepare(options, tenant.parent))
        return await self._called(payload, options, supplied)

    def _called(
        self, payload: Buffer, options: Mapping[str, Any], supplied: dict[str, Any] = NOTHING
    ) -> Coroutine[Any, Any, Any]:
        try:
            function, args, kwargs = call_of(payload, options, supplied)
        except ModuleNotFoundError as error:
            raise self._codes.missing(error) from error
        except Exception as error:
            raise_unbuilt(error, options, self._client.name)
        made = function(*args, **kwargs)
        if not asyncio.iscoroutine(made):
            raise TypeError(f"{function!r} is no async function: it returned {made!r}")
        return made

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        tenant = here.get()
        assert tenant is not None
        Context().run(self._leaves, tenant, asyncio.CancelledError() if task.cancelled() else task.exception())

    def _leaves(self, tenant: Tenant, error: BaseException | None) -> None:
        """It has ended; what it left running ends as well, and what it sent goes first."""
        if tenant.tasks:
            _cancel_all(tenant)
        if tenant.tasks or (not tenant.last and self._client.sends(tenant)):
            self._loop.call_later(LEAVING, self._leaves, tenant, error)
        else:
            self._moved_out(tenant, error)

    def _moved_out(self, tenant: Tenant, error: BaseException | None) -> None:
        flags, meta, payload = 0, b"", b""
        if tenant.cancelled and isinstance(error, asyncio.CancelledError):
            flags, meta, _ = cancelled("yes")
        elif error is not None:
            flags, payload = Flag.ERROR, tenant.context.copy().run(self._last_words, error)
        for fd in tenant.printed or ():
            tenant.context.copy().run(self._client.say, fd, "", True)
        self._stubborn.discard(tenant.pid.number)
        self._client.moved_out(tenant)
        self._client.told(Frame(Kind.RESULT, tenant.pid, tenant.parent, tenant.ref, flags, meta, payload))
        # Its context holds it: without these it is gone now, and not only when somebody looks for garbage.
        tenant.task, tenant.context = None, _LEFT

    def _last_words(self, error: BaseException) -> bytes:
        try:
            return last_words(BaseException.with_traceback(error, of_users(TRACE.__get__(error))), self._client.name)
        except BaseException as worse:
            return f"{type(error).__name__}, which cannot be told: that raised {type(worse).__name__}".encode()

    def _census(self, frame: Frame) -> None:
        """Somebody lists those processes: say how they stand."""
        stands = self._client.stands(frame.options())
        self._client.post(Kind.CENSUS, LOCAL, ref=frame.ref, meta=pack(stands))

    # being cancelled

    def _cancel(self, frame: Frame) -> None:
        tenant = self._client.tenants.get(frame.dest.number)
        if tenant is None:
            self._client.never_came(frame.dest)
            return
        last = bool(frame.options().get("last"))
        tenant.cancelled, tenant.last = True, last or tenant.last
        self._end(tenant, TRIES if last else 1)

    def _end(self, tenant: Tenant, tries: int) -> None:
        if tenant.task is None or (tenant.task.done() and not tenant.tasks):
            return
        tenant.task.cancel()
        if tenant.last:
            _cancel_all(tenant)
        if tries > 1:
            self._loop.call_later(AGAIN, self._end, tenant, tries - 1)
        elif tenant.last:
            self._stubborn.add(tenant.pid.number)

    def _suspected(self, *_: object) -> None:
        """SIGUSR1: a dead process here is not gone. Unless it is stubborn, whoever runs now is to blame: say who."""
        tenant = here.get()
        if tenant is not None and not self._stubborn:
            self._client.post(Kind.ALIVE, LOCAL, ref=tenant.pid.number)


class _Threads(ThreadPoolExecutor):
    """The loop's own threads, where the code of a process knows whose it is as well."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        return super().submit(copy_context().run, fn, *args, **kwargs)


def _task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
    """A task, which its process is known to have made."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    tenant = here.get()
    if tenant is not None:
        if tenant.tasks is None:
            tenant.tasks = set()
        tenant.tasks.add(task)
        task.add_done_callback(tenant.tasks.discard)
    return task


def _cancel_all(tenant: Tenant) -> None:
    for task in list(tenant.tasks or ()):
        task.cancel()
