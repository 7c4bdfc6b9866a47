import pytest

from pysh.shell.theme import Theme, has_colours


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
    ],
)
def test_the_environment_decides_about_colours(environ: dict[str, str], terminal: bool, colours: bool) -> None:
    assert has_colours(environ, terminal) is colours


def test_a_theme_marks_up_or_leaves_alone() -> None:
    assert Theme(True)("error", "x") == "\x1b[31mx\x1b[0m"
    assert Theme(True)("error", "") == ""
    assert Theme(False)("error", "x") == "x"
