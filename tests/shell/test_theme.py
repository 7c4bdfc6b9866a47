import pytest

from pysh.shell.theme import THEMES, Theme, has_colours, is_plain, sgr, style


@pytest.mark.parametrize(
    ("environ", "terminal", "colours"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0", "TERM": "xterm"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"CLICOLOR": "0", "TERM": "xterm"}, True, False),
        ({"CLICOLOR": "1", "TERM": "xterm"}, True, True),
        ({"CLICOLOR": "1", "TERM": "xterm"}, False, False),
        ({"CLICOLOR": "0", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_the_environment_decides_about_colours(environ: dict[str, str], terminal: bool, colours: bool) -> None:
    assert has_colours(environ, terminal) is colours


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        ({"TERM": "xterm"}, False),
        ({"TERM": "dumb"}, True),
        ({"TERM": "unknown"}, True),
        ({}, True),
        ({"TERM": "xterm", "INSIDE_EMACS": "29.1,comint"}, True),
        ({"TERM": "xterm", "INSIDE_EMACS": "29.1,eshell"}, True),
        ({"TERM": "eterm-color", "INSIDE_EMACS": "29.1,term:0.96"}, False),
        ({"TERM": "xterm-256color", "INSIDE_EMACS": "vterm"}, False),
    ],
)
def test_what_only_shows_lines_gets_lines(environ: dict[str, str], plain: bool) -> None:
    assert is_plain(environ) is plain


def test_a_theme_marks_up_or_leaves_alone() -> None:
    assert Theme(True)("error", "x") == "\x1b[31mx\x1b[0m"
    assert Theme(True)("prompt", "x") == "\x1b[1mx\x1b[0m"
    assert Theme(True)("error", "") == ""
    assert Theme(False)("error", "x") == "x"
    assert Theme(True, "mono")("error", "x") == "x"
    assert Theme(True, "dark")("error", "x") == "\x1b[38;5;203mx\x1b[0m"
    assert Theme(True, "no such theme")("error", "x") == "\x1b[31mx\x1b[0m"


@pytest.mark.parametrize("name", THEMES)
def test_every_theme_has_a_colour_for_every_role(name: str) -> None:
    assert set(THEMES[name]) == set(THEMES["ansi"])
    for colour in THEMES[name].values():
        assert sgr(colour)
        assert colour.startswith("ansi") or {colour[at : at + 2] for at in (1, 3, 5)} <= CUBE


CUBE = {"00", "5f", "87", "af", "d7", "ff"}
"""Of the colours that 256 can show."""


def test_the_colours_of_a_theme_are_those_of_the_editor() -> None:
    assert style("light")["pygments.keyword"] == THEMES["light"]["keyword"]
    assert style("no such theme") == style("ansi")
