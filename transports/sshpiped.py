"""A session of the embedded server without a terminal: a program on pipes, its two outputs apart, its exit status."""

import asyncio
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pysh.transports import system
from pysh.transports.base import CLOSE_GRACE, HIGH_WATER
from pysh.transports.sshprocess import end

_PIECE = 64 * 1024
SIGNALS = {name: getattr(signal, f"SIG{name}") for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2")}
"""What the other end may send, by its names in SSH."""


class Piped:
    """Runs `command` for `channel`; an end of the session before its own is a Ctrl-C for it, and then its end."""

    def __init__(self, channel: Any, command: Sequence[str]) -> None:
        self._channel, self._command = channel, command
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting = 0  # bytes in it
        self._writable = asyncio.Event()
        self._writable.set()
        self._process: Process | None = None

    def feed(self, data: bytes) -> None:
        """Standard input, for which the other end waits while much of it is not read; nothing more after `b""`."""
        self._typed.put_nowait(data)
        self._waiting += len(data)
        if self._waiting > HIGH_WATER:
            self._channel.pause_reading()

    def flow(self, on: bool) -> None:
        """Whether the channel takes more of what is printed."""
        (self._writable.set if on else self._writable.clear)()

    def signal(self, name: str) -> None:
        """A signal of the other end, by its name there."""
        if self._process is not None and name in SIGNALS:
            with suppress(ProcessLookupError):
                self._process.send_signal(SIGNALS[name])

    async def run(self) -> int:
        """From the start of the program to its end; its exit status. Raises `OSError` if it cannot be started."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE,
            start_new_session=True, preexec_fn=system.dies_with_us(),
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        typing = asyncio.ensure_future(self._type(process.stdin))
        showing = asyncio.gather(
            self._show(process.stdout, self._channel.write), self._show(process.stderr, self._channel.write_stderr)
        )
        try:
            status = await process.wait()
            # Its last words; a child of its may have the pipes for longer.
            with suppress(TimeoutError):
                await asyncio.wait_for(showing, CLOSE_GRACE)
        finally:
            typing.cancel()
            showing.cancel()
            await self._end(process)
        return status if status >= 0 else 128 - status

    async def _end(self, process: Process) -> None:
        if process.returncode is None:  # what it had run elsewhere it ends first
            with suppress(ProcessLookupError, TimeoutError):
                process.send_signal(signal.SIGINT)
                await asyncio.wait_for(process.wait(), CLOSE_GRACE)
        await end(process)

    async def _type(self, stdin: asyncio.StreamWriter) -> None:
        while data := await self._typed.get():
            with suppress(OSError, RuntimeError):  # nobody reads it; the latter is uvloop's
                stdin.write(data)
                await stdin.drain()
            self._waiting -= len(data)
            if self._waiting <= HIGH_WATER:
                self._channel.resume_reading()
        stdin.close()

    async def _show(self, source: asyncio.StreamReader, write: Any) -> None:
        while data := await source.read(_PIECE):
            await self._writable.wait()
            with suppress(OSError):  # the session is gone, and says so next
                write(data)
