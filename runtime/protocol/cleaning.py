"""Text that others wrote, as a terminal may show it."""

import re

# Escape sequences are left out whole; what else controls a terminal, or turns the reading direction
# around, becomes a question mark.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]+[0-~]|\x1b[0-Z\\^-~]"
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_BLANK = re.compile("[\u115f\u1160\u3164\uffa0]")
"""Letters that nobody sees."""


def clean(text: str, *, colours: bool = False) -> str:
    """`text` without anything that a terminal would obey, but line ends, tabs and perhaps colours."""
    if text.isprintable():
        return text
    if colours:
        parts = _COLOUR.split(text)
        marks = [*_COLOUR.findall(text), "\x1b[0m"] if len(parts) > 1 else [""]
        return "".join(clean(part) + mark for part, mark in zip(parts, marks, strict=True))
    return _CONTROL.sub("?", _SEQUENCE.sub("", text))


def shown(text: str) -> str:
    """A line of somebody's, in which nothing hides and which steers no terminal."""
    if text.isprintable() and not _BLANK.search(text):
        return text
    return _BLANK.sub("?", "".join(each if each.isprintable() or each == "\t" else "?" for each in text))


def visible(line: str) -> str:
    """What is seen of a line that may hold carriage returns: what followed the last one, if anything did."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if part), "")
