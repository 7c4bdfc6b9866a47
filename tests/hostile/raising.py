"""Exceptions that do not want to be told."""

import asyncio
import sys
import threading
import time
from typing import Any

from tests.hostile.program import End, Program, ended, killed, raises
from tests.runtime.victims import Untellable


class TwoParts(Exception):
    """Its `__init__` wants more than its `args` have."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Liar(Exception):
    """Comes back as another."""

    def __reduce__(self) -> Any:
        return ValueError, ("another",)


class Holder(Exception):
    """Holds what cannot travel."""

    def __init__(self) -> None:
        super().__init__("held")
        self.lock = threading.Lock()


class Wordless(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Endless(Exception):
    """Has no end of its text."""

    def __str__(self) -> str:
        while True:
            pass


class Nothing(BaseException):
    """No `Exception`."""


class Unlike(Exception):
    """Its text is no text."""

    def __str__(self) -> Any:
        return 5


class Exits(Exception):
    """Ends whoever rebuilds it: the worker tries, before the caller does."""

    def __reduce__(self) -> Any:
        return sys.exit, (17,)


class Untraceable(Exception):
    """Gives no traceback, and takes none."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError

    def with_traceback(self, _tb: Any) -> Any:
        """Nor this way."""
        raise ZeroDivisionError


def raise_one(kind: type[BaseException], *args: Any) -> None:
    """Just that."""
    raise kind(*args)


def raise_a_long_text() -> None:
    """Of four megabytes."""
    raise ValueError("x" * (4 << 20))


def raise_a_chain() -> None:
    """Each because of the one before."""
    error: BaseException = ValueError("the first")
    for number in range(3000):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    raise error


def raise_a_nest() -> None:
    """A group in a group in a group."""
    error: Exception = ValueError("the innermost")
    for _ in range(2000):
        error = ExceptionGroup("outer", [error])
    raise error


def raise_odd_notes() -> None:
    """Notes that are none."""
    error = ValueError("noted")
    error.__notes__ = 5  # type: ignore[assignment]
    raise error


def raise_a_circle() -> None:
    """Each of two is the cause of the other."""
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    raise one


def recurse() -> None:
    """Until Python says so."""
    recurse()


def raise_at_the_last_moment() -> None:
    """From what tidies, over what it tidies after."""
    try:
        raise ValueError("first")
    finally:
        raise KeyboardInterrupt


async def stop_the_loop() -> None:
    """That it runs in."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(600)


async def cancel_oneself() -> None:
    """Nobody else did."""
    raise asyncio.CancelledError


def nested_loop() -> None:
    """A loop of its own, which it is not to be cancelled out of."""

    async def stay() -> None:
        while True:
            try:
                await asyncio.sleep(600)
            except BaseException:
                time.sleep(600)

    asyncio.run(stay())


def _telling(name: str, kind: type[BaseException], *ends: End, args: tuple[Any, ...] = ()) -> Program:
    return ended(name, raise_one, *ends, args=(kind, *args))


PROGRAMS = (
    _telling("raises what wants two arguments", TwoParts, raises("TwoParts", text="3: x"), args=(3, "x")),
    _telling("raises what comes back as another", Liar, raises("RemoteError", type="tests.hostile.raising.Liar")),
    _telling("raises what holds a lock", Holder, raises("RemoteError", text="held")),
    _telling("raises what has no text", Wordless, raises("RemoteError", type="tests.hostile.raising.Wordless")),
    killed("raises what has no end of its text", raise_one, args=(Endless,)),
    _telling("raises what exits when it is told", Untellable, raises("RemoteError", type="Untellable")),
    _telling("raises what is no exception", Nothing, raises("RemoteError", type="tests.hostile.raising.Nothing")),
    _telling("raises what has a number for its text", Unlike, raises("RemoteError")),
    _telling("raises what ends its reader", Exits, raises("RemoteError")),
    _telling("raises what takes no traceback", Untraceable, raises("Untraceable"), raises("RemoteError")),
    _telling("exits", SystemExit, raises("RemoteError", type="SystemExit"), args=(18,)),
    _telling("raises a Ctrl-C", KeyboardInterrupt, raises("RemoteError", type="KeyboardInterrupt")),
    _telling("closes a generator that it is not", GeneratorExit, raises("RemoteError", type="GeneratorExit")),
    _telling("stops an iteration that it is not", StopIteration, raises("RemoteError", type="StopIteration")),
    ended("raises a long text", raise_a_long_text, raises("ValueError", text="x" * 200)),
    ended("raises a chain of thousands", raise_a_chain, raises("ValueError"), raises("RemoteError")),
    ended("raises a nest of thousands", raise_a_nest, raises("ExceptionGroup"), raises("RemoteError")),
    ended("raises odd notes", raise_odd_notes, raises("ValueError"), raises("RemoteError", type="ValueError")),
    ended("raises a circle", raise_a_circle, raises("ValueError", text="one"), raises("RemoteError", text="one")),
    ended("recurses", recurse, raises("RecursionError")),
    ended("raises over what it raises", raise_at_the_last_moment, raises("RemoteError", type="KeyboardInterrupt")),
    ended("stops the loop it runs in", stop_the_loop, raises("RuntimeError"), raises("RemoteError")),
    ended("cancels itself", cancel_oneself, raises("RemoteError")),
    killed("stays in a loop of its own", nested_loop),
)
