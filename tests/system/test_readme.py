"""The files and the program that the README shows."""

import re
import shlex
import sys
from pathlib import Path

import pytest

import pysh
from pysh.shell import options
from tests.system.conftest import Home

README = (Path(__file__).parents[2] / "README.md").read_text()
FILE, COUNTER, MODEL, PROGRAM = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
NAMED = README.partition("## Commands and verbs")[2].partition("\n## ")[0]
COMMANDS, VERBS = re.findall(r"```\n(.*?)```", NAMED, re.DOTALL)


@pytest.mark.parametrize("cookie", [[], ["--cookie", "my_secret_cookie"]])
def test_the_file_runs_with_the_cookie_of_its_node(home: Home, cookie: list[str]) -> None:
    home.node("node2@localhost", *cookie)
    done = home.script(FILE, *cookie)
    assert (done.stdout, done.stderr) == ("45\n", "")
    assert home.pysh("stop", "node2@localhost", *cookie).returncode == 0


def test_a_process_is_watched(home: Home) -> None:
    home.node("node2@localhost")
    done = home.script(COUNTER)
    assert (done.stdout, done.stderr) == ("node2 | the total is 42\nnormal\n", "")


def test_an_object_is_called_and_supervised(home: Home) -> None:
    home.node("node2@localhost")
    done = home.script(MODEL)
    assert (done.stdout, done.stderr) == ("42\n24\n", "")


def test_the_program_runs(home: Home) -> None:
    home.node("node2@localhost")
    done = home.run([sys.executable, "-c", PROGRAM])
    assert (done.stdout, done.stderr) == ("42\n", "")
    given = PROGRAM.replace("start()", 'start(cookie="my_secret_cookie")')
    refused = home.run([sys.executable, "-c", given])
    assert "differ: give both the same" in refused.stderr
    assert "here it is that of start(cookie=). Nothing ran." in refused.stderr


def test_every_command_is_named_here_and_in_the_help_and_what_is_named_runs(home: Home) -> None:
    named = re.findall(r"^pysh ([a-z]+)\b", COMMANDS, re.MULTILINE)
    assert sorted(named) == sorted(options.COMMANDS)
    help = home.pysh("--help").stdout
    for command in named:
        assert f"\npysh {command} " in help
        told = home.pysh(command, "--help")
        assert told.returncode == 0
        lines = COMMANDS[COMMANDS.index(f"pysh {command} ") :].split("\npysh ")[0]
        assert all(option in told.stdout for option in re.findall(r"--[a-z]+", lines))


def test_the_commands_that_are_named_run(home: Home) -> None:
    for words in (
        "node --name w1@localhost --detach", "ls", "rpc w1 -c 1", "tasks", "tasks w1", "logs w1", "doctor",
        "cookie show", "stop w1 --drain 1",
    ):  # fmt: skip
        done = home.pysh(*shlex.split(words))
        silent = "pysh: w1 has printed nothing of itself\n" if words == "logs w1" else ""
        assert (done.returncode, done.stderr) == (0, silent), words


def test_the_verbs_that_are_named_are_there() -> None:
    verbs = re.findall(r"(\.?)\b([a-z_]+)\(", VERBS)
    assert len(verbs) > 20
    for dot, name in verbs:
        assert name == "f" or hasattr(pysh.Task if dot else pysh, name), name
