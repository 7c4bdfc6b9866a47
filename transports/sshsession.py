"""What asyncssh calls for each channel: one session collects what a command prints, one is a stream."""

import asyncio
import signal
from typing import Any

import asyncssh

from pysh.transports.base import cleaned
from pysh.transports.control import Ran
from pysh.transports.means import BROKEN, NOTED, Bounded, Ended
from pysh.transports.pump import Pump


class Collector(asyncssh.SSHClientSession[bytes]):
    """Keeps the first `limit` bytes of each stream of a command, until it has ended."""

    def __init__(self, limit: int) -> None:
        self.ran: asyncio.Future[Ran] = asyncio.get_running_loop().create_future()
        self._status = BROKEN
        self._printed = {None: Bounded(limit), asyncssh.EXTENDED_DATA_STDERR: Bounded(limit)}

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._printed[datatype].add(data)

    def eof_received(self) -> bool:
        return True

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._status = 128 + number_of(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        out, err = self._printed.values()
        if not self.ran.done():
            self.ran.set_result(Ran(self._status, bytes(out.data), bytes(err.data), out.dropped + err.dropped))


class Tunnel(asyncssh.SSHClientSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """Hands a channel's bytes to the pump of a local socket."""

    pump: Pump

    def __init__(self) -> None:
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._status: int | None = None
        self._complaint = Bounded(NOTED)

    def connection_made(self, chan: Any) -> None:
        self.pump = Pump(chan)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self.pump.channel_received(data)
        else:
            self._complaint.add(data)

    def eof_received(self) -> bool:
        self.pump.channel_eof()
        return True

    def pause_writing(self) -> None:
        self.pump.channel_paused()

    def resume_writing(self) -> None:
        self.pump.channel_resumed()

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._status = 128 + number_of(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pump.channel_lost()
        if not self.ended.done():
            self.ended.set_result(Ended(self._status, cleaned(self._complaint.data.decode(errors="replace"))))


def number_of(name: str) -> int:
    """The number of the signal that SSH calls `name` ("KILL"); 0 for one that this system lacks."""
    return int(getattr(signal, f"SIG{name}", 0))
