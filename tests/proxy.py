"""A relay between two nodes that does to their connections what networks do: cuts them, stalls them, bends bytes."""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

PIECE = 64 * 1024
THERE, BACK = 0, 1
"""The ways: from who dialled to who listens, and back."""


class Proxy:
    """Passes on to `there`, a Unix socket or a port of this machine, until it is closed.

    It listens at `address`: on the Unix socket `here`, or on a `port` if there is none.
    """

    def __init__(self, here: Path | None, there: str | int) -> None:
        self._listener = socket.socket(socket.AF_UNIX if here else socket.AF_INET)
        self._listener.bind(str(here) if here else ("127.0.0.1", 0))
        self._listener.listen()
        self.address = f"unix:{here}"
        self.port: int = 0 if here else self._listener.getsockname()[1]
        self.connections = 0
        self.latency = 0.0
        """Seconds that each piece is held up."""
        self.rate = 0.0
        """Bytes a second that pass each way; 0 for as many as there are."""
        self._there = there
        self._open = [threading.Event(), threading.Event()]
        self._passable = self._goodbye = True
        self._torn: int | None = None
        self._bent: int | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        for way in self._open:
            way.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.stall(THERE, on=False)
        self.stall(BACK, on=False)
        self.cut()

    @property
    def connected(self) -> bool:
        """Whether a connection was let through since the last cut."""
        return bool(self._pairs)

    def cut(self, seconds: float = 0.0) -> None:
        """Break every connection; those made within the next `seconds` break at once."""
        self._passable = False
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._break(pair)
        time.sleep(seconds)
        self._passable = True

    def reset(self) -> None:
        """Break every connection without a goodbye: both ends are told that it was reset."""
        self._goodbye = False
        self.cut()
        self._goodbye = True

    def tear(self, way: int, seconds: float = 0.0, patience: float = 5.0) -> bool:
        """The same, but in the middle of what is under way: half of the next piece that way still arrives.

        False if nothing went that way within `patience` seconds.
        """
        self._torn = way
        until = time.monotonic() + patience
        while self._torn is not None and time.monotonic() < until:
            time.sleep(0.001)
        torn, self._torn = self._torn is None, None
        self.cut(seconds)
        return torn

    def flip(self, way: int) -> None:
        """Change one bit of the next piece that way."""
        self._bent = way

    def put(self, way: int, data: bytes) -> None:
        """Send `data` that way on every connection that stands, as if it were the other end's."""
        with self._lock:
            for pair in self._pairs:
                with suppress(OSError):  # those that ended are among them
                    pair[1 - way].sendall(data)

    def stall(self, way: int, on: bool = True) -> None:
        """Pass nothing on that way, though the connections stand (a black hole); or do again."""
        if on:
            self._open[way].clear()
        else:
            self._open[way].set()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            far = socket.socket(socket.AF_UNIX if isinstance(self._there, str) else socket.AF_INET)
            pair = near, far
            try:
                if not self._passable:
                    raise ConnectionResetError
                far.connect(self._there if isinstance(self._there, str) else ("127.0.0.1", self._there))
            except OSError:
                self._break(pair)
                continue
            with self._lock:
                self._pairs.append(pair)
            for way, (source, drain) in enumerate((pair, (far, near))):
                threading.Thread(target=self._pass, args=(way, source, drain, pair), daemon=True).start()

    def _pass(self, way: int, source: socket.socket, drain: socket.socket, pair: tuple[socket.socket, ...]) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                self._open[way].wait()
                if pause := self.latency + (len(piece) / self.rate if self.rate else 0.0):
                    time.sleep(pause)
                if self._bent == way:
                    piece = bent(piece)
                    self._bent = None
                if self._torn == way and len(piece) > 1:
                    drain.sendall(piece[: len(piece) // 2 | 1])
                    self._torn = None
                    break
                drain.sendall(piece)
        self._break(pair)

    def _break(self, pair: tuple[socket.socket, ...]) -> None:
        for sock in pair:
            with suppress(OSError):
                if not self._goodbye:  # closed with this set, and nothing said before, it is reset
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR if self._goodbye else socket.SHUT_RD)
            sock.close()


def bent(piece: bytes) -> bytes:
    """`piece` with one bit changed, in its middle."""
    changed = bytearray(piece)
    changed[len(piece) // 2] ^= 1
    return bytes(changed)
