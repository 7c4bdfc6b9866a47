"""`run`: coroutines from synchronous code."""

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime.errors import BlockingCall
from pysh.runtime.helpers.running import run
from pysh.runtime.runner import inside

VARIABLE = contextvars.ContextVar("variable", default=0)


async def answer() -> int:
    await asyncio.sleep(0)
    return VARIABLE.get() + 42


def in_a_loop(step: Callable[[], Any]) -> Any:
    """What `step` gives, or raises, as a callback of a loop that runs."""
    told = list[Any]()

    def call() -> None:
        try:
            told.append(step())
        except BaseException as error:
            told.append(error)

    loop = asyncio.new_event_loop()
    try:
        loop.call_soon(call)
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    if isinstance(told[0], BaseException):
        raise told[0]
    return told[0]


def test_a_coroutine_is_run_to_its_end() -> None:
    assert run(answer()) == 42


def test_it_is_run_also_where_a_loop_runs_with_the_same_context() -> None:
    def step() -> Any:
        VARIABLE.set(1)
        return run(answer())

    assert contextvars.copy_context().run(in_a_loop, step) == 43


async def failing() -> None:
    raise LookupError("lost")


def test_what_it_raises_is_raised() -> None:
    for do in (lambda: run(failing()), lambda: in_a_loop(lambda: run(failing()))):
        with pytest.raises(LookupError, match="lost"):
            do()


def test_ctrl_c_cancels_what_runs_beside_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "here", None)
    ended = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        in_a_loop(lambda: run(main()))
    assert ended.wait(10)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_where_its_thread_does_not_begin_no_loop_is_left(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def start(_: threading.Thread) -> None:
        raise error

    def step() -> Any:
        monkeypatch.setattr(threading.Thread, "start", start)
        monkeypatch.setattr(asyncio, "new_event_loop", None)
        with pytest.raises(error):
            run(coroutine)

    coroutine = answer()
    in_a_loop(step)
    coroutine.close()


def test_what_is_no_coroutine_is_refused() -> None:
    with pytest.raises(TypeError, match=r"run\(\) takes a coroutine, as run\(answer\(\)\) has it, not function"):
        run(answer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        run(5)  # type: ignore[arg-type]


async def test_in_an_async_def_one_is_told_to_await() -> None:
    with pytest.raises(BlockingCall, match=r"await main\(\)"):
        run(answer())
