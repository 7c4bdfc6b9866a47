"""An apartment: a forked process in which many async processes live, as tasks of one asyncio loop.

Each has a context of its own, so that what it calls knows whose it is: its pid, its owner, its mailbox, and
what it prints. Their loop reads from the hub in passing. Messages among mates do not leave the process.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Mapping
from contextvars import Context, ContextVar
from functools import partial
from socket import socket
from typing import Any, NoReturn

from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.mailboxes import BYTES, MESSAGES
from pysh.runtime.protocol.terms import HUB, Buffer, Pid
from pysh.runtime.runner.client import LATE, Client
from pysh.runtime.runner.execution import call_of, cancelled, last_words, of_users, options_of
from pysh.runtime.runner.mailbox import Mailbox
from pysh.runtime.runner.printer import Printer, lines_of
from pysh.runtime.runner.waiting import Waiter

AGAIN, TRIES = 0.05, 10
"""Seconds after which a process that has to be gone is cancelled again, and how often."""
BEHIND, PIECE = 1 << 20, 64 * 1024
"""Bytes of output that may wait for the hub before whoever prints waits for it too, and that go in one frame."""


class Tenant:
    """One async process."""

    __slots__ = ("asked", "cancelled", "context", "owner", "pid", "printed", "task")

    def __init__(self, frame: Frame, owner: Pid | None) -> None:
        self.pid = frame.dest
        self.asked = frame.source, frame.ref
        self.owner = owner
        self.cancelled = False
        self.printed = ""  # of a line that is not finished
        self.context = Context()
        self.task: asyncio.Task[Any] | None = None


_here: ContextVar[Tenant | None] = ContextVar("_here", default=None)


class ApartmentClient(Client):
    """The connection of all who live here: who speaks is told by the context."""

    def __init__(self, sock: socket, hello: Hello, secret: bytes) -> None:
        self.tenants: dict[int, Tenant] = {}
        self._full_mates: dict[int, list[Waiter]] = {}
        self._strangers: deque[int] = deque()
        self._to_names: set[int] = set()  # who sends to names here, whose messages must not be overtaken
        super().__init__(sock, hello, secret)

    @property
    def pid(self) -> Pid:
        tenant = _here.get()
        return tenant.pid if tenant is not None else self._pid

    @property
    def owner(self) -> Pid | None:
        tenant = _here.get()
        return tenant.owner if tenant is not None else None

    @owner.setter
    def owner(self, _: Pid | None) -> None:
        pass

    def _runs(self, pid: Pid) -> bool:
        return pid.number in self.tenants

    def _mailbox(self, number: int) -> Mailbox:
        if number not in self.tenants and number not in self._mailboxes:
            # Its first message overtook the last of its arguments, or it has ended meanwhile.
            self._strangers.append(number)
            if len(self._strangers) > LATE and (old := self._strangers.popleft()) not in self.tenants:
                self._mailboxes.pop(old, None)
        return super()._mailbox(number)

    def moved_in(self, tenant: Tenant) -> None:
        """One more lives here."""
        self.tenants[tenant.pid.number] = tenant

    # messages among those who live here

    def post(self, kind: int, dest: Pid, **frame: Any) -> None:
        """Send a frame, which a message to a mate needs none of."""
        if kind == Kind.SEND and dest.incarnation == self.incarnation:
            me = self.pid.number
            if dest.number == HUB:
                self._to_names.add(me)
            elif dest.number in self.tenants and me not in self._to_names and isinstance(frame["payload"], bytes):
                self._mailbox(dest.number).put(frame["payload"], counts=False)
                return
        super().post(kind, dest, **frame)

    def room(self, pid: Pid, name: str = "") -> Waiter | None:
        """What to wait for before anything is sent to a process whose mailbox is full."""
        mailbox = self._mailboxes.get(pid.number) if pid.incarnation == self.incarnation else None
        if mailbox is None or pid.number not in self.tenants or not _is_full(mailbox):
            return super().room(pid, name)
        waiter = Waiter(self)
        self._full_mates.setdefault(pid.number, []).append(waiter)
        return waiter

    def received(self) -> None:
        """Something was taken from a mailbox."""
        super().received()
        if self._full_mates:
            self._relieve(self.pid.number)

    def _relieve(self, number: int) -> None:
        for waiter in self._full_mates.pop(number, ()):
            waiter.set()

    def moved_out(self, tenant: Tenant) -> None:
        """One of them has ended."""
        number = tenant.pid.number
        del self.tenants[number]
        self._mailboxes.pop(number, None)
        self._watchers.pop(number, None)
        self._to_names.discard(number)
        self._relieve(number)
        for key in [key for key in self._filled if key[0] == tenant.pid]:
            del self._filled[key]


def _is_full(mailbox: Mailbox) -> bool:
    return len(mailbox) >= MESSAGES or mailbox.size >= BYTES


class Apartment:
    """Takes processes in as the hub sends them, and says how each of them ended."""

    def __init__(self, sock: socket, hello: Hello, secret: bytes) -> None:
        self._client = ApartmentClient(sock, hello, secret)
        self._loop = asyncio.new_event_loop()
        self._client.handlers |= {
            Kind.SPAWN: self._spawned, Kind.CANCEL: self._cancel,
            Kind.ALIVE: lambda _: self._client.post(Kind.ALIVE, LOCAL),
        }  # fmt: skip
        self._client.on_lost.append(lambda: os._exit(0))

    def serve(self) -> NoReturn:
        """Run the loop until the hub closes the connection."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nobody here is meant by it alone
        faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
        sys.stdout, sys.stderr = Printer(1, self._say), Printer(2, self._say)
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
        owner = options.get("owner")
        tenant = Tenant(frame, Pid(*owner) if owner else frame.source)
        self._client.moved_in(tenant)
        self._loop.call_soon(self._moves_in, tenant, frame.payload, options)  # here nothing of the user's may run

    def _moves_in(self, tenant: Tenant, payload: Buffer, options: Mapping[str, Any]) -> None:
        tenant.context.run(_here.set, tenant)
        try:
            if tenant.cancelled:
                raise asyncio.CancelledError
            coroutine = tenant.context.run(_begin, payload, options)
        except BaseException as error:
            self._moved_out(tenant, error)
            return
        tenant.task = self._loop.create_task(coroutine, context=tenant.context)
        tenant.task.add_done_callback(partial(self._ended, tenant))

    def _ended(self, tenant: Tenant, task: "asyncio.Task[Any]") -> None:
        self._moved_out(tenant, asyncio.CancelledError() if task.cancelled() else task.exception())

    def _moved_out(self, tenant: Tenant, error: BaseException | None) -> None:
        flags, meta, payload = 0, b"", b""
        if tenant.cancelled and isinstance(error, asyncio.CancelledError):
            flags, meta, _ = cancelled("yes")
        elif error is not None:
            flags, payload = Flag.ERROR, tenant.context.run(self._last_words, error)
        if tenant.printed:
            tenant.context.run(self._say, 1, "", True)
        self._client.moved_out(tenant)
        who, ref = tenant.asked
        self._client.post(Kind.RESULT, who, ref=ref, source=tenant.pid, flags=flags, meta=meta, payload=payload)

    def _last_words(self, error: BaseException) -> bytes:
        try:
            return last_words(error.with_traceback(of_users(error.__traceback__)), self._client.name)
        except Exception as worse:
            return f"{type(error).__name__}, which cannot be told: that raised {type(worse).__name__}".encode()

    # being cancelled

    def _cancel(self, frame: Frame) -> None:
        tenant = self._client.tenants.get(frame.dest.number)
        if tenant is not None:
            tenant.cancelled = True
            self._end(tenant, TRIES if frame.options().get("last") else 1)

    def _end(self, tenant: Tenant, tries: int) -> None:
        if tenant.task is None or tenant.task.done():
            return
        tenant.task.cancel()
        if tries > 1:
            self._loop.call_later(AGAIN, self._end, tenant, tries - 1)

    # printing

    def _say(self, fd: int, text: str, whole: bool) -> None:
        tenant = _here.get()
        if tenant is None:
            os.write(fd, text.encode("utf-8", "backslashreplace"))
            return
        said, tenant.printed = lines_of(tenant.printed + text, whole)
        data = said.encode("utf-8", "backslashreplace")
        for start in range(0, len(data), PIECE):
            self._client.post(Kind.OUTPUT, self._client.hub, payload=data[start : start + PIECE])
            self._client.write_out(BEHIND)


def _begin(payload: Buffer, options: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
    function, args, kwargs = call_of(payload, options)
    made = function(*args, **kwargs)
    if not asyncio.iscoroutine(made):
        raise TypeError(f"{function!r} is no async function: it returned {made!r}")
    return made
