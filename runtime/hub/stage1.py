"""The far end of a start over SSH: what stage 0 brought to a machine becomes a node there.

It reads one line of JSON, what the node is to be, starts the hub, and answers in one line how that
went. From then on it is the hub's leash: with `keep` the starter has its answer, and the node lives by
itself; with `hold` it lives as long as this process; and when the starter goes away before it said
either, or says nothing for too long, the hub stops and nothing of it stays.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, BinaryIO

from pysh.runtime import system
from pysh.runtime.hub import discovery
from pysh.runtime.hub.logs import log_file, tail
from pysh.runtime.hub.persistence import survival
from pysh.runtime.launch import from_zip
from pysh.runtime.places import ConfigError, has_home, write_private

PATIENCE = 60.0
"""Seconds that the hub has to answer, and the starter to take the answer."""
LAST_SECONDS = 4.0
"""Seconds that a hub has to stop by itself once nobody wants it."""
KEEP = 7 * 24 * 3600.0
"""Seconds after which a core of another version that is not used goes from the cache."""
KEPT, HELD = b"keep\n", b"hold\n"


class Stage1:
    """One start. `source` and `sink` lead to the starter; `core` is the path of the zip, open as `fd`."""

    def __init__(self, source: BinaryIO, sink: int, word: str, core: str, fd: int) -> None:
        self._source, self._sink, self._word = source, sink, word
        self._ends: list[Any] = [source]  # and the hub's socket, once there is one
        self._core, self._fd = core, fd
        self._printed = system.memory_file("pysh-start", 0)

    def run(self) -> bool:
        """Start the node and see it through; whether it lives on."""
        line = self._source.readline()
        if not line:
            return False
        config: dict[str, Any] = json.loads(line)
        lasting = survival()
        hub, sock = self._start(config, lasting.prefix)
        if self._answered(hub, sock, config["name"], lasting.warning) and self._leashed(sock):
            return True
        sock.close()
        self._end(hub)
        return False

    def _start(self, config: dict[str, Any], prefix: list[str]) -> "tuple[subprocess.Popen[bytes], socket.socket]":
        config |= {
            "python": sys.executable, "python_version": "{}.{}".format(*sys.version_info), "cwd": os.getcwd(),  # noqa: PTH109
            "leashed": True, "temporary": "" if self._core.startswith("/proc/") else self._core,
        }  # fmt: skip
        ours, theirs = socket.socketpair()
        command = [*prefix, *from_zip(self._core), str(theirs.fileno()), config["name"]]
        hub = subprocess.Popen(
            command, pass_fds=[theirs.fileno(), self._fd], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self._printed, stderr=self._printed,
        )  # fmt: skip
        theirs.close()
        self._ends.append(ours)
        ours.sendall(json.dumps(config).encode() + b"\n")
        return hub, ours

    def _answered(self, hub: "subprocess.Popen[bytes]", sock: socket.socket, name: str, warning: str) -> bool:
        """Pass the hub's own answer on, or say how it ended; whether a node is there."""
        line = self._line(sock, time.monotonic() + PATIENCE)
        if line is None:
            return False
        told: dict[str, Any] = json.loads(line) if line else {"error": "hub", "text": _ended(hub)}
        if "error" in told:
            told["log"] = tail(self._printed) or tail(log_file(name))
        self.say({**told, "warning": warning})
        return "error" not in told

    def _line(self, sock: socket.socket, deadline: float) -> bytes | None:
        """The next line of the hub: empty if it ends or is too late, None if the starter is gone."""
        line = b""
        while not line.endswith(b"\n"):
            ready = select.select(self._ends, [], [], max(0.0, deadline - time.monotonic()))[0]
            if self._source in ready:
                return None  # it has nothing to say before it has the answer
            data = sock.recv(4096) if ready else b""
            if not data:
                return b""
            line += data
        return line

    def _leashed(self, sock: socket.socket) -> bool:
        """Wait for what the starter decides; whether the node is to live by itself."""
        deadline: float | None = time.monotonic() + PATIENCE
        while True:
            seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = select.select(self._ends, [], [], seconds)[0]
            if self._source not in ready:
                return False  # the hub ended, or the starter is too late
            said = os.read(self._source.fileno(), 64)
            if not said.startswith(HELD):
                with suppress(OSError):
                    sock.sendall(KEPT if said == KEPT else b"")
                return said == KEPT
            deadline = None

    def _end(self, hub: "subprocess.Popen[bytes]") -> None:
        try:
            hub.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            system.kill_tree(hub.pid)
            hub.wait()
        with suppress(OSError, ConfigError):
            discovery.found()  # which removes what a killed hub left

    def say(self, told: dict[str, Any]) -> None:
        """Answer the starter, if it is still there."""
        with suppress(OSError):
            os.write(self._sink, f"\n{self._word} {json.dumps(told)}\n".encode())


def _ended(hub: "subprocess.Popen[bytes]") -> str:
    try:
        status = hub.wait(1.0)
    except subprocess.TimeoutExpired:
        return f"the hub gave no answer within {PATIENCE:.0f} s"
    return f"the hub {'was killed by signal' if status < 0 else 'ended with status'} {abs(status)} before it was up"


def main(source: BinaryIO, sink: int, word: str, core: str, fd: int, cache: str) -> None:
    """What stage 0 calls last. `cache` is where the core may be kept for the next start."""
    lives = Stage1(source, sink, word, core, fd).run()
    if lives:
        os.close(sink)  # the starter need not wait for the disk
        if has_home():
            _keep(cache, fd)
    elif not core.startswith("/proc/"):
        with suppress(OSError):
            os.unlink(core)  # noqa: PTH108


def _keep(cache: str, fd: int) -> None:
    """Write the core into the cache where the disk allows, and remove those of other versions."""
    folder, _, name = cache.rpartition("/")
    with suppress(OSError):
        os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103
        if os.path.exists(cache):  # noqa: PTH110
            os.utime(cache)
            return
        write_private(cache, os.pread(fd, os.fstat(fd).st_size, 0))
        for other in os.scandir(folder):
            old = time.time() - other.stat(follow_symlinks=False).st_mtime > KEEP
            if other.name.startswith("node-") and other.name != name and old:
                os.unlink(other.path)  # noqa: PTH108
