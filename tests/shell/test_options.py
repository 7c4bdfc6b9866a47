"""The command line as data."""

import pytest

from pysh.shell.options import split, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('or have it written down: hostkey="accept-new"', "or have it written down: --hostkey accept-new"),
        ("or choose another name: name=", "or choose another name: --name"),
        ('(python="/nope": /nope: not there)', "(--python /nope: /nope: not there)"),
        ("choose another: python=PATH", "choose another: --python PATH"),
        ("the username=x of it", "the username=x of it"),
    ],
)
def test_an_error_names_options_as_the_command_line_has_them(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ls --json", ("ls", ["--json"], [])),
        ("--json ls", ("ls", ["--json"], [])),
        ("--cookie ls tasks n1", ("tasks", ["--cookie", "ls", "n1"], [])),
        ("--norc file.pysh stop", ("", ["--norc"], ["file.pysh", "stop"])),
        ("-c stop", ("", [], ["-c", "stop"])),
    ],
)
def test_options_may_stand_before_a_command(written: str, meant: tuple[str, list[str], list[str]]) -> None:
    assert split(written.split()) == meant
