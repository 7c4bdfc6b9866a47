"""Between a local socket and an SSH channel: bytes go both ways, each slowed by its slower end."""

import asyncio
import socket
from typing import Protocol, cast

from pysh.transports.base import HIGH_WATER
from pysh.transports.streams import unread


class Channel(Protocol):
    """What the pump needs of an SSH channel; asyncssh's are such."""

    def write(self, data: bytes, /) -> None:
        """Send `data`; what the window does not take yet waits in the channel."""

    def pause_reading(self) -> None:
        """Deliver nothing more, so that the other side's window closes."""

    def resume_reading(self) -> None:
        """Deliver again."""

    def close(self) -> None:
        """Close both directions, after what waits."""


class Pump(asyncio.Protocol):
    """The protocol of the local socket; the channel's session calls the `channel_` methods.

    What several packets of one turn of the loop bring is written to the socket at once: a reader
    that is woken for each costs more than the bytes do. The local end's user closes both directions
    at once, so the end of his is the end of the channel.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._local: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._over = self._ended = False  # the channel, and what comes from it

    async def local(self) -> socket.socket:
        """The local socket's other end, for its user."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            # Its name notwithstanding this is for any connected socket; it dials nothing.
            await self._loop.connect_accepted_socket(lambda: self, ours)
        except BaseException:
            for end in (ours, theirs):
                end.close()
            raise
        return theirs

    # What the loop calls, for the local socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._local = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._local.set_write_buffer_limits(high=HIGH_WATER)
        self._flush()
        if self._over:
            self._local.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._channel.write(data)
        except OSError:
            pass  # the other side closed it, and `channel_lost` follows

    def pause_writing(self) -> None:
        self._channel.pause_reading()

    def resume_writing(self) -> None:
        self._channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._local is not None:
            for data in unread(self._local):
                self.data_received(data)
        self._channel.close()

    # What the channel's session calls.

    def channel_received(self, data: bytes) -> None:
        """The other side sent `data`."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def channel_eof(self) -> None:
        """The other side's direction is over."""
        self._ended = True
        self._loop.call_soon(self._flush)

    def channel_paused(self) -> None:
        """More waits in the channel than it likes: read no more here."""
        if self._local:
            self._local.pause_reading()

    def channel_resumed(self) -> None:
        """The channel takes more."""
        if self._local:
            self._local.resume_reading()

    def channel_lost(self) -> None:
        """The channel is over, in both directions."""
        self._over = True
        self._flush()
        if self._local:
            self._local.close()

    def _flush(self) -> None:
        if self._local is None or self._local.is_closing():
            return
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._local.writelines(pieces)
        if self._ended:
            self._ended = False
            self._local.write_eof()
