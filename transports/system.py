"""The one file of the transports with calls that differ between systems.

`PYSH_OS_FALLBACKS=1` takes every fall-back, so that they are tested where they are not needed.
"""

import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
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


def give_up_after(sock: socket.socket, seconds: float) -> None:
    """Have a TCP connection fail once bytes went unacknowledged for `seconds`.

    Where the system has no such option, it is found out by whoever asks the other side now and then.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT") and not fallbacks_forced():
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def dies_with_us() -> Callable[[], None]:
    """What a fresh child calls before it becomes another program, so that it is killed when we end.

    Made ready here: a child of a process with threads may import nothing. Where the system has no
    such thing, who ends in good order has to end its children itself.
    """
    parent, libc = os.getpid(), None
    if sys.platform == "linux" and not fallbacks_forced():
        import ctypes

        libc = ctypes.CDLL(None)

    def arrange() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # we died before it asked

    return arrange
