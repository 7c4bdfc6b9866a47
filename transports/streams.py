"""A `Stream` over what an event loop calls a transport: sockets and pipes share this one."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from fcntl import ioctl
from termios import FIONREAD
from typing import cast

from pysh.transports.base import CLOSE_GRACE, HIGH_WATER, Buffer, Peer, Stream, closed, cut


class LoopStream(asyncio.Protocol, Stream):
    """A stream that is the protocol of its own transports.

    A socket is one transport for both directions. Two pipes are two: the first that is connected
    is read from, the last is written to. What was received and not read yet waits here; past
    `HIGH_WATER` the transport is told to stop, and from there the kernel slows the peer.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._received: list[bytes] = []
        self._size = 0  # of what was received, in bytes
        self._ended = False
        self._closing = False
        self._error: Exception | None = None
        self._lost = 0
        self._reader: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()

    async def read(self) -> bytes:
        if self._reader:
            raise RuntimeError(f"two tasks read from {self!r} at once")
        while not (self._received or self._ended or self._closing):
            await self._wait_for_news()
        if self._closing:
            raise closed(self.peer.address)
        if not self._received and self._error:
            raise cut(self.peer.address, self._error)
        return self._take()

    async def _wait_for_news(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake_reader(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    def _take(self) -> bytes:
        data = b"".join(self._received)
        if self._size >= HIGH_WATER and self._source and not self._ended:
            self._source.resume_reading()
        self._received.clear()
        self._size = 0
        return data

    async def write(self, *buffers: Buffer) -> None:
        self._check_writable()
        assert self._sink
        self._sink.writelines(buffers)
        await self._writable.wait()
        self._check_writable()

    def _check_writable(self) -> None:
        if self._closing:
            raise closed(self.peer.address)
        if not self._sink or self._sink.is_closing():
            raise cut(self.peer.address, self._error or "the peer is gone")

    async def close(self) -> None:
        self._closing = True
        self._wake_reader()
        self._writable.set()
        for transport in (self._source, self._sink):
            if transport:
                transport.close()
        try:
            async with asyncio.timeout(CLOSE_GRACE):
                await self._gone.wait()
        except TimeoutError:
            pass
        finally:
            if self._sink and not self._gone.is_set():
                self._sink.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink = cast(asyncio.Transport, transport)
        self._source = self._source or self._sink

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._size += len(data)
        if self._size >= HIGH_WATER and self._source:
            self._source.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake_reader()
        return True  # our own direction stays open until we close it

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._source is self._sink and self._source:
            self._received += unread(self._source)
        self._lost += 1
        self._error = self._error or exc
        if self._source and self._source.is_closing():  # not when only the pipe we write to broke
            self._ended = True
        self._writable.set()
        self._wake_reader()
        if self._source is self._sink or self._lost == 2:
            self._gone.set()


def unread(transport: asyncio.BaseTransport) -> Iterator[bytes]:
    """What the other end of a socket said before it went, for a `connection_lost` with an error.

    Who writes to an end that is gone is told of that before the last of what came from there is read. That is what
    lies there now: an end that only reads no more could go on for ever.
    """
    fd = transport.get_extra_info("socket").fileno()
    with suppress(OSError):
        waits = int.from_bytes(ioctl(fd, FIONREAD, bytes(4)), sys.byteorder)
        while waits > 0 and (data := os.read(fd, min(waits, HIGH_WATER))):
            waits -= len(data)
            yield data
