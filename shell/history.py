"""What was typed before, in all shells of this user: a file that every one of them only appends to.

One JSON record a line. Appends of one write each do not mix, so nothing is locked and nothing can be
left half changed; what another shell adds is seen at the next look.
"""

import json
import os
import re
import time
from pathlib import Path

TAIL = 512 * 1024
"""How many bytes at the end of the file are read; what is older stays in it."""
ENTRIES = 2000
"""How many entries are offered."""

_COOKIE = re.compile(r"cookie\w*\s*[=:]\s*\w{0,2}[\"']", re.IGNORECASE)


class History:
    """The entries of `path`; without a path, those of this process alone.

    Not kept: what begins with a space, and what holds a cookie (`secret`, or any text given as one).
    """

    def __init__(self, path: Path | None, *, node: str = "", secret: str = "") -> None:
        self._path = path
        self._node = node
        self._secret = secret
        self._entries: list[str] = []
        self._read = -1  # how far into the file; -1 before the first look

    def add(self, source: str) -> None:
        """Keep `source`, unless it is to be forgotten or repeats the last one."""
        if not self._worth(source):
            return
        known = self.entries()
        if known and known[-1] == source:
            return
        if not self._append(source):
            self._entries.append(source)

    def entries(self) -> list[str]:
        """The newest `ENTRIES` entries, oldest first, with what other shells added since."""
        for source in self._fresh():
            if not self._entries or self._entries[-1] != source:
                self._entries.append(source)
        del self._entries[:-ENTRIES]
        return self._entries

    def _worth(self, source: str) -> bool:
        if not source.strip() or source[0].isspace():
            return False
        return not (self._secret and self._secret in source) and not _COOKIE.search(source)

    def _append(self, source: str) -> bool:
        if self._path is None:
            return False
        record = json.dumps({"t": round(time.time(), 3), "node": self._node, "src": source})
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, record.encode() + b"\n")
            finally:
                os.close(fd)
        except OSError:
            return False  # a home that cannot be written is no reason to fail at a prompt
        return True

    def _fresh(self) -> list[str]:
        """The entries that the file has and we have not."""
        if self._path is None:
            return []
        try:
            with open(self._path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                # A file that shrank is another file; of a long one only the end is read.
                start = self._read if 0 <= self._read <= size else max(0, size - TAIL)
                file.seek(start)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]  # another shell may be in the middle of a line
        self._read = start + len(whole)
        return [source for line in whole.splitlines() if (source := _source(line))]


def _source(line: bytes) -> str:
    """The source in one record, empty if it is damaged."""
    try:
        source = json.loads(line)["src"]
    except (ValueError, KeyError, TypeError):
        return ""
    return source if isinstance(source, str) else ""
