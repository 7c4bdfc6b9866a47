import fcntl
import os
import pty
import select
import termios
import tty
from collections.abc import Iterator

import pytest

from pysh.runtime.runner.terminal import UNREAD, Terminal

Ends = tuple[int, int]


@pytest.fixture
def ends() -> Iterator[Ends]:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def typed(ends: Ends, keys: bytes) -> None:
    """Type `keys`, and wait until the line discipline has echoed the last of them."""
    master, _ = ends
    os.write(master, keys)
    echoed = b""
    while len(echoed) < len(keys):
        assert select.select([master], [], [], 5)[0]
        echoed += os.read(master, 65536)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have no pty of their own to be in the foreground of."""
    monkeypatch.setattr(os, "tcsetpgrp", lambda *_: None)


def test_the_modes_are_those_from_before(ends: Ends) -> None:
    terminal = Terminal(ends[1])
    before = termios.tcgetattr(ends[1])
    terminal.remember()
    tty.setraw(ends[1])
    os.set_blocking(ends[1], False)
    terminal.restore()
    assert termios.tcgetattr(ends[1]) == before
    assert os.get_blocking(ends[1])


@pytest.mark.parametrize("keys", [b"half a li", b"one\ntwo\nthr", "grüße".encode(), b""])
def test_what_was_typed_and_not_read_is_returned(ends: Ends, keys: bytes) -> None:
    terminal = Terminal(ends[1])
    terminal.remember()
    typed(ends, keys)
    assert terminal.unread() == keys
    assert terminal.unread() == b""


def test_a_typed_end_of_file_is_returned_as_typed(ends: Ends) -> None:
    terminal = Terminal(ends[1])
    terminal.remember()
    os.write(ends[0], b"\x04")
    typed(ends, b"x")
    assert terminal.unread() == b"\x04x"


def test_more_than_the_bound_is_never_returned_at_once(ends: Ends) -> None:
    terminal = Terminal(ends[1])
    terminal.remember()
    os.set_blocking(ends[0], False)
    tty.setraw(ends[1])
    try:
        while True:
            os.write(ends[0], b"x" * 4096)
    except BlockingIOError:
        pass
    while unread := terminal.unread():
        assert len(unread) <= UNREAD


def test_the_cell_may_close_the_descriptor(ends: Ends) -> None:
    slave = os.dup(ends[1])
    terminal = Terminal(slave)
    terminal.remember()
    os.close(slave)
    typed(ends, b"abc")
    assert terminal.unread() == b"abc"


def test_without_a_terminal_nothing_is_done() -> None:
    read, write = os.pipe()
    try:
        terminal = Terminal(read)
        terminal.own()
        terminal.remember()
        terminal.restore()
        assert terminal.unread() == b""
        assert not fcntl.fcntl(read, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.close(read)
        os.close(write)
