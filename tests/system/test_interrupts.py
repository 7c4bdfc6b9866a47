"""Ctrl-C at any instant of the session of the design: the prompt is back at once, and nothing else is gone."""

import os
import random
import sys
import time
from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

INSTANTS = 100
SEEDS = range(int(os.environ.get("PYSH_SOAK", "1")))
WITHIN = 1.0
CTRL_C = "\x03"

SETUP = (
    'connect("node2@localhost"); import asyncio, itertools, time; beats = [0]; kept = {"a": 1}',
    "async def beat():\n    while True:\n        beats[0] += 1\n        await asyncio.sleep(0.01)",
    "def double(n):\n    return 2 * n",
    'def greet():\n    try:\n        print("Received", receive(timeout=1))\n    except TimeoutError:\n        pass',
    'beating = asyncio.create_task(beat()); slow = task(lambda: time.sleep(600), on="node2@localhost")',
    "def alive(n):\n    names = kept['a'], double(21)\n    return n, names, beating.done(), slow.done(), len(nodes())",
)
CELLS = (
    'connect("node2@localhost")',
    "nodes()",
    't = task("compute", 5, on="node2@localhost")',
    'await task("compute", 5, on="node2@localhost")',
    'task("compute", 5, on="node2@localhost").result()',
    'call("compute", 5, on="node2@localhost")',
    'p = spawn(greet, on="node2@localhost"); send(p, "Hello, node2!")',
    "time.sleep(100)",
    "await asyncio.sleep(100)",
    "any(n < 0 for n in itertools.count())",
)


class Shell(Terminal):
    """The terminal of node1; `cell` is the number of the next prompt."""

    cell = 1

    def prompted(self, seconds: float = 10.0) -> float:
        """Wait until the next prompt is there, and empty; the seconds that took."""
        began = time.monotonic()
        line = f"node1@localhost[{self.cell}]>"
        while self.lines[-1:] != [line]:
            assert time.monotonic() < began + seconds, f"no {line!r} within {seconds:g} s:\n" + "\n".join(self.lines)
            self.settle(0.002)
        return time.monotonic() - began

    def enter(self, source: str) -> None:
        """Send a cell."""
        self.paste(source + "\n")
        self.type("\r")
        self.cell += 1


@pytest.fixture
def shell(home: Home) -> Iterator[Shell]:
    home.node("node2@localhost")
    compute = "import time\ndef compute(value): time.sleep(0.1); return value * value"
    assert home.pysh("rpc", "node2@localhost", "-c", compute).returncode == 0
    command = [sys.executable, "-m", "pysh", "--rm", "--name", "node1@localhost"]
    with Shell(command, home.environ, size=(30, 110), cwd=home.folder) as shell:
        shell.prompted()
        for source in SETUP:
            shell.enter(source)
            shell.prompted()
        yield shell
        shell.type(CTRL_C + "\x04")
        shell.wait(lambda: any(line.startswith("s: stop") for line in shell.lines), "the question")
        shell.type("s")
        assert shell.wait_exit() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_prompt_is_back_and_nothing_else_is_gone(shell: Shell, seed: int) -> None:
    chance = random.Random(seed)
    for n in range(INSTANTS):
        source = chance.choice(CELLS)
        shell.enter(source)
        shell.settle(chance.choice((0, 0.002, 0.02, 0.15, 0.4)) * chance.random())
        shell.type(CTRL_C)
        try:
            shell.prompted(WITHIN)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, instant {n}, {source}") from error
        shell.enter(f"alive({n})")
        shell.wait_for(f"({n}, (1, 42), False, False, 2)")
        shell.prompted()


def test_a_press_that_lands_in_a_finalizer_is_not_lost(shell: Shell) -> None:
    spin = "until = time.monotonic() + 0.3\n        while time.monotonic() < until: pass"
    shell.enter(f"class Slow:\n    def __del__(self):\n        print('in')\n        {spin}\n")
    shell.prompted()
    shell.enter("Slow(); any(n < 0 for n in itertools.count())")
    shell.wait(lambda: "in" in shell.lines, "the finalizer")
    shell.type(CTRL_C)
    shell.prompted(WITHIN)
