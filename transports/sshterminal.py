"""A session of the embedded server: one program, on a pty of its own or on pipes; nothing else is run for anybody."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from subprocess import SubprocessError
from typing import Any, NamedTuple

import asyncssh

from pysh.transports import system
from pysh.transports.base import HIGH_WATER, cleaned
from pysh.transports.sshpiped import Piped
from pysh.transports.sshprocess import end

REFUSED = 1
"""The exit status of a session that asks for what is not here."""
NOTHING_ELSE = (
    "this port leads to a pysh node, and to nothing else: its shell is there for who has an authorized key "
    "(ssh -p PORT HOST); to run code: pysh rpc NAME@HOST:PORT -c CODE, or ssh -p PORT HOST CODE"
)
ONLY_WATCHES = "nothing was run: this key may only watch the shell here (ssh -p PORT HOST)"
_PIECE = 64 * 1024
LAST_PIECES = 64
_TERM = re.compile(r"[A-Za-z0-9._+-]{1,64}")


ANOTHERS = frozenset({
    "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "LC_TERMINAL", "COLORTERM", "INSIDE_EMACS", "TMUX", "STY", "ZELLIJ",
    "KITTY_WINDOW_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "WT_SESSION", "KONSOLE_VERSION", "VTE_VERSION",
    "XTERM_VERSION",
})  # fmt: skip
"""What the environment of a node says of the terminal that it was started in."""


class Given(NamedTuple):
    """The commands of one person: with a terminal, without, and to run what he says; an empty one is not for him."""

    terminal: Sequence[str] = ()
    plain: Sequence[str] = ()
    run: Sequence[str] = ()
    why: str = NOTHING_ELSE  # what he is told who asks for one that is not


class Session(asyncssh.SSHServerSession[bytes]):
    """Runs one of the commands `given`; `ended` is called at its end.

    The other end's terminal is raw, and the pty here is as any: what is typed is put into it, what comes out is
    sent, and its size follows. When the session is lost the pty hangs up, as a line that is cut does.
    """

    def __init__(self, given: Given, ended: Callable[[], None]) -> None:
        self._given, self._ended = given, ended
        self._loop = asyncio.get_running_loop()
        self._term = ""
        self._size = (24, 80)
        self._asked: str | None = None
        self._master = -1
        self._unwritten = b""
        self._piped: Piped | None = None
        self._running: asyncio.Task[None] | None = None

    # What asyncssh calls.

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        if not self._given.terminal:
            return False
        self._term = term_type if _TERM.fullmatch(term_type) else "dumb"
        self.terminal_size_changed(*term_size)
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._asked = command
        return True  # also to say why not

    def session_started(self) -> None:
        given = self._given
        if self._asked is not None:
            command = [*given.run[:-1], given.run[-1] + self._asked] if given.run else []
        else:
            command = [*(given.terminal if self._term else given.plain)]
        if not command:
            self._refuse(given.why)
        elif self._term:
            self._running = self._loop.create_task(self._run(command))
        else:
            self._piped = Piped(self._channel, command)
            self._running = self._loop.create_task(self._run_piped(self._piped))

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._size = min(height, 0xFFFF), min(width, 0xFFFF)
        if self._master >= 0:
            self._resize()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._piped:
            self._piped.feed(data)
            return
        self._unwritten += data
        self._write()
        if len(self._unwritten) > HIGH_WATER:
            self._channel.pause_reading()

    def eof_received(self) -> bool:
        if self._piped:
            self._piped.feed(b"")
        return True  # nothing more is typed, and the rest may still be shown

    def signal_received(self, signal: str) -> None:
        if self._piped:
            self._piped.signal(signal)
        elif self._master >= 0 and signal == "INT":
            self.data_received(b"\x03", None)

    def break_received(self, msec: int) -> bool:
        self.signal_received("INT")
        return True

    def pause_writing(self) -> None:
        if self._piped:
            self._piped.flow(False)
        if self._master >= 0:
            self._loop.remove_reader(self._master)

    def resume_writing(self) -> None:
        if self._piped:
            self._piped.flow(True)
        if self._master >= 0:
            self._loop.add_reader(self._master, self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running:
            self._running.cancel()
        self._ended()

    # The program.

    async def _run_piped(self, piped: Piped) -> None:
        try:
            status = await piped.run()
        except (OSError, SubprocessError) as error:
            self._refuse(f"it could not be started: {cleaned(str(error))}")
        else:
            self._channel.exit(status)

    async def _run(self, command: Sequence[str]) -> None:
        """From its start to its end, which is the session's."""
        try:
            process = await self._start(command)
        except (OSError, SubprocessError) as error:
            self._hang_up()
            self._refuse(f"the shell could not be started: {cleaned(str(error))}")
            return
        except asyncio.CancelledError:
            self._hang_up()
            raise
        try:
            status = await process.wait()
            for _ in range(LAST_PIECES):  # its last words; others may print on and on
                if not self._read():
                    break
        finally:
            self._hang_up()
            await end(process)
        self._channel.exit(status if status >= 0 else 128 - status)

    async def _start(self, command: Sequence[str]) -> Process:
        self._master, slave = pty.openpty()
        try:
            os.set_blocking(self._master, False)
            self._resize()
            process = await asyncio.create_subprocess_exec(
                *command, stdin=slave, stdout=slave, stderr=slave,
                preexec_fn=owning(slave), env=_environ(os.environ, self._term),
            )  # fmt: skip
        finally:
            os.close(slave)
        self._loop.add_reader(self._master, self._read)
        self._write()
        return process

    def _refuse(self, text: str) -> None:
        self._channel.write_stderr(f"{text}\n".encode())
        self._channel.exit(REFUSED)

    def _read(self) -> bool:
        """Send some of what was printed; whether there was any."""
        try:
            data = os.read(self._master, _PIECE)
        except BlockingIOError:
            return False
        except OSError:  # the program and all that had its terminal are gone
            self._loop.remove_reader(self._master)
            return False
        with suppress(OSError):  # so is the session, and says so next
            self._channel.write(data)
        return True

    def _write(self) -> None:
        """Type what the program's terminal takes, and the rest later."""
        if self._master < 0:
            return
        try:
            self._unwritten = self._unwritten[os.write(self._master, self._unwritten) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unwritten = b""  # nobody reads it any more
        if self._unwritten:
            self._loop.add_writer(self._master, self._write)
        else:
            self._loop.remove_writer(self._master)
            self._channel.resume_reading()

    def _resize(self) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))

    def _hang_up(self) -> None:
        if self._master >= 0:
            self._loop.remove_reader(self._master)
            self._loop.remove_writer(self._master)
            os.close(self._master)
            self._master = -1


def owning(terminal: int) -> Callable[[], None]:
    """What a fresh child calls so that `terminal` controls it, and it ends with us."""
    tied = system.dies_with_us()

    def arrange() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)  # uvloop calls us before that is the standard input
        tied()

    return arrange


def _environ(environ: Mapping[str, str], term: str) -> dict[str, str]:
    """`environ` for somebody whose terminal is a `term`, of which nothing else is known."""
    return {name: value for name, value in environ.items() if name not in ANOTHERS} | {"TERM": term}
