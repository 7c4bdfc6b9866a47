"""When a cell gets what is typed; the terminal and its console are played."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pysh.shell import typed
from pysh.shell.keyboard import CTRL_C, CTRL_Z, Keyboard
from pysh.shell.mirrored import ANOTHERS
from pysh.shell.typed import SETTLE, Typing

REF = 3


class Ends:
    """A terminal with nothing more typed, and a console that notes what it is given."""

    full = False
    arrived = True

    def __init__(self) -> None:
        self.given: list[bytes | str] = []

    def typed(self) -> bytes:
        return b""

    def accepts(self, ref: int) -> bool:
        return self.arrived and ref == REF

    def type(self, data: bytes) -> None:
        self.given.append(data)

    def interrupt(self) -> None:
        self.given.append("SIGINT")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(typed, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def keyboard(ends: Ends) -> Keyboard:
    return Keyboard(cast(Any, ends))


def test_what_was_typed_ahead_waits_until_the_cell_has_settled(
    ends: Ends, keyboard: Keyboard, clock: list[float]
) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"next")
    typing.give()
    assert (ends.given, typing.due) == ([], 100.0 + SETTLE)
    clock[0] += SETTLE
    typing.give()
    assert (ends.given, typing.due, keyboard.waits) == ([b"next"], None, False)


def test_ctrl_c_does_not_wait(ends: Ends, keyboard: Keyboard, clock: list[float]) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"a\x03b")
    typing.give()
    assert ends.given == [b"a\x03b"]


def test_neither_a_key_nor_a_signal_overtakes_the_cell(ends: Ends, keyboard: Keyboard, clock: list[float]) -> None:
    ends.arrived = False
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"\x03")
    typing.interrupt()
    typing.give()
    assert ends.given == []
    ends.arrived = True
    typing.give()
    typing.give()
    assert ends.given == ["SIGINT", b"\x03"]


def test_nobody_types_while_the_hub_is_behind(ends: Ends, keyboard: Keyboard, clock: list[float]) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"\x03")
    ends.full = True
    typing.give()
    assert (ends.given, keyboard.waits) == ([], True)


def test_each_press_counts_once_whether_the_cell_has_it_or_not(
    ends: Ends, keyboard: Keyboard, clock: list[float]
) -> None:
    ends.arrived = False
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"a\x03\x03")
    assert (typing.give(), typing.give()) == (2, 0)
    ends.arrived = True
    assert (typing.give(), ends.given) == (0, [b"a\x03\x03"])
    typing.interrupt()
    assert (typing.give(), typing.give()) == (1, 0)


def test_ctrl_z_does_not_wait_either(ends: Ends, keyboard: Keyboard, clock: list[float]) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"\x1a")
    assert (typing.give(), ends.given) == (0, [b"\x1a"])


def test_what_is_dropped_is_what_was_typed_after_the_last_press(
    ends: Ends, keyboard: Keyboard, clock: list[float]
) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    keyboard.put_back(b"a\x03\x03k")
    assert (typing.drop(), keyboard.waits, ends.given) == (b"k", False, [])


def test_of_what_is_typed_beside_the_cell_of_another_only_ctrl_c_reaches_it(
    ends: Ends, keyboard: Keyboard, clock: list[float]
) -> None:
    typing = Typing(keyboard, cast(Any, ends), ANOTHERS)
    keyboard.put_back(b"half" + CTRL_Z)
    assert (typing.give(), typing.gave) == (0, True)
    assert (ends.given, keyboard.look()) == ([], b"half")
    keyboard.put_back(b"gone" + CTRL_C + CTRL_C)
    assert typing.give() == 2
    assert (ends.given, keyboard.look()) == (["SIGINT"], b"half")
    keyboard.take(4)
    keyboard.put_back(CTRL_C)
    assert (typing.give(), typing.gave) == (1, False)
    typing.interrupt()
    assert (typing.give(), typing.give()) == (1, 0)
    assert ends.given == ["SIGINT"] * 3


def test_a_press_that_came_before_the_cell_counts_once_and_is_nothing_else_that_was_typed(
    ends: Ends, keyboard: Keyboard, clock: list[float]
) -> None:
    typing = Typing(keyboard, cast(Any, ends), REF)
    ends.arrived = False
    keyboard.put_back(CTRL_C)
    assert (typing.give(), typing.gave) == (1, False)
    ends.arrived = True
    assert (typing.give(), typing.gave, ends.given) == (0, False, [CTRL_C])
