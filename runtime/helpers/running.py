"""`run`: a coroutine to its end, from synchronous code."""

from collections.abc import Awaitable
from contextlib import nullcontext, suppress
from typing import Any

from pysh.runtime.errors import BlockingCall
from pysh.runtime.runner import inside
from pysh.runtime.runner.guest import raising_interrupts
from pysh.runtime.runner.waiting import may_block, running_loop


def run(coro: Awaitable[Any]) -> Any:
    """Run a coroutine, or what else can be awaited, to its end; what it returns. `asyncio.run`, also at a prompt.

    Where a loop runs, as at the prompt, it has a loop and a thread of its own, and the tasks of the other loop pause
    meanwhile; so `await main()` is better where `await` may stand. Ctrl-C cancels it. Raises what it raises,
    `TypeError` for what cannot be awaited, and `BlockingCall` in an `async def`.
    """
    if not hasattr(type(coro), "__await__"):
        text = getattr(coro, "__name__", "main") if callable(coro) else "main"
        raise TypeError(f"run() takes a coroutine, as run({text}()) has it, not {type(coro).__name__}; nothing was run")
    if not may_block():
        _close(coro)
        raise BlockingCall("run", "await main()")
    return _run(coro) if running_loop() is None else _Beside(coro).end()


def _close(coro: Any) -> None:
    """Spare a coroutine that nobody awaits its warning."""
    if hasattr(type(coro), "cr_frame"):
        coro.close()


def _run(coro: Awaitable[Any]) -> Any:
    import asyncio

    return asyncio.run(_awaited(coro))


async def _awaited(coro: Awaitable[Any]) -> Any:
    return await coro


class _Beside:
    """A coroutine in a thread and a loop of its own, with the context of whoever waits for it."""

    def __init__(self, coro: Awaitable[Any]) -> None:
        import asyncio
        from concurrent.futures import Future
        from contextvars import copy_context
        from threading import Thread

        self._coro = coro
        self._future: Future[Any] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._thread = Thread(target=copy_context().run, args=(self._main,), name="pysh run", daemon=True)

    def _main(self) -> None:
        import asyncio

        try:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                self._loop = runner.get_loop()
                value = runner.run(self._body())
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(value)

    async def _body(self) -> Any:
        import asyncio

        self._task = asyncio.current_task()
        if self._cancelled:
            _close(self._coro)
            raise asyncio.CancelledError
        return await self._coro

    def end(self) -> Any:
        """Run it to its end, which Ctrl-C brings about; a second one does not wait for that."""
        with raising_interrupts() if inside.here is None else nullcontext():
            try:
                self._thread.start()
                return self._future.result()
            except KeyboardInterrupt:
                self._cancelled = True
                if (loop := self._loop) is not None:
                    with suppress(RuntimeError):  # it is over, and so is its loop
                        loop.call_soon_threadsafe(self._cancel)
                if self._thread.is_alive():
                    self._thread.join()
                raise

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
