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

    def enter(self, event: KeyPressEvent) -> None:
        """Enter."""
        buffer = event.current_buffer
        verdict = enter(buffer.text, buffer.cursor_position)
        if isinstance(verdict, Newline):
            buffer.insert_text("\n" + verdict.indent)
        # The node may run another version of Python: a second Enter asks it. So does what was typed ahead: it is
        # the next line, by somebody who has not seen the mistake.
        elif isinstance(verdict, Wrong) and buffer.validation_error is None and not self._typed_ahead():
            # The cursor stays: who types on without a look must not do so in the middle of this.
            buffer.validation_error = ValidationError(verdict.position, verdict.message)
        else:
            self._accept(buffer)

    def clear(self, event: KeyPressEvent) -> None:
        """Ctrl-C."""
        buffer = event.current_buffer
        if buffer.text.strip():
            self._cleared.append(buffer.text)
        buffer.reset()
        buffer.load_history_if_not_yet_loaded()  # for an Up that follows at once
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
