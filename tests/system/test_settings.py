"""The settings of the prompt, told by a command and at a start."""

import json

import pytest

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
