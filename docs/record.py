"""Records the session that the README opens with as a picture that moves, from two real terminals: `make recording`."""

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tests.shell.terminal import Terminal
from tests.system.session import run_session

PICTURE = Path(__file__).with_name("session.svg")
COLUMNS = 92
ROWS = {"node2": 8, "node1": 17}
"""Of the two terminals, from the top to the bottom."""
PACE = 0.04
"""Seconds between two keys."""
REST = 4.0
"""Seconds that the last state stands."""
WIDE, HIGH, MARGIN = 8.4, 18, 14
"""Pixels: of a character and around a terminal."""
COLOURS = {
    "default": "#d4d4d4", "black": "#808080", "red": "#f14c4c", "green": "#7ec98f", "brown": "#e5c07b",
    "blue": "#6cb6ff", "magenta": "#d8a0df", "cyan": "#5fd0d0", "white": "#d4d4d4", "brightblack": "#8a8a8a",
}  # fmt: skip
"""Of the sixteen as pyte calls them."""


class Run(NamedTuple):
    """Characters beside each other that look alike."""

    column: int
    text: str
    colour: str
    bold: bool


Line = tuple[Run, ...]


class Shown(NamedTuple):
    """What one row of a terminal showed, and between which seconds; `until` is None at the end."""

    row: int
    line: Line
    since: float
    until: float | None


class Recorder:
    """Turns the states of a screen, in their order, into what each row showed when."""

    def __init__(self) -> None:
        self.past: list[Shown] = []
        self._now: dict[int, tuple[Line, float]] = {}

    def add(self, lines: Iterable[Line], now: float) -> None:
        """The screen shows `lines` from `now` on."""
        for row, line in enumerate(lines):
            before, since = self._now.get(row, ((), now))
            if line != before:
                if before:
                    self.past.append(Shown(row, before, since, now))
                self._now[row] = (line, now)

    def all(self) -> list[Shown]:
        """Everything that was seen."""
        return [*self.past, *(Shown(row, line, since, None) for row, (line, since) in self._now.items() if line)]


class Recorded(Terminal):
    """A terminal at which somebody types at his leisure, and that remembers what was to be seen."""

    def __init__(self, name: str, env: dict[str, str], began: float, pace: float) -> None:
        self.recorder, self._began, self._pace = Recorder(), began, pace
        command = [sys.executable, "-m", "pysh", "--rm", "--cookie", "my_secret_cookie", "--sname", f"{name}@localhost"]
        super().__init__(command, env, size=(ROWS[name], COLUMNS), cwd=env["HOME"])

    def type(self, text: str) -> None:
        for key in text:
            super().type(key)
            self.settle(self._pace)

    def _pump(self, timeout: float) -> None:
        super()._pump(timeout)
        self.recorder.add(map(self._line, range(self.screen.lines)), time.monotonic() - self._began)

    def _line(self, row: int) -> Line:
        cells = [(column, self.screen.buffer[row][column]) for column in range(self.screen.columns)]
        runs = [[*of_it] for _, of_it in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold))]
        made = (Run(run[0][0], "".join(c.data for _, c in run).rstrip(), run[0][1].fg, run[0][1].bold) for run in runs)
        return tuple(run for run in made if run.text)


def picture(panes: dict[str, list[Shown]], lasts: float) -> str:
    """The SVG of what terminals showed, by their titles, again and again; where nothing moves, how it ended."""
    width, top = COLUMNS * WIDE + 2 * MARGIN, 0.0
    styles: dict[str, str] = {}
    drawn: list[str] = []
    for title, shown in panes.items():
        height = ROWS[title] * HIGH + 2 * MARGIN
        drawn.append(f'<rect y="{top}" width="{width:.0f}" height="{height}" rx="8"/>')
        for each in shown:
            styles.setdefault(_phase(each, lasts), f"p{len(styles)}")
            last = "" if each.until is None else " g"
            y = top + MARGIN + (each.row + 0.75) * HIGH
            drawn.append(f'<text class="{styles[_phase(each, lasts)]}{last}" y="{y:g}">{_spans(each.line)}</text>')
        top += height + MARGIN
    phases = "".join(f"@keyframes {name}{{{phase}}}.{name}{{animation-name:{name}}}" for phase, name in styles.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:.0f} {top - MARGIN:g}">\n'
        "<style>"
        f"rect{{fill:#1e1e1e}}text{{font:14px monospace;white-space:pre;fill:{COLOURS['default']}}}.g{{opacity:0}}"
        f"@media not (prefers-reduced-motion){{text{{animation:{lasts:.2f}s step-end infinite}}{phases}}}</style>\n"
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _phase(shown: Shown, lasts: float) -> str:
    """The keyframes of what is seen between two moments."""
    begin, end = (100 * (lasts if moment is None else moment) / lasts for moment in (shown.since, shown.until))
    return f"0%{{opacity:0}}{begin:.2f}%{{opacity:1}}{end:.2f}%{{opacity:{int(shown.until is None)}}}"


def _spans(line: Line) -> str:
    spans = ""
    for run in line:
        look = ' font-weight="bold"' if run.bold else ""
        if run.colour != "default":
            look += f' fill="{COLOURS.get(run.colour, COLOURS["default"])}"'
        text = escape(run.text, quote=False)
        spans += f'<tspan x="{MARGIN + run.column * WIDE:g}" textLength="{len(run.text) * WIDE:g}"{look}>{text}</tspan>'
    return spans


def record(pace: float = PACE) -> str:
    """Run the session in a home of its own, and give its picture."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PYSH_RUNTIME_DIR": f"{home}/run", "PATH": os.environ["PATH"]}
        state = Path(home, ".local/state/pysh")
        state.mkdir(0o700, parents=True)
        (state / "greeted").touch()  # a person has been here
        began = time.monotonic()
        with Recorded("node1", env, began, pace) as one, Recorded("node2", env, began, pace) as two:
            one.others[two.file] = lambda: Recorded._pump(two, 0)
            two.others[one.file] = lambda: Recorded._pump(one, 0)
            run_session(one, two, "localhost")
            lasts = time.monotonic() - began + REST
            panes: dict[str, Any] = {"node2": two.recorder.all(), "node1": one.recorder.all()}
            for terminal in (one, two):
                Terminal.type(terminal, "\x04")
                terminal.wait_exit()
    return picture(panes, lasts)


if __name__ == "__main__":
    PICTURE.write_text(record())
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")
