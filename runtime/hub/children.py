"""The processes that a hub starts itself, in the user's Python: their start, and how they ended."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from typing import Any

STAGE0 = "import sys; sys.path[0] = sys.argv[1]; from pysh.runtime.runner.boot import main; main(int(sys.argv[2]))"
READ = 64 * 1024


class Child:
    """A child of the hub's, and our end of its socket."""

    def __init__(self, popen: "subprocess.Popen[bytes]", sock: socket.socket, secret: bytes) -> None:
        self.popen = popen
        self.sock = sock
        self.secret = secret
        self.pid = popen.pid


def launch(python: str, core: str, config: dict[str, Any], **popen: Any) -> Child:
    """Start a runner of `config["role"]` in `python`; its secret goes over the socket alone."""
    ours, theirs = socket.socketpair()
    secret = secrets.token_bytes(32)
    argv = [python, "-c", STAGE0, core, str(theirs.fileno())]
    with theirs:
        child = subprocess.Popen(argv, pass_fds=[theirs.fileno()], **popen)
    ours.sendall(json.dumps({**config, "secret": secret.hex()}).encode() + b"\n")
    return Child(child, ours, secret)


def wait_for(children: Iterable[Child], seconds: float) -> None:
    """Wait until all have ended; those that have not after so many seconds are killed."""
    until = time.monotonic() + seconds
    for child in children:
        try:
            child.popen.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.popen.kill()
            child.popen.wait()


def death(status: int) -> dict[str, Any]:
    """What a wait status says, as data for `WorkerDied`."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "status": None}
    return {"signal": None, "status": os.waitstatus_to_exitcode(status)}


def in_words(code: int) -> str:
    """What a `Popen`'s return code says."""
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def read_some(fd: int) -> bytes | None:
    """What can be read from `fd` now: `b""` at its end, None if that is nothing."""
    try:
        return os.read(fd, READ)
    except BlockingIOError:
        return None
    except OSError:  # EIO: nobody has the other side of a pty open any more
        return b""
