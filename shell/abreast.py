"""Something done for many hosts at once, over one carrier, and told as if it had been done for one after the other.

Each is done in a thread. What it prints is held back until all before it in the set are done; what an SSH server asks
a person is asked in the main thread, one question at a time.
"""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TextIO

from pysh.shell.way import ask_here, mine, start_carrier

if TYPE_CHECKING:
    from pysh.transports.asking import Question
    from pysh.transports.tunnels import Carrier, Connection

AT_ONCE = 16
"""So many hosts at a time: a login takes some processor time of ours, too."""
LOOK = 0.1
"""Seconds after which a Ctrl-C is seen that came in the instant before a wait, and did not end it."""
LAST_SECONDS = 1.0
"""How long those who act may take to end, after a Ctrl-C."""


class Done:
    """What was done for one: its exit code or what it raised, and what it printed."""

    def __init__(self, one: str) -> None:
        self.one = one
        self.outcome: Future[int] = Future()
        self.printed: list[tuple[bool, str]] = []  # whether it was an error, and the text

    def show(self) -> None:
        """Print it."""
        for is_error, text in self.printed:
            stream = sys.stderr if is_error else sys.stdout
            if stream is not None:
                stream.write(text)
                stream.flush()


class Abreast:
    """One loop, in a thread of its own, and one carrier for all who act."""

    def __init__(self) -> None:
        self.interrupts: dict[int, Callable[[], object]] = {}
        self._todo: SimpleQueue[Callable[[], None]] = SimpleQueue()  # for who waits
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._carrier: Carrier | None = None
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="pysh-abreast", daemon=True)
        self._thread.start()

    # what a machine is reached by

    @property
    def carrier(self) -> "Carrier":
        """Started by the first who goes to another machine."""
        with self._lock:
            if self._carrier is None:
                self._carrier = self.run(start_carrier())
            return self._carrier

    def run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        """What comes of `steps`."""
        if self._loop.is_closed():
            steps.close()
            raise InterruptedError("nobody waits for it any more")
        return asyncio.run_coroutine_threadsafe(steps, self._loop).result()

    async def ask(self, destination: str, question: "Question") -> str | None:
        """Have it asked by the thread that waits for all."""
        answer: Future[str | None] = Future()
        self._todo.put(lambda: _settle(answer, lambda: ask_here(destination, question)))
        return await asyncio.wrap_future(answer)

    def release(self, connection: "Connection | None") -> None:
        """Give a connection back."""
        if connection is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(connection.close)

    # what is done

    def each(self, names: Iterable[str], act: Callable[[str], int]) -> Iterator[Done]:
        """Do `act` for all, `AT_ONCE` at a time; what came of each, in their order."""
        todo = [Done(one) for one in names]
        ahead = deque(todo)
        for _ in range(min(AT_ONCE, len(todo))):
            self._workers.append(threading.Thread(target=self._work, args=(ahead, act), daemon=True))
            self._workers[-1].start()
        for done in todo:
            while not done.outcome.done():
                with suppress(Empty):
                    self._todo.get(timeout=LOOK)()
            yield done

    def _work(self, ahead: deque[Done], act: Callable[[str], int]) -> None:
        mine.way = self
        with suppress(IndexError):
            while not self._closed:
                done = ahead.popleft()
                mine.printed = done.printed
                _settle(done.outcome, lambda done=done: act(done.one))  # type: ignore[misc]
                self._todo.put(lambda: None)

    def interrupt(self) -> None:
        """Have what runs elsewhere know that nobody waits any more."""
        for tell in list(self.interrupts.values()):
            with suppress(Exception):
                tell()

    def close(self) -> None:
        """End the carrier and what waits for it; what is printed until then is held back."""
        self._closed = True
        self.run(self._end())
        until = time.monotonic() + LAST_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        if self._carrier is not None:
            await self._carrier.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def each(names: Iterable[str], act: Callable[[str], int]) -> Iterator[Done]:
    """Do `act` for all of `names` side by side; what came of each in their order, and what it printed is printed."""
    abreast = Abreast()
    with redirect_stdout(_Held(sys.stdout, False)), redirect_stderr(_Held(sys.stderr, True)):
        try:
            for done in abreast.each(names, act):
                done.show()
                yield done
        except KeyboardInterrupt:
            abreast.interrupt()
            raise
        finally:
            abreast.close()


class _Held:
    """A stream that holds back what those threads print."""

    def __init__(self, stream: TextIO, is_error: bool) -> None:
        self._stream, self._is_error = stream, is_error

    def write(self, text: str) -> int:
        if mine.printed is not None:
            mine.printed.append((self._is_error, text))
            return len(text)
        return self._stream.write(text) if self._stream is not None else len(text)

    def flush(self) -> None:
        if mine.printed is None and self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _settle(future: "Future[Any]", act: Callable[[], Any]) -> None:
    try:
        future.set_result(act())
    except BaseException as error:
        future.set_exception(error)
        if isinstance(error, KeyboardInterrupt):
            raise
