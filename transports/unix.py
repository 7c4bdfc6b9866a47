"""Unix sockets between processes of one user on one machine.

Both ends check that the other runs as the same user; where the system cannot tell, the socket must
lie in a directory that only we can enter, which says the same. The plain sockets below are all that
the command line needs; asyncio is imported with the first stream.
"""

# Importing pathlib would cost a start 16 ms.
# ruff: noqa: PTH100, PTH104, PTH108, PTH120

import errno
import os
import socket
import stat
import time
from typing import TYPE_CHECKING

from pysh.transports import system
from pysh.transports.base import Address, Listener, Peer, Stream, TransportError, closed

if TYPE_CHECKING:
    import asyncio

MAX_PATH = 103
"""Bytes of a socket's path that every system takes: 104 with the closing zero on macOS, 108 on Linux."""

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a listener that is there and does not accept."""

BACKLOG = 128
_RETRY = 0.01


def connected_socket(path: str, timeout: float = CONNECT_TIMEOUT) -> socket.socket:
    """A blocking socket connected to the listener at `path`, whose user was checked.

    Raises `TransportError`: stage `find` when nothing is there, else `tcp`.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        deadline = time.monotonic() + timeout
        while not _try_connect(sock, path, last=time.monotonic() >= deadline):
            time.sleep(_RETRY)
        check_peer(sock, path)
        sock.setblocking(True)
    except BaseException:
        sock.close()
        raise
    return sock


async def connect(path: str, timeout: float = CONNECT_TIMEOUT) -> Stream:
    """A stream to the listener at `path`. Raises as `connected_socket` does."""
    import asyncio

    clock = asyncio.get_running_loop().time
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        deadline = clock() + timeout
        while not _try_connect(sock, path, last=clock() >= deadline):
            await asyncio.sleep(_RETRY)
        return await stream_over(sock, path)
    except BaseException:
        sock.close()
        raise


def _try_connect(sock: socket.socket, path: str, *, last: bool) -> bool:
    """Connect without waiting; False if the listener's queue is full and this was not the `last` try.

    An event loop's own `sock_connect` will not do: it takes Linux' EAGAIN for a connection under
    way, and the socket for connected.
    """
    _check_length(path)
    sock.setblocking(False)
    try:
        sock.connect(path)
    except BlockingIOError as error:
        if last:
            raise _dial_error(path, error) from error
        return False
    except OSError as error:
        raise _dial_error(path, error) from error
    return True


def _dial_error(path: str, error: OSError) -> TransportError:
    """What a failed `connect` to `path` means."""
    evidence = f"{path}: {os.strerror(error.errno or 0)}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return TransportError("find", "no node listens there", evidence, "see who does: pysh ls")
        case errno.ECONNREFUSED:
            hint = "its node was killed; see who runs: pysh ls"
            return TransportError("tcp", "the socket is there, but nobody listens on it", evidence, hint)
        case errno.EACCES | errno.EPERM:
            hint = f"see whose it is: ls -ld {os.path.dirname(path)}"
            return TransportError("tcp", "this socket is not for us", evidence, hint)
        case errno.EAGAIN | errno.EWOULDBLOCK:
            hint = "it hangs or is stopped; see its pid: pysh ls"
            return TransportError("tcp", "the node does not accept connections", evidence, hint)
    return TransportError("tcp", "the connection failed", evidence)


def listening_socket(path: str) -> socket.socket:
    """A socket that listens at `path`, which only our own user may enter.

    It takes its place in one step, complete: made under another name with the umask 077, then
    renamed. What a killed process left at `path` is replaced; anything else there is not. Raises
    `TransportError` with the stage `find`.
    """
    _check_length(path)
    _check_free(path)
    folder = os.path.dirname(path) or "."
    made = f"{folder}/.{os.urandom(4).hex()}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o077)
    try:
        sock.bind(made)
        sock.listen(BACKLOG)
        os.rename(made, path)
    except OSError as error:
        sock.close()
        _unlink(made)
        hint = f"look at the directory: ls -ld {folder}"
        raise TransportError("find", "no socket could be made", f"{path}: {error.strerror}", hint) from error
    finally:
        os.umask(before)
    sock.setblocking(False)
    return sock


def _check_length(path: str) -> None:
    size = len(os.fsencode(path))
    if size > MAX_PATH or not path:
        what = f"a socket's path has 1 to {MAX_PATH} bytes"
        hint = "choose a shorter directory: PYSH_RUNTIME_DIR=/tmp/mine"
        raise TransportError("find", what, f"{path!r} has {size}", hint)


