"""The session that the design and the README open with, in two real terminals."""

import re
import sys
from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

COOKIE = ("--cookie", "my_secret_cookie")


@pytest.fixture
def terminals(home: Home) -> Iterator[tuple[Terminal, Terminal]]:
    command = [sys.executable, "-m", "pysh", *COOKIE, "--rm", "--sname"]
    options = {"size": (30, 100), "cwd": home.folder}
    with (
        Terminal([*command, "node1@localhost"], home.environ, **options) as one,
        Terminal([*command, "node2@localhost"], home.environ, **options) as two,
    ):
        yield one, two
        for terminal in (one, two):
            terminal.type("\x04")
            assert terminal.wait_exit() == 0


def shows(terminal: Terminal, *patterns: str) -> None:
    """Wait until lines that match `patterns` stand below each other."""

    def there() -> bool:
        lines = terminal.lines
        return any(
            all(re.fullmatch(p, line) for p, line in zip(patterns, lines[at:], strict=False))
            and len(lines) - at >= len(patterns)
            for at in range(len(lines))
        )

    terminal.wait(there, f"lines like {patterns}")


def test_the_session_of_the_design_runs_as_printed(terminals: tuple[Terminal, Terminal]) -> None:
    one, two = terminals
    two.wait_for_end("node2@localhost[1]>")
    two.type("import time\r")
    two.wait_for_end("node2@localhost[1]> import time", "node2@localhost[2]>")
    two.type("def compute(value):\rtime.sleep(2)\rreturn value * value\r\r")
    two.wait_for_end("node2@localhost[3]>")

    one.wait_for_end("node1@localhost[1]>")
    one.type('connect("node2@localhost")\r')
    shows(one, r'node1@localhost\[1\]> connect\("node2@localhost"\)', r"<Node node2@localhost up .* ms>")
    one.wait_for_end("node1@localhost[2]>")
    one.type("nodes()\r")
    shows(
        one,
        r"node1@localhost\[2\]> nodes\(\)",
        r" node             state  rtt +load  tasks",
        r" node1@localhost  self +\d +0",
        r" node2@localhost  up +[\d.]+ ms +\d +0",
        r"node1@localhost\[3\]>",
    )
    one.type('t = task("compute", 5, on="node2@localhost")\r')
    one.wait_for_end("node1@localhost[4]>")
    one.type("await t\r")
    one.wait_for("node1@localhost[4]> await t", "25", "node1@localhost[5]>")
    one.type('p = spawn(lambda: print("Received", receive()), on="node2@localhost")\r')
    one.wait_for_end("node1@localhost[6]>")
    one.type('send(p, "Hello, node2!")\r')
    one.wait(lambda: "node2 | Received Hello, node2!" in one.lines, "the output of node2")
