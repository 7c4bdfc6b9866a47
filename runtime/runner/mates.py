"""The processes of one apartment, or of a shell, and their connection to the hub: whose it is tells the context.

A message to a mate goes straight into its mailbox. Once something for it went by the hub (an exit signal, a large
message, one to a name, one to a mate that had still to move in), all that follows goes there as well, for it must not
overtake.
"""

import os
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar
from functools import partial
from socket import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import CHUNK, LOCAL, Frame, Kind
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.mailboxes import BYTES, MESSAGES
from pysh.runtime.protocol.terms import HUB, Payload, Pid
from pysh.runtime.runner.client import LATE, Client, Tracked
from pysh.runtime.runner.mailbox import Mailbox
from pysh.runtime.runner.printer import lines_of
from pysh.runtime.runner.waiting import Waiter

if TYPE_CHECKING:
    import asyncio

LEAVING = 0.02
"""Seconds between two looks whether what a process sent has left."""
EVERY = 1.0
"""Seconds after which whoever waits for room hears that something was received, if it was."""

BEHIND, PIECE = 1 << 20, 64 * 1024
"""Bytes of output that may wait for the hub before whoever prints waits for it too, and that go in one frame."""

FAR = 4096
"""To so many processes one may have sent something by the hub; then all goes there, and none need be remembered."""


class Tenant:
    """One process, or a task of a shell."""

    __slots__ = (
        "by_hub", "cancelled", "context", "last", "left", "owner", "parent", "pid", "printed", "ref", "refs", "task",
        "tasks",
    )  # fmt: skip

    def __init__(self, pid: Pid, parent: Pid, ref: int, owner: Pid | None) -> None:
        self.pid = pid
        self.parent = parent  # who asked for it
        self.ref = ref  # and as what
        self.owner = owner
        self.cancelled = False
        self.last = False  # it is dead, and its code is to go
        self.left = False  # it has ended: what its code still does, and still waits for, is the shell's
        self.context = Context()
        self.context.run(here.set, self)
        self.printed: dict[int, str] | None = None  # by descriptor, what of a line is not finished
        self.by_hub: set[int] | None = None  # mates to whom something went that must not be overtaken
        self.refs: set[int] | None = None  # of what it started elsewhere
        self.task: asyncio.Task[Any] | None = None
        self.tasks: set[asyncio.Task[Any]] | None = None  # that it made besides

    @property
    def state(self) -> str:
        """`starting` until its code begins; then `waiting` while all its tasks wait for something, else `running`."""
        if self.task is None:
            return "starting"
        return "waiting" if all(map(_waits, (self.task, *(self.tasks or ())))) else "running"


here: ContextVar[Tenant | None] = ContextVar("here", default=None)
"""The process whose code runs; None for what is the apartment's own, or the shell's."""


def lives() -> Tenant | None:
    """The same; None also for code that one left in the shell."""
    tenant = here.get()
    return None if tenant is None or tenant.left else tenant


