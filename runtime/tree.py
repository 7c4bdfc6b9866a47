"""Files and folders of this disk as they are sent: what there is of them, and each file from end to end."""

# ruff: noqa: PTH115, PTH116, PTH118
# No pathlib: it takes longer to import than a worker to be made.

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from pysh.runtime.protocol.manifest import FILE, FOLDER, LINK, MODES, BadManifest, Entry, leads_out

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE = 124 * 1024
"""Bytes that are read and sent at once: what is small enough to be one frame, and is not copied to and fro by the
allocator, yet waits in a hub for what is smaller."""
PART = ".pysh-part"
"""How the name ends of what was not copied to its end."""
NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


class Changed(OSError):
    """A file changed while it was read."""


def scan(path: str) -> list[Entry]:
    """What the file or folder `path` consists of. Raises `OSError`, and `BadManifest` for what is not copied."""
    top = os.stat(path)  # a link that is named is followed; those below are kept
    if stat.S_ISREG(top.st_mode):
        return [Entry("", FILE, top.st_mode & MODES, top.st_size)]
    if not stat.S_ISDIR(top.st_mode):
        raise BadManifest(f"{path} is neither a file nor a folder; nothing was copied")
    entries = [Entry("", FOLDER, top.st_mode & MODES)]
    left = [""]
    while left:
        folder = left.pop()
        with os.scandir(os.path.join(path, folder)) as found:
            listed = [_entry(path, folder, one) for one in found if not one.name.endswith(PART)]
        below = sorted(listed, key=lambda entry: entry.path)
        entries += below
        left += [entry.path for entry in reversed(below) if entry.kind == FOLDER]
    return entries


def _entry(top: str, folder: str, found: "os.DirEntry[str]") -> Entry:
    path = f"{folder}/{found.name}" if folder else found.name
    status = found.stat(follow_symlinks=False)
    mode = status.st_mode & MODES
    if stat.S_ISREG(status.st_mode):
        return Entry(path, FILE, mode, status.st_size)
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, FOLDER, mode)
    if not stat.S_ISLNK(status.st_mode):
        raise BadManifest(f"{found.path} is neither a file nor a folder; nothing was copied")
    target = os.readlink(found.path)
    if leads_out(path, target):
        hint = "copy what it leads to apart, or leave the link out"
        raise BadManifest(f"the link {found.path} leads out of {top}, to {target}; nothing was copied: {hint}")
    return Entry(path, LINK, mode, target=target)


class Source:
    """A file that is read from one end to the other, as large as it was when it was listed."""

    def __init__(self, path: str, size: int, *, follow: bool) -> None:
        self._path, self._size = path, size
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (os.O_CLOEXEC if follow else NO_FOLLOW))
        self._before = os.fstat(self._fd)
        self._hash = hashlib.sha256()
        self.offset = 0
        self.check()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def skip(self, size: int, digest: bytes) -> None:
        """Go on behind the first `size` bytes, if their SHA-256 is `digest`."""
        if size <= self._size and hashed(self._fd, size, self._hash) and self._hash.digest() == digest:
            self.offset = size
        else:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._hash = hashlib.sha256()

    def read(self) -> tuple[bytes, bytes | None]:
        """The next piece; with the last, which may be empty, the SHA-256 of all. Raises `Changed`."""
        data = os.read(self._fd, min(PIECE, self._size - self.offset)) if self.offset < self._size else b""
        self.offset += len(data)
        self._hash.update(data)
        if self.offset < self._size and data:
            return data, None
        self.check()
        return data, self._hash.digest()

    def check(self) -> None:
        """Raise `Changed` if it is not as it was when it was listed and opened."""
        now = os.fstat(self._fd)
        if not stat.S_ISREG(now.st_mode) or (now.st_size, now.st_mtime_ns) != (self._size, self._before.st_mtime_ns):
            what = f"it changed while it was read ({self._size:,} bytes, then {now.st_size:,}); nothing was written"
            raise Changed(errno.EAGAIN, what, self._path)


def hashed(fd: int, size: int, digest: "_Hash") -> bool:
    """Whether there were `size` bytes to add to `digest`."""
    while size and (data := os.read(fd, min(size, PIECE))):
        digest.update(data)
        size -= len(data)
    return not size
