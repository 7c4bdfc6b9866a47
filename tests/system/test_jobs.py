"""Jobs, and the ladder of Ctrl-C, as a person at a terminal has them; the nodes are real."""

import re
import time

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, until
from tests.system.prompts import held

CTRL_C, CTRL_Z = "\x03", "\x1a"
SETUP = """
import asyncio, itertools, os, time
async def work(flag):
    loop = asyncio.get_running_loop()
    loop.call_soon(print, 'be' + 'gun')
    while not os.path.exists(flag): await asyncio.sleep(0.005)
    print('working')
    return 42
async def stubborn(flag):
    while True:
        try: return await work(flag)
        except asyncio.CancelledError: pass
beats = 0
async def beat():
    global beats
    while True:
        beats += 1
        await asyncio.sleep(0.01)
beating = asyncio.create_task(beat())
"""


class Shell:
    """The terminal of a node's shell; `cell` is the number of its prompt."""

    def __init__(self, terminal: Terminal, name: str = "n1@localhost", cell: int = 1) -> None:
        self.terminal, self.name, self.cell = terminal, name, cell
        self.prompted()

    def prompted(self, text: str = "", seconds: float = 10.0) -> None:
        line = f"{self.name}[{self.cell}]> {text}".rstrip()
        self.terminal.wait(lambda: self.terminal.lines[-1:] == [line], repr(line), seconds)

    def enter(self, source: str) -> None:
        """Send a cell."""
        self.terminal.paste(source.strip("\n") + "\n")
        self.terminal.type("\r")
        self.cell += 1

    def see(self, text: str, seconds: float = 10.0) -> None:
        self.terminal.wait(lambda: text in " ".join(self.terminal.lines), repr(text), seconds)

    def gives(self, source: str) -> str:
        """What a cell shows, on its last line."""
        self.enter(source)
        self.prompted()
        return self.terminal.lines[-2]


@pytest.fixture
def shell(home: Home, screens: Screens) -> Shell:
    shell = Shell(screens.open("--name", "n1@localhost"))
    shell.enter(SETUP)
    shell.prompted()
    return shell


def test_a_job_goes_on_while_one_types_and_its_end_leaves_the_half_typed_line_alone(home: Home, shell: Shell) -> None:
    shell.enter("await work('flag')")
    shell.see("begun")
    shell.terminal.type(CTRL_Z)
    shell.prompted()
    assert "job 1 goes on: await work('flag'); fg(1) brings it back" in shell.terminal.lines
    assert re.fullmatch(r" 1 +await work\('flag'\)  running  [\d.]+ m?s", shell.gives("jobs()"))
    shell.terminal.type("half ty")
    shell.prompted("half ty")
    (home.folder / "flag").touch()
    shell.see("job 1 done: await work('flag') gave 42; the value itself: fg(1)")
    shell.prompted("half ty")
    assert shell.terminal.lines[-3] == "working"
    shell.terminal.type(CTRL_C)
    shell.prompted()
    assert shell.gives("fg(1)") == "42"


def test_leaving_asks_while_a_job_runs_and_its_end_that_nobody_saw_is_shown_to_who_attaches_next(
    home: Home, shell: Shell, screens: Screens
) -> None:
    shell.enter("await work('flag')")
    shell.see("begun")
    shell.terminal.type(CTRL_Z)
    shell.prompted()
    shell.terminal.type("\x04")
    shell.see("n1@localhost: 1 job of this shell running")
    shell.see("l: leave it running")
    shell.terminal.type("l")
    assert shell.terminal.wait_exit() == 0
    (home.folder / "flag").touch()
    until(lambda: "DONE" in home.pysh("rpc", "n1", "-c", "print(jobs()[0]['state'].upper())").stdout, "the end")
    again = screens.open("attach", "n1@localhost")
    back = Shell(again, cell=shell.cell)
    assert "job 1 done: await work('flag') gave 42; the value itself: fg(1)" in again.lines
    assert back.gives("fg()") == "42"


