"""What a hub and its carrier say to each other: lines of JSON, with file descriptors beside them."""

import asyncio
import base64
import json
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

MAX_LINE = 8 << 20
"""Bytes of one message; who sends a longer one is cut off."""
MAX_FDS = 8
_PIECE = 256 * 1024

Message = dict[str, Any]
Verified = Literal["known_hosts", "provisional", "accepted-new"]


class Facts(NamedTuple):
    """What is known of an SSH connection once it is there."""

    host: str  # as the configuration resolves it
    port: int
    user: str
    address: str  # the IP address; empty behind a hop or a ControlMaster
    means: str  # "asyncssh" or "openssh"
    verified: Verified
    algorithm: str  # of the host key: "ssh-ed25519"; empty behind the user's own ControlMaster
    fingerprint: str  # of the host key: "SHA256:..."
    milliseconds: dict[str, float]  # how long each stage took
    server: str = ""  # the program, as it calls itself: "OpenSSH_9.2", or "pysh" for a node that listens

    @property
    def key_hash(self) -> bytes:
        """The SHA-256 of the host key's blob, which a handshake binds itself to."""
        return hash_of(self.fingerprint)


def hash_of(fingerprint: str) -> bytes:
    """The bytes of `SHA256:...`."""
    text = fingerprint.removeprefix("SHA256:")
    return base64.b64decode(text + "=" * (-len(text) % 4))


class Ran(NamedTuple):
    """How a command ended: its exit status (128 and the signal's number if one killed it, 255 if
    the connection broke first), what it printed, and how many bytes of both were cut off."""

    status: int
    stdout: bytes
    stderr: bytes
    cut: int = 0


class Wire:
    """One end of the control socket; `received` and `ended` are called from the event loop.

    `received(message, fds)` owns the descriptors. `ended(why)` is called once, when the other end is
    gone or talks nonsense; not after `close`.
    """

    def __init__(
        self, sock: socket.socket, received: Callable[[Message, list[int]], None], ended: Callable[[str], None]
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received, self._ended = received, ended
        self._loop = asyncio.get_running_loop()
        self._in = bytearray()
        self._fds: deque[int] = deque()
        self._out: deque[tuple[memoryview, list[int]]] = deque()
        self._closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, message: Message, *fds: int) -> None:
        """Send `message`, and copies of `fds` with it; nothing once the other end is gone."""
        if self._closed:
            return
        copies = [os.dup(fd) for fd in fds]
        line = json.dumps({**message, "fds": len(fds)}).encode() + b"\n"
        self._out.append((memoryview(line), copies))
        self._writable()

    def close(self) -> None:
        """Hang up, and let go of descriptors that nobody took."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for fd in (*self._fds, *(fd for _, fds in self._out for fd in fds)):
            os.close(fd)
        self._out.clear()

    def _writable(self) -> None:
        try:
            while self._out and not self._closed:
                self._send_piece()
        except BlockingIOError:
            self._loop.add_writer(self._sock.fileno(), self._writable)
        except OSError as error:
            self._end(error.strerror or "it broke")
        else:
            if not self._closed:
                self._loop.remove_writer(self._sock.fileno())

    def _send_piece(self) -> None:
        """Send as much of the first message as the kernel takes, its descriptors with the first byte."""
        line, fds = self._out[0]
        size = socket.send_fds(self._sock, [line[:_PIECE]], fds) if fds else self._sock.send(line[:_PIECE])
        for fd in fds:
            os.close(fd)
        self._out[0] = line[size:], []
        if size == len(line):
            self._out.popleft()

    def _readable(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, _PIECE, MAX_FDS)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error.strerror or "it broke")
            return
        self._fds += fds
        self._in += data
        if not data:
            self._end("the other end is gone")
        self._deliver()

    def _deliver(self) -> None:
        """Hand over each whole message. Descriptors come in the order of their messages, never later."""
        *lines, rest = self._in.split(b"\n") if b"\n" in self._in else [self._in]
        self._in = bytearray(rest)
        for line in lines:
            try:
                message: Message = json.loads(line)
                fds = [self._fds.popleft() for _ in range(message.pop("fds"))]
            except (ValueError, LookupError, AttributeError, TypeError) as error:
                return self._end(f"no message: {error!r}")
            if not self._closed:
                self._received(message, fds)
        if len(self._in) > MAX_LINE:
            self._end(f"a message is longer than {MAX_LINE} bytes")
        return None

    def _end(self, why: str) -> None:
        if not self._closed:
            self.close()
            self._ended(why)