class Mates(Client):
    """The connection of all who live here."""

    def __init__(self, sock: socket, hello: Hello, secret: bytes) -> None:
        self.tenants: dict[int, Tenant] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one in which they live."""
        self.senders: dict[int, set[Tenant]] = {}
        """To each process that some have in their `by_hub`: those."""
        self._leaves = False
        self._met = LOCAL
        self._room: dict[int, tuple[Waiter, float]] = {}
        self._strangers: list[int] = []
        self._whose: dict[int, Tenant] = {}  # what they started elsewhere
        super().__init__(sock, hello, secret)

    @property
    def pid(self) -> Pid:
        tenant = lives()
        return tenant.pid if tenant is not None else self._pid

    @property
    def owner(self) -> Pid | None:
        tenant = lives()
        return tenant.owner if tenant is not None else None

    @owner.setter
    def owner(self, _: Pid | None) -> None:
        pass

    def track(self, ref: int, task: Tracked) -> None:
        """Tell `task` what comes for `ref`, as long as whoever started it lives."""
        if (tenant := lives()) is not None:
            tenant.refs = tenant.refs or set()
            tenant.refs.add(ref)
            self._whose[ref] = tenant
        super().track(ref, task)

    def forget(self, ref: int) -> Tracked | None:
        """The task of `ref`, which is told nothing more."""
        task = super().forget(ref)
        self._came(ref)
        return task

    def _on_reply(self, frame: Frame) -> None:
        super()._on_reply(frame)
        self._came(frame.ref)

    def _came(self, ref: int) -> None:
        """Nothing more is waited for as `ref`."""
        if (tenant := self._whose.pop(ref, None)) is not None and tenant.refs:
            tenant.refs.discard(ref)
            if tenant.left:
                self.settled(tenant)

    def leaves(self, tenant: Tenant) -> bool:
        """One of a shell has ended, and what its code waits for comes to the shell: whether there is anything."""
        tenant.left = True
        tenant.refs = tenant.refs or set()
        for ref, (_, _, source) in list(self._asked.items()):
            if source == tenant.pid:
                self._whose[ref] = tenant
                tenant.refs.add(ref)
        for ref in [ref for ref in tenant.refs if ref not in self._asked and ref not in self.tasks]:
            self._came(ref)  # meanwhile
        return bool(tenant.refs)

    def settled(self, tenant: Tenant) -> None:
        """Let the hub know once all has come that one left the shell to wait for."""
        if not tenant.refs:
            self.post(Kind.ALIVE, LOCAL, ref=tenant.pid.number, credit=1)

    def _received(self, data: bytes | None) -> None:
        # Also where somebody reads in passing, who had to see to what he sent: what comes is no doing of his.
        Context().run(super()._received, data)

    def wait_in_loop(self, loop: "asyncio.AbstractEventLoop") -> Callable[[], None]:
        """Somebody awaits something of ours: in the loop of all, which always reads, there is nothing to see to."""
        return _nothing if loop is self.loop else super().wait_in_loop(loop)

    def _runs(self, pid: Pid) -> bool:
        return pid.number in self.tenants or super()._runs(pid)

    def _mailbox(self, number: int) -> Mailbox:
        if number not in self.tenants and number not in self._mailboxes and number != self._pid.number:
            # Its first message overtook the last of its arguments, or it has ended meanwhile.
            self._strangers.append(number)
            if len(self._strangers) > LATE and (old := self._strangers.pop(0)) not in self.tenants:
                self._mailboxes.pop(old, None)
        return super()._mailbox(number)

    def stands(self, numbers: Iterable[int]) -> list[tuple[int, str, int]]:
        """Of those among `numbers` that live here: the state of each, and how many messages wait for it."""
        living = [(number, self.tenants[number]) for number in numbers if number in self.tenants]
        boxes = self._mailboxes
        return [(number, who.state, boxes[number].waiting if number in boxes else 0) for number, who in living]

    # coming and going

    def known(self, pid: Pid) -> Pid:
        """`pid` itself, or the same one that was met last: thousands come from one."""
        if pid != self._met:
            self._met = pid
        return self._met

    def moved_in(self, tenant: Tenant) -> None:
        """One more lives here."""
        self.tenants[tenant.pid.number] = tenant

    def sends(self, tenant: Tenant) -> bool:
        """Whether some of what it sent has still to leave."""
        return self._outbox.any(lambda stream: stream.source == tenant.pid)

    def moved_out(self, tenant: Tenant) -> None:
        """One of them has ended, and its code is gone."""
        number = tenant.pid.number
        del self.tenants[number]
        self._mailboxes.pop(number, None)
        self._watchers.pop(number, None)
        for ref in list(tenant.refs or ()) if not tenant.left else ():
            self.forget(ref)
        for sender in list(self.senders.pop(number, ())):
            if sender.by_hub is not None:
                sender.by_hub.discard(number)
        self._forget_dests(tenant)
        if tenant.last:  # nobody grants a dead process any more credit
            self._outbox.drop(lambda stream: stream.source == tenant.pid)
        self._relieve(number)
        for key in [key for key in list(self._filled) if key[0] == tenant.pid]:
            self._filled.pop(key, None)

    def never_came(self, pid: Pid) -> None:
        """Some of the arguments of that process came, and the rest never will."""
        self._chunks.forget(Kind.SPAWN, pid)

    def told(self, frame: Frame) -> None:
        """Say how one of them has ended; all that end in one turn of the loop say so in one write."""
        assert self.loop is not None
        if not self._leaves:
            self._leaves = True
            self.loop.call_soon(self._tell)
        self._write(partial(self._outbox.put, frame, hold=True))

    def _tell(self) -> None:
        self._leaves = False
        self._write(self._outbox.advance)
        if not self._outbox.empty:
            self._push(None)

    def _write(self, how: Callable[[], object]) -> None:
        try:
            how()
        except OSError:
            pass  # the hub is gone, which is noticed where it is read

    def say(self, fd: int, text: str, whole: bool) -> None:
        """Send what a process prints to its owner, by lines unless `whole`; what is nobody's goes to `fd` itself."""
        tenant = lives()
        if tenant is None:
            os.write(fd, text.encode("utf-8", "backslashreplace"))
            return
        if tenant.printed is None:
            tenant.printed = {}
        said, tenant.printed[fd] = lines_of(tenant.printed.get(fd, "") + text, whole)
        data = said.encode("utf-8", "backslashreplace")
        for start in range(0, len(data), PIECE):
            self.post(Kind.OUTPUT, self.hub, payload=data[start : start + PIECE])
            if not self._reading.may_wait:
                self.write_out(BEHIND)

    # messages

    def post(self, kind: int, dest: Pid, **frame: Any) -> None:
        """Send a frame, which a message to a mate needs none of."""
        tenant = lives()
        if tenant is None or dest.incarnation != self.incarnation or kind not in (Kind.SEND, Kind.EXIT):
            super().post(kind, dest, **frame)
        elif kind == Kind.SEND and self._is_near(tenant, dest, frame["payload"]):
            self._box(dest.number).put(frame["payload"], counts=False)
        else:
            self._goes_by_hub(tenant, dest.number)
            super().post(kind, dest, **frame)

    def _goes_by_hub(self, tenant: Tenant, number: int) -> None:
        """What `tenant` sends to that process goes by the hub from now on, until either of them ends."""
        if tenant.by_hub is None:
            tenant.by_hub = set()
        elif number in tenant.by_hub or HUB in tenant.by_hub:
            return
        tenant.by_hub.add(number if len(tenant.by_hub) < FAR else HUB)
        if HUB in tenant.by_hub:
            self._forget_dests(tenant)
        else:
            self.senders.setdefault(number, set()).add(tenant)

    def _forget_dests(self, tenant: Tenant) -> None:
        """What `tenant` sends goes by the hub in any case, or never again."""
        for number in list(tenant.by_hub or ()):
            if (senders := self.senders.get(number)) is not None:
                senders.discard(tenant)
                if not senders:
                    self.senders.pop(number, None)
        tenant.by_hub = {HUB}

    def hands_over(self, pid: Pid, payload: Payload) -> bool:
        """Whether a message went straight into the mailbox of a mate that has room for it."""
        if pid.number not in self.tenants or (tenant := lives()) is None or pid.incarnation != self.incarnation:
            return False
        mailbox = self._box(pid.number)
        if mailbox.full or not self._is_near(tenant, pid, payload):
            return False
        mailbox.put(payload, counts=False)  # type: ignore[arg-type]  # what is near is bytes
        return True

    @property
    def mailbox(self) -> Mailbox:
        tenant = lives()
        return self._box(tenant.pid.number if tenant is not None else self._pid.number)

    def _box(self, number: int) -> Mailbox:
        mailbox = self._mailboxes.get(number)
        return mailbox if mailbox is not None else self._mailbox(number)

    def _is_near(self, tenant: Tenant, dest: Pid, payload: Any) -> bool:
        mate = self.tenants.get(dest.number)
        if mate is None or mate.last or type(payload) is not bytes or len(payload) > CHUNK:
            return False
        return tenant.by_hub is None or tenant.by_hub.isdisjoint((dest.number, HUB))

    def room(self, pid: Pid, name: str = "") -> Waiter | None:
        """What to wait for before anything is sent to a process whose mailbox is full."""
        mailbox = self._mailboxes.get(pid.number) if pid.incarnation == self.incarnation else None
        if mailbox is None or pid.number not in self.tenants or not mailbox.full:
            return super().room(pid, name)
        waiter, _ = self._room.setdefault(pid.number, (Waiter(self), monotonic()))
        return waiter

    def received(self) -> None:
        """Something was taken from the mailbox of whoever runs."""
        mailbox = self.mailbox
        if mailbox.counted:
            super().received()
        if self._room and (waits := self._room.get(number := self.pid.number)) is not None:
            has_room = len(mailbox) <= MESSAGES // 2 and mailbox.size <= BYTES // 2
            if has_room or monotonic() >= waits[1] + EVERY:
                self._relieve(number)

    def _relieve(self, number: int) -> None:
        if (waits := self._room.pop(number, None)) is not None:
            waits[0].set()  # there is room, or a reason to go on waiting


def _nothing() -> None:
    pass


def _waits(task: "asyncio.Task[Any]") -> bool:
    """Whether what `task` awaits has not happened yet; asyncio has no public name for that."""
    awaited: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return awaited is not None and not awaited.done()
