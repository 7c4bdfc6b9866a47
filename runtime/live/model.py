"""What the live view shows and does: rows, selection and keys go in, the next state and what is to be done come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

NODES, PROCESSES, TASKS = PANES = ("nodes", "processes", "tasks")
COLUMNS = {
    NODES: ("node", "state", "rtt", "load", "lately", "tasks"),
    PROCESSES: ("process", "name", "label", "kind", "state", "age", "queue", "memory"),
    TASKS: ("task", "node", "label", "kind", "status", "owner", "age"),
}
INTERVALS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between two looks at the nodes."""
LIST, STACK, OUTPUT, HELP = "list", "stack", "output", "help"
WAITING = "…"
"""The text while none has come."""


class Row(NamedTuple):
    """One line of a pane; `key` tells it from others, whatever becomes of it, and `fields` are its texts.

    `values` are what it is sorted by, where that differs from the texts; `kind` is `self` for the shell of the view and
    `seat` for another shell or a program; `incarnation` is that of the node.
    """

    key: tuple[str, int]
    fields: tuple[str, ...]
    values: tuple[Any, ...] = ()
    kind: str = ""
    incarnation: bytes = b""


class Quit(NamedTuple):
    """Leave."""


class Refresh(NamedTuple):
    """Look at once."""


class Kill(NamedTuple):
    """End what a row stands for."""

    pane: str
    row: Row


class Ask(NamedTuple):
    """Find out the stack or the output of what a row stands for; `what` is the view that shows it."""

    what: str
    pane: str
    row: Row


Action = Quit | Refresh | Kill | Ask | None


@dataclass(frozen=True)
class Model:
    """One state of the view. `size` is that of the screen, in rows and columns."""

    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    size: tuple[int, int] = (24, 80)
    pane: str = NODES
    chosen: Mapping[str, tuple[tuple[str, int], int]] = field(default_factory=dict)
    """Of each pane the key of the row that is chosen, and where that was last."""
    sorted_by: Mapping[str, int] = field(default_factory=dict)
    interval: int = 1
    view: str = LIST
    title: str = ""
    text: tuple[str, ...] = ()
    top: int = 0
    """The first line of `text` that is seen."""
    asking: Kill | None = None
    """What `y` is going to end."""
    said: str = ""

    @property
    def seconds(self) -> float:
        """Between two looks."""
        return INTERVALS[self.interval]

    @property
    def room(self) -> int:
        """How many rows of a pane, or lines of a text, the screen has room for."""
        return max(0, self.size[0] - 3)

    @property
    def shown(self) -> Sequence[Row]:
        """The rows of this pane, sorted."""
        column = self.sorted_by.get(self.pane)
        rows = self.rows.get(self.pane, ())
        return rows if column is None else sorted(rows, key=lambda row: _order(row, column))

    def at(self, shown: Sequence[Row]) -> int:
        """The place of the chosen row among those `shown`; where it was, if it is gone."""
        if not shown:
            return 0
        key, place = self.chosen.get(self.pane, (("", 0), 0))
        for index, row in enumerate(shown):
            if row.key == key:
                return index
        return min(place, len(shown) - 1)


def _order(row: Row, column: int) -> tuple[bool, Any]:
    value: Any = (row.values or row.fields)[column]
    return (False, -value) if isinstance(value, int | float) else (True, str(value))


def looked(model: Model, rows: Mapping[str, Sequence[Row]]) -> Model:
    """The nodes were asked."""
    model = replace(model, rows=rows)
    shown = model.shown
    return _choose(model, shown, model.at(shown))


def answered(model: Model, view: str, text: str) -> Model:
    """A stack or an output came; it is shown if it is still wanted. Of an output the end is followed."""
    if model.view != view:
        return model
    lines = tuple(text.split("\n")) if text else ("(nothing)",)
    bottom, before = max(0, len(lines) - model.room), max(0, len(model.text) - model.room)
    follows = view == OUTPUT and model.top >= before
    return replace(model, text=lines, top=bottom if follows else min(model.top, bottom))


