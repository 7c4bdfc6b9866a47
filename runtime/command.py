"""`sh`: a command in a worker of its own, its output streamed to the owner as it comes, and how it ended."""

import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from select import POLLIN, poll
from time import perf_counter, sleep
from typing import TYPE_CHECKING, NamedTuple

from pysh.runtime.calls import Apart, Call, called
from pysh.runtime.runner.output import flush

if TYPE_CHECKING:
    import subprocess

Command = str | Sequence[str | os.PathLike[str]]
"""What runs: text for /bin/sh, or a program and its arguments."""
KEPT = 1 << 20
"""Bytes of each stream that are kept; of more it is the last."""
READ = 1 << 16
LOOK = 0.1
"""Seconds between two looks whether a command has ended that left its output to something in the background."""
LAST_WORDS = 1.0
"""Seconds that a command has to end after the Ctrl-C that it is given, which is before its worker is killed."""
OWN_WORKER = Apart(isolate=True)
"""It does not queue behind tasks, keeps none waiting, and what it leaves behind ends with its worker."""


class Completed(NamedTuple):
    """How a command ended. `status` is its exit status, or minus the number of the signal that killed it.

    `stdout` and `stderr` are the last MiB of what it printed, `took` the seconds it ran; `streamed` tells that
    it was shown as it came, so that only the status is now.
    """

    status: int
    stdout: str
    stderr: str
    took: float
    streamed: bool = True

    def __repr__(self) -> str:
        if self.streamed:
            return self._ended()
        said = (self.stdout + self.stderr).rstrip("\n")
        return "\n".join(filter(None, [said, self._ended() if self.status or not said else ""]))

    def _ended(self) -> str:
        if self.status >= 0:
            return f"exit {self.status}"
        try:
            return f"killed by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"killed by signal {-self.status}"


def calling(
    cmd: Command, cwd: str | None, env: Mapping[str, str] | None, check: bool, stream: bool
) -> Call:  # fmt: skip
    """The call that runs `cmd`. Raises `TypeError` or `ValueError` for what is no command."""
    if not isinstance(cmd, str) and (isinstance(cmd, bytes) or not isinstance(cmd, Sequence)):
        raise TypeError(f"sh() takes a command as text, or as a list of words, not {cmd!r}; nothing was sent")
    if env is not None and not isinstance(env, Mapping):
        raise TypeError(f'env= takes a dict, such as {{"A": "1"}}, not {env!r}; nothing was sent')
    words = cmd if isinstance(cmd, str) else [_word(word) for word in cmd]
    if not words or (isinstance(words, str) and not words.strip()):
        raise ValueError("sh() was given no command; nothing was sent")
    environment = {str(name): str(value) for name, value in (env or {}).items()}
    if cwd is not None and not isinstance(cwd, str | os.PathLike):
        raise TypeError(f"cwd= takes a path, not {cwd!r}; nothing was sent")
    call = Call(
        run, (words, cwd and os.fspath(cwd), environment, bool(check), bool(stream)), {}, frozenset(), OWN_WORKER
    )
    return called(call, f"$ {words if isinstance(words, str) else ' '.join(words)}")


def _word(word: object) -> str:
    text = os.fspath(word) if isinstance(word, os.PathLike) else word
    if not isinstance(text, str):
        raise TypeError(f"words of a command are text or paths, not {word!r}: write {str(word)!r}; nothing was sent")
    return text


def run(cmd: str | list[str], cwd: str | None, env: dict[str, str], check: bool, stream: bool) -> Completed:
    """Run `cmd` here, in a process group of its own. Raises `CalledProcessError` if it failed and is to be checked.

    What ends this ends the command: it is given a Ctrl-C, and what is left of its group is killed.
    """
    import subprocess  # 10 ms, which a shell need not pay for

    started = perf_counter()
    flush()
    folder = None if cwd is None else os.path.expanduser(cwd)  # noqa: PTH111 (no pathlib in workers)
    process = subprocess.Popen(
        cmd, shell=isinstance(cmd, str), cwd=folder, env=os.environ | env, process_group=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    try:
        out, err = _relayed(process, stream)
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()
    _signal(process, signal.SIGKILL)  # what it left in the background
    if check and status:
        raise subprocess.CalledProcessError(status, cmd, out, err)
    return Completed(status, out, err, perf_counter() - started, stream)


def _relayed(process: "subprocess.Popen[bytes]", stream: bool) -> tuple[str, str]:
    """Pass on what the command prints, until it has ended; the last of it."""
    assert process.stdout is not None and process.stderr is not None
    tails = {process.stdout.fileno(): (_Tail(), 1), process.stderr.fileno(): (_Tail(), 2)}
    both = [tail for tail, _ in tails.values()]
    waiting = poll()
    for fd in tails:
        waiting.register(fd, POLLIN)
    ended = False
    while tails:
        ready = waiting.poll(0 if ended else LOOK * 1000)
        if ended and not ready:
            break  # something in the background holds the pipes
        for fd, _ in ready:
            data = os.read(fd, READ)
            if not data:
                waiting.unregister(fd)
                del tails[fd]
                continue
            tail, to = tails[fd]
            tail.add(data)
            if stream:
                _write(to, data)
        ended = ended or (not ready and process.poll() is not None)
    return both[0].text(), both[1].text()


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        _signal(process, signal.SIGINT)
        until = perf_counter() + LAST_WORDS
        while process.poll() is None and perf_counter() < until:
            sleep(0.01)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # nothing is left of it; or it became somebody else, and its worker's end is all there is


class _Tail:
    """The last of a stream."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._size = self._dropped = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        while self._size - len(self._parts[0]) >= KEPT:
            first = self._parts.popleft()
            self._size -= len(first)
            self._dropped += len(first)

    def text(self) -> str:
        data = b"".join(self._parts)
        left_out = self._dropped + max(0, len(data) - KEPT)
        said = f"[{left_out:,} bytes before this were left out]\n" if left_out else ""
        return said + data[-KEPT:].decode(sys.getfilesystemencoding(), "replace")
