"""`rc.pysh`, and what a `.pysh.toml` has: code that runs in a shell before its first cell, in the same names.

It is Python, with `await` and the preloaded names, as a cell. What goes wrong in it is told on the shell's
terminal, and is no reason for the shell not to be there.
"""

# ruff: noqa: PTH116, PTH120

import os
import stat
import sys
from _thread import start_new_thread
from collections.abc import Iterator
from io import StringIO
from time import sleep
from typing import Any

from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.cleaning import clean, shown
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from pysh.runtime.runner.jobs import Job

LARGEST = 1 << 20
"""Bytes of the file."""
LONG = 2.0
"""Seconds after which whoever waits for it is told so."""


class Startup(Job):
    """The user's code on its way through the evaluator. `stdin` is empty for it: nobody can be asked yet."""

    def __init__(self, path: str, source: str) -> None:
        super().__init__(Frame(Kind.REQUEST, LOCAL, LOCAL), source, path)
        self.over = False
        self._stdin, sys.stdin = sys.stdin, StringIO()
        start_new_thread(self._say_if_long, ())

    def _say_if_long(self) -> None:
        sleep(LONG)
        if not self.over:
            say(f"{shown(self.filename)} has been running for {LONG:g} s, and cells wait for it; Ctrl-C in one ends it")

    def tell(self, meta: dict[str, Any]) -> None:
        """Show what went wrong, if that is what `meta` tells."""
        self.over = True
        sys.stdin = self._stdin
        if "exit" in meta:
            say(f"{shown(self.filename)} wanted to exit, at which it ended; the shell goes on")
        elif meta.get("kind") == "error":
            what = "was interrupted" if meta.get("error") == "KeyboardInterrupt" else "has failed"
            say(f"{shown(self.filename)} {what}; what ran before that holds, and the shell goes on\n{meta['text']}")


def startups(config: dict[str, Any]) -> Iterator[Startup]:
    """What an evaluator that is told `config` runs, in order: each once the one before it is over."""
    if (rc := config.get("rc")) and (first := startup(rc)):
        yield first
    if (path := config.get("project")) and (second := startup_of_project(path)):
        yield second


def startup_of_project(path: str) -> Startup | None:
    """The code in the `.pysh.toml` at `path`, None if it has none. Says why it is not to be run, or not even read."""
    from pysh.runtime import project

    try:
        found = project.read(path)
        if why := project.why_not_trusted(found):
            say(why)
            return None
        code = project.said(found).code
    except ConfigError as error:
        say(str(error))
        return None
    return Startup(path, code) if code else None


def startup(path: str) -> Startup | None:
    """The code in the file `path`, None if there is none. Says why what is there is not to be run."""
    try:
        source = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"{shown(path)} was not run: {error.strerror or error}")
        return None
    return Startup(path, source) if source.strip() else None


def say(text: str) -> None:
    """A line of ours on the shell's terminal, whatever user code made of `sys.stderr`."""
    os.write(2, f"pysh: {clean(text.rstrip(), colours=True)}\n".encode("utf-8", "backslashreplace"))


def _read(path: str) -> str:
    """The file's text. Raises `OSError`, with the reason as text where others could have written it."""
    # A link is followed, for many keep such files elsewhere; a pipe that nobody writes to is not waited for.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no file")
        if reason := _why_not_ours(path, found):
            raise OSError(reason)
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(f"it has more than {LARGEST:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OSError(f"its line {line} is no UTF-8") from None


def _why_not_ours(path: str, found: os.stat_result) -> str:
    """Why others than we and root could have written it, as far as modes tell; empty if they could not."""
    if found.st_uid not in (os.geteuid(), 0):
        return f"it belongs to uid {found.st_uid}, and we are {os.geteuid()}"
    if found.st_mode & 0o022:
        return f"others may write it: chmod go-w {shown(path)}"
    folder = os.path.dirname(os.path.realpath(path))
    about = os.stat(folder)
    if about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX:
        return f"others may put another one in its place: chmod go-w {shown(folder)}"
    return ""
