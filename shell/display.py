"""Results, errors, notices and tagged lines as text for a terminal; what comes in is made harmless."""

from collections.abc import Mapping
from typing import Any

from pysh.runtime.protocol.cleaning import clean
from pysh.runtime.protocol.durations import lasting
from pysh.runtime.protocol.frames import Frame
from pysh.runtime.protocol.linking import with_frames, with_urls
from pysh.shell.boot import TEMPLATE, prompt
from pysh.shell.output import Tagged
from pysh.shell.theme import Theme

LONG = 1.0
"""Seconds above which it is shown how long a cell took."""
_LEVELS = {"warn": "warn", "error": "error"}
_WORDS = {"warn": "warning: ", "error": "error: "}
"""What says the same where there are no colours."""
_STATES = {
    "up": "good", "running": "good", "suspect": "warn", "queued": "warn", "starting": "warn", "cancelled": "warn",
    "down": "error", "failed": "error", "lost": "error",
}  # fmt: skip
"""In which colour the first word of a state stands."""
_RICH = {"good": "green", "warn": "yellow", "error": "red"}


class Display:
    """Renders for a terminal of `theme`, with links for one that takes them on the machine called `links`.

    `template` is that of prompts.
    """

    def __init__(self, theme: Theme, links: str = "", template: str = TEMPLATE) -> None:
        self._theme = theme
        self._links = links
        self._template = template

    def result(self, told: Mapping[str, Any], columns: int) -> str:
        """What is shown of a DONE, without the last line end; empty for None."""
        kind = told.get("kind", "none")
        if kind == "job":
            return self.notice(told)
        if kind == "table":
            text = table(told.get("table") or {}, columns, self._theme)
        elif kind == "tree":
            text = tree(told.get("tree") or {}, columns)
        else:
            text = self._linked(clean(str(told.get("text", ""))).rstrip("\n"), told.get("files"))
        if footer := told.get("footer"):
            text += "\n" + self._theme("dim", clean(str(footer)).replace("\n", " "))
        return self._failure(text) if kind == "error" else text

    def took(self, told: Mapping[str, Any]) -> str:
        """How long the cell of a DONE took, where that was long and it is over; else empty."""
        seconds = float(told.get("took", 0.0))
        return f"took {lasting(seconds)}" if seconds > LONG and told.get("kind") != "job" else ""

    def cell(self, node: str, frame: Frame, typed: str = "") -> str:
        """A cell that another terminal typed, as it stands there: its prompt, and behind `typed` the source."""
        asked = clean(prompt(node, int(frame.options().get("cell", 1)), self._template))
        first, *more = clean(bytes(frame.payload).decode("utf-8", "replace")).rstrip("\n").split("\n")
        rest = [self._theme("dim", "... ".rjust(len(asked))) + line for line in more]
        return "\n".join([self._theme("prompt", asked) + typed + first, *rest])

    def notice(self, told: Mapping[str, Any]) -> str:
        """A message of the node to whoever sits there."""
        text = clean(str(told.get("text", ""))).replace("\n", " ")
        level = str(told.get("level"))
        if not self._theme.colours and text:
            text = _WORDS.get(level, "") + text
        return self._theme(_LEVELS.get(level, "dim"), text)

    def tagged(self, line: Tagged) -> str:
        """One line of output; of this node's own shell it has no tag, and keeps its colours."""
        if not line.label:
            return clean(line.text, colours=self._theme.colours)
        label = clean(line.label).replace("\n", " ")
        return f"{self._theme('tag', f'{label} |')} {clean(line.text)}"

    def _linked(self, text: str, files: object) -> str:
        """A text with links to the addresses in it, and to those files that are told to be of this machine."""
        if not self._links:
            return text
        here = {str(file) for file in files} if isinstance(files, list) else ()
        return with_urls(with_frames(text, here, self._links))

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
    names = [_field(name) for name in told.get("columns", [])]
    for name in names:
        made.add_column(Text(name), overflow="fold")
    for row in told.get("rows", []):
        texts = map(_field, row)
        made.add_row(*(Text(text, style=_state(name, text, theme)) for name, text in zip(names, texts, strict=False)))
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


def tree(told: Mapping[str, Any], columns: int) -> str:
    """Texts below texts."""
    from pysh.runtime.live.text import cut
    from pysh.runtime.live.tree import drawn

    rows = ((int(depth), _field(text)) for depth, text in told.get("rows", []))
    lines = [cut(f" {line}", columns) for line in drawn(rows)]
    return "\n".join([*lines, " … more"] if told.get("more") else lines)


def _state(column: str, text: str, theme: Theme) -> str:
    """The style of a field that tells a state."""
    if not theme.colours or column not in ("state", "status"):
        return ""
    return _RICH.get(_STATES.get(text.partition(" ")[0].rstrip(":"), ""), "")


def _field(value: object) -> str:
    return clean(str(value)).replace("\n", " ").replace("\t", " ")