def _check_free(path: str) -> None:
    """Raise unless there is nothing at `path` but perhaps a socket on which nobody listens."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        what = "something else than a socket is in the way"
        raise TransportError("find", what, path, f"look at it: ls -ld {path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) in (0, errno.EAGAIN, errno.EINPROGRESS):
            what = "another process listens there already"
            raise TransportError("find", what, path, f"see which: ss -xlp | grep {path}")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def check_peer(sock: socket.socket, path: str) -> int | None:
    """The uid of the other end of `sock`, which was dialled at or accepted from `path`.

    None where the system cannot tell and the directory vouches for it. Raises `TransportError` with
    the stage `tcp` for any user but ourselves, also for root.
    """
    uid, ours = system.peer_uid(sock), os.geteuid()
    if uid == ours:
        return uid
    if uid is not None:
        evidence = f"{path}: {_user(uid)}, and we are {_user(ours)}"
        who = _login(uid) or f"'#{uid}'"
        hint = f"go there as that user: sudo -u {who} pysh ls"
        raise TransportError("tcp", "the other end runs as another user", evidence, hint)
    folder = os.path.dirname(os.path.abspath(path))
    reason = system.why_not_private(folder)
    if reason:
        what = "this system does not tell who the other end is, and the socket's directory is not private"
        raise TransportError("tcp", what, f"{folder}: {reason}", f"make it private: chmod 700 {folder}")
    return None


def _user(uid: int) -> str:
    """A user as people know one: `alice (uid 1001)`, or the uid alone."""
    login = _login(uid)
    return f"{login} (uid {uid})" if login else f"uid {uid}"


def _login(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


async def stream_over(sock: socket.socket, path: str) -> Stream:
    """A stream over a connected Unix socket, which it owns from then on; the peer is checked first."""
    from pysh.transports.streams import LoopStream

    peer = Peer(Address("unix", path), check_peer(sock, path))
    stream = LoopStream(peer)
    await carry(sock, stream)
    return stream


async def carry(sock: socket.socket, protocol: "asyncio.Protocol") -> None:
    """Let the running loop carry the connected `sock`, which belongs to it from then on, for `protocol`."""
    import asyncio

    sock.setblocking(False)
    # Its name notwithstanding this is for any connected socket; it dials nothing. Not `create_unix_connection`:
    # where the other end hangs up before that returns uvloop closes the descriptor twice, and by the second
    # time it is another connection's.
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, sock)


async def listen(path: str) -> Listener:
    """Listen at `path`. Raises as `listening_socket` does."""
    return UnixListener(listening_socket(path), path)


class UnixListener(Listener):
    """Accepts our own user's processes; others are hung up on and counted in `refused`."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self.address = Address("unix", path)
        self.refused = 0
        self._sock = sock
        self._made = os.lstat(path)
        self._closed = False
        self._waiting: asyncio.Future[tuple[socket.socket, object]] | None = None

    async def accept(self) -> Stream:
        while True:
            sock = await self._next_socket()
            try:
                return await stream_over(sock, self.address.place)
            except TransportError:
                self.refused += 1
                sock.close()
            except BaseException:
                sock.close()
                raise

    async def _next_socket(self) -> socket.socket:
        import asyncio

        if self._closed:
            raise closed(self.address)
        if self._waiting:
            raise RuntimeError(f"two tasks accept from {self!r} at once")
        accepting = asyncio.get_running_loop().sock_accept(self._sock)
        self._waiting = asyncio.ensure_future(accepting)
        try:
            return (await self._waiting)[0]
        except asyncio.CancelledError:
            if self._closed:
                raise closed(self.address) from None
            raise
        except OSError as error:
            what, hint = "no connection could be accepted", "see the limit of open files: ulimit -n"
            raise TransportError("tcp", what, f"{self.address}: {error.strerror}", hint) from error
        finally:
            self._waiting = None

    async def close(self) -> None:
        import asyncio

        if self._closed:
            return
        self._closed = True
        if self._waiting:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])  # the loop must have let go of the socket
        self._sock.close()
        self._remove()

    def _remove(self) -> None:
        """Unlink the socket, unless another one took its place meanwhile."""
        try:
            now = os.lstat(self.address.place)
        except OSError:
            return
        if (now.st_dev, now.st_ino) == (self._made.st_dev, self._made.st_ino):
            _unlink(self.address.place)
