"""The line editor: prompt_toolkit, with our keys, over a terminal that is ours.

It runs for one prompt at a time, in an event loop that lives as long as it does. What arrives meanwhile
is printed above the prompt by `show`, and the half-typed text stays as it is.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from functools import partial

from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.history import History as Recalled
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.lexers import PygmentsLexer, SimpleLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts.prompt import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style
from prompt_toolkit.validation import ValidationError

from pysh.shell.above import Block, above
from pysh.shell.boot import Tty
from pysh.shell.completion import Ask, Completions
from pysh.shell.enter import INDENT, Newline, Wrong, enter, pasted
from pysh.shell.history import History
from pysh.shell.keyboard import Keyboard
from pysh.shell.keys import Keys as Input
from pysh.shell.theme import STYLE

IDLE = 0.05
"""Seconds after the prompt is up until the highlighting is imported."""
HIGHLIGHTED = 100_000
"""Characters above which a text is not coloured any more: each key would wait for it."""
TYPING = 3.0
"""Seconds after a key in which another one is expected."""
AGAIN = 0.02
"""Seconds until a prompt that cannot end yet is told to again."""
ESCAPE = 0.05
"""Seconds in which what follows an Escape makes it one key."""


class Editor:
    """Reads cells from `keyboard`, which is that of `tty`.

    `cleared` is called when Ctrl-C was pressed, `ask` when it is to be known what can stand at the cursor.
    """

    def __init__(
        self, tty: Tty, keyboard: Keyboard, history: History, *, colours: bool, cleared: Callable[[], None], ask: Ask
    ) -> None:  # fmt: skip
        self.loop = asyncio.new_event_loop()
        self._tty = tty
        self._cleared = cleared
        self._prompt = ""
        self._mark: Callable[[], str] = str
        self._live: Sequence[str] = ()
        self._reads = 0
        self._kept = Document()  # half-typed text of a prompt that went away for a while
        self._file = open(tty.keys, encoding="utf-8", closefd=False)  # noqa: SIM115 - closed by `close`
        self._input = Input(self._file, keyboard, self._ended)
        # No questions to the terminal about its cursor: the answers mix with what is typed, and cost a
        # round trip each where the terminal is far away.
        output = Vt100_Output(sys.stdout, self._size, term=os.environ.get("TERM"), enable_cpr=False)
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            prompt_continuation=_continuation,
            validate_while_typing=False,  # its answer, that there is no mistake, would replace ours
            history=_Recalled(history),
            auto_suggest=AutoSuggestFromHistory(),
            completer=Completions(ask),
            complete_while_typing=False,
            complete_style=CompleteStyle.MULTI_COLUMN,
            reserve_space_for_menu=4,
            enable_history_search=True,
            enable_suspend=True,
            enable_open_in_editor=True,
            tempfile_suffix=".py",
            key_bindings=self._keys(),
            style=Style.from_dict(STYLE),
            color_depth=ColorDepth.DEPTH_4_BIT if colours else ColorDepth.DEPTH_1_BIT,
            include_default_pygments_style=False,
            input=self._input,
            output=output,
        )
        self._app = self._session.app
        self._app.ttimeoutlen = ESCAPE
        self._app.terminal_size_polling_interval = None  # a signal tells; an idle prompt need not wake

    def read(self, prompt: str, mark: Callable[[], str] = str) -> str:
        """The next cell, as it was typed. Raises `EOFError` for Ctrl-D, or what `stop` was given.

        `mark` gives what stands before `prompt`, and is asked again after each `show`.
        """
        self._prompt, self._mark = prompt, mark
        self._tty.unpaint()
        if self._session.lexer is None:
            self.loop.call_later(IDLE, self._load_lexer)
        self._reads += 1
        kept, self._kept = self._kept, Document()
        self._app.erase_when_done = False
        try:
            asking = self._session.prompt_async(default=kept, handle_sigint=False, pre_run=self._recall)
            return self.loop.run_until_complete(asking)
        finally:
            self._live = ()

    def stop(self, error: BaseException, *, keep: bool = False, read: int = 0) -> None:
        """End `read` with `error`; to `keep` what is typed for the next one takes the prompt away. In the loop."""
        if read not in (0, self._reads):
            return  # that one has ended
        if not self._app.is_running or self._app._running_in_terminal:  # it is about to begin, or an editor runs
            self.loop.call_later(AGAIN, partial(self.stop, error, keep=keep, read=self._reads))
        elif not self._app.is_done:
            self._live = ()
            self._app.erase_when_done = keep
            self._kept = self._session.default_buffer.document if keep else self._kept
            self._app.exit(exception=error)

    @property
    def typing(self) -> bool:
        """Whether a key was pressed just now."""
        return time.monotonic() - self._input.pressed_at < TYPING

    def wake(self) -> None:
        """Something was put back to the keyboard. Called in the loop."""
        self._input.wake()

    def show(self, lines: Iterable[str], live: Sequence[str] | None = None) -> None:
        """Print `lines` above the prompt, then `live`, if given, instead of the live lines so far."""
        if live is not None:
            self._live = live
        rows = "".join(f"{line}\n" for line in lines).split("\n")[:-1]
        text = self._above(rows) if rows and self._app.is_running else None
        if rows and text is None:
            # Not run_in_terminal: for as long as it runs the terminal echoes what is typed.
            if self._app.is_running:
                self._app.renderer.erase(leave_alternate_screen=False)
            text = "".join(f"{row}\r\n" for row in rows)
        if text:
            self._tty.write(text.encode("utf-8", "replace"))
        self._app.invalidate()

    def close(self) -> None:
        """Give the loop and the keyboard back."""
        self.loop.close()
        self._file.close()

    def _recall(self) -> None:
        # It loads before the first key is read, which may be an Up that was typed ahead.
        self._session.default_buffer.load_history_if_not_yet_loaded()

    def _above(self, rows: Sequence[str]) -> str | None:
        """What puts `rows` above the prompt without touching it, if that can be done."""
        painted = self._app.renderer.last_rendered_screen
        if painted is None or self._app.is_done:
            return None
        cursor = painted.get_cursor_position(self._app.layout.current_window)
        return above(rows, Block(painted.height, cursor.y, cursor.x), self._tty.size())

    def _ended(self) -> bool:
        return not self._app.is_running or self._app.is_done

    def _size(self) -> Size:
        rows, columns = self._tty.size()
        return Size(rows=rows, columns=columns)

    def _message(self) -> StyleAndTextTuples:
        """The live lines, and the prompt below them."""
        shown: StyleAndTextTuples = []
        for line in self._live:
            shown += [*to_formatted_text(ANSI(line)), ("", "\n")]
        return [*shown, ("class:suspect", self._mark()), ("class:prompt", self._prompt)]

    def _load_lexer(self) -> None:
        """Import the highlighting, which is not needed for the first key."""
        if self._session.lexer is None:
            from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

            self._session.lexer = _Highlighted(PythonLexer, sync_from_start=False)
            self._app.invalidate()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        keys.add("enter", filter=typing)(self._enter)
        keys.add("escape", "enter", filter=typing)(_newline)
        keys.add(Keys.BracketedPaste, filter=typing)(_paste)
        keys.add("c-c", filter=typing)(self._clear)
        keys.add("c-d", filter=typing & Condition(lambda: not self._session.default_buffer.text))(self._leave)
        margin = typing & Condition(lambda: _in_margin(self._session.default_buffer))
        keys.add("tab", filter=margin)(_indent)
        keys.add("backspace", filter=margin)(_dedent)
        keys.add("s-tab", filter=margin)(_dedent)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        verdict = enter(buffer.text, buffer.cursor_position)
        if isinstance(verdict, Newline):
            buffer.insert_text("\n" + verdict.indent)
        # The node may run another version of Python: a second Enter asks it. So does what was typed ahead: it is
        # the next line, by somebody who has not seen the mistake.
        elif isinstance(verdict, Wrong) and buffer.validation_error is None and not self._input.typed_ahead:
            buffer.cursor_position = verdict.position
            buffer.validation_error = ValidationError(verdict.position, verdict.message)
        else:
            text = buffer.text.rstrip()
            buffer.document = Document(text, len(text))
            self._live = ()  # they move on; the line stays
            buffer.validate_and_handle()

    def _clear(self, event: KeyPressEvent) -> None:
        event.current_buffer.reset()
        self._cleared()

    def _leave(self, event: KeyPressEvent) -> None:
        self._live = ()
        event.app.exit(exception=EOFError())


class _Highlighted(PygmentsLexer):
    """Colours for a text that is not too long for them."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        if len(document.text) > HIGHLIGHTED:
            return SimpleLexer().lex_document(document)
        return super().lex_document(document)


class _Recalled(Recalled):
    """Our history in the words of prompt_toolkit."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    async def load(self) -> AsyncGenerator[str, None]:
        for source in reversed(self._history.entries()):
            yield source

    def get_strings(self) -> list[str]:
        return self._history.entries()

    def append_string(self, string: str) -> None:
        self._history.add(string)

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._history.entries())

    def store_string(self, string: str) -> None:
        self._history.add(string)


def _continuation(width: int, _line: int, wrapped: int) -> str:
    """What stands before the second and later lines of a cell: as wide as the prompt."""
    return " " * width if wrapped else "... ".rjust(width)


def _newline(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=True)


def _paste(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text(pasted(event.data))


def _in_margin(buffer: Buffer) -> bool:
    before = buffer.document.current_line_before_cursor
    return not before.strip() and (bool(before) or "\n" in buffer.text)


def _indent(event: KeyPressEvent) -> None:
    column = event.current_buffer.document.cursor_position_col
    event.current_buffer.insert_text(" " * (len(INDENT) - column % len(INDENT)))


def _dedent(event: KeyPressEvent) -> None:
    column = event.current_buffer.document.cursor_position_col
    event.current_buffer.delete_before_cursor((column - 1) % len(INDENT) + 1 if column else 1)
