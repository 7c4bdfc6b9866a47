"""What a terminal is told of a value or an error: text and tables, bounded where they are made.

The terminal may be far away and never holds the value, so a list of ten million numbers costs here,
on the wire and there what its first thousand cost.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from types import CoroutineType, FunctionType
from typing import Any

from pysh.runtime import tracebacks

ITEMS = 1000
"""How many items of one container, and rows of one table, are shown."""
TEXT = 32 * 1024
"""How many bytes of UTF-8 one value or error may take, so that the frame has room for the rest."""
CLOSING = 64
"""How many bytes more may follow the beginning of a long text: the count of what is left out, and brackets."""
COLUMNS = 80
"""The width where no terminal tells its own."""
FIELD = 200
"""How many characters one field of a table may take."""

_BRACKETS: dict[type[Any], tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}
_TEXTS = (str.__repr__, bytes.__repr__, bytearray.__repr__)
_IN_A_LOOP = "a loop runs here: write `await main()` instead, or run(main()) where no `await` may stand"
_HINTS = ((RuntimeError, "asyncio.run() cannot be called", _IN_A_LOOP),)


class _Cut(str):
    """A piece that stands for what is left out; the first `shown` items of that are not."""

    shown = 0

    def __new__(cls, text: str, shown: int = 0) -> "_Cut":
        made = super().__new__(cls, text)
        made.shown = shown
        return made


def show(value: object, cell: int = 0, *, person: bool = True) -> dict[str, Any]:
    """The part of a DONE that shows `value`: its kind, text and perhaps table. Runs code of the user's.

    Where it is cut, `footer` says how to see the rest, if it is the value of `cell`.
    """
    if value is None:
        return {"kind": "none"}
    if getattr(type(value), "__pysh_tree__", None) is not None:
        try:
            return {"kind": "tree", "tree": _tree(value), "text": text_of(value, TEXT // 2)}
        except Exception:
            pass  # as below
    make = getattr(type(value), "__pysh_table__", None)
    if make is not None:
        try:
            columns, rows = make(value)
            if rows:
                made = _table(columns, rows)
                cut = _Cut("", len(made["rows"])) if made["more"] else None
                shown = {"kind": "table", "table": made, "text": text_of(value, TEXT // 2)}
                return shown | _footer(value, cut, cell)
        except Exception:
            pass  # it is shown as any other value, then
    if cell and type(value) is FunctionType and (hint := _uncalled(value)):
        return {"kind": "text", "text": hint}
    text, cut = _told(value, TEXT)
    if cell and person and cut is None:
        text = _laid_out(value, text)
    return {"kind": "text", "text": text} | _footer(value, cut, cell)


def _uncalled(value: FunctionType) -> str:
    """What is said of a preloaded function that somebody named and did not call; empty for any other."""
    import pysh

    name = value.__name__
    if name not in pysh.__all__ or getattr(pysh, name) is not value:
        return ""
    from pysh.runtime.helpers.docs import summary

    call = f"{name}({'...' if _needs_arguments(value) else ''})"
    return f"{name} is a function, type {call} to call it: {summary(value)}"


def _needs_arguments(value: FunctionType) -> bool:
    taken = value.__code__.co_argcount
    return taken > len(value.__defaults__ or ())


def _laid_out(value: object, text: str) -> str:
    """The repr of a container in lines that fit the terminal, if it is too long for one; any other `text` as it is."""
    columns = _columns()
    if len(text) <= columns or not (type(value) in _BRACKETS or hasattr(type(value), "__dataclass_fields__")):
        return text
    from pprint import PrettyPrinter  # few values need it

    layout = PrettyPrinter(width=columns, compact=True, sort_dicts=False)
    # Texts stay in one piece, as they are looked for and copied.
    layout._dispatch = {of: how for of, how in PrettyPrinter._dispatch.items() if of not in _TEXTS}  # type: ignore[attr-defined]
    try:
        lines = layout.pformat(value)
    except Exception:
        return text
    return lines if len(lines) <= TEXT else text


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns or COLUMNS
    except OSError:
        return COLUMNS


def _footer(value: object, cut: _Cut | None, cell: int) -> dict[str, str]:
    if type(value) is CoroutineType and cell and value.cr_frame is not None and not value.cr_running:
        return {"footer": "it has not begun: await _"} if value.cr_await is None else {}
    if cut is None or not cell:
        return {}
    begins = cut.shown if isinstance(value, list | tuple | str | bytes | bytearray) else 0
    part = f"v({cell})[{begins}:{begins + ITEMS}], " if begins else ""
    return {"footer": f"… the rest: {part}full({cell}), page({cell})"}


def text_of(value: object, limit: int = TEXT) -> str:
    """The repr of `value` in about `limit` bytes; of one whose repr raises, what it raised."""
    return _told(value, limit)[0]


def _told(value: object, limit: int) -> tuple[str, _Cut | None]:
    """The same, and what stands for the rest if it is cut."""
    pieces: list[str] = []
    size, cut = 0, None
    try:
        for piece in _pieces(value, (), limit, ITEMS):
            pieces.append(piece)
            if isinstance(piece, _Cut):
                cut = piece if cut is None else _Cut("")  # the first items of one container, and of others
            size += len(piece.encode("utf-8", "backslashreplace"))
            if size > limit + CLOSING:
                # How much is left out nobody knows: the rest was not made.
                return _cut("".join(pieces), limit) + " …", _Cut("")
    except Exception as error:
        return bounded(f"<{type(value).__qualname__}: its repr raised {_line(error)}>", limit), None
    return bounded("".join(pieces), limit + CLOSING), cut


def whole(value: object) -> Iterator[str]:
    """The repr of `value`, piece by piece and nothing left out."""
    return _pieces(value, (), sys.maxsize, sys.maxsize)


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


def _beginning(value: Any, limit: int, within: bool) -> _Cut:
    """The repr of the beginning of a text or of bytes, in `limit` bytes of UTF-8, and how much is left out."""
    shown = value[:limit]
    while (size := len(repr(shown).encode("utf-8", "backslashreplace"))) > limit:
        shown = shown[: len(shown) * limit // size]
    unit = "characters" if type(value) is str else "bytes"
    return _Cut(f"{shown!r} … {len(value) - len(shown):,} more {unit}", 0 if within else len(shown))


def _pieces(value: Any, around: tuple[int, ...], limit: int, items: int) -> Iterator[str]:
    """What `repr` gives, piece by piece; of plain containers at most so many `items` each."""
    kind: type[Any] = type(value)
    if kind in (str, bytes, bytearray) and len(value) > limit:
        yield _beginning(value, limit, within=bool(around))
    elif kind not in _BRACKETS or not value:
        yield repr(value)
    else:
        opening, closing = _BRACKETS[kind]
        yield opening
        if id(value) in around:
            yield "..."
        else:
            yield from _items(value, (*around, id(value)), limit, items)
            if kind is tuple and len(value) == 1:
                yield ","
        yield closing


def _items(values: Any, around: tuple[int, ...], limit: int, items: int) -> Iterator[str]:
    for index, item in enumerate(values):
        if index:
            yield ", "
        if index == items:
            yield _Cut(f"… {len(values) - items:,} more", items if len(around) == 1 else 0)
            return
        yield from _pieces(item, around, limit, items)
        if type(values) is dict:
            yield ": "
            yield from _pieces(values[item], around, limit, items)


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


def _tree(value: object) -> dict[str, Any]:
    """The depth and the text of each part; `more` tells that there are others."""
    from pysh.runtime.live.tree import listed

    rows: list[tuple[int, str]] = []
    room = TEXT // 2
    for depth, text in listed(value):
        text = short(text)
        room -= len(text.encode()) + 4
        if room < 0 or len(rows) == ITEMS:
            return {"rows": rows, "more": True}
        rows.append((depth, text))
    return {"rows": rows, "more": False}


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
