"""Values that do not want to travel, or to arrive."""

import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.hostile.program import dies, ended, killed, raises, returns

LIMIT = 8 << 20
"""Bytes that a value may take here."""


class Reduced:
    """Pickles as a call, made where it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class Raising:
    """Raises where it is pickled."""

    def __reduce__(self) -> Any:
        raise ZeroDivisionError("not me")


class Spinning:
    """Is never pickled."""

    def __reduce__(self) -> Any:
        while True:
            pass


class Leaving:
    """Ends whoever pickles it."""

    def __reduce__(self) -> Any:
        os._exit(12)


class Exiting:
    """Asks to end, where it is pickled."""

    def __reduce__(self) -> Any:
        sys.exit(13)


class Lasting:
    """Is never given up."""

    def __reduce__(self) -> Any:
        return int, (7,)

    def __del__(self) -> None:
        while True:
            pass


class Changing:
    """Is another class whenever it is asked."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("who asks?")


def give(kind: str) -> Any:
    """A value of one of these kinds."""
    return getattr(sys.modules[__name__], kind)()


def Lock() -> Any:
    """What no pickle can hold."""
    return {"inside": [threading.Lock()]}


def Generator() -> Iterator[int]:
    """What has only begun."""
    return iter(number for number in range(3))


async def _endless() -> AsyncIterator[int]:
    yield 1


def AsyncGenerator() -> Any:
    """What needs a loop, and is none of a coroutine's."""
    return _endless()


def Frame() -> Any:
    """Where it runs."""
    return sys._getframe()


def Nested() -> Any:
    """A list in a list in a list."""
    value: Any = None
    for _ in range(200_000):
        value = [value]
    return value


def Huge() -> bytes:
    """More than a value may take."""
    return bytes(LIMIT + 1)


def Large() -> int:
    """As much as it may take."""
    return bytes(LIMIT - 4096)  # type: ignore[return-value]


def UnreadableThere() -> Any:
    """Fails where it arrives."""
    return Reduced(int, "x")


def ExitsThere() -> Any:
    """Asks whoever reads it to end."""
    return Reduced(sys.exit, 14)


def InterruptsThere() -> Any:
    """As a Ctrl-C of nobody's."""
    return Reduced(_interrupt)


def _interrupt() -> None:
    raise KeyboardInterrupt


def Coroutine() -> Any:
    """Which turns out to give a coroutine, and so on."""

    async def again() -> Any:
        return again()

    return again()


def length(_value: Any) -> int:
    """Is never called: its argument ends the call."""
    return 1


def _spin() -> None:
    while True:
        pass


PROGRAMS = (
    ended("returns a lock", give, raises("NotSendable", executed="yes", path="result['inside'][0]"), args=("Lock",)),
    ended("returns a generator", give, raises("NotSendable", executed="yes"), args=("Generator",)),
    ended("returns an asynchronous generator", give, raises("NotSendable"), args=("AsyncGenerator",)),
    ended("returns its frame", give, raises("NotSendable"), args=("Frame",)),
    ended("returns a coroutine of coroutines", give, raises("NotSendable"), args=("Coroutine",)),
    ended("returns what raises when it is pickled", give, raises("NotSendable", executed="yes"), args=("Raising",)),
    killed("returns what is never pickled", give, args=("Spinning",)),
    ended("returns what ends its pickler", give, dies(status=12), args=("Leaving",)),
    ended("returns what exits when it is pickled", give, raises("RemoteError", type="SystemExit"), args=("Exiting",)),
    killed("returns what is never given up", give, args=("Lasting",)),
    ended("returns what has no class", give, raises("NotSendable"), raises("RuntimeError"), args=("Changing",)),
    ended("returns a list in lists", give, raises("NotSendable", executed="yes"), args=("Nested",)),
    ended("returns too much", give, raises("NotSendable", limit=LIMIT, executed="yes"), args=("Huge",)),
    ended("returns much", give, returns(repr(bytes(200))[:200]), args=("Large",)),
    ended("returns what cannot be read", give, raises("ValueError"), args=("UnreadableThere",)),
    ended("returns what ends its reader", give, raises("RemoteError", type="SystemExit"), args=("ExitsThere",)),
    ended(
        "returns what interrupts its reader",
        give,
        raises("raised KeyboardInterrupt"),  # which nobody can tell from the user's own
        args=("InterruptsThere",),
    ),
    ended("is sent what ends its worker", length, dies(status=15), args=(Reduced(os._exit, 15),)),
    ended(
        "is sent what cannot be read",
        length,
        raises("NotSendable", path="arguments", executed="no"),
        args=(Reduced(int, "x"),),
    ),
    ended("is sent what exits", length, raises("RemoteError", type="SystemExit"), args=(Reduced(sys.exit, 16),)),
    killed("is sent what is never read", length, args=(Reduced(_spin),), executed="no"),
)
