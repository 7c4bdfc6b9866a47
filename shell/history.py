"""What was typed before, in all shells of this user: a file that every one of them only appends to.

One JSON record a line. Appends of one write each do not mix, so nothing is locked and nothing can be
left half changed; what another shell adds is seen at the next look.
"""

import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TAIL = 512 * 1024
"""How many bytes at the end of the file are read; what is older stays in it."""
ENTRIES = 2000
"""How many entries are offered."""

_COOKIE = re.compile(r"cookie\w*\s*[=:]\s*\w{0,2}[\"']", re.IGNORECASE)

_ASKS = re.compile(r"\bsecret\s*\(")
"""Code that asks for what nobody is to see."""


class Entry(NamedTuple):
    """A cell as it was typed: at which node, in which folder there, and when (seconds since 1970)."""

    source: str
    node: str = ""
    folder: str = ""
    time: float = 0.0


class History:
    """The entries of `path`; without a path, those of this process alone.

    Not kept: what begins with a space, what asks for a `secret()`, and what holds a cookie (`secret`, or any text given
    as one).
    """

    def __init__(self, path: Path | None, *, secret: str = "") -> None:
        self.node = ""
        """Where what is added was typed, and in which folder there, as far as it is known."""
        self.folder = ""
        self._path = path
        self._secret = secret
        self._entries: list[Entry] = []
        self._read = -1  # how far into the file; -1 before the first look

    def add(self, source: str) -> None:
        """Keep `source`, unless it is to be forgotten or repeats the last one."""
        if not self._worth(source):
            return
        known = self.entries()
        if known and known[-1].source == source:
            return
        entry = Entry(source, self.node, self.folder, round(time.time(), 3))
        if not self._append(entry):
            self._entries.append(entry)

    def entries(self) -> Sequence[Entry]:
        """The newest `ENTRIES` entries, oldest first, with what other shells added since."""
        for entry in self._fresh():
            if not self._entries or self._entries[-1].source != entry.source:
                self._entries.append(entry)
        del self._entries[:-ENTRIES]
        return self._entries

    def _worth(self, source: str) -> bool:
        if not source.strip() or source[0].isspace():
            return False
        return not (self._secret and self._secret in source) and not (_COOKIE.search(source) or _ASKS.search(source))

    def _append(self, entry: Entry) -> bool:
        if self._path is None:
            return False
        record = json.dumps({"t": entry.time, "node": entry.node, "cwd": entry.folder, "src": entry.source})
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

    def _fresh(self) -> list[Entry]:
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
        return [entry for line in whole.splitlines() if (entry := _entry(line)) is not None]


def _entry(line: bytes) -> Entry | None:
    """The entry in one record; None if it is damaged."""
    try:
        told = json.loads(line)
        source, node, folder, when = told["src"], told.get("node", ""), told.get("cwd", ""), told.get("t", 0.0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    texts = all(isinstance(each, str) for each in (source, node, folder))
    return Entry(source, node, folder, float(when)) if texts and source and isinstance(when, int | float) else None
