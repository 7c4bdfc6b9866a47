"""Streams within one process, over a network whose faults are asked for: the verified fake.

It keeps to the same contract as the real transports (one suite tests them all) and adds what a test
of a cluster wants to do to them: delay, lost attempts to connect, directions that go dark, cuts.
Time is the clock's: on an event loop with virtual time an hour of outage takes no time.

As with TCP, a network that was dark delivers late: a stream never has a gap.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from pysh.transports.base import (
    HIGH_WATER,
    Address,
    Buffer,
    Listener,
    Peer,
    Stream,
    TransportError,
    closed,
    cut,
)

CONNECT_TIMEOUT = 2.0
"""Seconds after which an attempt to connect that got no answer is given up."""


class Clock(Protocol):
    """What the network needs of time; every asyncio loop is one."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object:
        """Call `callback` after `delay` seconds."""


class Link:
    """What goes from one place to another shares this: how long it takes, and whether it passes."""

    def __init__(self, delay: float = 0.0, clock: Clock | None = None) -> None:
        self.delay = delay
        self.dark = False
        self.lost_attempts = 0
        self.senders: list[MemoryStream] = []
        self._clock = clock

    def after_delay(self, callback: Callable[[], object]) -> None:
        """Call `callback` when what is sent now would arrive."""
        self.later(self.delay, callback)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call `callback` after `seconds`."""
        (self._clock or asyncio.get_running_loop()).call_later(seconds, callback)

    async def wait(self, seconds: float) -> None:
        """Let `seconds` pass."""
        passed = asyncio.Event()
        self.later(seconds, passed.set)
        await passed.wait()


class MemoryStream(Stream):
    """One end of a stream; the network joins it with its `far` end."""

    far: "MemoryStream"

    def __init__(self, peer: Address, link: Link) -> None:
        self.peer = Peer(peer)
        self._link = link  # what is written here goes over it
        self._under_way: deque[bytes] = deque()  # b"" is the end of the stream
        self._arrived: deque[bytes] = deque()
        self._unread = 0  # bytes written here and not read there
        self._ended = self._broken = self._closed = False
        self._waiters: list[asyncio.Future[None]] = []
        link.senders.append(self)

    async def read(self) -> bytes:
        await self._until(lambda: self._arrived or self._ended or self._broken or self._closed)
        if self._closed:
            raise closed(self.peer.address)
        if self._broken and not self._arrived:
            raise cut(self.peer.address, "the network cut it")
        data = self._arrived.popleft() if self._arrived else b""
        self.far.was_read(len(data))
        return data

    async def write(self, *buffers: Buffer) -> None:
        self._check_writable()
        data = b"".join(buffers)
        for start in range(0, len(data), HIGH_WATER):
            self._send(data[start : start + HIGH_WATER])
        await self._until(lambda: self._unread <= HIGH_WATER or self._ended or self._broken or self._closed)
        self._check_writable()

    def _check_writable(self) -> None:
        if self._closed:
            raise closed(self.peer.address)
        if self._ended or self._broken:
            raise cut(self.peer.address, "the peer is gone")

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._send(b"")
            self._changed()

    def _send(self, data: bytes) -> None:
        self._under_way.append(data)
        self._unread += len(data)
        self._link.after_delay(self.deliver)

    def deliver(self) -> None:
        """The next piece under way arrives, unless the link is dark: then it stays under way."""
        if self._under_way and not self._link.dark:
            self.far.arrive(self._under_way.popleft())

    def deliver_late(self) -> None:
        """The link passes again: all that is under way starts anew."""
        for _ in self._under_way:
            self._link.after_delay(self.deliver)

    def arrive(self, data: bytes) -> None:
        """A piece, or the end, comes in from the far end."""
        if data:
            self._arrived.append(data)
        else:
            self._ended = True
        self._changed()

    def was_read(self, size: int) -> None:
        """The far end's reader took `size` bytes."""
        self._unread -= size
        self._changed()

    def cut(self) -> None:
        """The network breaks the stream: what had not arrived never will."""
        for end in (self, self.far):
            end._broken = True
            end._under_way.clear()
            end._changed()

    async def _until(self, condition: Callable[[], object]) -> None:
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def pair(
    there: Link | None = None, back: Link | None = None, names: tuple[str, str] = ("a", "b")
) -> tuple[MemoryStream, MemoryStream]:
    """Two ends of one stream, called by `names`, over the given links."""
    near = MemoryStream(Address("memory", names[1]), there or Link())
    far = MemoryStream(Address("memory", names[0]), back or Link())
    near.far, far.far = far, near
    return near, far


