"""Code for workers to run: what well-behaved jobs do, and what the others do."""

import asyncio
import ctypes
import faulthandler
import mmap
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import Any, NoReturn

# ruff: noqa: PTH109, PTH115
# What jobs see is asked of the system itself.

FOR_EVER = 60
CROWD = 60
CHILD = f"import os, time; print(os.getpid(), flush=True); time.sleep({FOR_EVER})"
STUBBORN = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; " + CHILD
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], start_new_session=True)"


def sleep() -> None:
    print("asleep", flush=True)
    time.sleep(FOR_EVER)


def work_through(seconds: float) -> str:
    """Runs and sleeps by turns, for about that long."""
    for _ in range(20):
        time.sleep(seconds / 20)
    return "done"


def sleep_until_told(tidied: str) -> None:
    """Ends as a Ctrl-C ends it, and takes its leave."""
    try:
        sleep()
    except Exception:
        print("swallowed", flush=True)
    finally:
        print(tidied, flush=True)


def swallow() -> str:
    """Does not let itself be cancelled, and returns."""
    try:
        sleep()
    except BaseException as error:
        return type(error).__name__
    return "never"


def spin_deaf() -> None:
    """Ends for nothing but SIGKILL."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("spinning", flush=True)
    while True:
        pass


def hold_the_gil() -> None:
    """One call of C code that no signal handler of Python's can interrupt."""
    print("matching", flush=True)
    re.match("(a+)+b", "a" * 40)


def crash() -> None:
    faulthandler.is_enabled()
    ctypes.string_at(0)


def leave(code: int) -> NoReturn:
    os._exit(code)


def call_exit(code: Any) -> NoReturn:
    sys.exit(code)


def interrupt_oneself() -> NoReturn:
    raise KeyboardInterrupt


def start_children() -> list[int]:
    """A child in our group, one in a session of its own, and one whose parent is gone; none minds a signal."""
    ours, far, orphan = _start(STUBBORN), _start(STUBBORN, start_new_session=True), _start(PARENT)
    orphan[1].wait()
    return [pid for pid, _ in (ours, far, orphan)]


def _start(code: str, **options: Any) -> "tuple[int, subprocess.Popen[bytes]]":
    """The pid that a program prints, and the program."""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, **options)
    assert child.stdout is not None
    return int(child.stdout.readline()), child


def start_children_and_sleep() -> None:
    print("children", *start_children(), flush=True)
    sleep()


def start_children_and_crash() -> None:
    print("children", *start_children(), flush=True)
    crash()


def breed() -> None:
    """Leaves a crowd in its process group, every one of which doubles itself as long as there is room."""
    room = mmap.mmap(-1, 8)
    while room[0] < CROWD:
        room[0] += 1
        os.fork()
    os.write(1, b"%d\n" % os.getpid())
    time.sleep(FOR_EVER)


def hop() -> None:
    """Leaves what has another pid, and another session, each time it is looked at."""
    if not os.fork():
        until = time.monotonic() + 5  # should it not be caught, it shall not hop for ever
        while time.monotonic() < until:
            if os.fork():
                os._exit(0)
            os.setsid()
        os._exit(0)
    leave(3)


def flood() -> None:
    line = "x" * 1000
    while True:
        print(line)


def fork_and_return() -> int:
    """Comes back twice."""
    child = os.fork()
    print(f"{'parent' if child else 'child'} {os.getpid()}")
    if child:
        os.waitpid(child, 0)
    return child


def fork_and_raise() -> bool:
    child = os.fork()
    if not child:
        raise RuntimeError("in the fork")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def leave_a_thread() -> str:
    threading.Thread(target=time.sleep, args=(FOR_EVER,)).start()
    return "left"


def leave_a_daemon() -> str:
    threading.Thread(target=time.sleep, args=(FOR_EVER,), daemon=True).start()
    return "left"


def make_a_mess() -> int:
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    sys.stdout.close()
    sys.stderr = None
    return os.getpid()


def surroundings() -> dict[str, Any]:
    return {
        "cwd": os.getcwd(),
        "sys_path": sys.path,
        "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "timer": signal.getitimer(signal.ITIMER_REAL)[0],
        "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in _fds()},
        "pid": os.getpid(),
        "pgid": os.getpgrp(),
        "ppid": os.getppid(),
        "argv": sys.argv,
        "terminal": _has_terminal(),
        "oom": int(open("/proc/self/oom_score_adj").read()),
        "faulthandler": faulthandler.is_enabled(),
    }


def _fds() -> list[int]:
    found = []
    for fd in range(256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True


def ask() -> str:
    return input("your name: ")


def read_stdin() -> str:
    return sys.stdin.read()


def draw() -> float:
    import random

    return random.random()


async def nap() -> None:
    print("asleep", flush=True)
    await asyncio.sleep(FOR_EVER)


async def nap_until_told() -> None:
    try:
        await nap()
    except asyncio.CancelledError:
        print("tidied")
        raise


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("async")


async def cancel_oneself() -> None:
    raise asyncio.CancelledError


class Untellable(Exception):
    """Raises even when it is looked at."""

    def __str__(self) -> str:
        sys.exit(9)


def raise_untellable() -> None:
    raise Untellable


class Hidden(Exception):
    """Has no frames to show."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("not mine")


def raise_hidden() -> None:
    raise Hidden


class SlowToLoad:
    """Takes for ever to be unpickled."""

    def __reduce__(self) -> Any:
        return sleep, ()
