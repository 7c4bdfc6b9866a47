"""What remote code prints, on the terminal of its owner."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

COMMAND = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]


BOTH = pytest.mark.parametrize("shell", ["system", "fallbacks"], indirect=True)


@pytest.fixture
def shell(home: Home, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A shell on n1, connected to n2; for `BOTH` once more where the operating system helps with nothing."""
    if getattr(request, "param", "") == "fallbacks":
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


@BOTH
def test_output_comes_before_the_result(shell: Terminal) -> None:
    shell.type('await task(lambda: print("out") or 5, on="n2")\r')
    shell.wait_for("n2 | out", "5", "n1@localhost[3]>")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_process_that_raises_is_seen_on_the_terminal_of_its_owner(shell: Terminal, kind: str) -> None:
    shell.type(f"{kind} fails():\r raise ValueError('no way')\r\r\r")
    shell.wait_for_end("n1@localhost[3]>")
    shell.type("p = spawn(fails, on='n2')\r")
    shell.wait_for(
        "n2 | Traceback (most recent call last):",
        'n2 |   File "<n1@localhost:2>", line 2, in fails',
        "n2 |     raise ValueError('no way')",
        "n2 | ValueError: no way",
    )


@BOTH
def test_a_line_without_an_end_is_final_once_its_task_is(shell: Terminal) -> None:
    shell.type('await task(lambda: print("no end", end=""), on="n2")\r')
    shell.wait_for("n2 | no end", "n1@localhost[3]>")
    shell.type("6 * 7\r")  # below which a live line would be painted again
    shell.wait_for("n2 | no end", "n1@localhost[3]> 6 * 7", "42", "n1@localhost[4]>")


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


BAR = """\
def bar(name):
    for n in range(300):
        print('\\r' + name + chr(97 + n % 26) * 10, end='', flush=True)
        time.sleep(0.01)
"""


AT = {
    "the prompt": "typed",
    "a cell that prints": "while not all(t.done() for t in ts): print('own'); time.sleep(0.002)\r\r",
}


@pytest.mark.parametrize("at", AT)
def test_bars_of_four_nodes_are_four_bars_repainted_ten_times_a_second(shell: Terminal, home: Home, at: str) -> None:
    others = [home.node(f"b{n}@localhost") for n in range(4)]
    shell.type(f"bs = [connect(name) for name in {others}]\r")
    shell.wait_for_end("n1@localhost[3]>")
    shell.paste(BAR)
    shell.type("\r")
    shell.wait_for_end("n1@localhost[4]>")
    shell.type("ts = [task(bar, f'<{n}>', on=b) for n, b in enumerate(bs)]\r")
    shell.type(AT[at])
    end = "own" if at == "a cell that prints" else f"n1@localhost[5]> {AT[at].rstrip()}"
    shell.wait(lambda: len(bars(shell)) == 4, "four bars")
    before, began = len(shell.raw), time.monotonic()
    while (took := time.monotonic() - began) < 1.5:
        shell.settle()
        assert end in shell.lines
    painted = Counter(bytes(letters) for letters in re.findall(rb"([a-z])\1{9}", shell.raw[before:]))
    assert len(bars(shell)) == 4
    assert 4 * 4 * took <= painted.total() <= 4 * 10 * took + 4
    shell.wait(lambda: not any(f"|{n}" in line for n in range(4) for line in shell.lines), "the end")
    shell.type("\x03")


def bars(shell: Terminal) -> set[str]:
    """The nodes whose bar is on the screen, once each."""
    found = [line[:2] for line in shell.lines if re.fullmatch(r"b\d \| <\d>([a-z])\1{9}", line)]
    assert len(found) == len(set(found))
    return set(found)


@BOTH
def test_a_flood_slows_itself_and_not_the_shell(shell: Terminal) -> None:
    shell.type("def flood():\r while True: print('x' * 70)\r\r\r")
    shell.wait_for_end("n1@localhost[3]>")
    shell.type("t = task(flood, on='n2'); 6 * 7\r")
    shell.wait(lambda: any(line.startswith("n2 | xxx") for line in shell.lines), "the flood")
    shell.wait_for_end("n1@localhost[4]>")
    whole = "n2 | " + "x" * 70
    shell.wait(lambda: shell.lines[0] == whole, "a screen full of it")
    before = len(shell.raw)
    shell.type("half a line")
    end, began = "n1@localhost[4]> half a line", time.monotonic()
    while shell.lines[-1] != end:
        assert time.monotonic() < began + 1
        shell.settle()
    while time.monotonic() < began + 2:
        shell.settle()
        assert shell.lines[-1] == end
        # One of the lines above may be half written.
        assert [line for line in shell.lines[:-1] if not whole.startswith(line)] == []
    assert len(shell.raw) > before + 10_000
    shell.type("\x03t.cancel()\r")
    # What was printed before the result is shown before it: a megabyte, and pyte takes its time.
    shell.wait(lambda: shell.lines[-1] == "n1@localhost[5]>", "the prompt after it")
    shell.type("nodes()\r")
    shell.wait(lambda: any(line.startswith(" n2@localhost") for line in shell.lines), "the table")
