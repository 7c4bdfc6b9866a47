import os
from collections.abc import Iterator

import pytest
from prompt_toolkit.keys import Keys as Names

from pysh.shell.boot import Tty
from pysh.shell.keyboard import Keyboard
from pysh.shell.keys import Keys

PASTE = "\x1b[200~def f():\r    return 1\r\x1b[201~"


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    master, slave = os.openpty()
    yield Keyboard(Tty(slave, slave))
    os.close(slave)
    os.close(master)


@pytest.fixture
def keys(keyboard: Keyboard) -> Iterator[Keys]:
    with open(keyboard.fileno(), encoding="utf-8") as file:
        yield Keys(file, keyboard, lambda: False)


def read(keys: Keys, keyboard: Keyboard, *typed: bytes) -> list[str]:
    """What one read after each part of `typed` gives."""
    found = []
    for part in typed:
        keyboard._typed += part
        found.append("".join(key.data for key in keys.read_keys()))
    return found


@pytest.mark.parametrize("end", ["\r", "\x04", "\x0f"])
def test_nothing_beyond_a_key_that_may_end_the_prompt_is_read(keys: Keys, keyboard: Keyboard, end: str) -> None:
    assert read(keys, keyboard, f"ab{end}cd\x1b[".encode(), b"") == [f"ab{end}", "cd"]
    assert not keyboard.waits


def test_a_character_may_be_cut(keys: Keys, keyboard: Keyboard) -> None:
    first, second = "ä".encode()[:1], "ä".encode()[1:]
    assert read(keys, keyboard, first, second + b"\r") == ["", "ä\r"]


@pytest.mark.parametrize("cut", range(len(PASTE)))
def test_a_paste_may_be_cut_and_ends_where_it_ends(keys: Keys, keyboard: Keyboard, cut: int) -> None:
    typed = PASTE.encode() + b"\rnext\r"
    keyboard._typed = typed[:cut]
    pressed = keys.read_keys()
    keyboard._typed += typed[cut:]
    while len(pressed) < 2:
        pressed += keys.read_keys()
    assert [key.key for key in pressed] == [Names.BracketedPaste, Names.ControlM]
    assert keyboard.take(99) == b"next\r"


def test_a_large_paste_is_read_at_once(keys: Keys, keyboard: Keyboard) -> None:
    keyboard._typed = b"\x1b[200~" + b"line\r" * 5000 + b"\x1b[201~"
    assert not keys.read_keys()
    assert [key.key for key in keys.read_keys()] == [Names.BracketedPaste]
