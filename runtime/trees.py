"""The sources of a module or package of the user's, named by what they hold.

A *tree* is a top-level module or package as it lies in a folder: its sources and C extensions, each with its
SHA-256. Written one a line, as `sha256sum` does, these lines have a SHA-256 themselves: that is the tree's hash.
Two trees of one hash are the same code, wherever they lie and whenever they were written.

Looking again is cheap: a file is read anew only if the system says that it was changed (its `ctime`, which nobody
can set), or may have been changed within the same tick of the clock in which it was read.
"""

# ruff: noqa: PTH112, PTH113, PTH114, PTH116, PTH208

import os
import re
import sys
from typing import NamedTuple

from pysh.runtime.errors import NotSendable
from pysh.runtime.extensions import EXTENSIONS, is_extension
from pysh.runtime.marks import Mark, Marks, mark

ENTRIES = 20_000
"""Files and folders that are looked at in one tree."""
BYTES = 64 << 20
"""Bytes of the sources of one tree."""
TRIES = 5
"""How often a file is read that is written meanwhile."""

_MENTIONED = re.compile(r"(?:^|[;:])[ \t]*(?:import[ \t]+([^\n;#]+)|from[ \t]+(\w+)[\w.]*[ \t]+import\b)", re.MULTILINE)


class Seen(NamedTuple):
    """One file as it was read: its hash, and the top-level modules that it names in imports."""

    mark: Mark
    sha: str
    mentions: frozenset[str]


