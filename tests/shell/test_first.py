import os
import statistics
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime import config
from pysh.runtime.drawn import is_host, is_node
from pysh.runtime.protocol.terms import BadName, check_host, check_node
from pysh.shell.first import name_of
from tests.budgets import SLACK
from tests.shell.terminal import Terminal

ENV = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
WITHIN = 20.0
"""Milliseconds from the interpreter's start until the text of the prompt stands there."""
HEAVY = {
    "argparse", "asyncio", "asyncssh", "dataclasses", "importlib.metadata", "inspect", "jedi", "json", "logging",
    "multiprocessing", "pathlib", "pdb", "prompt_toolkit", "pygments", "re", "rich", "socket", "sqlite3", "stack_data",
    "subprocess", "tomllib", "typing",
}  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["--name", "n1@here"], "n1@here"),
        (["--sname=n1@here"], "n1@here"),
        (["--sname", "n1@here", "--cookie", "x", "--rm"], "n1@here"),
        (["--connect", "w@web[1-3]", "--name", "n1@here"], "n1@here"),
        (["--name", "n1"], f"n1@{config.default_node_host()}"),
        (["--name", "Bad"], ""),
        (["--name", "n1@"], ""),
        (["--name", "a b@c"], ""),
        (["--name"], ""),
        (["--name", "--rm"], ""),
        (["--plain"], ""),
        (["--help"], ""),
        (["--timeout", "x"], ""),
        (["attach", "n1"], ""),
        (["file.pysh"], ""),
        (["-c", "1"], ""),
        (["-"], ""),
    ],
)
def test_only_what_is_sure_to_become_a_prompt_is_painted(argv: list[str], name: str) -> None:
    assert name_of(argv) == name


def test_a_shell_that_is_given_no_name_is_painted_with_one_that_is_drawn() -> None:
    node, _, host = name_of([]).partition("@")
    assert check_node(node)
    assert check_host(host) == config.default_node_host()
    assert name_of(["--rm"]) != name_of(["--rm"])


@given(st.text(alphabet="aZ0_.-:@ é\n", max_size=5) | st.text("ab", min_size=60, max_size=66))
def test_a_name_that_is_painted_is_one_that_the_node_takes(text: str) -> None:
    def takes(check: object) -> bool:
        assert callable(check)
        try:
            return bool(check(text))
        except BadName:
            return False

    assert (is_node(text), is_host(text)) == (takes(check_node), takes(check_host))


def test_nothing_heavy_is_imported_before_the_prompt_stands_there() -> None:
    code = (
        "import sys; before = {*sys.modules}; from pysh.shell import cli, first; paint = first.paint\n"
        "def report(argv):\n"
        "    paint(argv)\n"
        "    print('\\r\\n', *sorted({*sys.modules} - before))\n"
        "    sys.exit(0)\n"
        "first.paint = report; cli.main([])"
    )
    with Terminal([sys.executable, "-c", code], ENV, size=(24, 2000)) as terminal:
        assert terminal.wait_exit() == 0
        modules = set(terminal.lines[-1].split())
    assert "pysh.shell.boot" in modules
    assert not modules & HEAVY
    assert len(modules) < 30


def until_painted(code: str) -> float:
    """Milliseconds until a process that runs `code` shows a prompt."""
    started = time.monotonic()
    with Terminal([sys.executable, "-c", code], ENV) as terminal:
        terminal.wait(lambda: b"[1]> " in terminal.raw)
        return (time.monotonic() - started) * 1000


def test_the_prompt_stands_there_within_20_ms_of_the_interpreters_start() -> None:
    bare, ours = "print('n1@here[1]> ')", "from pysh.shell import cli, first; first.paint([])"
    times = [(until_painted(bare), until_painted(ours)) for _ in range(9)]
    took = statistics.median(ours - bare for bare, ours in times)
    print(f"prompt: {took:.1f} ms after a bare interpreter would have printed it")
    assert took < WITHIN * SLACK


def test_an_error_behind_the_paint_leaves_a_clean_line_and_the_modes_as_they_were() -> None:
    words = ["--name", "n1@here", "--cookie-file", "/nowhere"]
    code = f"import sys; from pysh.shell.cli import main; sys.exit(main({words}))"
    with Terminal([sys.executable, "-c", code], ENV) as terminal:
        assert terminal.wait_exit() != 0
        assert "/nowhere" in terminal.lines[-1]
        assert not any("n1@here[1]>" in line for line in terminal.lines)
        assert terminal.modes == terminal.found
