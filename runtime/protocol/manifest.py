"""What a copy of a file or folder is to consist of: a list of entries, checked before anything is written.

The first entry is the top, with the path "". The others are of a folder: each stands behind the folder that it is
in. A symbolic link leads to what is in the same folder: it may begin with `..` as often as it is deep, and nothing
else of its target is one, so that no way through other links leads out.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pysh.runtime.protocol.terms import Buffer, printable

FILE, FOLDER, LINK = "file", "folder", "link"
KINDS = frozenset((FILE, FOLDER, LINK))
MODES = 0o777
"""The bits of a mode that are kept: what runs as somebody else does so where it was made alone."""
MOST_ENTRIES = 500_000
LONGEST = 4096
"""Characters of a path."""


class BadManifest(ValueError):
    """What was offered may not be written as it is."""


class Entry(NamedTuple):
    """One thing to be made: its path below the top, with `/`; `size` in bytes is a file's, `target` a link's."""

    path: str
    kind: str
    mode: int = 0o600
    size: int = 0
    target: str = ""


def check(entries: Sequence[Entry]) -> None:
    """Raise `BadManifest` unless `entries` stay within their top, whoever made them."""
    if not 0 < len(entries) <= MOST_ENTRIES:
        raise BadManifest(f"{len(entries):,} files and folders at once are too many, or none")
    top = entries[0]
    if top.path or top.kind == LINK or (top.kind == FILE and len(entries) > 1):
        raise BadManifest("what is offered is neither a file nor a folder")
    folders, seen = {""}, {""}
    for entry in entries[1:]:
        _check_path(entry.path)
        if entry.path in seen:
            raise BadManifest(f"{printable(entry.path)} is there twice")
        if parent(entry.path) not in folders:
            raise BadManifest(f"{printable(entry.path)} is in no folder that was offered")
        seen.add(entry.path)
        if entry.kind == FOLDER:
            folders.add(entry.path)
        elif entry.kind == LINK and leads_out(entry.path, entry.target):
            raise BadManifest(f"the link {printable(entry.path)} leads out of the folder: {printable(entry.target)}")
    for entry in entries:
        if entry.kind not in KINDS or entry.size < 0 or entry.mode & ~MODES:
            raise BadManifest(f"{printable(entry.path)} is nothing that can be made")


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(path) > LONGEST or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise BadManifest(f"{printable(path)} is no path within the folder")


def parent(path: str) -> str:
    """The path of the folder that `path` is in."""
    return path.rpartition("/")[0]


def leads_out(path: str, target: str) -> bool:
    """Whether a link at `path` to `target` may lead out of the top."""
    if not target or target.startswith("/") or "\0" in target or len(target) > LONGEST:
        return True
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    return up > path.count("/") or ".." in parts[up:]


def total(entries: Iterable[Entry]) -> int:
    """The bytes of all files."""
    return sum(entry.size for entry in entries)


def sized(size: float) -> str:
    """`size` bytes as people read them: `512 B`, `3.1 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


_PART = struct.Struct(">IQ?32s")


class Part(NamedTuple):
    """Some bytes of the file that is entry `number`, which begin at `offset`; the last has its SHA-256."""

    number: int
    offset: int
    data: Buffer
    digest: bytes | None = None

    def packed(self) -> bytes:
        """The part as it travels: a head of fixed size, and the bytes. Most of a copy is this, so it is no pickle."""
        digest = self.digest
        return b"".join((_PART.pack(self.number, self.offset, digest is not None, digest or b""), self.data))

    @staticmethod
    def unpacked(said: bytes) -> "Part":
        """What `packed` made. Raises `BadManifest`."""
        if len(said) < _PART.size:
            raise BadManifest(f"a part of {len(said)} bytes has no head")
        number, offset, ends, digest = _PART.unpack_from(said)
        return Part(number, offset, memoryview(said)[_PART.size :], digest if ends else None)


class Progress:
    """What a receiver expects next: the files in order, each from where it stands, and not a byte more."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._files = [index for index, entry in enumerate(entries) if entry.kind == FILE]
        self._at = 0
        self._offset = 0
        self.bytes = 0
        """Bytes of files that are there, of `total`."""
        self.total = total(entries)

    @property
    def done(self) -> bool:
        """Whether every file is whole."""
        return self._at == len(self._files)

    def take(self, part: Part, kept: int) -> None:
        """`part` came; `kept` bytes of its file may be there from before. Raises `BadManifest` if it is not next."""
        if self.done or part.number != self._files[self._at]:
            raise BadManifest(f"a part of entry {part.number} came out of turn")
        size = self._entries[part.number].size
        begins = self._offset or part.offset
        if part.offset != begins or (not self._offset and part.offset not in (0, kept)):
            raise BadManifest(f"a part at {part.offset} came out of turn")
        end = part.offset + len(part.data)
        if end > size or (end == size) != (part.digest is not None) or not (part.data or part.digest is not None):
            raise BadManifest(f"a part ends at {end} of {size} bytes")
        self.bytes += end - self._offset
        self._offset = end
        if part.digest is not None:
            self._at += 1
            self._offset = 0
