"""Waiting for one thing to happen, from threads and from asyncio alike."""

import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.client import Client

T = TypeVar("T")
Steps = Generator["Waiter", Any, T]
"""A verb written once for both worlds: it yields what to wait for, is sent its value, and returns its own.

`block` runs it in a thread, `drive` as a coroutine.
"""


class Waiter:
    """Something that will happen once, and leave a value or an error.

    Any thread may set it, wait for it or add callbacks; the callbacks run in the thread that sets it.
    """

    __slots__ = ("_callbacks", "_client", "done", "error", "value")

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._callbacks: list[Callable[[Waiter], object]] = []
        self.value: Any = None
        self.error: BaseException | None = None
        self.done = False

    def set(self, value: object = None, error: BaseException | None = None) -> None:
        """It happened. Whoever comes second changes nothing."""
        if not self.done:
            self.value, self.error = value, error
            self.done = True
            self._tell()

    def _tell(self) -> None:
        # Each callback is popped by exactly one thread: the one that set us, or one that came too late
        # to be seen by that and found us done.
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:
                return
            callback(self)

    def add_callback(self, callback: "Callable[[Waiter], object]") -> None:
        """Call `callback(self)` when it happens, at once if it has."""
        self._callbacks.append(callback)
        if self.done:
            self._tell()

    def discard_callback(self, callback: "Callable[[Waiter], object]") -> None:
        """Forget `callback`, if it was not called yet."""
        try:
            self._callbacks.remove(callback)
        except ValueError:
            pass

    def get(self) -> Any:
        """The value, or the error raised; only once it is done."""
        if self.error is not None:
            raise self.error
        return self.value

    def wait(self, timeout: float | None = None) -> bool:
        """Block this thread until it happens; False if `timeout` seconds pass before."""
        if self.done or self._client.role != "program" or running_loop() is None:
            return self.done or self._client.wait(self, timeout)
        from pysh.runtime.runner.guest import raising_interrupts

        with raising_interrupts():
            return self._client.wait(self, timeout)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in the running loop until it happens. What cancels that changes nothing here."""
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        wake = partial(_wake, future)
        leave = self._client.wait_in_loop(loop)
        self.add_callback(wake)
        try:
            yield from future
        finally:
            self.discard_callback(wake)
            leave()


def _wake(future: "asyncio.Future[None]", _: Waiter) -> None:
    loop = future.get_loop()
    if running_loop() is loop:
        _finish(future)
        return
    try:
        loop.call_soon_threadsafe(_finish, future)
    except RuntimeError:
        pass  # the loop was closed: nobody waits any more


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def block(steps: Steps[T], timeout: float | None = None) -> T:
    """Run a verb in this thread. Raises `TimeoutError` if it takes longer than `timeout` seconds."""
    deadline = None if timeout is None else monotonic() + timeout
    try:
        waiter = next(steps)
        while True:
            if not waiter.wait(None if deadline is None else max(0.0, deadline - monotonic())):
                steps.close()
                raise _late(timeout)
            waiter = _resume(steps, waiter)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def drive(steps: Steps[T], timeout: float | None = None) -> Coroutine[Any, Any, T]:
    """Run a verb in the running loop. Raises `TimeoutError` if it takes longer than `timeout` seconds."""
    return _drive(steps) if timeout is None else _drive_within(steps, timeout)


async def _drive(steps: Steps[T]) -> T:
    try:
        waiter = next(steps)
        while True:
            if not waiter.done:
                await waiter
            waiter = _resume(steps, waiter)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _drive_within(steps: Steps[T], timeout: float) -> T:
    import asyncio

    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await _drive(steps)
    except TimeoutError:
        if limit.expired():
            raise _late(timeout) from None
        raise


def _late(timeout: float | None) -> TimeoutError:
    return TimeoutError(f"nothing came within {timeout:g} s")


def _resume(steps: Steps[T], waiter: Waiter) -> Waiter:
    return steps.send(waiter.value) if waiter.error is None else steps.throw(waiter.error)


_COROUTINE = 0x80 | 0x200  # inspect.CO_COROUTINE | CO_ASYNC_GENERATOR; inspect takes long to import


_BODY = ("<module>", "<cell line")
"""How the name of a body begins, that of a file or cell; the second in some versions of IPython."""


def refuse_to_block(verb: str, instead: str = "") -> None:
    """Raise `BlockingCall` where blocking would stop an event loop for an `async def` of the user's.

    The body of a cell or file counts as synchronous also where it awaits, or where a loop runs around
    it (Jupyter): so it is an `async def` between here and the nearest `<module>` that counts.
    """
    if not may_block():
        from pysh.runtime.errors import BlockingCall

        raise BlockingCall(verb, instead)


def may_block() -> bool:
    """Whether the code that called us may wait, as `refuse_to_block` has it."""
    if running_loop() is None:
        return True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_code.co_name.startswith(_BODY):
        if frame.f_code.co_flags & _COROUTINE:
            return False
        frame = frame.f_back
    return True


def running_loop() -> "asyncio.AbstractEventLoop | None":
    """The loop that runs in this thread, without importing asyncio to find out."""
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None
