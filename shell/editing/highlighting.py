"""Colours for Python, a line at a time: a key costs the line that it changes, however long the cell is.

What a line looks like depends on that line, and on whether a string of several lines is open where it begins.
(To lex from a safe place above the line on, as prompt_toolkit does, takes half a second a key in a long function.)
"""

import re
from collections.abc import Callable
from typing import Any

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles.pygments import pygments_token_to_classname
from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

LONGEST = 100_000
"""Characters above which a text is not coloured any more."""
KEPT = 10_000
"""Lines that are remembered."""

_PIECES = re.compile(
    r"""\#.* | (?P<open> \"{3} | '{3} ) (?: [^\\] | \\. | \\$ )*? (?: (?P<closed> (?P=open) ) | $ )
      | " (?: [^"\\] | \\. )* "? | ' (?: [^'\\] | \\. )* '?""",
    re.VERBOSE,
)
_ENDS = {quotes: re.compile(rf"(?:[^\\]|\\.)*?{quotes}") for quotes in ('"""', "'''")}


def opened(line: str) -> str:
    """The quotes of a string that `line` opens and does not close."""
    for piece in _PIECES.finditer(line):
        if piece["open"] and not piece["closed"]:
            return piece["open"]
    return ""


def closes(line: str, quotes: str) -> int:
    """Behind which character of `line` the string ends that is open with `quotes`; -1 if it goes on."""
    found = _ENDS[quotes].match(line)
    return found.end() if found else -1


class Highlighting(Lexer):
    """Remembers what each line looks like."""

    def __init__(self) -> None:
        self._python = PythonLexer(stripnl=False, ensurenl=False)
        self._after: dict[tuple[str, str], str] = {}
        self._shown: dict[tuple[str, str], StyleAndTextTuples] = {}
        self._classes: dict[Any, str] = {}

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """What gives a line of `document` by its number."""
        lines = document.lines
        if len(document.text) > LONGEST:
            return lambda number: [("", lines[number])] if number < len(lines) else []
        if len(self._shown) > KEPT or len(self._after) > KEPT:
            self._after.clear()
            self._shown.clear()
        before = [""]  # the quotes that are open where a line begins, as far as it was asked for

        def line(number: int) -> StyleAndTextTuples:
            if number >= len(lines):
                return []
            while len(before) <= number:
                before.append(self._end(lines[len(before) - 1], before[-1]))
            return self._line(lines[number], before[number])

        return line

    def _end(self, line: str, quotes: str) -> str:
        key = line, quotes
        if (found := self._after.get(key)) is None:
            at = closes(line, quotes) if quotes else 0
            found = self._after[key] = quotes if at < 0 else opened(line[at:])
        return found

    def _line(self, line: str, quotes: str) -> StyleAndTextTuples:
        key = line, quotes
        if (found := self._shown.get(key)) is None:
            at = closes(line, quotes) if quotes else 0
            end = len(line) if at < 0 else at
            found = [("class:pygments.literal.string", line[:end])] if end else []
            found += [(self._class(kind), text) for _, kind, text in self._python.get_tokens_unprocessed(line[end:])]
            self._shown[key] = found
        return found

    def _class(self, kind: Any) -> str:
        if (found := self._classes.get(kind)) is None:
            found = self._classes[kind] = f"class:{pygments_token_to_classname(kind)}"
        return found