def test_the_third_press_leaves_a_prompt_and_what_runs_in_the_background_lives(home: Home, shell: Shell) -> None:
    shell.enter("await stubborn('flag')")
    for n in (1, 2, 3):
        shell.terminal.wait(
            lambda n=n: shell.terminal.lines.count("begun") + " ".join(shell.terminal.lines).count("^Cbegun") == n
        )
        shell.terminal.type(CTRL_C)
    shell.prompted(seconds=2.0)
    shell.see("job 1 goes on, as Ctrl-C does not end it: await stubborn('flag'); fg(1) brings it back")
    before = int(shell.gives("beats"))
    assert int(shell.gives("time.sleep(0); await asyncio.sleep(0.1); beats")) > before
    (home.folder / "flag").touch()
    shell.see("job 1 done")


@pytest.mark.parametrize("source", ["input('who' + '? ')", "__import__('getpass').getpass('who' + '? ')"])
def test_a_press_ends_a_cell_that_asks(shell: Shell, source: str) -> None:
    shell.enter(source)
    shell.see("who?")
    for _ in range(2):  # one that comes just before it reads is not seen by Python until the next
        shell.terminal.type(CTRL_C)
        shell.terminal.settle(0.3)
    shell.prompted()
    assert shell.gives("(beating.done(), 1 + 1)") == "(False, 2)"


def test_a_cell_that_holds_the_gil_in_c_code_can_be_killed(home: Home, shell: Shell) -> None:
    home.node("n2@localhost")
    shell.enter("connect('n2@localhost')\nt = task(time.sleep, 600, on='n2@localhost')\ndef double(n): return 2 * n")
    shell.prompted()
    shell.enter(held("held"))
    shell.see("held")
    for _ in range(3):
        shell.terminal.type(CTRL_C)
        shell.terminal.settle(0.05)
    shell.see("this cell does not end: code that does not await, or C code", seconds=1.5)
    shell.see("lost: all its bindings; not lost: 1 task it started, ")
    shell.terminal.type("k")
    began = time.monotonic()
    shell.cell -= 1  # the number of the cell that was killed is free again
    shell.prompted()
    assert time.monotonic() - began < 5
    shell.see("the shell of n1@localhost was killed from its terminal: its names are gone")
    assert shell.gives("'beats' in globals()") == "False"
    assert shell.gives("call('double', 21)") == "42"
    assert re.search(r"running +sleep", home.pysh("tasks", "n2").stdout)


PAGER = """
import os, signal, sys, termios, tty
signal.signal(signal.SIGINT, lambda *_: os.write(1, b'pressed\\n'))
sys.stdin.read()
terminal = os.open('/dev/tty', os.O_RDWR)
before = termios.tcgetattr(terminal)
tty.setcbreak(terminal)
os.write(1, b'rea' + b'ding\\n')
while (key := os.read(terminal, 1)) != b'k': pass
os.write(1, b'it was for ' + b'me\\n')
termios.tcsetattr(terminal, termios.TCSANOW, before)
"""
"""As `less`: Ctrl-C is a signal, and all else a key."""


def test_a_program_that_reads_keys_is_offered_no_other_use_of_one(home: Home, screens: Screens) -> None:
    (home.folder / "pager.py").write_text(PAGER)
    shell = Shell(screens.open("--name", "n1@localhost"))
    shell.gives(f"import os, sys; os.environ['PAGER'] = f'{{sys.executable}} {home.folder / 'pager.py'}'; 'set'")
    shell.enter("page('a text')")
    shell.see("reading")
    for presses in (1, 2, 3):
        shell.terminal.type(CTRL_C)
        shell.terminal.wait(lambda n=presses: shell.terminal.lines.count("pressed") == n, "the press")
    shell.terminal.settle(1.0)  # longer than the offer would take
    assert not any("kill the shell" in line for line in shell.terminal.lines)
    shell.terminal.type("k")
    shell.see("it was for me")
    shell.prompted()
    assert shell.gives("6 * 7") == "42"
