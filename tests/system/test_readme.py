"""The files and the program that the README shows."""

import re
import sys
from pathlib import Path

import pytest

from tests.system.conftest import Home

README = (Path(__file__).parents[2] / "README.md").read_text()
FILE, COUNTER, MODEL, PROGRAM = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


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
