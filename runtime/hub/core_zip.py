"""The core as one zip: all that a runner needs in a Python where nothing of pysh is installed.

It holds the top-level package `pysh` and nothing else; cloudpickle and msgpack lie inside, under
names of ours, so that the user's own are neither used nor hidden. Beside each module lies its
bytecode for the Python we run on, so that a runner of the same version compiles nothing.

A machine that has nothing of pysh gets a larger one, from which a whole node runs. It is kept apart
from that of the runners, each of which reads the zip's directory at its start.
"""

# ruff: noqa: PTH103, PTH108, PTH112, PTH118, PTH208

import fcntl
import marshal
import os
import stat
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import MAGIC_NUMBER, source_hash
from typing import NamedTuple

from pysh.runtime.places import cache_dir, runtime_dir, write_private

MODULES: dict[str, tuple[str, ...]] = {
    "pysh": (),
    "pysh.runtime": (),
    "pysh.runtime.protocol": (),
    "pysh.runtime.runner": (),
    "pysh.runtime.helpers": (),
    "pysh.runtime.live": (),
    "pysh.runtime.vendor": (),
    "pysh.transports": ("__init__", "base", "system", "unix"),
    "pysh.shell": ("__init__", "prelude", "script", "module", "running", "codes"),
}
"""The packages of the core, and which of their modules it takes (none named: all)."""

NODE_MODULES = MODULES | {"pysh.runtime.hub": (), "pysh.transports": ()}
"""Those of a whole node: the hub also, and what it needs to start another one."""

VENDORED = ("cloudpickle", "msgpack")

KEEP = 7 * 24 * 3600.0
"""Seconds after which a zip that no process uses is removed."""

_in_use: dict[str, int] = {}
"""The zips that this process handed out, each with a descriptor that is locked for as long as we live:
runners import from them at any time."""


class Source(NamedTuple):
    """One module: its name within the zip, its file, and what tells that the file has changed."""

    name: str
    path: str
    size: int
    changed: int


def core_zip() -> str:
    """The path of the core's zip, built if there is none of the modules as they are now.

    It lies in the cache directory, or in the runtime directory where that cannot be written. A hub that
    runs from a zip itself hands that on. Raises `ConfigError` if neither directory can be used.
    """
    return running_from() or _zip("core", MODULES)


def node_zip() -> str:
    """The path of the zip that a whole node runs from; else as `core_zip`."""
    return running_from() or _zip("node", NODE_MODULES)


def running_from() -> str:
    """The zip that this process imports pysh from, by a path that other processes can open; empty if none."""
    archive: str = getattr(getattr(sys.modules["pysh"].__spec__, "loader", None), "archive", "")
    return archive.replace("/proc/self/", f"/proc/{os.getpid()}/")


def _zip(kind: str, modules: dict[str, tuple[str, ...]]) -> str:
    sources = list(_sources(modules))
    name = f"{kind}-{_key(sources)}.zip"
    try:
        folder = cache_dir()
        os.makedirs(folder, 0o700, exist_ok=True)
        return _ready(folder, name, sources)
    except OSError:
        return _ready(runtime_dir(), name, sources)


def _ready(folder: str, name: str, sources: list[Source]) -> str:
    path = os.path.join(folder, name)
    if path in _in_use or _take(path):
        return path
    write_private(path, build(sources))
    if not _take(path):
        raise OSError(f"{path} can be changed by others")
    _remove_unused(folder, keep=name)
    return path


def _take(path: str) -> bool:
    """Mark the zip at `path` as in use by this process; False if there is none that we can trust."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        os.close(fd)
        return False
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.utime(fd)
    _in_use[path] = fd
    return True


def _remove_unused(folder: str, keep: str) -> None:
    """Remove the zips of other versions, unless a process uses them or did within the last week."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(("core-", "node-")) and name != keep and _is_unused(path):
            os.unlink(path)


def _is_unused(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return time.time() - os.fstat(file.fileno()).st_mtime > KEEP
    except OSError:
        return False


def _sources(modules: dict[str, tuple[str, ...]]) -> Iterator[Source]:
    """Every module of those packages, in the order of their zip."""
    for package, wanted in modules.items():
        places = list(import_module(package).__path__)
        yield from _modules(package, places[0], wanted)
        if package == "pysh.runtime.vendor":
            for name in VENDORED:
                yield from _modules(f"{package}.{name}", _folder(name, places), ())


def _folder(name: str, places: list[str]) -> str:
    for place in places:
        folder = os.path.join(place, name)
        if os.path.isdir(folder):
            return folder
    raise FileNotFoundError(f"{name} is not installed beside pysh; looked in {places}")


def _modules(package: str, folder: str, wanted: tuple[str, ...]) -> Iterator[Source]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        module, dot, ending = entry.name.rpartition(".")
        if dot and ending == "py" and (not wanted or module in wanted) and entry.is_file():
            found = entry.stat()
            inside = f"{package.replace('.', '/')}/{entry.name}"
            yield Source(inside, entry.path, found.st_size, found.st_mtime_ns)


def _key(sources: list[Source]) -> str:
    """What the zip's content depends on, as 16 characters."""
    known = [(source.name, source.size, source.changed) for source in sources]
    return source_hash(repr((MAGIC_NUMBER, known)).encode()).hex()


def build(sources: list[Source]) -> bytes:
    """The zip: stored, not compressed, and the same bytes for the same modules."""
    from io import BytesIO
    from zipfile import ZIP_STORED, ZipFile, ZipInfo

    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for source in sources:
            with open(source.path, "rb") as file:
                text = file.read()
            # Without a date of its own an entry bears that of 1980.
            archive.writestr(ZipInfo(source.name), text)
            archive.writestr(ZipInfo(f"{source.name}c"), _compiled(source.name, text))
    return buffer.getvalue()


def _compiled(name: str, text: bytes) -> bytes:
    """The bytecode of a module, which no import checks against its source (PEP 552: unchecked hash).

    Its file name has the ending that it has in any installed pysh; `<core>` is where tracebacks find
    no file, and so ask the zip for the line.
    """
    code = compile(text, f"<core>/{name}", "exec", dont_inherit=True)
    flags = (0b01).to_bytes(4, "little")
    return MAGIC_NUMBER + flags + source_hash(text) + marshal.dumps(code)
