"""Ctrl-R: the entries of the history that fit to what is typed, in a list below the prompt."""

import os
from collections.abc import Sequence

from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.utils import get_cwidth

from pysh.shell.history import Entry, History
from pysh.shell.recall import Place, Scope, place_of, search, shown

ROWS = 10
"""Entries that are shown at a time, at most."""
AROUND = 2
"""Rows of the screen that are not theirs: the prompt, and the line to type in."""


class Searching:
    """A line to type in, and the list; `container` goes below the prompt, whose text is `target`."""

    def __init__(self, history: History, target: Buffer) -> None:
        self._history = history
        self._target = target
        self._scope = Scope.ALL
        self._found: Sequence[Entry] = ()
        self._chosen = 0
        self._asked = Buffer(name="history", multiline=False, on_text_changed=lambda _: self._search())
        control = BufferControl(
            self._asked, input_processors=[BeforeInput(self._label)], key_bindings=self._keys()
        )  # fmt: skip
        self._line = Window(control, height=1)
        rows = Window(FormattedTextControl(self._rows), dont_extend_height=True)
        self.container = ConditionalContainer(HSplit([self._line, rows]), filter=has_focus(self._asked))

    def begin(self, _event: KeyPressEvent) -> None:
        """Open the list."""
        self._scope = Scope.ALL
        self._asked.reset()
        self._search()
        get_app().layout.focus(self._line)

    def _search(self) -> None:
        history = self._history
        here = Place(history.node, history.folder)
        self._found = search(history.entries(), self._asked.text, here, self._scope)
        self._chosen = 0

    def _label(self) -> StyleAndTextTuples:
        return [("class:search", f"search {self._scope.value} (Tab: {self._scope.next.value}): ")]

    def _rows(self) -> StyleAndTextTuples:
        if not self._found:
            return [("class:search.place", "  nothing fits")]
        lines, columns = get_app().output.get_size()
        room = max(1, min(ROWS, lines - AROUND))
        first = max(0, min(self._chosen - room // 2, len(self._found) - room))
        rows: StyleAndTextTuples = []
        for number, entry in enumerate(self._found[first : first + room], first):
            rows += _row(entry, columns, chosen=number == self._chosen)
        return rows[:-1]  # without the last line end

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        for name in ("c-r", "down", "c-n"):
            keys.add(name)(lambda _: self._move(1))
        for name in ("c-s", "up", "c-p"):
            keys.add(name)(lambda _: self._move(-1))
        for name in ("c-g", "c-c", "escape"):
            keys.add(name, eager=True)(lambda _: self._leave())
        keys.add("enter")(lambda _: self._take())
        keys.add("tab")(lambda _: self._widen())
        keys.add(Keys.BracketedPaste)(lambda event: self._asked.insert_text(" ".join(event.data.split())))
        return keys

    def _move(self, by: int) -> None:
        self._chosen = max(0, min(self._chosen + by, len(self._found) - 1))

    def _widen(self) -> None:
        self._scope = self._scope.next
        self._search()

    def _take(self) -> None:
        if self._found:
            source = self._found[self._chosen].source
            self._target.save_to_undo_stack()
            self._target.document = Document(source, len(source))
        self._leave()

    def _leave(self) -> None:
        get_app().layout.focus(self._target)


def _row(entry: Entry, columns: int, *, chosen: bool) -> StyleAndTextTuples:
    place = place_of(entry, os.environ.get("HOME", ""))
    if len(place) > columns // 2:
        place = "…" + place[1 - columns // 2 :]
    text = shown(entry, columns - len(place) - 4)
    style = "class:search.chosen" if chosen else ""
    gap = " " * max(1, columns - 2 - get_cwidth(text) - get_cwidth(place))
    return [(style, ("> " if chosen else "  ") + text + gap), (f"{style} class:search.place", place), ("", "\n")]
