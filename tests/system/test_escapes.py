"""`!command` in a cell, at a real terminal."""

import pytest

from tests.system.conftest import Home, Screens, until
from tests.system.test_jobs import CTRL_C, CTRL_Z, Shell


@pytest.fixture
def shell(home: Home, screens: Screens) -> Shell:
    return Shell(screens.open("--name", "n1@localhost"))


def enter(shell: Shell, line: str) -> None:
    shell.terminal.type(f"{line}\r")
    shell.cell += 1


def test_a_command_has_the_terminal_and_its_status_is_told_in_a_line(home: Home, shell: Shell) -> None:
    enter(shell, "!printf 'a %s\\n' {x} $((2 + 3)); test -t 0 && test -t 1")
    shell.prompted()
    assert shell.terminal.lines[-3:-1] == ["a {x}", "a 5"]
    enter(shell, "!(exit 3)")
    shell.prompted()
    assert shell.terminal.lines[-2] == "exit status 3"
    enter(shell, "!read answer; echo got $answer")
    shell.terminal.type("Ada\r")
    shell.prompted()
    assert shell.terminal.lines[-2] == "got Ada"
    enter(shell, "e()")
    shell.prompted()
    assert "no cell raised" in shell.terminal.lines[-2]
    enter(shell, "save('kept.pysh')")
    shell.prompted()
    assert "\n\nsh('(exit 3)')\n\n" in (home.folder / "kept.pysh").read_text()


def test_ctrl_c_ends_the_command_and_ctrl_z_stops_nothing(home: Home, shell: Shell) -> None:
    enter(shell, "!touch begun; sleep 1000")
    until((home.folder / "begun").exists, "the command")
    shell.terminal.type(CTRL_Z)
    shell.see("no job: this cell does not await")
    shell.terminal.type(CTRL_C)
    shell.prompted()
    assert shell.terminal.lines[-2] == "ended by SIGINT"
    assert shell.gives("6 * 7") == "42"


def test_elsewhere_it_is_no_python(home: Home) -> None:
    home.node("n1@localhost")
    for told in (home.pysh("rpc", "n1", "-c", "!echo hi"), home.pysh("-c", "!echo hi")):
        assert told.returncode == 1 and "SyntaxError" in told.stderr and "hi" not in told.stdout
