"""The signature of the call under the cursor, in one dim line below the prompt."""

import asyncio

from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_focus, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, Window

from pysh.shell.completion import LONGEST, PATIENCE, Ask
from pysh.shell.signature import Signature, line, told

SETTLE = 0.03
"""Seconds without a key until the node is asked."""


class CallTip:
    """Asks for the signature while a call is typed in `buffer`; `container` goes below the prompt.

    Each key ends the question before it; an answer that comes late is not shown.
    """

    def __init__(self, buffer: Buffer, ask: Ask) -> None:
        self._buffer = buffer
        self._ask = ask
        self._question = 0
        self._due: asyncio.TimerHandle | None = None
        self._shown: Signature | None = None
        # The text is looked at, too: nobody tells when a buffer is reset.
        there = Condition(lambda: self._shown is not None and "(" in self._before()) & has_focus(buffer) & ~is_done
        self.container = ConditionalContainer(Window(FormattedTextControl(self._line), height=1), filter=there)
        buffer.on_text_changed += self._moved
        buffer.on_cursor_position_changed += self._moved

    def _moved(self, _buffer: Buffer) -> None:
        self._question += 1
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if "(" not in self._before() or not get_app().is_running:
            self._shown = None
        else:
            self._due = asyncio.get_running_loop().call_later(SETTLE, self._begin)

    def _before(self) -> str:
        buffer = self._buffer
        return buffer.text[max(0, buffer.cursor_position - LONGEST) : buffer.cursor_position]

    def _begin(self) -> None:
        question, text = self._question, self._before()
        self._due = asyncio.get_running_loop().call_later(PATIENCE, self._show, question, None)
        self._ask(text, len(text), lambda answer: self._show(question, told(answer)), "signature")

    def _show(self, question: int, signature: Signature | None) -> None:
        if question == self._question:
            self._question += 1
            self._shown = signature
            get_app().invalidate()

    def _line(self) -> StyleAndTextTuples:
        if self._shown is None:
            return []
        pieces = line(self._shown, get_app().output.get_size().columns)
        return [("class:signature.current" if marked else "class:signature", text) for marked, text in pieces]
