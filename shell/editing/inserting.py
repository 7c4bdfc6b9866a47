"""Keys that insert or take away: line ends, pastes, margins, and what another editor made of the text."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Callable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.validation import ValidationError

from pysh.shell.enter import INDENT, own_prompt, pasted

EDITORS = ("/usr/bin/editor", "/usr/bin/nano", "/usr/bin/pico", "/usr/bin/vi", "/usr/bin/emacs")
"""Taken where neither `$VISUAL` nor `$EDITOR` is given, as prompt_toolkit does."""


def newline(event: KeyPressEvent) -> None:
    """A line end, whatever the text is."""
    event.current_buffer.newline(copy_margin=True)


def paste(template: str) -> Callable[[KeyPressEvent], None]:
    """What was pasted, as one unit: one undo takes it back. Prompts of `template` are left out, too."""
    prompt = own_prompt(template)

    def insert(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.save_to_undo_stack()
        buffer.insert_text(pasted(event.data, buffer.document.current_line_before_cursor, prompt))

    return insert


def in_margin(buffer: Buffer) -> bool:
    """Whether there are only spaces before the cursor, in a text of several lines or behind some."""
    before = buffer.document.current_line_before_cursor
    return not before.strip() and (bool(before) or "\n" in buffer.text)


def indent(event: KeyPressEvent) -> None:
    """To the next column where a block may begin."""
    column = event.current_buffer.document.cursor_position_col
    event.current_buffer.insert_text(" " * (len(INDENT) - column % len(INDENT)))


def dedent(event: KeyPressEvent) -> None:
    """Back to the last one."""
    column = event.current_buffer.document.cursor_position_col
    event.current_buffer.delete_before_cursor((column - 1) % len(INDENT) + 1 if column else 1)


def edit_elsewhere(event: KeyPressEvent, returned: Callable[[], object]) -> None:
    """Open the text in `$VISUAL` or `$EDITOR`, then call `returned`. What comes back stands there, and is not run."""
    buffer = event.current_buffer
    asked = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not any(shutil.which(each) for each in (shlex.split(asked)[:1] if asked else EDITORS)):
        what = f"{asked} is not there" if asked else "there is no editor here"
        buffer.validation_error = ValidationError(buffer.cursor_position, f"{what}: $EDITOR names the one to open")
        return
    before = buffer.text

    def done(_task: "asyncio.Task[None]") -> None:
        if buffer.text != before and "\n" in buffer.text:  # as after a paste, one Enter runs it
            text = buffer.text.rstrip("\n") + "\n"
            buffer.document = Document(text, len(text))
        returned()

    buffer.open_in_editor().add_done_callback(done)