class Tree:
    """One module or package: `files` has the SHA-256 of each by its path below `root`.

    `mentions` are top-level modules named in its imports, `outside` the files that symbolic links bring in from
    out of `root`, with where these lead.
    """

    def __init__(
        self, name: str, root: str, files: dict[str, str], *, mentions: frozenset[str] = frozenset(),
        outside: dict[str, str] | None = None, seen: dict[str, Seen] | None = None,
        marks: Marks | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.root = root
        self.files = files
        self.hash = digest(lines(files))
        self.mentions = mentions
        self.outside = outside or {}
        self.seen = seen or {}
        self.marks = marks or Marks(())

    def __repr__(self) -> str:
        return f"<Tree {self.name} {self.hash[:12]} in {self.root}: {len(self.files)} files>"

    @property
    def lines(self) -> bytes:
        """What its hash is the SHA-256 of."""
        return lines(self.files)

    def is_current(self) -> bool:
        """Whether nothing of it has changed since it was looked at."""
        return self.marks.hold()

    def lacking(self) -> list[str]:
        """Those of its C extensions that are not here."""
        return []

    def took(self, again: "Tree") -> None:
        """The same was found `again`, by marks of its own."""
        self.seen, self.marks = again.seen, again.marks

    def read(self, path: str) -> bytes:
        """The content of one of its files. Raises `OSError` where that is not what it was."""
        with open(f"{self.root}/{path}", "rb") as file:
            data = file.read()
        if digest(data) != self.files[path]:
            raise OSError(f"{self.root}/{path} was changed")
        return data


def digest(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal digits."""
    from hashlib import sha256  # OpenSSL comes with it, and most calls use no module of the user's own

    return sha256(data).hexdigest()


def lines(files: dict[str, str]) -> bytes:
    """The hashes and paths of `files`, a line for each, as `sha256sum` writes them."""
    return "".join(f"{sha}  {path}\n" for path, sha in sorted(files.items())).encode("utf-8", "surrogateescape")


def parsed(data: bytes) -> dict[str, str]:
    """The inverse of `lines`. Raises `ValueError` for what it did not make, or paths that lead out of a folder."""
    files: dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        sha, space, path = line[:64], line[64:66], line[66:]
        parts = path.split("/")
        if (
            space != "  "
            or any(part in ("", ".", "..") or "\0" in part for part in parts)
            or sha.strip("0123456789abcdef")
        ):
            raise ValueError(f"no line of a tree: {line[:100]!r}")
        files[path] = sha
    return files


bound: dict[str, Tree] = {}
"""In a process that runs code for others: the trees that came with it, which are not what lies there now."""
_known: dict[tuple[str, str], Tree] = {}


def find(name: str, root: str) -> Tree:
    """The tree that is bound here to that name, else as `tree`."""
    return bound.get(name) or tree(name, root)


def tree(name: str, root: str) -> Tree:
    """The tree of module `name` in the folder `root`, as it is now; the same object while nothing changes.

    Raises `FileNotFoundError` where there is none, and `NotSendable` for what is too large, or never at rest.
    """
    known = _known.get((name, root))
    if known is not None and known.is_current():
        return known
    before = known.seen if known is not None else {}
    for _ in range(TRIES):
        look = _Look(root, before)
        try:
            look.top(name)
        except _Moving:
            continue
        made = look.tree(name)
        if known is not None and known.hash == made.hash:
            known.took(made)
            return known
        _known[name, root] = made
        return made
    raise NotSendable(f"{root}/{name}", reason="it changes while it is read", hint="wait until it is written")


class _Moving(Exception):
    """A file was written while it was read."""


class _Look:
    """One walk through a tree."""

    def __init__(self, root: str, before: dict[str, Seen]) -> None:
        self._root = root
        self._before = before
        self._seen: dict[str, Seen] = {}
        self._marks: dict[str, Mark] = {}
        self._outside: dict[str, str] = {}
        self._watched: list[str] = []
        self._linked = False
        self._folders: set[tuple[int, int]] = set()
        self._entries = self._bytes = 0

    def top(self, name: str) -> None:
        """Look at all that the module `name` consists of, as Python would find it."""
        folder = f"{self._root}/{name}"
        if os.path.isfile(f"{folder}/__init__.py"):
            self._folder(folder, name, linked=os.path.islink(folder))
        elif any(os.path.isfile(f"{folder}{ending}") for ending in EXTENSIONS):
            for entry in os.listdir(self._root):
                if entry.partition(".")[0] == name and entry.endswith((".py", *EXTENSIONS)):
                    self._alone(entry)
        elif os.path.isfile(f"{folder}.py"):
            self._alone(f"{name}.py")
        elif os.path.isdir(folder):
            self._folder(folder, name, linked=os.path.islink(folder))
        else:
            raise FileNotFoundError(f"{folder}.py")

    def _alone(self, file: str) -> None:
        path = f"{self._root}/{file}"
        self._watched.append(path)
        self._file(path, file, os.path.islink(path))

    def tree(self, name: str) -> Tree:
        """What was found."""
        files = {path: seen.sha for path, seen in self._seen.items()}
        mentions = frozenset().union(*(seen.mentions for seen in self._seen.values()))
        return Tree(
            name, self._root, files, mentions=mentions - {name}, outside=self._outside, seen=self._seen,
            marks=Marks(self._marks.items(), () if self._linked else self._watched),
        )  # fmt: skip

    def _folder(self, folder: str, inside: str, *, linked: bool = False) -> None:
        found = os.stat(folder)
        if (found.st_dev, found.st_ino) in self._folders:
            return  # a link leads back to where we came from
        self._folders.add((found.st_dev, found.st_ino))
        self._marks[folder] = mark(found)
        self._watched.append(folder)
        self._linked = self._linked or linked
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            self._entries += 1
            if self._entries > ENTRIES:
                raise NotSendable(self._root, reason=f"it has more than {ENTRIES:,} files", hint=_LARGE)
            stem = entry.name.partition(".")[0]
            if not stem.isidentifier() or stem == "__pycache__":
                continue  # no import finds it
            linked_here = linked or entry.is_symlink()
            if entry.name.endswith((".py", *EXTENSIONS)):
                if entry.is_file():
                    self._file(entry.path, f"{inside}/{entry.name}", linked_here)
            elif stem == entry.name and entry.is_dir():
                self._folder(entry.path, f"{inside}/{entry.name}", linked=linked_here)

    def _file(self, path: str, inside: str, linked: bool) -> None:
        self._linked = self._linked or linked
        if linked and not (leads := os.path.realpath(path)).startswith(f"{os.path.realpath(self._root)}/"):
            self._outside[inside] = leads
        before = self._before.get(inside)
        if before is None or before.mark is None or before.mark != mark(os.stat(path)):
            before = self._read(path)
        self._marks[path] = before.mark
        self._seen[inside] = before

    def _read(self, path: str) -> Seen:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            seen = mark(found)  # before it is read
            data = file.read()
            if _changed(found, os.fstat(file.fileno())):
                raise _Moving
        if is_extension(path):
            return Seen(seen, digest(data), frozenset())
        self._bytes += len(data)
        if self._bytes > BYTES:
            raise NotSendable(self._root, reason=f"it has more than {BYTES >> 20} MiB of sources", hint=_LARGE)
        return Seen(seen, digest(data), _mentions(data))


_LARGE = 'install it there, or say sync="off" where the same is there'


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_ctime_ns, before.st_size) != (after.st_ctime_ns, after.st_size)


def _mentions(source: bytes) -> frozenset[str]:
    """The top-level modules that imports seem to name: perhaps too many, where a text reads like one."""
    names: set[str] = set()
    for several, one in _MENTIONED.findall(source.decode("utf-8", "replace").replace("\\\n", " ")):
        if one:
            names.add(one)
        else:
            names.update(part.split()[0].partition(".")[0] for part in several.split(",") if part.split())
    return frozenset(sys.intern(name) for name in names if name.isidentifier()) - sys.stdlib_module_names
