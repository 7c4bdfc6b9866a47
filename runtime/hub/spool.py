"""The kept results of a node as files: one a result, written, read and removed in a thread of their own.

A file is `MAGIC`, the length of a record in four bytes, the record (msgpack), and the result as its worker
pickled it, which nobody looks into here. Only we can enter the folder, and read the files; both are checked
at each use. What has no name of its own yet (`.part`) was never whole.
"""

# ruff: noqa: PTH103, PTH104, PTH106, PTH108, PTH112, PTH118, PTH120, PTH208

import asyncio
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pysh.runtime.places import has_home, results_dir
from pysh.runtime.protocol.frames import FrameError, pack, unpack
from pysh.runtime.protocol.spool import AGE
from pysh.runtime.protocol.terms import Buffer
from pysh.transports import system

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from pysh.runtime.hub.server import Server
    from pysh.runtime.protocol import actions

MAGIC = b"pysh result 1\n"
LONGEST = 512 * 1024
"""Bytes of a record; what a task printed last is in it."""
PATIENCE = 5.0
"""Seconds that the start of a node waits for a disk."""
PIECE = 1 << 20
"""Bytes written in one go."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Spool:
    """Does what `Keep`, `Recall` and `Discard` ask for, one after the other, and reports to the core."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._folder = results_dir(server.name)
        self._files: dict[int, str] = {}  # the thread's alone, once `find` is over
        self._threads: ThreadPoolExecutor | None = None

    def _thread(self) -> "ThreadPoolExecutor":
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # most nodes need none

            self._threads = ThreadPoolExecutor(1, "spool")
        return self._threads

    async def find(self) -> None:
        """Tell the core of what an earlier start of this node kept. What nobody will ask for goes in passing."""
        if not os.path.isdir(os.path.dirname(self._folder)):
            return
        loop, core = self._server.loop, self._server.core
        core.now = time.monotonic()
        looking = loop.run_in_executor(self._thread(), _found, self._folder)
        try:
            found = await asyncio.wait_for(looking, PATIENCE)
        except TimeoutError:
            print(f"the results that were kept are not used: {self._folder} does not answer", file=sys.stderr)
            return
        for path, told, age in found:
            try:
                self._files[core.work.spool.found(told, age)] = path
            except (KeyError, TypeError, ValueError, IndexError) as error:
                print(f"{path} is no result of ours: {error!r}", file=sys.stderr)
        loop.run_in_executor(self._thread(), _sweep, os.path.dirname(self._folder))

    def keep(self, action: "actions.Keep") -> None:
        """Write a result."""
        self._do(self._keep, action)

    def _keep(self, action: "actions.Keep") -> Callable[[], None]:
        fault = ""
        try:
            if not has_home():
                raise FileNotFoundError("there is no home directory")
            self._files[action.number] = _write(self._folder, action.number, action.record, action.payload)
        except OSError as error:
            fault = str(error)
            print(f"the result of task {action.number} stays in memory: {fault}", file=sys.stderr)
        return lambda: self._server.core.work.spool.written(action.number, fault)

    def recall(self, action: "actions.Recall") -> None:
        """Read a part of a result."""
        self._do(self._recall, action)

    def _recall(self, action: "actions.Recall") -> Callable[[], None]:
        data: bytes | None = None
        try:
            data = _read(self._files[action.number], action.offset, action.size)
        except (OSError, KeyError) as error:
            print(f"the result of task {action.number} cannot be read: {error!r}", file=sys.stderr)
        return lambda: self._server.core.work.spool.recalled(action.ref, data)

    def discard(self, action: "actions.Discard") -> None:
        """Remove a result."""
        if action.reason:
            print(action.reason, file=sys.stderr)
        self._do(self._discard, action)

    def _discard(self, action: "actions.Discard") -> None:
        if (path := self._files.pop(action.number, None)) is not None:
            with suppress(OSError):
                os.unlink(path)
        if not self._files:
            with suppress(OSError):
                os.rmdir(self._folder)

    def _do(self, do: Callable[[Any], Callable[[], None] | None], action: Any) -> None:
        loop = self._server.loop

        def work() -> None:
            try:
                report = do(action)
            except Exception:
                sys.excepthook(*sys.exc_info())  # into the log; the next may go well
                return
            if report is not None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._report, report)

        self._thread().submit(work)

    def _report(self, report: Callable[[], None]) -> None:
        self._server.core.now = time.monotonic()
        report()
        self._server.carry_out()

    async def close(self) -> None:
        """Wait until all is written."""
        if self._threads is not None:
            await asyncio.wrap_future(self._threads.submit(lambda: None))


