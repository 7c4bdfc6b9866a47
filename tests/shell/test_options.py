"""The command line as data."""

import pytest

from pysh.shell.options import COMMANDS, lacking, parser, split, spoken

ALONE = {"completion", "settings"}
"""Commands that reach no node."""


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
        ("-c a -e b x -c y", ("", [], ["-c", "a\nb", "x", "-c", "y"])),
        ("-e a -- -c", ("", [], ["-c", "a", "--", "-c"])),
        ("-c a -c", ("", [], ["-c"])),
        ("-cprint(1)", ("", [], ["-c", "print(1)"])),
        ("--norc -ea -cb x -cd", ("", ["--norc"], ["-c", "a\nb", "x", "-cd"])),
        ("-ca -c", ("", [], ["-c"])),
        ("-c -x -c-y", ("", [], ["-c", "-x\n-y"])),
        ("-mjson.tool -ca", ("", [], ["-m", "json.tool", "-ca"])),
        ("-c a -mx", ("", [], ["-c", "a", "-m", "x"])),
        ("--on n1 -cls", ("", ["--on", "n1"], ["-c", "ls"])),
        ("rpc n1 -ca", ("rpc", ["n1", "-ca"], [])),
        ("--json -m json.tool --json", ("", ["--json"], ["-m", "json.tool", "--json"])),
        ("--on n1 -c ls", ("", ["--on", "n1"], ["-c", "ls"])),
        ("node --on db1", ("node", ["--on", "db1"], [])),
    ],
)
def test_options_may_stand_before_a_command(written: str, meant: tuple[str, list[str], list[str]]) -> None:
    assert split(written.split()) == meant


def test_code_may_be_joined_to_its_option_for_another_node_too() -> None:
    assert parser("rpc").parse_args(["n1", "-cprint(1, a=2)", "-ex = 1"]).code == ["print(1, a=2)", "x = 1"]


@pytest.mark.parametrize("word", ["-cX", "-eX", "-mX"])
def test_code_that_would_not_run_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([word])
    assert f"{word[:2]} X stands where it is not run; nothing was run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "told"),
    [(["-c"], "-c needs CODE"), (["-m"], "-m needs MOD"), (["-c", ""], ""), (["-"], ""), (["file.pysh"], "")],
)
def test_what_a_script_lacks_is_told(script: list[str], told: str) -> None:
    assert lacking(script) == told


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_says_what_it_does_and_shows_what_means_something_to_it(command: str) -> None:
    told = parser(command).format_help()
    assert COMMANDS[command].split("(")[0].split(",")[0].strip() in " ".join(told.split())
    assert ("--cookie" in told) == (command not in ALONE)
    assert "--rm" not in told and "--norc" not in told
    assert ("--listen" in told) == (command == "node")


@pytest.mark.parametrize(
    "words", [["stop", "--drain", "-5", "n1"], ["stop", "--drain", "x", "n1"], ["ls", "--timeout", "0"]]
)
def test_seconds_that_are_none_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser(words[0]).parse_args(words[1:])
    assert "it takes" in capsys.readouterr().err


def test_a_command_takes_the_other_options_all_the_same() -> None:
    assert parser("stop").parse_args(["--rm", "--norc", "n1"]).node == "n1"
    assert "--rm" in parser().format_help()
