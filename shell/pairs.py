"""Brackets and quotes that close by themselves: decided from what stands before and behind the cursor."""

import re
from collections import deque
from typing import NamedTuple

CLOSING = {"(": ")", "[": "]", "{": "}"}
QUOTES = "\"'"
KEYS = "()[]{}\"'"
"""The keys that are judged."""
_BEFORE = re.compile(r"[\s)\]},:;.]|$")
"""What may stand behind the cursor where something closes by itself: it would go around a name else."""
_PREFIX = re.compile(r"(?:^|\W)(?:[rRbBfFuU]|[bBfFrR][bBfFrR])?$")
"""What may stand before a quote that begins a string."""
_PIECES = re.compile(
    r"""\#[^\n]* | (?P<open>\"{3}|'{3}) (?:[^\\]|\\.)*? (?:(?P=open)|\Z)
      | "(?:[^"\\\n]|\\.)*["\n]? | '(?:[^'\\\n]|\\.)*['\n]?""",
    re.VERBOSE | re.DOTALL,
)


class Typed(NamedTuple):
    """What a key does: `text` is inserted, and then the cursor goes `right` by that many characters, or left."""

    text: str
    right: int = 0


def typed(key: str, before: str, behind: str) -> Typed:
    """What the key does that is one of `KEYS`, with `before` and `behind` around the cursor."""
    place = within(before)
    if key in QUOTES:
        if place == key and behind.startswith(key):
            return Typed("", 1)
        begins = not place and _PREFIX.search(before) is not None and not before.endswith(key)
        return Typed(key * 2, -1) if begins and _BEFORE.match(behind) else Typed(key)
    if key in CLOSING:
        return Typed(key + CLOSING[key], -1) if not place and _BEFORE.match(behind) else Typed(key)
    return Typed("", 1) if not place and behind.startswith(key) and balanced(before + behind) else Typed(key)


def is_empty_pair(before: str, behind: str) -> bool:
    """Whether the cursor is in a pair with nothing in it, which Backspace takes away as a whole."""
    opening, closing = before[-1:], behind[:1]
    if opening in QUOTES and opening:
        return closing == opening and within(before) == opening and not before[:-1].endswith(opening)
    return bool(opening) and CLOSING.get(opening) == closing and not within(before)


def within(before: str) -> str:
    """The quotes of the string, or the `#` of the remark, in which `before` ends; empty for code."""
    last = next(iter(deque(_PIECES.finditer(before), maxlen=1)), None)
    if last is None or last.end() < len(before):
        return ""
    piece = last[0]
    if piece.startswith("#"):
        return "#"
    quotes = last["open"] or piece[0]
    closed = len(piece) >= 2 * len(quotes) and piece.endswith(quotes) and not _escaped(piece, len(quotes))
    return "" if closed or (piece.endswith("\n") and len(quotes) == 1) else quotes


def balanced(text: str) -> bool:
    """Whether no closing bracket of `text` lacks its opening one, nor the other way round."""
    code = _PIECES.sub("", text)
    return all(code.count(opening) == code.count(closing) for opening, closing in CLOSING.items())


def _escaped(piece: str, quotes: int) -> bool:
    """Whether the quotes that `piece` ends with do not end it, because of a backslash."""
    inner = piece[:-quotes]
    return (len(inner) - len(inner.rstrip("\\"))) % 2 == 1
