"""`rc.pysh` in the shells of real nodes."""

from pathlib import Path

import pytest

from tests.system.conftest import Home, Screens
from tests.system.prompts import held


@pytest.fixture
def rc(home: Home) -> Path:
    """Its path; there is none yet."""
    folder = home.folder / ".config" / "pysh"
    folder.mkdir(0o700, parents=True)
    file = folder / "rc.pysh"
    file.touch(0o600)
    return file


def test_every_shell_begins_with_it_also_one_that_is_started_again(screens: Screens, rc: Path) -> None:
    rc.write_text("mine = 41\n")
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("mine + 1\r")
    terminal.wait_for("42", "n1@localhost[2]>")
    terminal.type("import os; os.kill(os.getpid(), 9)\r")
    terminal.wait(lambda: any("died" in line for line in terminal.lines), "the death of the shell")
    terminal.type("mine + 2\r")
    terminal.wait(lambda: "43" in terminal.lines, "a new shell with the names of rc.pysh")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_one_in_which_the_shell_dies_is_left_out_after_that(screens: Screens, rc: Path) -> None:
    rc.write_text("import os; os._exit(3)\n")
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.wait(lambda: any(f"{rc} is left out from now on" in line for line in terminal.lines), "the reason")
    terminal.type("2 + 2\r")
    terminal.wait(lambda: "4" in terminal.lines, "a shell without it")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_it_is_for_shells_alone_and_not_for_those_that_want_none(home: Home, screens: Screens, rc: Path) -> None:
    rc.write_text("mine = 41\nprint('ran')\n")
    assert home.pysh("-c", "print('mine' in globals())").stdout == "False\n"
    home.node("n2@localhost")
    assert home.pysh("rpc", "n2", "-c", "'mine' in globals()").stdout == "False\n"
    terminal = screens.open("--rm", "--norc", "--name", "n1@localhost")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("'mine' in globals()\r")
    terminal.wait_for("False", "n1@localhost[2]>")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_a_shell_of_ones_own_begins_with_it_too(screens: Screens, rc: Path) -> None:
    rc.write_text("mine = [41]\n")
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("mine.append(1); mine\r")
    terminal.wait_for_end("[41, 1]", "n1@localhost[2]>")
    own = screens.open("attach", "--own", "n1")
    own.wait_for_end("n1@localhost#1[1]>")
    own.type("mine\r")
    own.wait_for_end("[41]", "n1@localhost#1[2]>")


def test_one_beside_a_shell_that_hangs_in_it_begins_without(screens: Screens, rc: Path) -> None:
    rc.write_text("mine = 41\n" + held("hangs") + "\n")
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.wait_for("hangs")
    terminal.type("mine\r")
    terminal.wait(lambda: terminal.lines[-1] != "n1@localhost[1]>", "the cell")
    for _ in range(3):
        terminal.settle(0.2)
        terminal.type("\x03")
    terminal.wait(lambda: any(line.startswith("n: a new shell") for line in terminal.lines), "the offer")
    terminal.type("n")
    terminal.wait_for_end("n1@localhost#1[1]>")
    terminal.type("'mine' in globals()\r")
    terminal.wait_for_end("False", "n1@localhost#1[2]>")