def press(model: Model, key: str) -> tuple[Model, Action]:
    """The next state after `key`, and what is to be done."""
    model = replace(model, said="")
    if key == "ctrl-c":
        return model, Quit()
    if model.asking is not None:
        wanted = key in ("y", "Y")
        said = "" if wanted else "nothing was ended"
        return replace(model, asking=None, said=said), model.asking if wanted else None
    if key in ("+", "-"):
        step = model.interval + (-1 if key == "+" else 1)
        return replace(model, interval=max(0, min(len(INTERVALS) - 1, step))), None
    if key == "r":
        return model, Refresh()
    return _press_in_list(model, key) if model.view == LIST else _press_in_text(model, key)


def _press_in_text(model: Model, key: str) -> tuple[Model, Action]:
    if key in ("q", "escape", "left", "enter"):
        return replace(model, view=LIST, text=(), top=0), None
    moved = _moved(key, model.top, len(model.text) - model.room, model.room)
    return (model if moved is None else replace(model, top=moved)), None


def _press_in_list(model: Model, key: str) -> tuple[Model, Action]:
    shown = model.shown
    if key in ("q", "escape"):
        return model, Quit()
    if key in ("tab", "right", "back-tab", "left"):
        step = 1 if key in ("tab", "right") else -1
        return replace(model, pane=PANES[(PANES.index(model.pane) + step) % len(PANES)]), None
    if key in ("<", ">"):
        return _sort(model, 1 if key == ">" else -1), None
    if key in ("?", "h"):
        return replace(model, view=HELP, title="keys", text=HELP_TEXT, top=0), None
    moved = _moved(key, model.at(shown), len(shown) - 1, model.room)
    if moved is not None:
        return _choose(model, shown, moved), None
    if key in ("k", "s", "o", "enter") and shown:
        return _act(model, key, shown[model.at(shown)])
    return model, None


def _act(model: Model, key: str, row: Row) -> tuple[Model, Action]:
    if model.pane == NODES:
        return replace(model, said=f"a node has no stack and no output; to end it: stop_node({row.key[0]!r})"), None
    if row.kind:
        said = "this view runs in that shell; leave it by q"
        if row.kind != "self":
            said = f"a shell or a program has no stack and no output here; to end it: stop_node({row.key[0]!r})"
        return replace(model, said=said), None
    if key == "k":
        return replace(model, asking=Kill(model.pane, row)), None
    view = STACK if key == "s" else OUTPUT
    model = replace(model, view=view, title=f"{view} of {named(model.pane, row)}", text=(WAITING,), top=0)
    return model, Ask(view, model.pane, row)


def named(pane: str, row: Row) -> str:
    """What a row stands for, in words."""
    node, number = row.key
    short = node.partition("@")[0]
    label = row.fields[2]
    return f"task {number} {label} on {short}" if pane == TASKS else f"process {row.fields[0]} {label}".rstrip()


def _moved(key: str, place: int, last: int, page: int) -> int | None:
    """Where a key leads to; None for one that moves nothing."""
    steps = {"up": -1, "down": 1, "j": 1, "page-up": -page, "page-down": page, " ": page}
    if key in steps:
        place += steps[key]
    elif key in ("home", "g"):
        place = 0
    elif key in ("end", "G"):
        place = last
    else:
        return None
    return max(0, min(place, last))


def _choose(model: Model, shown: Sequence[Row], place: int) -> Model:
    chosen = {**model.chosen, model.pane: (shown[place].key, place)} if shown else model.chosen
    return replace(model, chosen=chosen)


def _sort(model: Model, step: int) -> Model:
    """Sort by the next column; before the first and behind the last it is as the nodes gave it."""
    count = len(COLUMNS[model.pane])
    column = (model.sorted_by.get(model.pane, -1) + 1 + step) % (count + 1) - 1
    kept = {pane: by for pane, by in model.sorted_by.items() if pane != model.pane}
    return replace(model, sorted_by=kept if column < 0 else {**kept, model.pane: column})


HELP_TEXT = (
    "up, down, page up, page down, g, G   move",
    "tab, right, left                     the next pane, the one before",
    "<, >                                 sort by another column",
    "k                                    kill the process or task, after a question",
    "s                                    its stack",
    "o, enter                             its output, followed",
    "+, -, r                              look more often, less often, now",
    "q, Ctrl-C                            leave (q in a text: back)",
)
