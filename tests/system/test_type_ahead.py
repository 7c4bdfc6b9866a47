"""What is typed while a cell runs, or just when it ends, is at the next prompt: whole, once, in order."""

import os
import random
import sys
import zlib
from collections.abc import Iterator

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

ROUNDS = 100
SEEDS = range(int(os.environ.get("PYSH_SOAK", "1")))
LETTERS = "abcdefgh äöü 漢字 👍 0123456789 "
ARRIVED = "def arrived(n, text): print(f'{n}:{zlib.crc32(text.encode())}')\r\r"
KEYS = ("\x1b[D\x1b[C", "\x1b[H\x1b[F", "\x1bOD\x1bOC", "\x1b[200~漢 é\x1b[201~", "\x1b[200~zz\x1b[201~")


@pytest.fixture
def shell(home: Home) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]
    with Terminal(command, home.environ, size=(30, 120), cwd=home.folder) as terminal:
        terminal.wait_for_end("n1@localhost[1]>")
        terminal.type("import time, zlib\r" + ARRIVED)
        terminal.wait_for_end("n1@localhost[3]>")
        yield terminal
        terminal.type("\x03\x04")
        assert terminal.wait_exit() == 0


def typed(chance: random.Random) -> tuple[str, str]:
    """Keys, with escape sequences and pastes between them, and the text that they leave."""
    keys, text = "", ""
    for _ in range(chance.randrange(1, 5)):
        part = "".join(chance.choices(LETTERS, k=chance.randrange(12)))
        key = chance.choice(KEYS)
        pasted = key[6:-6] if key.startswith("\x1b[200~") else ""
        keys, text = keys + part + key, text + part + pasted
    return keys, text


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """`data` cut anywhere."""
    while data:
        size = chance.choice((1, 1, 2, 3, 5, 8, 40))
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_typed_around_the_end_of_a_cell_is_lost(shell: Terminal, seed: int) -> None:
    chance = random.Random(seed)
    for n in range(ROUNDS):
        keys, text = typed(chance)
        shell.type(f"time.sleep({chance.choice((0, 0.01, 0.03)) * chance.random():.5f})\r")
        for piece in pieces(f"arrived({n}, '{keys}')\r".encode(), chance):
            shell.send(piece)
            shell.settle(chance.choice((0, 0, 0.001, 0.003)))
        shell.wait_for(f"{n}:{zlib.crc32(text.encode())}")


def test_ctrl_c_typed_before_anything_is_ready_ends_the_first_cell(home: Home) -> None:
    command = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]
    with Terminal(command, home.environ, cwd=home.folder) as shell:
        shell.wait(lambda: b"]> " in shell.raw, "the first prompt")
        shell.type("import time; time.sleep(100)\r" + "\x03" + "half")
        shell.wait_for_end("KeyboardInterrupt", "n1@localhost[2]> half")
        shell.type("\x03\x04")
        assert shell.wait_exit() == 0


def test_what_a_cell_reads_is_what_was_typed_behind_it(home: Home) -> None:
    command = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]
    with Terminal(command, home.environ, cwd=home.folder) as shell:
        shell.wait_for_end("n1@localhost[1]>")
        shell.type("name = input()\rAda\rname\rhalf")
        shell.wait_for_end("'Ada'", "n1@localhost[3]> half")
        shell.type("\x03\x04")
        assert shell.wait_exit() == 0


def test_a_mistake_among_what_was_typed_ahead_is_shown_and_the_rest_is_run(home: Home) -> None:
    command = [sys.executable, "-m", "pysh", "--rm", "--name", "n1@localhost"]
    with Terminal(command, home.environ, cwd=home.folder) as shell:
        shell.wait_for_end("n1@localhost[1]>")
        shell.type("import time; time.sleep(0.3)\r1 +* 2\r40 + 2\rhalf")
        shell.wait_for_end("SyntaxError: invalid syntax", "n1@localhost[3]> 40 + 2", "42", "n1@localhost[4]> half")
        shell.type("\x03\x04")
        assert shell.wait_exit() == 0