class Network:
    """Places that listen under a name, and a link each way between any two of them."""

    def __init__(self, delay: float = 0.0, clock: Clock | None = None) -> None:
        self._delay = delay
        self._clock = clock
        self._links: dict[tuple[str, str], Link] = {}
        self._listeners: dict[str, MemoryListener] = {}

    def link(self, source: str, dest: str) -> Link:
        """The link from `source` to `dest`; its `delay` in seconds may be set at any time."""
        return self._links.setdefault((source, dest), Link(self._delay, self._clock))

    def lose_attempts(self, source: str, dest: str, count: int) -> None:
        """The next `count` attempts of `source` to connect to `dest` get no answer."""
        self.link(source, dest).lost_attempts += count

    def darken(self, source: str, dest: str) -> None:
        """Nothing passes from `source` to `dest` any more, and nobody is told."""
        self.link(source, dest).dark = True

    def lighten(self, source: str, dest: str) -> None:
        """What was held from `source` to `dest` is delivered, and new bytes pass again."""
        link = self.link(source, dest)
        link.dark = False
        for sender in link.senders:
            sender.deliver_late()

    def cut(self, one: str, other: str) -> None:
        """Break every stream between the two; new ones may be made at once."""
        for link in (self.link(one, other), self.link(other, one)):
            senders, link.senders = link.senders, []
            for sender in senders:
                sender.cut()

    def listen(self, place: str) -> "MemoryListener":
        """Listen at `place`. Raises `TransportError` with the stage `find` if another does."""
        if place in self._listeners:
            raise TransportError("find", "another listens there already", f"memory:{place}")
        listener = self._listeners[place] = MemoryListener(place, self._listeners)
        return listener

    async def connect(self, source: str, dest: str) -> Stream:
        """A stream from `source` to the listener at `dest`.

        Raises `TransportError`: stage `find` when nobody listens, `tcp` when no answer came in time.
        """
        there, back = self.link(source, dest), self.link(dest, source)
        lost = there.lost_attempts > 0
        there.lost_attempts -= lost
        if lost or there.dark or back.dark:
            await there.wait(CONNECT_TIMEOUT)
            raise TransportError("tcp", "no answer came", f"memory:{dest} within {CONNECT_TIMEOUT:g} s")
        await there.wait(there.delay)
        listener = self._listeners.get(dest)
        if not listener:
            raise TransportError("find", "nobody listens there", f"memory:{dest}")
        near, far = pair(there, back, (source, dest))
        listener.queue.put_nowait(far)
        await back.wait(back.delay)
        return near


class MemoryListener(Listener):
    """Listens at one place of a network."""

    def __init__(self, place: str, listeners: dict[str, "MemoryListener"]) -> None:
        self.address = Address("memory", place)
        self.queue: asyncio.Queue[MemoryStream | None] = asyncio.Queue()  # None: closed
        self._listeners = listeners

    async def accept(self) -> Stream:
        stream = await self.queue.get()
        if not stream:
            self.queue.put_nowait(None)
            raise closed(self.address)
        return stream

    async def close(self) -> None:
        if self._listeners.get(self.address.place) is not self:
            return
        del self._listeners[self.address.place]
        while not self.queue.empty():
            stream = self.queue.get_nowait()
            if stream:
                await stream.close()
        self.queue.put_nowait(None)
