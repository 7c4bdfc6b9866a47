"""What a user waits for: a first prompt, a one-liner, a one-liner that calls another node."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pyte

from benchmarks.alone import PYSH, alone
from benchmarks.erlang import IEX

DEADLINE = 20.0


@contextmanager
def calculated(command: list[str], environ: dict[str, str]) -> Iterator[float]:
    """A shell that was asked `2+2` at its first byte: milliseconds from exec until `4` stood on a line alone.

    The screen is one of pyte's. The shell is hung up at the end.
    """
    screen = pyte.Screen(100, 30)
    stream = pyte.ByteStream(screen)
    start = time.perf_counter()
    pid, fd = pty.fork()
    if not pid:
        os.execvpe(command[0], command, environ)
    try:
        _until_shown(fd, stream, lambda: any(line.strip() == "4" for line in screen.display))
        yield (time.perf_counter() - start) * 1000
    finally:
        with suppress(OSError):
            os.close(fd)  # hangs up, which ends it
        os.waitpid(pid, 0)


def _until_shown(fd: int, stream: pyte.ByteStream, shown: Callable[[], bool]) -> None:
    until = time.perf_counter() + DEADLINE
    asked = False
    while not shown():
        if time.perf_counter() > until:
            raise TimeoutError("the shell did not calculate")
        if select.select([fd], [], [], 0.5)[0]:
            stream.feed(os.read(fd, 65536))
            if not asked:
                asked = True
                os.write(fd, b"2+2\r")


def prompt_of_pysh() -> float:
    """A shell on a new node."""
    with alone() as environ:
        command = [PYSH, "--name", "bench@localhost", "--cookie", "bench", "--rm"]
        with calculated(command, environ | {"TERM": "xterm"}) as milliseconds:
            return milliseconds


def prompt_of_iex() -> float:
    """A shell on a new node, too."""
    with calculated(IEX, {**os.environ, "TERM": "xterm"}) as milliseconds:
        return milliseconds


def milliseconds(command: list[str], environ: dict[str, str]) -> float:
    """How long a command runs."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    return (time.perf_counter() - start) * 1000


def one_liner() -> float:
    """No node needed, none started."""
    with alone() as environ:
        return milliseconds([PYSH, "-c", "print(1)"], environ)


def one_liner_with_call() -> float:
    """A node of its own, a connection, a call, and all of it gone."""
    with alone() as environ:
        there = [PYSH, "node", "--name", "there@localhost", "--cookie", "bench", "--detach"]
        subprocess.run(there, check=True, env=environ, stdout=subprocess.DEVNULL)
        code = "connect('there@localhost'); print(call(lambda: 6 * 7, on='there@localhost'))"
        taken = milliseconds([PYSH, "--cookie", "bench", "-c", code], environ)
        subprocess.run([PYSH, "stop", "there@localhost", "--cookie", "bench"], check=True, env=environ)
        return taken
