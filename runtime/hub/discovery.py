"""Which nodes run on this machine: a directory, and no daemon.

Each node has three files in the runtime directory: `NAME.lock`, which it holds locked for as long as
it lives, `NAME.json`, which says what it is, and `NAME.sock`, where it listens. A node is alive if
and only if its lock is held: no pid is looked up, so neither kill -9 nor a reboot nor a reused pid can
deceive.

Whoever looks or changes anything first locks the whole directory (`.lock`), for the moment it takes.
So nobody sees half of a claim, and what a killed node left is removed by the next who looks.
"""

# ruff: noqa: PTH108, PTH110, PTH208

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from pysh.runtime.config import machine_names
from pysh.runtime.places import ConfigError, runtime_dir, runtime_dirs, write_private
from pysh.runtime.protocol.addresses import Address, Here, There, parse
from pysh.runtime.protocol.terms import printable, split_name
from pysh.transports.base import TransportError
from pysh.transports.unix import MAX_PATH

PATIENCE = 2.0
"""Seconds to wait for the directory's lock, which nobody holds longer than a look takes."""

_KINDS = ("sock", "json", "lock")
_READABLE = set("abcdefghijklmnopqrstuvwxyz0123456789_.-@")
_LONGEST_READABLE = 40
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Entry(NamedTuple):
    """One live node as it describes itself; `incarnation` is hexadecimal, `started` a Unix time.

    `left` is the Unix time when a shell lost its last terminal, 0 while it has one and for other nodes.
    """

    name: str
    socket: str
    pid: int
    incarnation: str = ""
    version: str = ""
    python: str = ""
    started: float = 0.0
    left: float = 0.0
    listen: str = ""  # HOST:PORT, where nodes of other machines may come in


class NameTaken(ConfigError):
    """A node of this name runs here already."""


class NoSuchNode(TransportError):
    """No node is meant by this name."""


class SeveralNodes(NoSuchNode):
    """More than one node is meant by this name."""


class Claim:
    """A name on this machine, held by this process until it is released or the process ends.

    The lock would pass to a child that is forked and not executed; no hub forks so.
    """

    def __init__(self, name: str, folder: str, stem: str, lock: int) -> None:
        self.name = name
        self.socket = f"{stem}.sock"
        self._folder = folder
        self._stem = stem
        self._lock = lock
        self._told: dict[str, Any] = {"started": time.time()}

    def publish(self, info: dict[str, Any]) -> None:
        """Say what the node is: `incarnation`, `version`, `python` and whatever else helps.

        What was said before and is not said anew stays. A name that was given up says nothing.
        """
        if self._lock >= 0:
            self._told.update(info, name=self.name, pid=os.getpid())
            write_private(f"{self._stem}.json", json.dumps(self._told).encode())

    def keep(self) -> bool:
        """Mark the files as in use, so that nothing that tidies /tmp by age takes them; whether they
        are still there. To be called a few times a day."""
        try:
            for path in (f"{self._folder}/.lock", *(f"{self._stem}.{kind}" for kind in _KINDS)):
                os.utime(path, follow_symlinks=False)
            return os.path.samestat(os.fstat(self._lock), os.lstat(f"{self._stem}.lock"))
        except OSError:
            return False

    def release(self) -> None:
        """Give the name up, and leave nothing behind. Releasing twice is releasing once."""
        if self._lock < 0:
            return
        with suppress(OSError, ConfigError), _locked(self._folder):
            _remove(self._stem)
        os.close(self._lock)
        self._lock = -1

    def __repr__(self) -> str:
        return f"<Claim of {self.name}: {self._stem}>"


def claim(name: str) -> Claim:
    """Take the full name `name` on this machine, and remove what a killed holder left.

    Raises `NameTaken` with the holder's pid, `BadName`, or `ConfigError` if the runtime directory
    cannot be used.
    """
    split_name(name)
    folder = runtime_dir()
    stem = _stem(folder, name)
    for other in runtime_dirs():
        if other != folder and (pid := _holder(other, name)):
            raise _taken(name, pid)
    with _locked(folder):
        lock = os.open(f"{stem}.lock", _FLAGS | os.O_CREAT, 0o600)
        if not _try_lock(lock):
            os.close(lock)
            raise _taken(name, _pid(stem))
        for kind in ("sock", "json"):
            _unlink(f"{stem}.{kind}")
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    return Claim(name, folder, stem, lock)


def _taken(name: str, pid: str) -> NameTaken:
    hint = f"join it: pysh attach {name}; or choose another name: name="
    return NameTaken(f"{name} runs here already", f"pid {pid}", hint)


def _holder(folder: str, name: str) -> str:
    """The pid of the node of this name in `folder`; empty if none lives there."""
    stem = _stem(folder, name)
    with _locked(folder):
        return _pid(stem) if os.path.exists(f"{stem}.lock") and _is_held(stem) else ""


def _pid(stem: str) -> str:
    with open(f"{stem}.lock", encoding="ascii") as file:
        return file.read(20)


def found() -> list[Entry]:
    """The nodes that run on this machine under our user, by name."""
    entries = (entry for folder in runtime_dirs() for entry in _look(folder))
    return sorted(entries, key=lambda entry: entry.name)


