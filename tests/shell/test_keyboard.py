import os
import pty
import tty as modes
from collections.abc import Iterator

import pytest

from pysh.shell.boot import Tty
from pysh.shell.keyboard import MOST, Keyboard


@pytest.fixture
def master() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    modes.setraw(slave)
    yield master, slave
    os.close(slave)
    os.close(master)


@pytest.fixture
def keyboard(master: tuple[int, int]) -> Keyboard:
    return Keyboard(Tty(master[1], master[1]))


def test_what_was_put_back_comes_first(master: tuple[int, int], keyboard: Keyboard) -> None:
    os.write(master[0], b"abcd")
    assert keyboard.look() == b"abcd"
    assert keyboard.take(2) == b"ab"
    keyboard.put_back(b"x\n")
    os.write(master[0], b"e")
    assert keyboard.look() == b"x\rcde"
    assert keyboard.waits


def test_no_more_is_read_ahead_than_a_bound(master: tuple[int, int], keyboard: Keyboard) -> None:
    keyboard.put_back(b"x" * MOST)
    assert keyboard.full
    os.write(master[0], b"later")
    assert len(keyboard.look()) == MOST
    keyboard.take(MOST)
    assert keyboard.look() == b"later"


@pytest.mark.parametrize(
    ("typed", "answer", "left"), [(b"s", b"s", b""), (b"s\r", b"s", b""), (b"ssh db1\r", b"", b"ssh db1\r")]
)
def test_what_is_typed_on_is_no_answer_to_a_question(
    keyboard: Keyboard, typed: bytes, answer: bytes, left: bytes
) -> None:
    keyboard.put_back(typed)
    assert keyboard.answer(lambda file, timeout: None) == answer
    assert keyboard.look() == left
