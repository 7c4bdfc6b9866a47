"""Large values that calls refer to by hash, as files: `~/.cache/pysh/values/HASH`, one a value, as it was pickled.

Whoever sends such a call leaves the value there, and whoever is to run it brings it there, once for all nodes that
share the folder. Only we can enter it. What is there is what it is called, or it is not used. Nobody looks into a file
here: it is unpickled by `runtime/payload.py` alone, in runners.
"""

# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH116, PTH118, PTH120

import errno
import fcntl
import hashlib
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pysh.runtime.marks import Mark, mark
from pysh.runtime.places import cache_dir, has_home, runtime_dir
from pysh.runtime.protocol.terms import Buffer, Parts, Payload
from pysh.transports import system

ROOM = 2 << 30
"""Bytes of all values together; for more the oldest go that nobody has used for `IDLE` seconds."""
IDLE = 3600.0
USED = IDLE / 4
"""Seconds after which it is noted again that a value was used."""
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

_checked: dict[str, Mark] = {}
"""The files whose hash was seen to be right, as they were then."""


def digest(payload: Payload) -> str:
    """The SHA-256 of a value's pickle."""
    found = hashlib.sha256()
    for buffer in payload.buffers if isinstance(payload, Parts) else (payload,):
        found.update(buffer)
    return found.hexdigest()


def file(name: str) -> str:
    """The path of the value with that hash, which may not be there."""
    return os.path.join(_folder(), name)


def size(name: str) -> int:
    """The bytes of the value with that hash, pickled. Raises `OSError` if it is not there."""
    return os.stat(file(name)).st_size


def leave(name: str, payload: Payload) -> None:
    """Keep a value, whose hash is `name`. Raises `OSError` where there is no room, or no place of ours alone."""
    path = file(name)
    if find(name) is not None:
        return
    make_room(len(payload))
    made = f"{path}.{os.urandom(4).hex()}"
    try:
        with open(os.open(made, _NEW, 0o600), "wb", buffering=0) as out:
            for buffer in payload.buffers if isinstance(payload, Parts) else (payload,):
                view = memoryview(buffer).cast("B")
                while view:
                    view = view[out.write(view) :]
        os.rename(made, path)
    except OSError:
        with suppress(OSError):
            os.unlink(made)
        raise


def find(name: str) -> Buffer | None:
    """The pickle of the value with that hash; None if it is not there, or is another."""
    path = file(name)
    try:
        if system.why_not_private(_folder()):
            return None
        fd = os.open(path, _OLD)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        data = memoryview(mmap.mmap(fd, 0, prot=mmap.PROT_READ))
        seen = mark(found)
        if seen is None or _checked.get(path) != seen:
            if digest(data) != name:
                return None
            _checked[path] = seen
        if found.st_mtime < time.time() - USED:
            os.utime(fd)
    except (OSError, ValueError):
        return None  # it is empty, or on a file system that lends no memory
    finally:
        os.close(fd)
    return data


def make_room(size: int) -> None:
    """Make the folder, and see that it has room for so many bytes. Raises `OSError`."""
    folder = _folder()
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    if reason := system.why_not_private(folder):
        raise PermissionError(f"{folder}: {reason}")
    kept = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
    over = sum(size for _, size, _ in kept) + size - ROOM
    before = time.time() - IDLE
    for used, each, path in kept:
        if over <= 0 or used > before:
            break
        with suppress(OSError):
            os.unlink(path)
            _checked.pop(path, None)
            over -= each
    if over > 0:
        raise OSError(errno.ENOSPC, f"{folder} has its {ROOM >> 30} GiB already", folder)


@contextmanager
def bringing(name: str) -> Iterator[None]:
    """While this lasts nobody else brings that value here."""
    make_room(0)
    path = os.path.join(_folder(), f".{name}.lock")
    fd = os.open(path, _LOCK, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)
        os.close(fd)


def _folder() -> str:
    return os.path.join(cache_dir() if has_home() else runtime_dir(), "values")
