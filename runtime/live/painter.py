"""The live view as lines of text, each as wide as the screen; nothing is decided here."""

from collections.abc import Sequence
from typing import NamedTuple

from pysh.runtime.live.model import COLUMNS, HELP, LIST, PANES, TASKS, Kill, Model, Row, named
from pysh.runtime.live.text import fit, width

WIDEST, NARROWEST = 48, 3
"""Columns that one field may take, and that it keeps where there is little room."""
RIGHT = frozenset(("rtt", "tasks", "task", "age", "queue", "memory"))
"""Columns of numbers."""
STATES = {
    "suspect": "warn", "silent": "warn", "starting": "dim", "queued": "dim", "down": "error", "failed": "error",
    "lost": "error", "cancelled": "warn",
}  # fmt: skip
"""In which colour a row stands for the first word of its state; the word itself is there too."""
CHOSEN, HEAD = "chosen", "head"


class Line(NamedTuple):
    """One line of the screen, and how it is to look."""

    text: str
    style: str = ""


def paint(model: Model) -> list[Line]:
    """The whole screen."""
    rows, columns = model.size
    middle = _list(model, columns) if model.view == LIST else _text(model, columns)
    lines = [_tabs(model, columns), *middle][: max(0, rows - 1)]
    lines += [Line(" " * columns)] * (rows - 1 - len(lines))
    return [*lines, _bottom(model, columns)][:rows]


def _tabs(model: Model, columns: int) -> Line:
    tabs = (f"{pane} {len(model.rows.get(pane, ())):,}" for pane in PANES)
    shown = "".join(f"[{tab}]" if pane == model.pane else f" {tab} " for pane, tab in zip(PANES, tabs, strict=True))
    right = f"every {model.seconds:g} s  ? keys "
    return Line(fit(fit(shown, columns - width(right)) + right, columns), HEAD)


def _list(model: Model, columns: int) -> list[Line]:
    shown = model.shown
    place = model.at(shown)
    first = max(0, min(place - model.room // 2, len(shown) - model.room))
    seen = shown[first : first + model.room]
    head, *body = table(model.pane, seen, columns - 1, model.sorted_by.get(model.pane))
    lines = [Line(fit(" " + head, columns), HEAD)]
    for index, (row, text) in enumerate(zip(seen, body, strict=True), first):
        mark, style = (">", CHOSEN) if index == place else (" ", style_of(model.pane, row))
        lines.append(Line(fit(mark + text, columns), style))
    return lines if seen else [*lines, Line(fit(f" no {model.pane}", columns), "dim")]


def _text(model: Model, columns: int) -> list[Line]:
    seen = model.text[model.top : model.top + model.room]
    more = len(model.text) - model.top - len(seen)
    title = f" {model.title}{f'  (… {more} more lines)' if more > 0 else ''}"
    return [Line(fit(title, columns), HEAD), *(Line(fit(" " + line, columns)) for line in seen)]


def _bottom(model: Model, columns: int) -> Line:
    if isinstance(model.asking, Kill):
        question = f" kill {named(model.asking.pane, model.asking.row)}? y/n"
        return Line(fit(question, columns), "warn")
    if model.said:
        return Line(fit(f" {model.said}", columns), "warn")
    keys = {LIST: "tab panes  k kill  s stack  o output  < > sort  q leave", HELP: "q back"}
    return Line(fit(f" {keys.get(model.view, 'up, down move  q back')}", columns), "dim")


def style_of(pane: str, row: Row) -> str:
    """In which colour a row stands."""
    columns = COLUMNS[pane]
    state = row.fields[columns.index("status" if pane == TASKS else "state")]
    return STATES.get(state.partition(" ")[0].rstrip(":"), "")


def table(pane: str, rows: Sequence[Row], columns: int, sorted_by: int | None = None) -> list[str]:
    """The head of a pane and its rows, in at most `columns`: what is widest is cut first."""
    head = tuple(f"{name}*" if index == sorted_by else name for index, name in enumerate(COLUMNS[pane]))
    texts = [head, *(row.fields for row in rows)]
    widths = [min(WIDEST, max(width(text[index]) for text in texts)) for index in range(len(head))]
    while sum(widths) + 2 * (len(widths) - 1) > columns and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    right = [name in RIGHT for name in COLUMNS[pane]]
    return [
        "  ".join(map(_field, text, widths, right)).rstrip() for text in texts
    ]  # fmt: skip


def _field(text: str, columns: int, right: bool) -> str:
    return " " * (columns - width(text)) + text if right and width(text) < columns else fit(text, columns)
