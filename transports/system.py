"""The one file of the transports with calls that differ between systems.

`PYSH_OS_FALLBACKS=1` takes every fall-back, so that they are tested where they are not needed.
"""

import os
import socket
import stat
import struct

_SOL_LOCAL = 0  # macOS and FreeBSD; <sys/un.h>
_LOCAL_PEERCRED = 1
_XUCRED = struct.Struct("=II")  # the head of struct xucred: its version (0) and the uid
_UCRED = struct.Struct("=iII")  # struct ucred of Linux: pid, uid, gid


def fallbacks_forced() -> bool:
    """Whether every fall-back is to be taken though the system could do better."""
    return os.environ.get("PYSH_OS_FALLBACKS") == "1"


def peer_uid(sock: socket.socket) -> int | None:
    """As whom the other end of a Unix socket runs, or None where the system does not tell.

    For the end that connected it is the uid that called `listen`, for the end that accepted the
    uid that called `connect`; neither can be forged.
    """
    if fallbacks_forced():
        return None
    try:
        if hasattr(socket, "SO_PEERCRED"):
            packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return int(_UCRED.unpack(packed)[1])
        version, uid = _XUCRED.unpack_from(sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 128))
        return int(uid) if version == 0 else None
    except (OSError, struct.error):
        return None


def why_not_private(folder: str) -> str:
    """Why others than us could enter or change `folder`; empty if they cannot.

    The folder itself is looked at, not what a symbolic link leads to. Raises `OSError` when there
    is none.
    """
    found = os.lstat(folder)
    if stat.S_ISLNK(found.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "it is no directory"
    if found.st_uid != os.geteuid():
        return f"it belongs to uid {found.st_uid}, and we are {os.geteuid()}"
    if found.st_mode & 0o077:
        return f"its mode is {stat.S_IMODE(found.st_mode):04o}: others may enter it"
    return ""
