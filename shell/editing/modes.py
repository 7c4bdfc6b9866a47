"""Editing as in vi, and keys that terminals tell apart only if asked to."""

from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.cursor_shapes import CursorShapeConfig, ModalCursorShapeConfig
from prompt_toolkit.keys import Keys

SEQUENCES = {"\x1b[27;2;13~": (Keys.Escape, Keys.ControlM), "\x1b[13;2u": (Keys.Escape, Keys.ControlM)}
"""Shift-Enter, as xterm and kitty send it where it is told apart from Enter: it does what Alt-Enter does."""


def shape() -> CursorShapeConfig:
    """A block where keys are commands, a beam where they are text."""
    return ModalCursorShapeConfig()


def wait_less_for_vi(app: Application[Any], seconds: float) -> None:
    """Take Escape for itself after `seconds`: it is pressed alone there, and not as the first half of Alt-Enter."""
    patience = app.timeoutlen

    def pressed(_: object) -> None:
        waits = app.key_processor.key_buffer
        app.timeoutlen = seconds if waits and waits[0].key == Keys.Escape else patience

    app.key_processor.after_key_press += pressed
