"""The settings of the prompt, told by a command and at a start."""

import json

import pytest

from pysh.shell.greeting import TEXT
from tests.system.conftest import Home, Screens

FILE = ".config/pysh/config.toml"


def configure(home: Home, text: str) -> str:
    """The path of the configuration, which is `text` from now on."""
    folder = home.folder / ".config" / "pysh"
    folder.mkdir(0o700, parents=True)
    (folder / "config.toml").write_text(text)
    return str(folder / "config.toml")


def test_a_command_tells_each_setting_and_where_it_comes_from(home: Home) -> None:
    assert home.pysh("settings").stdout.endswith(f"\n\nthere is no {home.folder / FILE}: it would be read\n")
    path = configure(home, '[shell]\ntheme = "dark"\n')
    rows = {row["setting"]: row for row in json.loads(home.pysh("settings", "--json").stdout)}
    assert rows["theme"] == {"setting": "theme", "value": "dark", "from": f"{path}:2"}
    assert rows["editing"] == {"setting": "editing", "value": "emacs", "from": "the default"}
    told = home.pysh("settings")
    assert (told.returncode, told.stderr) == (0, "")
    assert ["theme", "dark", f"{path}:2"] in [line.split() for line in told.stdout.splitlines()]
    assert told.stdout.endswith(f"\n\nread from {path}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [('[shell]\ntheme = "pink"\n', "{}:2: theme is one of"), ("[shell\n", "the configuration is no TOML ({}:1: ")],
)
def test_a_mistake_is_told_in_a_line_and_the_shell_starts(home: Home, screens: Screens, text: str, said: str) -> None:
    path = configure(home, text)
    told = home.pysh("settings")
    assert told.returncode == 1
    assert told.stderr.startswith("pysh: " + said.format(path))
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.type("2 + 2\r")
    terminal.wait_for("4", "n1@localhost[2]>")
    shown = "".join(terminal.lines).replace(" ", "")  # a space may be where a line was folded
    assert shown.count(("pysh: " + said.format(path)).replace(" ", "")) == 1
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_what_is_configured_holds_at_the_prompt(home: Home, screens: Screens) -> None:
    configure(home, '[shell]\nediting = "vi"\nhistory = false\n')
    terminal = screens.open("--rm", "--name", "n1@localhost")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("4 + 4")
    terminal.wait_for_end("n1@localhost[1]> 4 + 4")
    terminal.type("\x1b")
    terminal.wait(lambda: b"\x1b[2 q" in terminal.raw, "the cursor of vi's commands")
    terminal.type("0x\r")
    terminal.wait_for("n1@localhost[1]>  + 4", "4", "n1@localhost[2]>")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0
    assert "4 + 4" not in "".join(file.read_text() for file in home.folder.rglob("history*"))


def test_the_first_shell_of_a_user_says_how_to_begin_and_no_other_does(home: Home, screens: Screens) -> None:
    (home.folder / ".local/state/pysh/greeted").unlink()
    for first in (True, False):
        terminal = screens.open("--rm", "--name", "n1@localhost")
        terminal.wait_for_end(*([TEXT] if first else []), "n1@localhost[1]>")
        assert (TEXT in terminal.lines) is first
        terminal.type("1\r")
        terminal.wait_for_end("1", "n1@localhost[2]>")
        assert (TEXT in terminal.lines) is first
        terminal.type("\x04")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(
    ("words", "env", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        (["--color", "never"], {}, False),
        (["--color=always"], {"NO_COLOR": "1"}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"CLICOLOR": "0"}, False),
        ([], {"CLICOLOR": "0", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_are_as_the_command_line_says_else_as_the_environment_does(
    home: Home, screens: Screens, words: list[str], env: dict[str, str], coloured: bool
) -> None:
    home.environ |= env
    terminal = screens.open("--rm", "--name", "n1@localhost", *words)
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("1/0\r")
    terminal.wait_for_end("ZeroDivisionError: division by zero", "n1@localhost[2]>")
    assert (b"\x1b[31mZeroDivisionError" in terminal.raw) is coloured
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_those_of_a_folder_hold_there_once_they_are_trusted(home: Home, screens: Screens) -> None:
    path = home.folder / ".pysh.toml"
    path.write_text('[shell]\nhistory = false\n\n[start]\ncode = "mine = 41"\n')
    assert "is there, and was not read" in home.pysh("settings").stderr

    def asked(*options: str) -> list[str]:
        terminal = screens.open("--rm", "--name", "n1@localhost", *options)
        terminal.wait_for_end("n1@localhost[1]>")
        terminal.type("'mine' in globals()\r")
        terminal.wait_for_end("n1@localhost[2]>")
        if not options and "False" in terminal.lines:
            terminal.type("trust()\r")
            terminal.wait_for_end("Trust it? [y/N]")
            terminal.type("y\r")
            terminal.wait_for_end("n1@localhost[3]>")
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
        return terminal.lines

    assert "False" in asked()
    assert "True" in asked()
    assert "False" in asked("--norc")
    rows = {row["setting"]: row for row in json.loads(home.pysh("settings", "--json").stdout)}
    assert rows["history"] == {"setting": "history", "value": False, "from": f"{path}:2"}
    path.write_text('[start]\ncode = "mine = 42"\n')
    assert "has changed since it was trusted" in "".join(asked("--no-color"))


def test_a_plain_terminal_tells_what_is_wrong_in_those_of_a_trusted_folder(home: Home, screens: Screens) -> None:
    (home.folder / ".pysh.toml").write_text("[shell]\nhistory = 3\n")
    assert home.pysh("-c", f"trust({str(home.folder / '.pysh.toml')!r}, force=True)").returncode == 0
    for options, told in (([], True), (["--norc"], False)):
        terminal = screens.open("--plain", "--rm", "--name", "n1@localhost", *options)
        terminal.wait_for_end("n1@localhost[1]>")
        assert any(".pysh.toml:2: history" in line for line in terminal.lines) is told, terminal.lines
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
