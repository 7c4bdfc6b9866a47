"""What runs on a machine to which nothing else was sent yet: it says who runs there, or leads to a socket.

The text of this file goes there, with a call of `main` behind it, and is run by any Python from 3.7 on
that is found; so it imports the standard library alone, and no more of it than it needs.
"""

# Importing pathlib would take longer than all that is done here.
# ruff: noqa: PTH100, PTH208

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import sys
import threading
import time
from binascii import crc32

PATIENCE = 2.0  # seconds to wait for the lock of a directory, as the nodes there do themselves
PIECE = 256 * 1024


def main(marker: str, path: str = "") -> None:
    """Answer with one line of JSON behind `marker`, which what a start-up file printed cannot hold.

    Without a `path` it says who runs here. Else what follows in both directions is the conversation
    with whoever listens at the socket `path`, until either side ends it.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    answer: dict[str, object]
    try:
        answer = survey() if not path else {}
        if path:
            sock.connect(path)
    except OSError as error:
        answer = {"error": f"{error.filename or path}: {error.strerror or error}"}
        path = ""
    write(1, f"\n{marker}{json.dumps(answer)}\n".encode())
    if path:
        back = threading.Thread(target=pump, args=(sock.fileno(), 1), daemon=True)
        back.start()
        pump(0, sock.fileno())
        back.join()
    os._exit(0)


def pump(source: int, sink: int) -> None:
    """Pass bytes on until `source` ends; nothing is of use then.

    A sink that is gone ends this direction alone: what its other end said before it went is still to be passed on.
    """
    while True:
        try:
            data = os.read(source, PIECE)
        except OSError:
            data = b""
        if not data:
            os._exit(0)
        try:
            write(sink, data)
        except OSError:
            return


def write(sink: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


def survey() -> dict[str, object]:
    """Who runs here, and what we run in."""
    folders = [folder for folder in places() if is_private(folder)]
    return {
        "host": os.uname().nodename,
        "uid": os.getuid(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "looked": places(),
        "nodes": [node for folder in folders for node in living(folder)],
    }


def places() -> list[str]:
    """The runtime directories that nodes of ours may be in."""
    named = os.environ.get("PYSH_RUNTIME_DIR")
    if named:
        return [own_part(os.path.abspath(named))]
    return [f"/run/user/{os.geteuid()}/pysh", f"/tmp/pysh-{os.geteuid()}"]


def own_part(folder: str) -> str:
    """What of a runtime directory is this machine's, where another one may have been the first to use it."""
    machine = os.fsencode(os.uname().nodename) + b" "
    try:
        with open("/etc/machine-id", "rb") as file:
            machine += file.read(64).strip()
    except OSError:
        pass
    try:
        with open(f"{folder}/.lock", "rb") as file:
            first = file.read(1024)
    except OSError:
        first = b""
    return folder if first in (b"", machine) else f"{folder}/{crc32(machine):08x}"


def is_private(folder: str) -> bool:
    """Whether it is there, and nobody else could have put anything into it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def living(folder: str) -> list[dict[str, object]]:
    """What the nodes of one runtime directory say of themselves; those live that hold their lock."""
    try:
        guard = os.open(f"{folder}/.lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        until = time.monotonic() + PATIENCE
        while not take(guard):
            if time.monotonic() > until:
                raise OSError(0, "another process holds the runtime directory, and hangs", folder)
            time.sleep(0.002)
        stems = [name[:-5] for name in os.listdir(folder) if name.endswith(".lock") and name[0] != "."]
        nodes = [told(f"{folder}/{stem}") for stem in sorted(stems) if is_held(f"{folder}/{stem}.lock")]
    finally:
        os.close(guard)
    return [node for node in nodes if node]


def is_held(path: str) -> bool:
    """Whether somebody has locked the file."""
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return not take(lock)
    finally:
        os.close(lock)


def take(fd: int) -> bool:
    """Lock `fd` if nobody else has."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def told(stem: str) -> dict[str, object]:
    """What one node says of itself, and its socket; nothing while it is still starting."""
    try:
        with open(f"{stem}.json", encoding="utf-8") as file:
            return {**json.load(file), "socket": f"{stem}.sock"}
    except (OSError, ValueError, TypeError):
        return {}
