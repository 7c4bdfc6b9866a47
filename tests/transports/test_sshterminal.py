"""A person's terminal on the embedded server, by the ssh binary on a real pty."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from pysh.transports.listening import Offers
from pysh.transports.tunnels import Carrier
from tests.shell.terminal import Terminal
from tests.sshd import Place, alive, public, until

PROGRAM = """
echo "$$" >{mark}; stty size; tty; echo "TERM=$TERM"; trap 'stty size; echo resized' WINCH
while read line; do echo "got $line"; [ "$line" = end ] && exit 7; done
"""


class Seat:
    """A terminal on which ssh leads to `script`."""

    def __init__(self, terminal: Terminal, mark: Path) -> None:
        self.terminal, self._mark = terminal, mark

    async def shows(self, *words: str) -> None:
        """Wait until the screen has each of `words`; the server runs in the same loop meanwhile."""
        await asyncio.to_thread(
            self.terminal.wait, lambda: all(word in "\n".join(self.terminal.lines) for word in words), f"{words}"
        )

    @property
    def pid(self) -> int:
        """The script's process."""
        return int(self._mark.read_text())


@pytest.fixture
async def seat(there: Place, carrier: Carrier) -> AsyncIterator[Seat]:
    authorized, mark = there.home.ssh / "authorized_keys", there.folder / "mark"
    authorized.write_text(public(there.home.key) + "\n")
    listener = await carrier.listen(
        "127.0.0.1", 0, key=str(there.folder / "own" / "key"), authorized=str(authorized), secret=b"a cookie",
        came=lambda *_: None, offers=Offers(terminal=["/bin/bash", "--norc", "-c", PROGRAM.format(mark=mark)]),
    )  # fmt: skip
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command = ["ssh", *options, "-p", str(listener.port), "127.0.0.1"]
    with Terminal(command, there.home.environ, size=(20, 70)) as terminal:
        made = Seat(terminal, mark)
        await made.shows("20 70", "/dev/pts/", "TERM=xterm-256color")
        yield made


async def test_bytes_go_both_ways_and_the_exit_status_comes_back(seat: Seat) -> None:
    seat.terminal.type("hello\r")
    await seat.shows("hello", "got hello")
    seat.terminal.type("end\r")
    assert await asyncio.to_thread(seat.terminal.wait_exit) == 7
    await until(lambda: not alive(seat.pid))


async def test_the_size_of_the_window_follows(seat: Seat) -> None:
    seat.terminal.resize(30, 90)
    seat.terminal.send_signal(signal.SIGWINCH)

    def resized() -> bool:
        seat.terminal.type("\r")  # bash heeds the signal once a read is over
        return b"30 90" in seat.terminal.raw and b"resized" in seat.terminal.raw  # it may be off the screen by now

    await asyncio.to_thread(seat.terminal.wait, resized, "new size")


async def test_a_long_paste_arrives_whole(seat: Seat) -> None:
    lines = [f"{number:05} {'x' * 60}" for number in range(4000)]
    seen = 0

    def paste() -> None:
        for line in lines:
            seat.terminal.type(f"{line}\r")

    await asyncio.to_thread(paste)
    seat.terminal.type("last one\r")
    await asyncio.to_thread(seat.terminal.wait, lambda: "got last one" in seat.terminal.lines, "the last line", 30)
    seen = sum(f"got {line}".encode() in seat.terminal.raw for line in lines)
    assert seen == len(lines)


async def test_a_lost_line_hangs_up(seat: Seat) -> None:
    pid = seat.pid
    seat.terminal.process.kill()
    await until(lambda: not alive(pid))


async def test_the_program_ends_with_the_carrier(seat: Seat, carrier: Carrier) -> None:
    pid = seat.pid
    with suppress(ProcessLookupError):
        os.kill(carrier.pid, signal.SIGKILL)
    await until(lambda: not alive(pid), seconds=1)
    assert await asyncio.to_thread(seat.terminal.wait_exit) == 255
