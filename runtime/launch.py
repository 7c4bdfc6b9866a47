"""Start a hub: a child that lives in pysh's own environment, whoever its starter is."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from socket import socket, socketpair
from typing import Any

HUB_PYTHON = "PYSH_HUB_PYTHON"
"""Where a program that runs in the user's Python finds pysh's own; inherited, not secret."""


_started: "list[subprocess.Popen[bytes]]" = []


_FROM_ZIP = "import sys; sys.path[0] = sys.argv[1]; from pysh.runtime.hub.__main__ import main; main(int(sys.argv[2]))"


class HubFailed(Exception):
    """The hub ended before its node was there; `kind` names the error it met, the text says it."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def hub_python() -> str:
    """The Python whose environment has pysh and all it needs."""
    return os.environ.get(HUB_PYTHON) or sys.executable


def from_zip(core: str) -> list[str]:
    """The command of a hub that is imported from the zip `core`, to be followed by its descriptor.

    Without site and the environment's PYTHON..., which are the user's.
    """
    return [sys.executable, "-E", "-S", "-c", _FROM_ZIP, core]


def start_hub(config: dict[str, Any], log: int | None = None, prefix: Sequence[str] = ()) -> socket:
    """Start a hub as `config` says and return our end of its socket, on which it speaks next.

    The configuration, with the cookie, goes over the socket: never in argv or the environment.
    `log` is a file descriptor for what the hub itself prints; `prefix` goes before its command.
    """
    hub, ours = start_hub_process(config, log, prefix)
    _started.append(hub)
    return ours


def start_hub_process(
    config: dict[str, Any], log: int | None = None, prefix: Sequence[str] = ()
) -> "tuple[subprocess.Popen[bytes], socket]":
    """As `start_hub`, for one who waits for the process's end himself."""
    ours, theirs = socketpair()
    # -P: what lies in the current folder is the user's, and a hub never imports it.
    command, fds = [hub_python(), "-P", "-m", "pysh.runtime.hub"], [theirs.fileno()]
    archive = getattr(getattr(sys.modules["pysh"].__spec__, "loader", None), "archive", "")
    if archive and HUB_PYTHON not in os.environ:
        # We are a hub that runs from a zip, in memory perhaps: so does the new one.
        command = from_zip(archive)
        fds += [int(archive.rpartition("/")[2])] if archive.startswith("/proc/self/fd/") else []
    output = subprocess.DEVNULL if log is None else log
    hub = subprocess.Popen(
        [*prefix, *command, str(theirs.fileno())], pass_fds=fds, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    )  # fmt: skip
    theirs.close()
    ours.sendall(json.dumps(config).encode() + b"\n")
    return hub, ours


def wait(seconds: float) -> None:
    """Wait until every hub that this process started has ended, `seconds` at most."""
    until = time.monotonic() + seconds
    while _started:
        try:
            _started[-1].wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return
        _started.pop()


def status(sock: socket) -> dict[str, Any]:
    """Wait for the hub's one line that says it is up. Raises `HubFailed`."""
    line = bytearray()
    while not line.endswith(b"\n"):
        try:
            byte = sock.recv(1)
        except ConnectionResetError:  # it has not even read what it was told
            byte = b""
        if not byte:
            raise HubFailed("hub", "the hub ended before it was up; nothing was run")
        line += byte
    told: dict[str, Any] = json.loads(line)
    if "error" in told:
        raise HubFailed(told["error"], told["text"])
    return told
