"""Parts of copies that nobody went on with: the next copy into their folder removes what is old."""

# ruff: noqa: PTH108, PTH208

import fcntl
import os
import stat
import time
from contextlib import suppress

from pysh.runtime.tree import NO_FOLLOW, PART

KEPT = 7 * 86400.0
"""Seconds after its last byte in which a part may be gone on from, at least."""


def clear(folder: str, keep: str) -> None:
    """Remove parts of our own in `folder` to which nothing has come for so long, but for the one called `keep`.

    What somebody is at work on is locked, and stays; so does what cannot be removed.
    """
    with suppress(OSError):
        before = time.time() - KEPT
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(PART) and name != keep:
                with suppress(OSError):
                    _clear(os.path.join(folder, name), before)  # noqa: PTH118


def _clear(path: str, before: float) -> None:
    found = os.lstat(path)
    is_folder = stat.S_ISDIR(found.st_mode)
    if found.st_uid != os.getuid() or not (is_folder or stat.S_ISREG(found.st_mode)):
        return
    if found.st_mtime >= before or (is_folder and _newest(path) >= before):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), os.lstat(path)):
            return
        if is_folder:
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)
    finally:
        os.close(fd)


def _newest(top: str) -> float:
    """When something was last written below a folder."""
    below = (os.path.join(folder, name) for folder, folders, files in os.walk(top) for name in [*folders, *files])  # noqa: PTH118
    return max((os.lstat(path).st_mtime for path in below), default=0.0)
