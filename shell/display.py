"""Results, errors, notices and tagged lines as text for a terminal; what comes in is made harmless."""

from collections.abc import Mapping
from typing import Any

from pysh.runtime.protocol.frames import Frame
from pysh.shell.boot import prompt
from pysh.shell.output import Tagged, clean
from pysh.shell.theme import Theme

_LEVELS = {"warn": "warn", "error": "error"}


class Display:
    """Renders for a terminal of `theme`."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme

    def result(self, told: Mapping[str, Any], columns: int) -> str:
        """What is shown of a DONE, without the last line end; empty for None."""
        kind = told.get("kind", "none")
        if kind == "table":
            return table(told.get("table") or {}, columns, self._theme)
        text = clean(str(told.get("text", ""))).rstrip("\n")
        return self._failure(text) if kind == "error" else text

    def cell(self, node: str, frame: Frame) -> str:
        """A cell that another terminal typed, as it stands there: its prompt, and the source behind it."""
        asked = clean(prompt(node, int(frame.options().get("cell", 1))))
        first, *more = clean(bytes(frame.payload).decode("utf-8", "replace")).rstrip("\n").split("\n")
        rest = [self._theme("dim", "... ".rjust(len(asked))) + line for line in more]
        return "\n".join([self._theme("prompt", asked) + first, *rest])

    def notice(self, told: Mapping[str, Any]) -> str:
        """A message of the node to whoever sits there."""
        text = clean(str(told.get("text", ""))).replace("\n", " ")
        return self._theme(_LEVELS.get(str(told.get("level")), "dim"), text)

    def tagged(self, line: Tagged) -> str:
        """One line of output; of this node's own shell it has no tag, and keeps its colours."""
        if not line.label:
            return clean(line.text, colours=self._theme.colours)
        label = clean(line.label).replace("\n", " ")
        return f"{self._theme('tag', f'{label} |')} {clean(line.text)}"

    def _failure(self, text: str) -> str:
        """A traceback, with what was raised standing out."""
        head, line_end, last = text.rpartition("\n")
        return head + line_end + self._theme("error", last)


def table(told: Mapping[str, Any], columns: int, theme: Theme) -> str:
    """A table of texts under their columns' names."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 1), header_style="bold" if theme.colours else "")
    for name in told.get("columns", []):
        made.add_column(Text(_field(name)), overflow="fold")
    for row in told.get("rows", []):
        made.add_row(*(Text(_field(value)) for value in row))
    out = StringIO()
    console = Console(
        file=out, width=columns, force_terminal=theme.colours,
        color_system="standard" if theme.colours else None,
        legacy_windows=False, _environ={}, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    console.print(made)
    lines = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
    if more := told.get("more"):
        lines.append(f" … {more:,} more rows")
    return "\n".join(lines)


def _field(value: object) -> str:
    return clean(str(value)).replace("\n", " ").replace("\t", " ")
