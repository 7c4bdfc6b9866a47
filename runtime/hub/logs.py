"""Where each node of this machine writes what it prints of itself, and the end of it."""

# ruff: noqa: PTH103, PTH118, PTH207

import os
from glob import glob

from pysh.runtime.places import ConfigError, has_home, runtime_dir, state_dir

TAIL = 4096
"""Bytes of a log that an error shows."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def begin(name: str) -> None:
    """Let this process print into the log of node `name`, begun anew.

    It lies in the state directory, in the runtime directory where that cannot be written; without
    either nothing is kept.
    """
    for folder in _folders():
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            fd = os.open(os.path.join(folder, f"{name}.log"), _FLAGS, 0o600)
            break
        except OSError:
            continue
    else:
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _folders() -> list[str]:
    folders = [os.path.join(state_dir(), "logs")] if has_home() else []
    try:
        return [*folders, os.path.join(runtime_dir(), "logs")]
    except ConfigError:
        return folders


def log_file(name: str) -> str:
    """The log of the node called `name`, in full or up to the `@`: the newest; empty if there is none."""
    pattern = f"{name}.log" if "@" in name else f"{name}@*.log"
    found = [path for folder in _folders() for path in glob(os.path.join(folder, pattern))]
    return max(found, key=lambda path: os.stat(path).st_mtime, default="")  # noqa: PTH116


def tail(source: str | int, size: int = TAIL) -> str:
    """The last `size` bytes of a file, given by its path or descriptor; empty if it cannot be read."""
    try:
        fd = os.dup(source) if isinstance(source, int) else os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, max(0, os.fstat(fd).st_size - size)).decode(errors="replace")
        finally:
            os.close(fd)
    except OSError:
        return ""