def _check(folder: str) -> None:
    """Raise `PermissionError` unless nobody else can enter a node's folder, nor the one that it is in."""
    for path in (os.path.dirname(folder), folder):
        if reason := system.why_not_private(path):
            raise PermissionError(f"{path}: {reason}")


def _write(folder: str, number: int, record: bytes, payload: Buffer) -> str:
    """Write one file, whole or not at all; its path."""
    for path in (os.path.dirname(folder), folder):
        os.makedirs(path, 0o700, exist_ok=True)
    _check(folder)
    told = pack({**unpack(record), "at": time.time()})
    path = os.path.join(folder, f"{time.time_ns():020}-{number}")
    try:
        with open(os.open(f"{path}.part", _NEW, 0o600), "wb", buffering=0) as file:
            for buffer in (MAGIC + len(told).to_bytes(4, "big") + told, payload):
                view = memoryview(buffer).cast("B")
                while view:
                    view = view[file.write(view[:PIECE]) :]
            os.fsync(file.fileno())
        os.rename(f"{path}.part", path)
    except OSError:
        with suppress(OSError):
            os.unlink(f"{path}.part")
        raise
    return path


def _open(path: str) -> int:
    """A descriptor of a file that only we can read or change."""
    fd = os.open(path, _OLD)
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        os.close(fd)
        raise PermissionError(f"{path} is not a file of ours alone")
    return fd


def _head(fd: int) -> tuple[bytes, int]:
    """The record of a file, packed, and where the result behind it begins."""
    head = os.pread(fd, len(MAGIC) + 4, 0)
    size = int.from_bytes(head[len(MAGIC) :], "big")
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + 4 or size > LONGEST:
        raise OSError("it does not begin as a result does")
    return os.pread(fd, size, len(head)), len(head) + size


def _read(path: str, offset: int, size: int) -> bytes:
    _check(os.path.dirname(path))
    fd = _open(path)
    try:
        data = os.pread(fd, size, _head(fd)[1] + offset)
    finally:
        os.close(fd)
    if not data and size:
        raise OSError("it is shorter than it was")
    return data


def _found(folder: str) -> list[tuple[str, dict[str, Any], float]]:
    """The files of a folder, the oldest first: path, record and age. What is none of ours is left alone, and told."""
    try:
        _check(folder)
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        print(f"the results that were kept are not used: {error}", file=sys.stderr)
        return []
    found = []
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(".part"):
            with suppress(OSError):
                os.unlink(path)
            continue
        try:
            found.append((path, *_looked_at(path)))
        except (OSError, FrameError, KeyError, TypeError, ValueError) as error:
            print(f"{path} is not used: {error!r}", file=sys.stderr)
    return found


def _looked_at(path: str) -> tuple[dict[str, Any], float]:
    fd = _open(path)
    try:
        packed, begins = _head(fd)
        told = unpack(packed)
        if os.fstat(fd).st_size != begins + told["size"]:
            raise OSError("it is not whole")
        return told, max(0.0, time.time() - float(told["at"]))
    finally:
        os.close(fd)


def _sweep(results: str) -> None:
    """Remove what nodes kept for longer than they should, having not started since."""
    with suppress(OSError):
        if system.why_not_private(results):
            return
        for name in os.listdir(results):
            with suppress(OSError):
                _sweep_one(os.path.join(results, name))


def _sweep_one(folder: str) -> None:
    old = [path for name in os.listdir(folder) if _is_old(path := os.path.join(folder, name))]
    for path in old:
        os.unlink(path)
        print(f"{path} was dropped: it was kept for {AGE / 86400:g} days", file=sys.stderr)
    if old:
        os.rmdir(folder)


def _is_old(path: str) -> bool:
    return time.time() - os.lstat(path).st_mtime >= AGE
