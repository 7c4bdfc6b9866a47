from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input import DummyInput
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import DummyOutput

from pysh.shell.editing.modes import wait_less_for_vi
from pysh.shell.editor import ESCAPE
from tests.shell.conftest import Shell


def test_in_vi_mode_only_escape_is_quickly_taken_for_itself() -> None:
    app: Application[Any] = Application(input=DummyInput(), output=DummyOutput())
    wait_less_for_vi(app, 0.05)
    found = []
    for keys in ([], [Keys.Escape], ["g"], [Keys.Escape, Keys.ControlM], []):
        app.key_processor.key_buffer = [SimpleNamespace(key=key) for key in keys]  # type: ignore[misc]
        app.key_processor.after_key_press.fire()
        found.append(app.timeoutlen)
    assert found == [1.0, 0.05, 1.0, 0.05, 1.0]


def test_in_vi_mode_the_cursor_shows_whether_keys_are_commands(open_shell: Callable[..., Shell]) -> None:
    shell = open_shell(settings="editing='vi'")
    shell.wait(lambda: BEAM in shell.raw, "beam")
    shell.type("abc")
    shell.prompt(1, "abc")
    before = len(shell.raw)
    shell.type("\x1b")
    shell.wait(lambda: BLOCK in shell.raw[before:], "block")
    shell.type("0x")
    shell.wait_for_end("node1@localhost[1]> bc")
    before = len(shell.raw)
    shell.type("i")
    shell.wait(lambda: BEAM in shell.raw[before:], "beam again")


def test_an_escape_that_begins_no_key_is_one_after_50_ms(open_shell: Callable[..., Shell]) -> None:
    assert ESCAPE == 0.05
    shell = open_shell(settings="editing='vi'")
    shell.wait(lambda: BEAM in shell.raw, "beam")
    shell.type("ab\x1b")
    shell.wait(lambda: BLOCK in shell.raw, "block", seconds=2)


BEAM, BLOCK = b"\x1b[6 q", b"\x1b[2 q"