def left_alone(entries: list[Entry]) -> dict[str, Entry]:
    """Those of all the nodes here that are shells without a terminal, by what `pysh attach` may call them."""
    shorts = [entry.name.partition("@")[0] for entry in entries]
    return {
        short if shorts.count(short) == 1 else entry.name: entry
        for short, entry in zip(shorts, entries, strict=True)
        if entry.left
    }


def alive(name: str) -> bool:
    """Whether the node with the full name `name` runs on this machine."""
    return any(_holder(folder, name) for folder in runtime_dirs())


def meant(text: str) -> Address:
    """What `text` means on this machine. Raises `BadName`.

    The full name of a node that runs here means that node, also where its host part is an SSH destination.
    """
    address = parse(text, machine_names())
    if isinstance(address, There) and any(entry.name == text for entry in found()):
        return Here(address.node, text)
    return address


def find(text: str) -> Entry:
    """The node that `text` means on this machine.

    That is its full name; the part before `@` where only one has it; or that part with `@localhost`
    or a name of this machine. Raises `NoSuchNode`, which lists who runs here.
    """
    here = found()
    short, at, host = text.partition("@")
    exact = [entry for entry in here if entry.name == text]
    if exact:
        return exact[0]
    local = not at or host.lower() in machine_names()
    matching = [entry for entry in here if local and entry.name.partition("@")[0] == short]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(entry.name for entry in matching)
        raise SeveralNodes("find", f"{printable(text)} may mean several nodes", names, "give the full name")
    running = ", ".join(f"{entry.name} (pid {entry.pid})" for entry in here) or "no node"
    hint = f"start it: pysh --name {short}" if local and _may_name(short) else "see who runs here: pysh ls"
    raise NoSuchNode("find", f"no node {printable(text)} runs on this machine", f"here runs {running}", hint)


def silent(name: str, said: str, pid: int = 0) -> TransportError:
    """The error for a node that lets others connect and `said` nothing; `pid` is that of its hub, where it is known."""
    hint = f"see what it printed of itself: pysh logs {name}" + (f"; end it: kill -9 {pid}" if pid else "")
    what = f"{name} is there and does not answer, so it hangs or is stopped"
    return TransportError("ready", what, said + (f"; its pid is {pid}" if pid else ""), hint)


def _may_name(text: str) -> bool:
    try:
        return bool(split_name(f"{text}@localhost"))
    except ValueError:
        return False


def _look(folder: str) -> list[Entry]:
    """The live nodes of one runtime directory, which is rid of the dead on the way."""
    try:
        with _locked(folder):
            stems = [
                f"{folder}/{name[:-5]}" for name in os.listdir(folder) if name.endswith(".lock") and name[0] != "."
            ]
            entries = [_read(stem) for stem in stems if _is_held(stem)]
    except FileNotFoundError:
        return []
    return [entry for entry in entries if entry]


def _is_held(stem: str) -> bool:
    """Whether the node at `stem` lives; if it does not, its files go."""
    lock = os.open(f"{stem}.lock", _FLAGS)
    try:
        if not _try_lock(lock):
            return True
        _remove(stem)
        return False
    finally:
        os.close(lock)


def _read(stem: str) -> Entry | None:
    """What a live node says of itself; None while it is still starting."""
    try:
        with open(os.open(f"{stem}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            told = json.loads(file.read())
        known = {field: told[field] for field in Entry._fields if field in told}
        return Entry(**{**known, "socket": f"{stem}.sock"})
    except (OSError, ValueError, TypeError):
        return None


def _remove(stem: str) -> None:
    for kind in _KINDS:
        _unlink(f"{stem}.{kind}")


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        what, hint = "the runtime directory is where nothing can be locked", "choose another: export PYSH_RUNTIME_DIR"
        raise ConfigError(what, str(error), f"{hint}=/tmp/mine") from error
    return True


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """The directory to ourselves, for a moment."""
    fd = os.open(f"{folder}/.lock", _FLAGS | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _try_lock(fd):
            if time.monotonic() > deadline:
                what = "another process holds the runtime directory, and hangs"
                raise ConfigError(what, f"{folder}/.lock", f"see which: fuser -v {folder}/.lock")
            time.sleep(0.002)
        yield
    finally:
        os.close(fd)


def _stem(folder: str, name: str) -> str:
    """The path that the files of node `name` share, without their endings.

    The name itself, or a hash of it if it is long, or holds what a file's name should not (upper
    case is the same file as lower case on some disks). A hash holds no `@`, so it is no other's name.
    """
    longest = MAX_PATH - len(os.fsencode(folder)) - len("/.sock")
    if len(name) <= min(_LONGEST_READABLE, longest) and set(name) <= _READABLE:
        return f"{folder}/{name}"
    from hashlib import sha256

    digest = sha256(name.encode()).hexdigest()[:16]
    if len(digest) > longest:
        what = f"the runtime directory's path is too long: a socket's has at most {MAX_PATH} bytes"
        raise ConfigError(what, folder, "choose a shorter one: export PYSH_RUNTIME_DIR=~/.pysh-run")
    return f"{folder}/{digest}"
