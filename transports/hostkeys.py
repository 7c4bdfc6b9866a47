"""pysh's own known_hosts file."""

import os
from pathlib import Path

from pysh.transports.base import TransportError


def append(path: str, lines: bytes) -> None:
    """Add `lines` to the known_hosts file at `path`, which is made (0600) if it is missing.

    Raises `TransportError` with the stage `hostkey` where that cannot be done.
    """
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(lines)
    except OSError as error:
        what, hint = "the host key cannot be written down", f"look at the file: ls -l {path}"
        raise TransportError("hostkey", what, f"{path}: {error.strerror}", hint) from error
