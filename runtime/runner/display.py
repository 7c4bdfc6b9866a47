"""What a terminal is told of a value or an error: text and tables, bounded where they are made.

The terminal may be far away and never holds the value, so a list of ten million numbers costs here,
on the wire and there what its first thousand cost.
"""

import traceback
from collections.abc import Iterator
from typing import Any

from pysh.runtime import tracebacks

ITEMS = 1000
"""How many items of one container, and rows of one table, are shown."""
TEXT = 32 * 1024
"""How many bytes of UTF-8 one value or error may take, so that the frame has room for the rest."""
CLOSING = 64
"""How many bytes more may follow the beginning of a long text: the count of what is left out, and brackets."""
FIELD = 200
"""How many characters one field of a table may take."""

_BRACKETS: dict[type[Any], tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}
_HINTS = ((RuntimeError, "asyncio.run() cannot be called", "a loop runs here: write `await main()` instead"),)


def show(value: object) -> dict[str, Any]:
    """The part of a DONE that shows `value`: its kind, text and perhaps table. Runs code of the user's."""
    if value is None:
        return {"kind": "none"}
    make = getattr(type(value), "__pysh_table__", None)
    if make is not None:
        try:
            columns, rows = make(value)
            if rows:
                return {"kind": "table", "table": _table(columns, rows), "text": text_of(value, TEXT // 2)}
        except Exception:
            pass  # it is shown as any other value, then
    return {"kind": "text", "text": text_of(value)}


def text_of(value: object, limit: int = TEXT) -> str:
    """The repr of `value` in about `limit` bytes; of one whose repr raises, what it raised."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in _pieces(value, (), limit):
            pieces.append(piece)
            size += len(piece.encode("utf-8", "backslashreplace"))
            if size > limit + CLOSING:
                # How much is left out nobody knows: the rest was not made.
                return _cut("".join(pieces), limit) + " …"
    except Exception as error:
        return bounded(f"<{type(value).__qualname__}: its repr raised {_line(error)}>", limit)
    return bounded("".join(pieces), limit + CLOSING)


def bounded(text: str, limit: int, *, tail: int = 0) -> str:
    """`text` in about `limit` bytes of UTF-8 at most; of a longer one the last `tail` bytes are kept too."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    left_out = f" … {len(data) - limit:,} more bytes"
    head, end = _cut(text, limit - tail), data[len(data) - tail :].decode(errors="ignore")
    return f"{head}{left_out} … {end}" if tail else head + left_out


def _cut(text: str, limit: int) -> str:
    """As much of `text` as takes at most `limit` bytes of UTF-8."""
    return text.encode("utf-8", "backslashreplace")[:limit].decode(errors="ignore")


def _beginning(value: Any, limit: int) -> str:
    """The repr of the beginning of a text or of bytes, in `limit` bytes of UTF-8, and how much is left out."""
    shown = value[:limit]
    while (size := len(repr(shown).encode("utf-8", "backslashreplace"))) > limit:
        shown = shown[: len(shown) * limit // size]
    return f"{shown!r} … {len(value) - len(shown):,} more {'characters' if type(value) is str else 'bytes'}"


def _pieces(value: Any, around: tuple[int, ...], limit: int) -> Iterator[str]:
    """What `repr` gives, piece by piece; of plain containers at most `ITEMS` items each."""
    kind: type[Any] = type(value)
    if kind in (str, bytes, bytearray) and len(value) > limit:
        yield _beginning(value, limit)
    elif kind not in _BRACKETS or not value:
        yield repr(value)
    else:
        opening, closing = _BRACKETS[kind]
        yield opening
        if id(value) in around:
            yield "..."
        else:
            yield from _items(value, (*around, id(value)), limit)
            if kind is tuple and len(value) == 1:
                yield ","
        yield closing


def _items(values: Any, around: tuple[int, ...], limit: int) -> Iterator[str]:
    for index, item in enumerate(values):
        if index:
            yield ", "
        if index == ITEMS:
            yield f"… {len(values) - ITEMS:,} more"
            return
        yield from _pieces(item, around, limit)
        if type(values) is dict:
            yield ": "
            yield from _pieces(values[item], around, limit)


def _table(columns: Any, rows: Any) -> dict[str, Any]:
    """The table with text in every field; `more` counts the rows left out."""
    shown: list[list[str]] = []
    room = TEXT // 2
    for row in rows:
        fields = [short(field) for field in row]
        room -= sum(len(field.encode()) + 3 for field in fields)
        if room < 0 or len(shown) == ITEMS:
            break
        shown.append(fields)
    return {"columns": [short(column) for column in columns], "rows": shown, "more": len(rows) - len(shown)}


def short(value: object) -> str:
    """The beginning of `str(value)`, in characters that can be sent."""
    return str(value)[:FIELD].encode("utf-8", "backslashreplace").decode()


def _line(error: BaseException) -> str:
    """The type and text of `error`, whatever its `__str__` does."""
    return "".join(traceback.format_exception_only(error)).strip()


def failure(error: BaseException) -> str:
    """The traceback of `error` as its author should see it: one, whatever nodes it went through; without our frames."""
    text = str(tracebacks.of(error).of_users())
    for kind, words, hint in _HINTS:
        if isinstance(error, kind) and words in str(error):
            text += f"Hint: {hint}\n"
    return bounded(text, TEXT, tail=TEXT // 2)
