"""Large values that calls refer to by hash, as files: `~/.cache/pysh/values/HASH`, one a value, as it was pickled.

Whoever sends such a call leaves the value there, and whoever is to run it brings it there, once for all nodes that
share the folder. Only we can enter it. What is there is what it is called, or it is not used. Nobody looks into a file
here: it is unpickled by `runtime/payload.py` alone, in runners.
"""

# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH112, PTH118, PTH120

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
from pysh.runtime.staging import NO_LOCKS
from pysh.transports import system

ROOM = 2 << 30
"""Bytes of all values together; for more the oldest go that nobody has used for `IDLE` seconds."""
LARGEST = ROOM // 4
"""Bytes of one that is left."""
IDLE = 3600.0
USED = IDLE / 4
"""Seconds after which it is noted again that a value was used."""
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCKS = ".lock"
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
    """The path of the value with that hash, which may not be there. Raises `ValueError` for what is no hash."""
    if len(name) != 64 or name.strip("0123456789abcdef"):
        raise ValueError(f"{name!r:.80} is no hash")
    return os.path.join(_folder(), name)


def leave(name: str, payload: Payload) -> None:
    """Keep a value, whose hash is `name`. Raises `OSError` where there is no room, or no place of ours alone."""
    path = file(name)
    if find(name) is not None:
        return
    make_room(len(payload), needed=False)
    made = f"{path}.{os.urandom(4).hex()}"
    try:
        with open(os.open(made, _NEW, 0o600), "wb", buffering=0) as out:
            for buffer in payload.buffers if isinstance(payload, Parts) else (payload,):
                view = memoryview(buffer).cast("B")
                while view:
                    view = view[out.write(view) :]
        os.rename(made, path)
    except BaseException:
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


def make_room(size: int, *, needed: bool) -> None:
    """Make the folder, and see that it has room for so many bytes: more than `ROOM` where they are `needed`.

    Raises `OSError`.
    """
    folder = _folder()
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    if reason := system.why_not_private(folder):
        raise PermissionError(f"{folder}: {reason}")
    kept = sorted(_kept(folder))
    over = sum(size for _, size, _ in kept) + size - ROOM
    before = time.time() - IDLE
    for used, each, path in kept:
        if over <= 0 or used > before:
            break
        with suppress(OSError):
            os.unlink(path)
            _checked.pop(path, None)
            over -= each
    if over > 0 and not needed:
        raise OSError(errno.ENOSPC, f"{folder} has its {ROOM >> 30} GiB already", folder)


def _kept(folder: str) -> Iterator[tuple[float, int, str]]:
    """When each file there was used last, its size and its path."""
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # somebody else may make room
            found = entry.stat()
            if entry.name != _LOCKS:
                yield found.st_mtime, found.st_size, entry.path


@contextmanager
def bringing(name: str, size: int) -> Iterator[None]:
    """While this lasts nobody else brings that value of so many bytes here. Raises `OSError`."""
    make_room(size, needed=True)
    fd = os.open(os.path.join(_folder(), _LOCKS), _LOCK, 0o600)
    try:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX, 1, int(name[:15], 16))  # a byte for each value
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield
    finally:
        os.close(fd)


def _folder() -> str:
    """In the home, unless nothing can be written there."""
    home = cache_dir()
    return os.path.join(home if has_home() and _can_be_made(home) else runtime_dir(), "values")


def _can_be_made(folder: str) -> bool:
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)
