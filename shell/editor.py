"""The line editor: prompt_toolkit, with our keys, over a terminal that is ours.

It runs for one prompt at a time, in an event loop that lives as long as it does. What arrives meanwhile
is printed above the prompt by `show`, and the half-typed text stays as it is.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, emacs_mode, has_focus, vi_insert_mode, vi_navigation_mode
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import HSplit
from prompt_toolkit.layout.containers import AnyContainer, to_container
from prompt_toolkit.layout.processors import HighlightMatchingBracketProcessor
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts.prompt import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style

from pysh.shell.above import Block, above
from pysh.shell.boot import Tty
from pysh.shell.completion import Ask, Completions
from pysh.shell.editing.calltip import CallTip
from pysh.shell.editing.entering import Entering
from pysh.shell.editing.inserting import dedent, edit_elsewhere, in_margin, indent, newline, paste
from pysh.shell.editing.mistake import MarkMistake
from pysh.shell.editing.modes import SEQUENCES, shape, wait_less_for_vi
from pysh.shell.editing.recalled import Recalled, Suggested
from pysh.shell.editing.searching import Searching
from pysh.shell.history import History
from pysh.shell.keyboard import Keyboard
from pysh.shell.keys import Keys as Input
from pysh.shell.semantic import UNMARKED, Semantic
from pysh.shell.settings import DEFAULTS, Settings
from pysh.shell.theme import Theme, style

IDLE = 0.05
"""Seconds after the prompt is up until the highlighting is imported."""
TYPING = 3.0
"""Seconds after a key in which another one is expected."""
AGAIN = 0.02
"""Seconds until a prompt that cannot end yet is told to again."""
ESCAPE = 0.05
"""Seconds in which what follows an Escape makes it one key."""


class Editor:
    """Reads cells from `keyboard`, which is that of `tty`.

    `cleared` is called when Ctrl-C was pressed, `ask` when it is to be known what can stand at the cursor, `returned`
    when another editor had the screen and has ended.
    """

    def __init__(
        self, tty: Tty, keyboard: Keyboard, history: History, *, theme: Theme, cleared: Callable[[], None], ask: Ask,
        returned: Callable[[], None] = lambda: None, settings: Settings = DEFAULTS, semantic: Semantic = UNMARKED,
    ) -> None:  # fmt: skip
        self._semantic, self._settings = semantic, settings
        self._returned = returned
        self.loop = asyncio.new_event_loop()
        self._tty = tty
        self._entering = Entering(lambda: self._input.typed_ahead, accepted=self._moves_on, cleared=cleared)
        self.away = False
        """Whether the prompt is that of another node's shell than the one that was started here."""
        self._prompt = ""
        self._mark: Callable[[], str] = str
        self._aside: Callable[[], str] = str
        self._around = "", ""  # the prompt, as it was painted last
        self._live: Sequence[str] = ()
        self._reads = 0
        self._stops: asyncio.TimerHandle | None = None  # tries again to end what cannot end yet
        self._kept = Document()  # half-typed text of a prompt that went away for a while
        self._file = open(tty.keys, encoding="utf-8", closefd=False)  # noqa: SIM115 - closed by `close`
        self._input = Input(self._file, keyboard, self._ended)
        vi = settings.editing == "vi"
        ANSI_SEQUENCES.update(SEQUENCES)
        # No questions to the terminal about its cursor: the answers mix with what is typed, and cost a
        # round trip each where the terminal is far away.
        output = Vt100_Output(sys.stdout, self._size, term=os.environ.get("TERM"), enable_cpr=False)
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            prompt_continuation=_continuation,
            rprompt=self._beside,
            validate_while_typing=False,  # its answer, that there is no mistake, would replace ours
            history=Recalled(history),
            auto_suggest=Suggested(history) if settings.suggestions else None,
            completer=Completions(ask),
            complete_while_typing=False,
            complete_style=CompleteStyle.MULTI_COLUMN,
            reserve_space_for_menu=4,
            enable_history_search=True,
            enable_suspend=True,
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            cursor=shape() if vi else None,
            input_processors=[HighlightMatchingBracketProcessor(chars="[](){}"), MarkMistake()],
            tempfile_suffix=".py",
            key_bindings=self._keys(),
            style=Style.from_dict(style(theme.name)),
            color_depth=_depth(theme),
            include_default_pygments_style=False,
            input=self._input,
            output=output,
        )
        self._app = self._session.app
        self._app.ttimeoutlen = ESCAPE
        if vi:
            wait_less_for_vi(self._app, ESCAPE)
        self._searching = Searching(history, self._session.default_buffer)
        if settings.signature:
            self._below(CallTip(self._session.default_buffer, ask).container)
        self._below(self._searching.container)
        self._app.terminal_size_polling_interval = None  # a signal tells; an idle prompt need not wake

    def read(
        self, prompt: str, mark: Callable[[], str] = str, text: str = "", aside: Callable[[], str] = str
    ) -> str:  # fmt: skip
        """The next cell, as it was typed. Raises `EOFError` for Ctrl-D, or what `stop` was given.

        `text` stands there already, or what `stop` kept. `mark` gives what stands before `prompt`, and is asked again
        after each `show`. `aside` gives what stands at the right, as long as there is room and the cell is not sent.
        """
        self._prompt, self._mark, self._aside = prompt, mark, aside
        self._tty.unpaint()
        if self._session.lexer is None:
            self.loop.call_later(IDLE, self._load_lexer)
        self._reads += 1
        kept, self._kept = self._kept, Document()
        self._app.erase_when_done = False
        try:
            asking = self._session.prompt_async(default=text or kept, handle_sigint=False, pre_run=self._recall)
            return self.loop.run_until_complete(asking)
        finally:
            self._live = ()

    def stop(self, error: BaseException, *, keep: bool = False, read: int = 0) -> None:
        """End `read` with `error`; to `keep` what is typed for the next one takes the prompt away. In the loop."""
        if read not in (0, self._reads):
            return  # that one has ended
        if not self._app.is_running or self.elsewhere:  # it is about to begin, or an editor runs
            if self._stops is not None:
                self._stops.cancel()  # one chain is enough, however often something comes meanwhile
            self._stops = self.loop.call_later(AGAIN, partial(self.stop, error, keep=keep, read=self._reads))
        elif not self._app.is_done:
            self._live = ()
            self._app.erase_when_done = keep
            self._kept = self._session.default_buffer.document if keep else self._kept
            self._app.exit(exception=error)

    @property
    def elsewhere(self) -> bool:
        """Whether another editor has the screen: nothing may be shown."""
        return self._app._running_in_terminal

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

    def refresh(self) -> None:
        """Paint the prompt again if what stands around it is something else by now. Called in the loop."""
        if self._around != (self._mark(), self._aside()):
            self._app.invalidate()

    def close(self) -> None:
        """Give the loop and the keyboard back."""
        self.loop.close()
        self._file.close()

    def _recall(self) -> None:
        self._session.layout.focus(DEFAULT_BUFFER)  # the last prompt may have ended in a search
        # It loads before the first key is read, which may be an Up that was typed ahead.
        self._session.default_buffer.load_history_if_not_yet_loaded()

    def _below(self, container: AnyContainer) -> None:
        """Put `container` below what stands there already."""
        screen = self._session.layout.container
        assert isinstance(screen, HSplit)
        screen.children.append(to_container(container))

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
        begin, end = (("[ZeroWidthEscape]", mark) for mark in (self._semantic.prompt, self._semantic.typed))
        self._around = self._mark(), self._aside()
        look = "class:prompt.away" if self.away else "class:prompt"
        return [*shown, begin, ("class:suspect", self._mark()), (look, self._prompt), end]

    def _beside(self) -> StyleAndTextTuples:
        aside = "" if self._app.is_done else self._aside()
        return [("class:took", aside)] if aside else []

    def _load_lexer(self) -> None:
        """Import the highlighting, which is not needed for the first key."""
        if self._session.lexer is None:
            from pysh.shell.editing.highlighting import Highlighting

            self._session.lexer = Highlighting()
            self._app.invalidate()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        keys.add("enter", filter=typing)(self._entering.enter)
        keys.add("escape", "enter", filter=typing)(newline)
        keys.add(Keys.BracketedPaste, filter=typing)(paste(self._settings.prompt))
        keys.add("c-c", filter=typing)(self._entering.clear)
        keys.add("escape", "up", filter=typing)(self._entering.restore)
        keys.add("c-x", "c-e", filter=typing & ~vi_navigation_mode)(self._edit)
        keys.add("v", filter=typing & vi_navigation_mode)(self._edit)
        keys.add("c-d", filter=typing & Condition(lambda: not self._session.default_buffer.text))(self._leave)
        keys.add("c-r", filter=typing & (emacs_mode | vi_insert_mode))(lambda event: self._searching.begin(event))
        margin = typing & Condition(lambda: in_margin(self._session.default_buffer))
        keys.add("tab", filter=margin)(indent)
        keys.add("backspace", filter=margin)(dedent)
        keys.add("s-tab", filter=margin)(dedent)
        if self._settings.autopair:
            from pysh.shell.editing import pairing

            pairing.bind(keys, typing)
        return keys

    def _edit(self, event: KeyPressEvent) -> None:
        edit_elsewhere(event, self._returned)

    def _moves_on(self) -> None:
        self._live = ()  # they stand above the next prompt; this line stays

    def _leave(self, event: KeyPressEvent) -> None:
        self._live = ()
        event.app.exit(exception=EOFError())


def _depth(theme: Theme) -> ColorDepth:
    if not theme.colours:
        return ColorDepth.DEPTH_1_BIT
    return ColorDepth.DEPTH_4_BIT if theme.name == "ansi" else ColorDepth.DEPTH_8_BIT


def _continuation(width: int, _line: int, wrapped: int) -> str:
    """What stands before the second and later lines of a cell: as wide as the prompt."""
    return " " * width if wrapped else "... ".rjust(width)
