"""Sources that came from other nodes, as files: `~/.cache/pysh/code/HASH/`, one folder a tree, and `files/HASH`, one a
source, of which the trees are made by hard links. What is there is what it is called, or it is not used.

Only we can enter. A folder has its name once it is whole; of two that make it at a time one is first, and both have it.
"""

# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH118, PTH119, PTH120

import os
import shutil
import time
from contextlib import suppress

from pysh.runtime import trees
from pysh.runtime.places import cache_dir, has_home, write_private
from pysh.transports import system

TREES = 64
"""Trees that are kept; of more the oldest go that nobody has used for `IDLE` seconds."""
IDLE = 86400.0
_LINES = ".sha256"


class Cache:
    """The folder. Raises `OSError` where it cannot be written, or others may enter it."""

    def __init__(self) -> None:
        self._folder = os.path.join(cache_dir(), "code")
        self._new: list[str] = []  # sources that were written for a tree that is not whole yet

    def __str__(self) -> str:
        return self._folder

    def tree(self, digest: str) -> tuple[str, dict[str, str]] | None:
        """Where the tree of that hash lies, with its files; None if it is not there."""
        root = os.path.join(self._folder, digest)
        try:
            if system.why_not_private(self._folder):
                return None
            with open(os.path.join(root, _LINES), "rb") as file:
                data = file.read()
            if trees.digest(data) != digest:
                return None
            with suppress(OSError):
                os.utime(root)
            return root, trees.parsed(data)
        except (OSError, ValueError):
            return None

    def source(self, digest: str) -> bytes | None:
        """The source of that hash; None if it is not there."""
        try:
            if system.why_not_private(self._folder):
                return None
            with open(self._file(digest), "rb") as file:
                data = file.read()
        except OSError:
            return None
        return data if trees.digest(data) == digest else None

    def keep(self, files: dict[str, str], sources: dict[str, bytes]) -> str:
        """Make a tree of these files, some of which may be here; where it lies. Raises `OSError`, and leaves none."""
        data = trees.lines(files)
        root = os.path.join(self._folder, trees.digest(data))
        if not has_home():
            raise FileNotFoundError("there is no home directory")
        os.makedirs(os.path.dirname(self._folder), 0o700, exist_ok=True)
        for folder in (self._folder, os.path.join(self._folder, "files")):
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        if reason := system.why_not_private(self._folder):
            raise PermissionError(f"{self._folder}: {reason}")
        self._make_room()
        made = f"{root}.{os.urandom(4).hex()}"
        os.mkdir(made, 0o700)
        try:
            for path, digest in files.items():
                if digest in sources:
                    self._put(digest, sources[digest], os.path.join(made, path))
            write_private(os.path.join(made, _LINES), data)
            with suppress(FileExistsError, OSError):
                os.rename(made, root)  # unless another was faster
        except OSError:
            for place in self._new:
                with suppress(OSError):
                    os.unlink(place)  # the room is somebody else's
            raise
        finally:
            self._new.clear()
            shutil.rmtree(made, ignore_errors=True)
        if self.tree(os.path.basename(root)) is None:
            raise OSError(f"{root} is not whole")
        return root

    def _put(self, digest: str, data: bytes, path: str) -> None:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        kept = self._file(digest)
        if self.source(digest) is None:
            write_private(kept, data)
            self._new.append(kept)
        try:
            os.link(kept, path)
        except OSError:
            write_private(path, data)

    def _file(self, digest: str) -> str:
        return os.path.join(self._folder, "files", digest)

    def _make_room(self) -> None:
        """Remove what was not used for long, where there is much."""
        with suppress(OSError):
            before = time.time() - IDLE
            kept = [entry for entry in os.scandir(self._folder) if entry.name != "files"]
            kept.sort(key=lambda entry: entry.stat().st_mtime)
            gone = [entry for entry in kept[: max(0, len(kept) - TREES)] if entry.stat().st_mtime < before]
            for entry in gone:
                shutil.rmtree(entry.path, ignore_errors=True)
            if gone:
                for entry in os.scandir(os.path.join(self._folder, "files")):
                    found = entry.stat()
                    if found.st_nlink == 1 and found.st_mtime < before:
                        os.unlink(entry.path)
