"""What waits for what never comes, and does not want to be woken."""

import asyncio
import fcntl
import os
import signal
import tempfile
import threading
import time
from types import FrameType

from tests.hostile.program import ended, killed, raises

FOR_EVER = 600


def lock_twice() -> None:
    """On itself."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def read_a_pipe() -> None:
    """From a pipe into which nobody writes."""
    read, _write = os.pipe()
    os.read(read, 1)


def lock_a_file_twice() -> None:
    """In the kernel, on a lock that it holds itself."""
    with tempfile.TemporaryFile() as one, open(f"/proc/self/fd/{one.fileno()}", "rb+") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)


def swallow_everything() -> None:
    """Whatever is raised in it."""
    while True:
        try:
            time.sleep(FOR_EVER)
        except BaseException:
            continue


def tidy_for_ever() -> None:
    """Heeds its cancel, and never comes to its end."""
    try:
        time.sleep(FOR_EVER)
    finally:
        time.sleep(FOR_EVER)


def ignore_signals() -> None:
    """All that can be ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(FOR_EVER)


def block_signals() -> None:
    """None of them is delivered at all."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(FOR_EVER)


def take_signals_by_waiting() -> None:
    """They are eaten before anybody is told."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        signal.sigwait(signal.valid_signals())


def _stay(_number: int, _frame: FrameType | None) -> None:
    threading.Event().wait()


def stay_in_a_handler() -> None:
    """The first signal is never over."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stay)
    signal.pause()


def stop_oneself() -> None:
    """Is not even scheduled any more."""
    os.kill(os.getpid(), signal.SIGSTOP)


async def swallow_cancels() -> None:
    """A coroutine that goes on."""
    while True:
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            continue


async def block_the_loop() -> None:
    """A coroutine that does not await."""
    time.sleep(FOR_EVER)


async def wait_behind_a_shield() -> None:
    """A coroutine whose inner one does not hear of its cancel, and is waited for again."""
    inner = asyncio.ensure_future(asyncio.sleep(FOR_EVER))
    while True:
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError:
            continue


async def never_stop_iterating() -> None:
    """A coroutine that keeps the loop as busy as it can."""
    while True:
        await asyncio.sleep(0)


def ask_somebody() -> str:
    """Nobody is there."""
    return input("your name: ")


PROGRAMS = (
    killed("locks twice", lock_twice),
    killed("reads an empty pipe", read_a_pipe),
    killed("locks a file twice", lock_a_file_twice),
    killed("swallows everything", swallow_everything),
    killed("tidies for ever", tidy_for_ever),
    killed("ignores signals", ignore_signals),
    killed("blocks signals", block_signals),
    killed("waits for signals and forgets them", take_signals_by_waiting),
    killed("stays in a handler", stay_in_a_handler),
    killed("stops itself", stop_oneself),
    killed("swallows the cancel of its coroutine", swallow_cancels),
    killed("blocks its loop", block_the_loop),
    killed("waits behind a shield", wait_behind_a_shield),
    killed("turns its loop without end", never_stop_iterating),
    ended("asks somebody", ask_somebody, raises("EOFError")),
)
