"""The place where a copy is made: beside its final name, or in the folder that it is merged into.

It takes its place by a rename when all of it is there and is what was sent. Until then it is called
`.NAME.pysh-part`; what has arrived of one that was cut is gone on from.
"""

# ruff: noqa: PTH101, PTH102, PTH104, PTH105, PTH108, PTH111, PTH112, PTH114, PTH118, PTH120, PTH211
# No pathlib: it takes longer to import than a worker to be made.

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from pysh.runtime.leftovers import clear
from pysh.runtime.protocol.manifest import FILE, FOLDER, LINK, Entry, Part, sized
from pysh.runtime.tree import NO_FOLLOW, PART, hashed

_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP))
"""What some file systems say to a lock: there the second copy to a place is not refused."""
NOTHING = "nothing was written"
LONGEST_NAME = 200
"""Bytes of a name that its part is called by."""


class Kept(NamedTuple):
    """What is there of a file already: its first bytes in the part, or all of it in its place."""

    size: int
    digest: bytes
    in_place: bool


def _special(path: str) -> str:
    """What is there, if it is neither file nor folder nor link: others read and write it, and nothing replaces it."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    named = (
        (stat.S_ISREG, ""),
        (stat.S_ISDIR, ""),
        (stat.S_ISLNK, ""),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((text for is_it, text in named if is_it(mode)), "a device")


def place(to: str, name: str, kind: str) -> str:
    """The path that a file or folder called `name` gets, as `to` says: a folder to put it in, or its own path."""
    to = os.path.expanduser(to)
    inside = not to or to.endswith("/") or (kind == FILE and os.path.isdir(to))
    return os.path.realpath(os.path.join(to, name) if inside else to)


class Staging:
    """The place where the copy of `entries` to `final` is made; a context, in which nobody else makes one there.

    Raises `OSError` where it cannot be made.
    """

    def __init__(self, final: str, entries: Sequence[Entry]) -> None:
        self.final = final
        self._entries = entries
        self._is_file = entries[0].kind == FILE
        self._merges = not self._is_file and os.path.isdir(final)
        folder, name = os.path.split(final)
        self.path = os.path.join(final, PART) if self._merges else os.path.join(folder, f".{_short(name)}{PART}")
        self.kept: dict[int, Kept] = {}
        self._same: set[int] = set()
        self._fd = -1
        self._hash = hashlib.sha256()
        self._lock = -1
        self._placing = False

    def __enter__(self) -> "Staging":
        self._check_place()
        try:
            while not self._locked():
                pass
            clear(*os.path.split(self.path))
            self._prepare()
        except OSError as error:
            if self._lock >= 0:
                self.discard()
                self.close()
            raise self.explained(error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()

    def explained(self, error: OSError) -> OSError:
        """`error` as whoever asked for the copy is to read it: of the final name, and what became of it."""
        if error.filename not in (self.final, None) and not str(error.filename).startswith(self.path):
            return error
        if str(error.strerror).endswith(NOTHING):
            return error
        text = error.strerror or str(error)
        if error.errno == errno.ENOENT and not self._placing and not os.path.isdir(os.path.dirname(self.final)):
            text = f"there is no folder {os.path.dirname(self.final)}"
        became = "some of it may have taken its place" if self._placing else NOTHING
        return OSError(error.errno, f"{text}; {became}", self.final)

    def _check_place(self) -> None:
        """Raise `OSError` if what is there already is of another kind than what is to be."""
        if not self._merges:
            if os.path.isdir(self.final):
                raise IsADirectoryError(errno.EISDIR, f"a folder of that name is there; {NOTHING}", self.final)
            if special := _special(self.final):
                raise FileExistsError(errno.EEXIST, f"{special} is there; {NOTHING}", self.final)
            if not self._is_file and os.path.lexists(self.final):
                raise NotADirectoryError(errno.ENOTDIR, f"a file of that name is there; {NOTHING}", self.final)
            return
        for entry in self._entries[1:]:
            try:
                is_folder = stat.S_ISDIR(os.lstat(self._final(entry)).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if special := _special(self._final(entry)):
                raise FileExistsError(errno.EEXIST, f"{special} is there; {NOTHING}", self._final(entry))
            if is_folder != (entry.kind == FOLDER):
                text = "a folder is there, where none" if is_folder else "no folder is there, where one"
                raise OSError(errno.EEXIST, f"{text} is to be; {NOTHING}", self._final(entry))

    def _locked(self) -> bool:
        """Have the part, for us alone; False if it was renamed meanwhile, and is to be made anew."""
        self._remove(FILE if self._is_file else FOLDER, self.path)
        if self._is_file:
            fd = os.open(self.path, os.O_CREAT | os.O_RDWR | NO_FOLLOW, 0o600)
        else:
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                pass
            fd = os.open(self.path, os.O_RDONLY | _DIRECTORY | NO_FOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(fd), os.lstat(self.path))
        except BlockingIOError:
            os.close(fd)
            text = f"somebody else is copying there at the moment; {NOTHING}"
            raise BlockingIOError(errno.EAGAIN, text, self.final) from None
        except FileNotFoundError:
            is_there = False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            is_there = True
        if is_there:
            self._lock = fd
        else:
            os.close(fd)
        return is_there

    def _prepare(self) -> None:
        for entry in self._entries[1:]:
            there = self._part(entry)
            self._remove(entry.kind, there)
            if entry.kind == FOLDER and not os.path.isdir(there):
                os.mkdir(there, 0o700)
        needed = 0
        for number, entry in enumerate(self._entries):
            if entry.kind != FILE:
                continue
            kept = _kept(self._part(entry), entry.size, in_place=False)
            if kept is None and entry.path and os.path.lexists(self._part(entry)):
                os.unlink(self._part(entry))
            kept = kept or _kept(self._final(entry), entry.size, in_place=True)
            needed += entry.size
            if kept is not None:
                self.kept[number] = kept
                needed -= kept.size
        self._check_room(needed)

    def _check_room(self, needed: int) -> None:
        disk = os.statvfs(os.path.dirname(self.path))
        free = disk.f_bavail * disk.f_frsize
        if needed > free and disk.f_blocks:
            text = f"no space: {sized(needed)} to write, {sized(free)} free; {NOTHING}"
            raise OSError(errno.ENOSPC, text, self.final)

    def _part(self, entry: Entry) -> str:
        return os.path.join(self.path, entry.path) if entry.path else self.path

    def _final(self, entry: Entry) -> str:
        return os.path.join(self.final, entry.path) if entry.path else self.final

    def _remove(self, wanted: str, path: str) -> None:
        """Remove what is at `path` in the part, if it is something else than what is wanted."""
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            if wanted != FOLDER:
                _remove_tree(path)
        elif not (stat.S_ISREG(mode) and wanted == FILE):
            os.unlink(path)

    def write(self, part: Part) -> None:
        """Write what is next. Raises `OSError`, also where what has arrived is not what was sent."""
        entry, kept = self._entries[part.number], self.kept.get(part.number)
        if self._fd < 0:
            if kept is not None and kept.in_place and part.offset and part.digest == kept.digest:
                self._same.add(part.number)
                return
            self._open(entry, part.offset)
        data = memoryview(part.data)
        self._hash.update(data)
        while data:
            data = data[os.write(self._fd, data) :]
        if part.digest is None:
            return
        os.close(self._fd)
        self._fd = -1
        if self._hash.digest() != part.digest:
            os.unlink(self._part(entry))
            text = f"what arrived is not what was sent (SHA-256 differs), try again; {NOTHING}"
            raise OSError(errno.EIO, text, self._final(entry))

    def _open(self, entry: Entry, offset: int) -> None:
        self._fd = os.open(self._part(entry), os.O_CREAT | os.O_RDWR | NO_FOLLOW, 0o600)
        self._hash = hashlib.sha256()
        hashed(self._fd, offset, self._hash)
        os.ftruncate(self._fd, offset)

    def finish(self) -> None:
        """Put it in its place: from now on it is there."""
        self._placing = self._merges
        if self._is_file:
            self._settle(0, self._entries[0])
            if self._same:
                os.unlink(self.path)
            return
        known = {entry.path for entry in self._entries}
        _remove_unknown(self.path, known)
        made = [entry for entry in self._entries if entry.kind == FOLDER]
        if self._merges:
            made = [entry for entry in made if _make(self._final(entry))]
        for number, entry in enumerate(self._entries):
            if entry.kind == LINK:
                os.symlink(entry.target, self._part(entry))
            if entry.kind == FILE and not self._merges:
                os.chmod(self._part(entry), entry.mode)
            elif entry.kind != FOLDER and self._merges:
                self._settle(number, entry)
        for entry in reversed(made):
            os.chmod(self._final(entry) if self._merges else self._part(entry), entry.mode)
        if self._merges:
            _remove_tree(self.path)
        else:
            os.rename(self.path, self.final)

    def _settle(self, number: int, entry: Entry) -> None:
        """Put one file or link in its place."""
        if number in self._same:
            os.chmod(self._final(entry), entry.mode)
            return
        if entry.kind == FILE:
            os.chmod(self._part(entry), entry.mode)
        os.replace(self._part(entry), self._final(entry))

    def discard(self) -> None:
        """Remove what has arrived, as far as that is possible."""
        with suppress(OSError):
            self._remove("", self.path)

    def close(self) -> None:
        """Let others make a copy there."""
        for fd in (self._fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock = -1


def _kept(path: str, most: int, *, in_place: bool) -> Kept | None:
    """What there is of a file, if it can be a beginning of one of `most` bytes, or in its place all of it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode) or not 0 < size <= most or (in_place and size != most):
            return None
        digest = hashlib.sha256()
        return Kept(size, digest.digest(), in_place) if hashed(fd, size, digest) else None
    finally:
        os.close(fd)


def _short(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:LONGEST_NAME])


def _make(folder: str) -> bool:
    """Whether `folder` had to be made."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return False
    return True


def _remove_unknown(top: str, known: set[str]) -> None:
    """Remove what an earlier copy left in the part and this one has not."""
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            if os.path.relpath(path, top) not in known:
                if name in folders:
                    folders.remove(name)
                    _remove_tree(path)
                else:
                    os.unlink(path)


def _remove_tree(path: str) -> None:
    import shutil

    if os.path.islink(path):
        os.unlink(path)
    else:
        shutil.rmtree(path)
