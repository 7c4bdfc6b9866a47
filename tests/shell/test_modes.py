from types import SimpleNamespace
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input import DummyInput
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import DummyOutput

from pysh.shell.editing.modes import wait_less_for_vi


def test_in_vi_mode_only_escape_is_quickly_taken_for_itself() -> None:
    app: Application[Any] = Application(input=DummyInput(), output=DummyOutput())
    wait_less_for_vi(app, 0.05)
    found = []
    for keys in ([], [Keys.Escape], ["g"], [Keys.Escape, Keys.ControlM], []):
        app.key_processor.key_buffer = [SimpleNamespace(key=key) for key in keys]  # type: ignore[misc]
        app.key_processor.after_key_press.fire()
        found.append(app.timeoutlen)
    assert found == [1.0, 0.05, 1.0, 0.05, 1.0]
