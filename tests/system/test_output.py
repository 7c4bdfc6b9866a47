"""What remote code prints, on the terminal of its owner."""

import sys
from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

COMMAND = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]


@pytest.fixture(params=["system", "fallbacks"])
def shell(home: Home, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A shell on n1, connected to n2, once more where the operating system helps with nothing."""
    if request.param == "fallbacks":
        home.environ["PYSH_OS_FALLBACKS"] = "1"
    home.node("n2@localhost")
    command = [*COMMAND, "--connect", "n2@localhost"]
    with Terminal(command, home.environ, size=(30, 100), cwd=home.folder) as terminal:
        terminal.wait_for_end("n1@localhost[1]>")
        terminal.type("import time\r")
        terminal.wait_for_end("n1@localhost[2]>")
        yield terminal
        terminal.type("\x03\x04")
        if terminal.process.poll() is None:
            terminal.wait(
                lambda: terminal.process.poll() is not None or "leave" in "\n".join(terminal.lines), "the end"
            )
        if terminal.process.poll() is None:
            terminal.type("s\r")
            terminal.wait_exit()


def test_output_comes_before_the_result(shell: Terminal) -> None:
    shell.type('await task(lambda: print("out") or 5, on="n2")\r')
    shell.wait_for("n2 | out", "5", "n1@localhost[3]>")


def test_output_leaves_a_half_typed_line_as_it_is(shell: Terminal) -> None:
    shell.type('t = task(lambda: time.sleep(0.3) or print("late"), on="n2")\r')
    shell.wait_for_end("n1@localhost[3]>")
    shell.type("half a li")
    shell.wait_for("n2 | late", "n1@localhost[3]> half a li")
    shell.type("\x03")


def test_bars_of_four_tasks_are_four_bars(shell: Terminal) -> None:
    shell.type("def bar(n):\r for i in range(5):\r  print(f'\\rbar{n} {i}', end='', flush=True); time.sleep(.05)\r\r\r")
    shell.type("ts = [task(bar, n, on='n2') for n in range(4)]; [t.result() for t in ts] and 'all'\r")

    def four() -> bool:
        return all(any(line == f"n2 | bar{n} 4" for line in shell.lines) for n in range(4))

    shell.wait(four, "four bars")


def test_a_flood_slows_itself_and_not_the_shell(shell: Terminal) -> None:
    shell.type("def flood():\r while True: print('x' * 70)\r\r\r")
    shell.wait_for_end("n1@localhost[3]>")
    shell.type("t = task(flood, on='n2'); 6 * 7\r")
    shell.wait(lambda: any(line.startswith("n2 | xxx") for line in shell.lines), "the flood")
    shell.type("t.cancel()\r")
    shell.wait(lambda: shell.lines[-1] == "n1@localhost[5]>", "the prompt after it")
    shell.type("nodes()\r")
    shell.wait(lambda: any(line.startswith(" n2@localhost") for line in shell.lines), "the table")
