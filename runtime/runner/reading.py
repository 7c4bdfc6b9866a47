"""Who reads from the hub: one thread at a time, the leader; all others sleep until it tells them something.

Whichever thread waits for something reads for itself, as handing an answer from thread to thread costs
as much as a hop to another process. In an evaluator or a program a thread that does nothing else reads
while nobody waits; under a loop that somebody awaits in, that loop does in passing.
"""

import math
import select
import signal
import socket
import threading
from _thread import LockType, allocate_lock, get_ident
from collections.abc import Callable
from time import monotonic, sleep
from types import FrameType
from typing import TYPE_CHECKING

from pysh.runtime import system
from pysh.runtime.runner.outbox import Outbox
from pysh.runtime.runner.waiting import Waiter, running_loop

if TYPE_CHECKING:
    import asyncio

LEAST, MOST = 16 * 1024, 256 * 1024
"""How many bytes are read at once: the more, the more there were. A large buffer is mapped anew each time."""
REST = 0.002
"""Seconds in which no thread may have begun to wait before the one that does nothing else reads again."""
LINGER = 0.001
"""Seconds after which what was held back is sent, if nothing else was."""
DAY = 86400.0
SIGINT = int(signal.SIGINT)
UNSEEN = 0.5
"""Seconds that the main thread sleeps at most: Python sees a signal that came just before only after it."""


