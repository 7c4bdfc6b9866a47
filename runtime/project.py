"""`.pysh.toml`: settings and start-up code of a folder, which are used once its user has looked at it: `trust()`.

What is trusted is the content of a file at a path. Until then it is hashed, and nothing in it is read as anything:

[shell]
theme = "dark"

[start]
code = '''
import shop
'''
"""

# ruff: noqa: PTH103, PTH118, PTH120

import fcntl
import os
import stat
from typing import Any, NamedTuple

from pysh.runtime.places import ConfigError, state_dir, write_private
from pysh.runtime.protocol.cleaning import shown

NAME = ".pysh.toml"
LARGEST = 64 * 1024
"""Bytes of the file."""
MOST = 1000
"""Files that are trusted, the last ones."""


class Project(NamedTuple):
    """A file and what it holds."""

    path: str
    data: bytes

    @property
    def digest(self) -> str:
        """Its SHA-256."""
        from hashlib import sha256

        return sha256(self.data).hexdigest()


class Said(NamedTuple):
    """What it says."""

    text: str
    tables: dict[str, Any]
    code: str
    """To be run at the start of a shell; its lines have the numbers of those of the file."""


def find(folder: str) -> str:
    """The path of the file in `folder`, or in the nearest one above it; empty if there is none."""
    while True:
        path = os.path.join(folder, NAME)
        if os.path.lexists(path):
            return os.path.realpath(path)
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above


def read(path: str) -> Project:
    """The file at `path`. Raises `ConfigError`."""
    what = "the project's settings cannot be read"
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(what, f"{shown(path)} is no file")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(what, f"{shown(path)}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ConfigError(what, f"{shown(path)} has more than {LARGEST:,} bytes")
    return Project(path, data)


def said(project: Project) -> Said:
    """What it says. Raises `ConfigError`, with the line to blame."""
    from pysh.runtime import configuration

    path = project.path
    try:
        text = project.data.decode()
    except UnicodeDecodeError as error:
        line = project.data.count(b"\n", 0, error.start) + 1
        raise ConfigError("the project's settings are no UTF-8", f"{shown(path)}:{line}") from None
    tables = configuration.parsed(shown(path), text)
    start = tables.get("start", {})
    code = start.get("code", "") if isinstance(start, dict) else None
    if not isinstance(code, str) or [*start] not in ([], ["code"]):
        line = configuration.line_of(text, "start")
        raise ConfigError(
            "the project's start-up code is no text", f"{shown(path)}:{line}", "write [start], and code = '...'"
        )
    # As tracebacks have the lines of the file.
    above = text.count("\n", 0, text.find(code)) if code in text else 0
    return Said(text, tables, "\n" * above + code if code.strip() else "")


# trust


def trusted_file() -> str:
    """Where it is kept what is trusted: lines as those of `sha256sum`."""
    return os.path.join(state_dir(), "trusted")


def why_not_trusted(project: Project) -> str:
    """What is said of a file that is not to be used; empty if it was trusted as it is."""
    known = dict(_known())
    if known.get(project.path) == project.digest:
        return ""
    changed = " has changed since it was trusted" if project.path in known else " is there"
    return f"{shown(project.path)}{changed}, and was not read: trust() shows what it would do, and asks"


def why_not_used(path: str) -> str:
    """The same of the file at `path`, or why that cannot be used; empty if it can."""
    try:
        found = read(path)
        if not (why := why_not_trusted(found)):
            said(found)
    except ConfigError as error:
        return str(error)
    return why


def trust(project: Project) -> None:
    """Have it used from now on, as it is. Raises `OSError`, and `ConfigError` for a path that makes no single line."""
    if "\n" in project.path:
        raise ConfigError("a path of several lines cannot be trusted", shown(project.path), "rename that folder")
    os.makedirs(state_dir(), 0o700, exist_ok=True)
    # Of two who add to it at once the second reads what the first wrote.
    with open(os.open(f"{trusted_file()}.lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = [f"{digest}  {path}" for path, digest in _known() if path != project.path]
        lines = [*lines, f"{project.digest}  {project.path}"][-MOST:]
        write_private(trusted_file(), os.fsencode("\n".join(lines) + "\n"))


def _known() -> list[tuple[str, str]]:
    """Paths and hashes; none from a file that others could have written."""
    try:
        with open(trusted_file(), "rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return []
            lines = os.fsdecode(file.read()).split("\n")
    except OSError:
        return []
    parts = (line.partition("  ") for line in lines)
    return [(path, digest) for digest, _, path in parts if path]
