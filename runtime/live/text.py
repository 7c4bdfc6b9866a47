"""Text for a terminal, whoever it comes from: made harmless, measured in columns, cut to size."""

import re
from unicodedata import combining, east_asian_width

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)")


def plain(value: object) -> str:
    """`value` as one line without anything that a terminal would obey; tabs and line ends are spaces."""
    text = str(value)
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text)
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def width(text: str) -> int:
    """How many columns `text` takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, columns: int) -> str:
    """`text` in exactly `columns`: filled with spaces, or cut, with `…` where something is missing."""
    missing = columns - width(text)
    if missing >= 0:
        return text + " " * missing
    kept, room = "", columns - 1
    for char in text:
        room -= _columns(char)
        if room < 0:
            break
        kept += char
    return kept + ("…" + " " * (columns - 1 - width(kept)) if columns > 0 else "")


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns`."""
    return text if width(text) <= columns else fit(text, columns).rstrip()


def _columns(char: str) -> int:
    if char < "\x7f":
        return 1
    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
