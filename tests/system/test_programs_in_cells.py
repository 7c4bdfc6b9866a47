"""Programs that use the terminal run in a cell: where the shell was started, and from another terminal on it."""

from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens
from tests.system.test_jobs import CTRL_C, Shell

FULL = """
import curses
def menu(window):
    window.addstr(2, 3, "me" + "nu")
    window.refresh()
    keys = [window.getkey()]
    window.addstr(4, 3, "si" + "zed")
    return [*keys, window.getkey()]
curses.wrapper(menu)
"""
BAR = """
import sys, time
for n in range(0, 101, 25):
    print(f"\\r{n}%", end="", flush=True)
    time.sleep(0.01)
"""


@pytest.fixture(params=["here", "attached"])
def shell(home: Home, screens: Screens, request: pytest.FixtureRequest) -> Iterator[Shell]:
    if request.param == "here":
        yield Shell(screens.open("--name", "n1@localhost"))
    else:
        home.node("n1@localhost")
        yield Shell(screens.open("attach", "n1"))


def row(terminal: Terminal) -> str:
    """The line of the cursor."""
    return terminal.screen.display[terminal.screen.cursor.y].rstrip()


def test_a_cell_asks_shows_bars_is_debugged_and_has_the_whole_screen(shell: Shell) -> None:
    terminal = shell.terminal
    shell.enter(FULL)  # before the debugger: the readline that it loads takes the news of a resize from curses
    terminal.wait(lambda: terminal.screen.display[2].strip() == "menu", "the whole screen")
    terminal.resize(20, 90)
    terminal.wait(lambda: terminal.screen.display[4].strip() == "sized", "the news of the size")
    terminal.type("q")
    shell.prompted()
    assert terminal.lines[-2] == "['KEY_RESIZE', 'q']"

    shell.enter("input('who' + '? ')")
    terminal.wait(lambda: row(terminal) == "who?", "the question")
    terminal.type("Ada\r")
    shell.prompted()
    assert terminal.lines[-3:-1] == ["who? Ada", "'Ada'"]

    shell.enter("from getpass import getpass; len(getpass('secret' + '? '))")
    terminal.wait(lambda: row(terminal) == "secret?", "the question")
    terminal.type("unseen\r")
    shell.prompted()
    assert terminal.lines[-2] == "6"
    assert "unseen" not in " ".join(terminal.lines)

    shell.enter(BAR)
    shell.prompted()
    assert terminal.lines[-2] == "100%"
    assert "75%" not in terminal.lines

    shell.enter("def half(n):\n    breakpoint()\n    return n / 2")
    shell.prompted()
    shell.enter("half(8)")
    terminal.wait(lambda: row(terminal) == "(Pdb)", "the debugger")
    terminal.type("p n * 100\r")
    terminal.wait(lambda: "800" in terminal.lines and row(terminal) == "(Pdb)", "the value")
    terminal.type(CTRL_C)  # which the debugger takes for itself
    terminal.wait(lambda: "(Pdb) --KeyboardInterrupt--" in terminal.lines and row(terminal) == "(Pdb)", "the debugger")
    terminal.type("c\r")
    shell.prompted()
    assert terminal.lines[-2] == "4.0"
