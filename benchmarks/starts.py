"""What a user waits for: a first prompt, a one-liner, a one-liner that calls another node."""

import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyte

DEADLINE = 20.0
PYSH = str(Path(sys.executable).with_name("pysh"))


class Measure(NamedTuple):
    """One row; each contestant returns milliseconds."""

    work: str
    title: str
    goal: str
    contestants: dict[str, Callable[[], float]]


def until_shown(command: list[str], typed: bytes, wanted: str, environ: dict[str, str]) -> float:
    """Milliseconds from exec until `wanted` stands alone on a line of the screen, `typed` at the first byte."""
    screen = pyte.Screen(100, 30)
    stream = pyte.ByteStream(screen)
    start = time.perf_counter()
    pid, fd = pty.fork()
    if not pid:
        os.execvpe(command[0], command, environ)
    try:
        sent = False
        while time.perf_counter() - start < DEADLINE:
            if select.select([fd], [], [], 0.5)[0]:
                stream.feed(os.read(fd, 65536))
                if not sent:
                    sent = True
                    os.write(fd, typed)
                if any(line.strip() == wanted for line in screen.display):
                    return (time.perf_counter() - start) * 1000
        raise TimeoutError(f"{command[0]} showed no {wanted!r}:\n" + "\n".join(screen.display))
    finally:
        with suppress(OSError):
            os.close(fd)  # hangs up, which ends it
        os.waitpid(pid, 0)


def prompt_of_pysh() -> float:
    """A shell on a new node."""
    with tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        environ = {
            **os.environ,
            "PYSH_RUNTIME_DIR": folder,
            "TERM": "xterm",
            "HOME": os.environ.get("HOME", folder),
        }
        command = [PYSH, "--name", "bench@localhost", "--cookie", "bench", "--rm"]
        taken = until_shown(command, b"2+2\r", "4", environ)
        gone(folder)
        return taken


def prompt_of_iex() -> float:
    """A shell on a new node, too."""
    environ = {**os.environ, "TERM": "xterm"}
    return until_shown(["iex", "--sname", f"bench{os.getpid()}", "--cookie", "bench"], b"2+2\r", "4", environ)


def gone(folder: str) -> None:
    """Wait until the node of `folder` has ended."""
    until = time.monotonic() + DEADLINE
    while any(Path(folder).glob("*.sock")) and time.monotonic() < until:
        time.sleep(0.005)


def milliseconds(command: list[str], environ: dict[str, str] | None = None) -> float:
    """How long a command runs."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    return (time.perf_counter() - start) * 1000


def one_liner() -> float:
    """No node needed, none started."""
    return milliseconds([PYSH, "-c", "print(1)"])


def one_liner_with_call() -> float:
    """A node of its own, a connection, a call, and all of it gone."""
    with tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        environ = {**os.environ, "PYSH_RUNTIME_DIR": folder}
        there = [PYSH, "node", "--name", "there@localhost", "--cookie", "bench", "--detach"]
        subprocess.run(there, check=True, env=environ)
        code = "connect('there@localhost'); print(call(lambda: 6 * 7, on='there@localhost'))"
        taken = milliseconds([PYSH, "--cookie", "bench", "-c", code], environ)
        subprocess.run([PYSH, "stop", "there@localhost", "--cookie", "bench"], check=True, env=environ)
        return taken


MEASURES = [
    Measure("prompt", "from exec to the 4 of a 2+2", "<= 0.8x iex", {"pysh": prompt_of_pysh, "iex": prompt_of_iex}),
    Measure("one-liner", "`pysh -c 'print(1)'`", "<= 150 ms", {"pysh": one_liner}),
    Measure(
        "one-liner with a call",
        "`pysh -c` with a call to another node",
        "<= 600 ms",
        {"pysh": one_liner_with_call},
    ),
]