class Reading:
    """The reading half of a runner's socket, and the waiting for what it brings.

    `received` is called in the thread that reads, where nothing may wait: with bytes as they come, with
    none at the end of the stream, and with None when there may be something else to do.
    """

    def __init__(self, sock: socket.socket, outbox: Outbox, received: Callable[[bytes | None], object]) -> None:
        self.received = received
        self.over = False
        """Nothing more will come, and nobody waits any more."""
        self.shielded = False
        """Whether the main thread must not be interrupted now. A SIGINT handler that finds this set sets
        `interrupt_pending` and returns; the signal is raised again as soon as may be."""
        self.interrupt_pending = False
        self._sock = sock
        self._outbox = outbox
        self._size = LEAST
        self._main = threading.main_thread().ident
        self._turn = allocate_lock()
        self._turns = 0
        self._leader: int | None = None
        self._standby: int | None = None
        self._wanted = False
        self.shields = False
        """Whether the SIGINT handler of this process knows of `shielded`."""
        self._followers: list[Callable[[], object]] = []
        self._watchers: list[Callable[[], object]] = []
        self._loops: dict[asyncio.AbstractEventLoop, int] = {}
        self._alarm, self._bell = socket.socketpair()
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        self._senders: set[asyncio.AbstractEventLoop] = set()
        self._rung = False
        self._lingers = False
        self._events = select.POLLIN
        self._poll = select.poll()
        self._poll.register(sock, self._events)
        self._poll.register(self._alarm, select.POLLIN)

    @property
    def busy(self) -> bool:
        """Whether some thread reads."""
        return self._leader is not None

    @property
    def threaded(self) -> bool:
        """Whether there is a thread that does nothing but read."""
        return self._standby is not None

    @property
    def leading(self) -> bool:
        """Whether this thread is the one that reads."""
        return self._leader == get_ident()

    @property
    def may_wait(self) -> bool:
        """Whether this thread may block: it neither reads, nor runs a loop that does."""
        return not self.leading and (self.threaded or running_loop() is None)

    def start_thread(self) -> None:
        """Read in a thread of its own from now on, while nobody waits."""
        thread = threading.Thread(target=self._stand_by, name="pysh-reader", daemon=True)
        thread.start()
        self._standby = thread.ident

    def _stand_by(self) -> None:
        while not self.over:
            self._turn.acquire()
            self._wanted = False
            try:
                self._lead(lambda: self._wanted, math.inf)
            finally:
                self._retire()
            self._rest()

    def _rest(self) -> None:
        """Leave the reading to others as long as one after the other waits; one that waits long is waited for."""
        turns = -1
        while turns != self._turns and not self.over:
            turns = self._turns
            sleep(REST)

    def close(self, *, forked: bool = False) -> None:
        """End every wait, from any thread. In a forked child the descriptors are closed and no more."""
        self.over = True
        if forked or self._leader is None:
            self._shut()
        if not forked:
            self.ring()
            _tell(self._followers)

    def _shut(self) -> None:
        for sock in (self._sock, self._bell, self._alarm):
            sock.close()

    # waiting

    def drive(self, done: Callable[[], bool], timeout: float | None, waiter: Waiter | None = None) -> bool:
        """Lead or follow until `done()`, until it is over, or for `timeout` seconds; what `done()` says then.

        1. Who finds nobody reading becomes the leader, and reads until its own wait is over. So does who
           finds the thread that only stands by for that, which gives its turn away when asked.
        2. Everybody else sleeps on a lock of its own, which is released when `waiter` is set (or, without
           one, after each turn of the leader).
        3. A leader that leaves releases the locks of all: one of them leads next, the others sleep on.
        """
        me = get_ident()
        if self._leader == me:
            raise RuntimeError("what reads from the hub must not wait for it: hand this to another thread")
        deadline = math.inf if timeout is None else monotonic() + timeout
        lock = allocate_lock()

        def told(_: object = None) -> None:
            if self._leader != me:
                _release(lock)
            elif get_ident() != me:
                self.ring()

        if waiter is not None:
            waiter.add_callback(told)
        else:
            self._watchers.append(told)
        self._followers.append(told)
        shield = me == self._main and self._may_shield()
        try:
            self._await(done, deadline, lock, shield)
        finally:
            if waiter is not None:
                waiter.discard_callback(told)
            else:
                self._watchers.remove(told)
            self._followers.remove(told)
            if shield:
                self._end_shield()
        return done()

    def _may_shield(self) -> bool:
        """Whether SIGINT can be kept from tearing what the main thread reads: its handler must know of it.

        Python's own handler is replaced meanwhile by one that does; a handler of the user's is left alone.
        """
        if not self.threaded or self.shields:
            return True
        handler = system.handler_of(SIGINT)
        if handler is signal.default_int_handler:
            system.set_handler(SIGINT, self._interrupted)
            return True
        return bool(handler == self._interrupted)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.shielded:
            self.interrupt_pending = True
        else:
            signal.default_int_handler(number, frame)

    def _end_shield(self) -> None:
        if self.threaded and not self.shields and system.handler_of(SIGINT) == self._interrupted:
            system.set_handler(SIGINT, signal.default_int_handler)
        self._unshield()

    def _await(self, done: Callable[[], bool], deadline: float, lock: LockType, shield: bool) -> None:
        able = shield or get_ident() != self._main
        while not (done() or self.over):
            if shield:
                self.shielded = True
            # Locked before it is asked who leads, so that no word from then on is missed.
            lock.acquire(blocking=False)
            if not (able and self._led(done, deadline)):
                self._follow(lock, done, deadline)
            if monotonic() >= deadline:
                return

    def _led(self, done: Callable[[], bool], deadline: float) -> bool:
        """Lead, if nobody else does who waits for something."""
        if not self._take_turn():
            return False
        self._turns += 1
        try:
            self._lead(done, deadline)
        finally:
            self._retire()
        return True

    def _take_turn(self) -> bool:
        if self._leader is None:
            return self._turn.acquire(blocking=False)
        if self._leader != self._standby:
            return False
        self._wanted = True
        self.ring()
        return self._turn.acquire(timeout=REST)

    def _retire(self) -> None:
        self._leader = None
        self._turn.release()
        if self.over and not self._loops:
            self._shut()
        _tell(self._followers)

    def _follow(self, lock: LockType, done: Callable[[], bool], deadline: float) -> None:
        if get_ident() == self._main and self.shielded:
            self._unshield()
        if not (done() or self.over):
            longest = UNSEEN if get_ident() == self._main else DAY
            lock.acquire(timeout=max(0.0, min(deadline - monotonic(), longest)))

    def _unshield(self) -> None:
        self.shielded = False
        if self.interrupt_pending:
            self.interrupt_pending = False
            signal.raise_signal(signal.SIGINT)

    def ring(self) -> None:
        """Have the leader look up: there is something to write, or to see."""
        if not self._rung:
            self._rung = True
            try:
                self._bell.send(b"\0")
            except OSError:
                pass  # everything is over

    def linger(self) -> None:
        """Have the leader send what is held back, after `LINGER`."""
        if not self._lingers:
            self._lingers = True
            self.ring()

    # leading

    def _lead(self, done: Callable[[], bool], deadline: float) -> None:
        self._leader = get_ident()
        self.received(None)  # what was left to be done is done before the first sleep
        while not (done() or self.over):
            left = max(0.0, deadline - monotonic())
            self.received(self._read() if self._sleep(left) else None)
            _tell(self._watchers)
            if not left:
                return

    def _sleep(self, seconds: float) -> bool:
        """Wait for bytes, for room to write, or for the bell; whether there is something to read."""
        events = select.POLLIN if self._outbox.empty else select.POLLIN | select.POLLOUT
        if events != self._events:
            self._events = events
            self._poll.modify(self._sock, events)
        seconds = min(seconds, LINGER if self._outbox.held else DAY)
        readable = self._woken(self._wait(math.ceil(seconds * 1000)))
        if self._lingers and not (readable or self._wanted or self.over):
            readable = self._woken(self._wait(math.ceil(LINGER * 1000)))
        self._lingers = False
        return readable

    def _woken(self, ready: list[tuple[int, int]]) -> bool:
        """Hear the bell; whether there is something to read."""
        for fd, event in ready:
            if fd == self._alarm.fileno():
                self._alarm.recv(16)
                self._rung = False
            elif event != select.POLLOUT:
                return True
        return False

    def _wait(self, milliseconds: int) -> list[tuple[int, int]]:
        if not self.shielded or get_ident() != self._main:
            return self._poll.poll(milliseconds)
        try:
            self._unshield()
            # Here, and only here, may a leader be interrupted.
            return self._poll.poll(min(milliseconds, int(UNSEEN * 1000)))
        finally:
            self.shielded = True

    def _read(self) -> bytes | None:
        try:
            data = self._sock.recv(self._size)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self._size = MOST if len(data) == self._size else LEAST
        return data

    # loops

    def join_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Read in `loop`, too, which runs in this thread, until `leave_loop` was called as often."""
        if self.threaded or self.over:
            return
        self._loops[loop] = self._loops.get(loop, 0) + 1
        if self._loops[loop] == 1:
            loop.add_reader(self._sock, self._in_loop, loop)
            loop.call_soon(self._in_loop, loop)  # what was read already does not make it readable

    def leave_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        """The end of `join_loop`."""
        if loop in self._loops:
            self._loops[loop] -= 1
            if not self._loops[loop]:
                self._drop_loop(loop)

    def _drop_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        del self._loops[loop]
        try:
            loop.remove_reader(self._sock)
            loop.remove_writer(self._sock)
        except ValueError:
            pass  # it was closed

    def write_out(self, most: int) -> None:
        """Write until at most `most` bytes wait, and wait for the hub to read them; it always does."""
        try:
            while self._outbox.size > most and not self.over:
                select.select([], [self._sock], [])
                self._outbox.advance()
        except OSError:
            pass  # its end is noticed where it is read

    def send_in_loop(self) -> None:
        """Have the loop that runs in this thread send what waits, until all is sent."""
        loop = running_loop()
        if loop is None:
            return
        if loop not in self._senders:
            self._senders.add(loop)
            self.join_loop(loop)
        loop.call_soon(self._in_loop, loop)

    def _in_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        mine = get_ident() == self._main
        if mine:
            self.shielded = True
        try:
            if not self._turn.acquire(blocking=False):
                return  # a thread of the same process reads
            try:
                self._leader = get_ident()
                self.received(self._read())
            finally:
                self._retire()
            if self.over and loop in self._loops:
                self._drop_loop(loop)
                self._shut()
            elif loop in self._loops:
                self._watch_room(loop)
        finally:
            if mine:
                self._unshield()

    def _watch_room(self, loop: "asyncio.AbstractEventLoop") -> None:
        if self._outbox.empty:
            loop.remove_writer(self._sock)
        else:
            loop.add_writer(self._sock, self._in_loop, loop)
        if self._outbox.held:
            loop.call_later(LINGER, self._in_loop, loop)
        if loop in self._senders and not self._outbox.size:
            self._senders.discard(loop)
            self.leave_loop(loop)


def _tell(whom: list[Callable[[], object]]) -> None:
    for told in list(whom):
        told()


def _release(lock: LockType) -> None:
    try:
        lock.release()
    except RuntimeError:
        pass  # somebody else was faster
