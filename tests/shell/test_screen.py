import os
from collections.abc import Iterator
from itertools import count

import pyte
import pytest

from pysh.shell.boot import Tty
from pysh.shell.output import REPAINT
from pysh.shell.screen import Screen


class Painted(Tty):
    """A terminal that exists as a picture only."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.screen = pyte.Screen(40, 10)
        self._stream = pyte.ByteStream(self.screen)
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._stream.feed(data)

    def size(self) -> tuple[int, int]:
        return self.screen.lines, self.screen.columns

    @property
    def lines(self) -> list[str]:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n").split("\n")


@pytest.fixture
def tty() -> Iterator[Painted]:
    with open(os.devnull) as nothing:
        yield Painted(nothing.fileno())


def test_a_programs_bytes_go_through_untouched(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.program(b"one\r\n\x1b[31mtwo")
    assert tty.lines == ["one", "two"]


def test_lines_begin_on_a_fresh_line(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.program(b"Name? ")
    screen.show(["n2 | a", "n2 | b"])
    screen.show(["n2 | c"])
    screen.program(b"more")
    assert tty.lines == ["Name?", "n2 | a", "n2 | b", "n2 | c", "more"]


@pytest.mark.parametrize(
    ("data", "fresh"),
    [
        (b"x", False),
        (b"x\r\n", True),
        (b"x\n", True),
        (b"x\r\n\x1b[0m", True),
        (b"x\x1b[0m", False),
        (b"\r50%\r", False),
        (b"\x1b[?25h", True),
        (b"\r", True),
        (b"x\r\n\x1b[K\x1b8\r", True),
    ],
)
def test_where_the_cursor_stands_is_known(tty: Painted, data: bytes, fresh: bool) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.program(data)
    assert screen.fresh is fresh


def test_live_lines_stay_below_what_is_printed(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.show([], ["n1 | 10%", "n2 | 20%"])
    screen.show(["n3 | line"])
    screen.program(b"own\r\n")
    assert tty.lines == ["n3 | line", "own", "n1 | 10%", "n2 | 20%"]
    screen.show([], ["n2 | 30%"])
    assert tty.lines == ["n3 | line", "own", "n2 | 30%"]
    screen.end()
    assert tty.lines == ["n3 | line", "own"]


def test_what_is_printed_waits_until_live_lines_may_be_painted_again(tty: Painted) -> None:
    now = 100.0
    screen = Screen(tty, clock=lambda: now)
    screen.show([], ["n2 | 10%"])
    for number in range(1000):
        screen.program(b"%d\r\n" % number)
        screen.show([f"n3 | {number}"])
        screen.take_turn()
    assert (tty.writes, tty.lines) == (1, ["n2 | 10%"])
    assert screen.due == now + REPAINT
    now += REPAINT
    screen.take_turn()
    assert (tty.writes, screen.due) == (2, None)
    assert tty.lines[-3:] == ["999", "n3 | 999", "n2 | 10%"]


def test_the_end_of_a_cell_waits_for_nothing(tty: Painted) -> None:
    screen = Screen(tty, clock=lambda: 100.0)
    screen.show([], ["n2 | 10%"])
    screen.program(b"own")
    screen.end()
    assert tty.lines == ["own"]


def test_live_lines_never_touch_an_unfinished_line(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.program(b"own 10%")
    screen.show([], ["n2 | 10%"])
    screen.program(b"\rown 20%")
    assert tty.lines == ["own 20%"]
    screen.program(b"\r\n")
    assert tty.lines == ["own 20%", "n2 | 10%"]


def test_live_lines_survive_that_the_screen_scrolls(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    for number in range(30):
        screen.show([f"line {number}"], [f"n1 | {number}", f"n2 | {number}"])
    assert tty.lines == [*(f"line {n}" for n in range(23, 30)), "n1 | 29", "n2 | 29"]


@pytest.mark.parametrize("line", ["x" * 100, "漢" * 100, "n2 | \x1b[31m" + "ä" * 100, "\t" * 30])
def test_a_live_line_takes_one_row(tty: Painted, line: str) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.show([], [line])
    screen.show([], ["short"])
    assert tty.lines == ["short"]


def test_live_lines_leave_room_on_a_low_screen(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.show([], [f"n{n}" for n in range(20)])
    screen.show(["line"], ["n"])
    assert tty.lines == ["line", "n"]


def test_a_full_screen_program_is_noticed_wherever_its_bytes_are_cut(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    for byte in b"\x1b[?1049h":
        screen.program(bytes([byte]))
    assert screen.full
    screen.program(b"\x1b[?1049l")
    assert not screen.full


def test_the_end_of_a_cell_brings_back_a_sane_terminal(tty: Painted) -> None:
    screen = Screen(tty, clock=count().__next__)
    screen.program(b"\x1b[?1049h\x1b[?25l\x1b[31mx")
    screen.end()
    assert (screen.fresh, screen.full, tty.screen.cursor.hidden) == (True, False, False)
    assert tty.screen.cursor.attrs.fg == "default"
