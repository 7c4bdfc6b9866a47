"""Enter and Ctrl-C: a cell that is complete is handed over, a mistake pointed at, and what was cleared comes back."""

from collections import deque
from collections.abc import Callable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.validation import ValidationError

from pysh.shell.enter import Newline, Wrong, enter

CLEARED = 20
"""How many texts that Ctrl-C cleared can be had back."""


class Entering:
    """What these keys do. `typed_ahead` tells whether more was typed; `cleared` and `accepted` are told."""

    def __init__(
        self, typed_ahead: Callable[[], bool], *, accepted: Callable[[], object], cleared: Callable[[], object]
    ) -> None:
        self._typed_ahead = typed_ahead
        self._accepted = accepted
        self._told_cleared = cleared
        self._cleared: deque[str] = deque(maxlen=CLEARED)
        self._pointed = False  # we moved the cursor to a mistake, and Enter was not pressed since

    def enter(self, event: KeyPressEvent) -> None:
        """Enter."""
        buffer = event.current_buffer
        text, error = buffer.text, buffer.validation_error
        # After a mistake was pointed at Enter counts as pressed at the end, where it was pressed before.
        cursor = len(text) if self._pointed else buffer.cursor_position
        self._pointed = False
        verdict = enter(text, cursor)
        if isinstance(verdict, Newline):
            buffer.cursor_position = cursor
            buffer.insert_text("\n" + verdict.indent)
        # The node may run another version of Python: a second Enter asks it. So does what was typed ahead: it is
        # the next line, by somebody who has not seen the mistake.
        elif isinstance(verdict, Wrong) and error is None and not self._typed_ahead():
            buffer.cursor_position = verdict.position
            buffer.validation_error = ValidationError(verdict.position, verdict.message)
            self._pointed = True
        else:
            self._accept(buffer)

    def clear(self, event: KeyPressEvent) -> None:
        """Ctrl-C."""
        buffer = event.current_buffer
        if buffer.text.strip():
            self._cleared.append(buffer.text)
        self._pointed = False
        buffer.reset()
        self._told_cleared()

    def restore(self, event: KeyPressEvent) -> None:
        """Alt-Up: what was cleared last, and with the next one what was before it."""
        if self._cleared:
            text = self._cleared.pop()
            event.current_buffer.save_to_undo_stack()
            event.current_buffer.document = Document(text, len(text))

    def _accept(self, buffer: Buffer) -> None:
        text = buffer.text.rstrip()
        buffer.document = Document(text, len(text))
        self._accepted()
        buffer.validate_and_handle()
