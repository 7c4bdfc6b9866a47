"""Several shells on one node: a terminal with one of its own, and a new one beside a cell that nothing ends."""

import json

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, until

NAME = "n1@localhost"
HELD = "all(held)"
"""C code that says that it has begun, never ends, and never looks for a signal."""
SETUP = """
import itertools, os, time
held, x = itertools.chain(map(os.write, [1], [b'begun\\n']), itertools.repeat(1)), 1
"""
OFFER = "n: a new shell beside it, with other names; fg(1) there comes back to this cell"
BESIDE = f"at shell 1 of {NAME}; that cell is a job: fg() goes back to it"
DEAF = """
def deaf():
    while not os.path.exists('go'):
        try:
            print('begun')
            while not os.path.exists('go'): pass
        except KeyboardInterrupt: pass
    print('woke')
    return 7
"""


class Person:
    """Who types at a terminal; `shell` is the number of its shell, `cell` that of its prompt."""

    def __init__(self, terminal: Terminal, shell: int = 0, cell: int = 1) -> None:
        self.terminal, self.shell, self.cell = terminal, shell, cell
        self.prompted()

    @property
    def prompt(self) -> str:
        return f"{NAME}#{self.shell}[{self.cell}]>" if self.shell else f"{NAME}[{self.cell}]>"

    def prompted(self) -> None:
        self.terminal.wait_for_end(self.prompt)

    def enter(self, source: str) -> None:
        """Send a cell."""
        if "\n" in source:
            self.terminal.paste(source.strip("\n") + "\n")
            self.terminal.type("\r")
        else:
            self.terminal.type(source + "\r")
        self.cell += 1

    def gives(self, source: str) -> str:
        """What a cell shows, on its last line."""
        self.enter(source)
        self.prompted()
        return self.terminal.lines[-2]

    def see(self, text: str) -> None:
        self.terminal.wait(lambda: text in " ".join(self.terminal.lines), repr(text))

    def stuck(self, source: str) -> None:
        """Run a cell, press Ctrl-C in vain, and be asked what to do."""
        self.enter(source)
        self.terminal.wait(lambda: self.terminal.lines[-1] == "begun", "the cell")
        self.give_up()

    def give_up(self) -> None:
        """Press Ctrl-C three times in vain, and be asked what to do."""
        for _ in range(3):
            self.terminal.type("\x03")
            self.terminal.settle(0.05)
        self.terminal.wait(lambda: OFFER in self.terminal.lines[-3:], "the offer")

    def beside(self, shell: int) -> None:
        """Choose a new shell beside the cell."""
        self.away = self.shell, self.cell
        self.terminal.type("n")
        self.shell, self.cell = shell, 1
        self.prompted()


def first(screens: Screens) -> Person:
    """Whoever sits at the shell of a new node, which has a name."""
    person = Person(screens.open("--name", NAME))
    person.enter(SETUP)
    person.prompted()
    return person


def own(screens: Screens, shell: int = 1) -> Person:
    return Person(screens.open("attach", "--own", "n1"), shell)


def test_a_terminal_of_its_own_shares_no_name_and_takes_its_shell_along(home: Home, screens: Screens) -> None:
    shared, alone = first(screens), own(screens)
    assert alone.gives("x") == "NameError: name 'x' is not defined"
    pid = int(alone.gives("import os; y = 2; os.getpid()"))
    assert shared.gives("y") == "NameError: name 'y' is not defined"
    assert int(shared.gives("os.getpid()")) != pid
    assert not any("#1" in line for line in shared.terminal.lines), "nothing of it is mirrored"
    assert alone.gives("globals().update(yonder=7); 7") == "7"
    alone.terminal.type("yond\t")
    alone.terminal.wait_for_end(f"{alone.prompt} yonder")
    alone.terminal.type(" + 1\r")
    alone.cell += 1
    alone.terminal.wait_for_end("8", alone.prompt)
    alone.terminal.type("\x04")
    assert alone.terminal.wait_exit() == 0
    until(lambda: not psutil.pid_exists(pid), "the end of the shell")
    assert shared.gives("x") == "1"
    refused = home.pysh("attach", "--shell", "1", "--plain", "n1", stdin="1\n")
    assert refused.returncode == 1
    assert f"{NAME} has no shell 1 (there are: 0); 0 is the one that all share" in refused.stderr


def test_two_terminals_run_cells_at_once_and_each_has_its_own_ctrl_c(home: Home, screens: Screens) -> None:
    home.node(NAME)
    one, two = own(screens, 1), own(screens, 2)
    for person in one, two:
        person.enter("import os")
        person.prompted()
    one.enter("open('one', 'w').close(); [0 for _ in iter(lambda: os.path.exists('two'), True)]; 'met two'")
    two.enter("open('two', 'w').close(); [0 for _ in iter(lambda: os.path.exists('one'), True)]; 'met one'")
    for person, other in (one, "two"), (two, "one"):
        person.terminal.wait_for_end(f"'met {other}'", person.prompt)
    one.enter("open('runs', 'w').close(); [0 for _ in iter(lambda: os.path.exists('end'), True)]; 'ended'")
    two.enter("[0 for _ in iter(lambda: os.path.exists('runs'), True)]; [0 for _ in iter(int, 1)]")
    until((home.folder / "runs").exists, "the cell")
    two.terminal.settle(0.2)
    two.terminal.type("\x03")
    two.terminal.wait_for_end("KeyboardInterrupt", two.prompt)
    (home.folder / "end").touch()
    one.terminal.wait_for_end("'ended'", one.prompt)


def test_the_death_of_one_is_that_of_its_names_alone(home: Home, screens: Screens) -> None:
    shared, alone = first(screens), own(screens)
    assert alone.gives("y = 2; y") == "2"
    alone.enter("import os; os.kill(os.getpid(), 9)")
    alone.see(f"shell 1 of {NAME} died (SIGKILL): its names are gone")
    alone.cell -= 1
    alone.prompted()
    assert alone.gives("y") == "NameError: name 'y' is not defined"
    assert shared.gives("x") == "1"
    shared.enter("os.kill(os.getpid(), 9)")
    shared.see(f"the shell of {NAME} died (SIGKILL): its names are gone; functions it published stay callable")
    assert alone.gives("y = 3; y") == "3"


def test_what_a_shell_of_its_own_starts_is_its_own(home: Home, screens: Screens) -> None:
    shared, alone = first(screens), own(screens)
    alone.enter("t = task(lambda: print('prin' + 'ted')); await t")
    alone.prompted()
    alone.see("n1 | printed")
    alone.enter("def f(): return 6")
    alone.terminal.type("\r")
    alone.prompted()
    assert alone.gives("await task(f)") == "6"
    assert shared.gives("await task('f')").startswith("NoFunction: ")
    assert not any("n1 | printed" in line for line in shared.terminal.lines)
    assert shared.gives("len([p for p in processes() if p['kind'] == 'shell'])") == "2"
    assert alone.gives("node().eval('x')") == "1", "others run code in the shared one"


def test_a_lost_terminal_leaves_its_shell_for_the_next(home: Home, screens: Screens) -> None:
    home.node(NAME)
    alone = own(screens)
    assert alone.gives("kept = 3; kept") == "3"
    alone.terminal.hang_up()
    alone.terminal.process.wait(10)
    again = "shell 1 of n1@localhost is still here, with nobody at it: pysh attach --shell 1 n1"
    shared = screens.open("attach", "n1")
    shared.wait_for_end(again, f"{NAME}[1]>")
    back = Person(screens.open("attach", "--shell", "1", "n1"), 1, 2)
    assert back.gives("kept") == "3"
    back.enter("import asyncio; await asyncio.sleep(600)")
    back.terminal.settle(0.3)
    back.terminal.type("\x1a")
    back.prompted()
    back.terminal.type("\x04")
    back.see(f"shell 1 of {NAME}: 1 job running s: stop it, l: leave it running, any other key: stay here")
    back.terminal.type("l")
    assert back.terminal.wait_exit() == 0
    assert back.terminal.lines[-1] == "back to it with: pysh attach --shell 1 n1"
    last = Person(screens.open("attach", "--shell", "1", "n1"), 1, 4)
    last.terminal.type("\x04")
    last.see("any other key: stay here")
    last.terminal.type("s")
    assert last.terminal.wait_exit() == 0
    shared.type("info()\r")
    shared.wait_for_end(f"{NAME}[2]>")
    assert not any(line.startswith("shells ") for line in shared.lines)


def test_attach_at_a_prompt_gives_one_and_comes_back(home: Home, screens: Screens) -> None:
    person = first(screens)
    person.enter("attach(node(), own=True)")
    there = Person(person.terminal, 1)
    assert there.gives("'x' in globals(), os if 'os' in globals() else 0") == "(False, 0)"
    person.terminal.type("\x04")
    person.prompted()
    assert person.gives("x") == "1"
    person.terminal.type("\x04")
    assert person.terminal.wait_exit() == 0
    until(lambda: not home.nodes(), "the end of n1")


def test_beside_c_code_that_holds_the_gil_there_is_a_shell_and_a_way_back(home: Home, screens: Screens) -> None:
    person = first(screens)
    person.stuck(HELD)
    person.beside(1)
    assert BESIDE in person.terminal.lines
    assert person.gives("40 + 2") == "42"
    assert person.gives("'x' in globals()") == "False"
    assert person.gives("kept = 5; jobs()").split()[:3] == ["1", HELD, "running"]
    person.enter("fg(1)")
    shell, cell = person.shell, person.cell
    person.shell, person.cell = person.away
    person.see(f"back at the shell of {NAME}; shell 1 stays: attach(node(), shell=1)")
    person.give_up()
    person.terminal.type("n")
    person.shell, person.cell = shell, cell
    person.prompted()
    assert person.gives("kept") == "5", "the same shell, not one more"
    person.enter("fg()")
    person.terminal.wait(lambda: person.terminal.lines[-1].startswith("back at the shell"), "the way back")
    person.give_up()
    person.terminal.type("k")
    person.shell, person.cell = 0, 2
    person.see("the shell of n1@localhost was killed from its terminal: its names are gone")
    person.prompted()
    assert person.gives("x") == "NameError: name 'x' is not defined"
    person.enter(f"attach({NAME!r}, shell=1)")
    person.shell, person.cell = shell, cell + 2
    person.prompted()
    assert person.gives("kept") == "5"


def test_a_cell_that_is_left_and_ends_is_told_of_and_its_value_is_there(home: Home, screens: Screens) -> None:
    person = first(screens)
    person.enter(DEAF)
    person.prompted()
    person.stuck("deaf()")
    person.terminal.type("n6 * 7\r")
    person.shell, person.cell, away = 1, 2, person.cell
    person.terminal.wait_for_end("42", person.prompt)
    (home.folder / "go").touch()
    person.terminal.wait_for_end("job 1 done: deaf(); fg(1) goes back to its shell", person.prompt)
    assert person.gives("jobs()").split()[:3] == ["1", "deaf()", "done"]
    person.enter("fg()")
    person.shell, person.cell = 0, away
    person.terminal.wait_for_end("woke", "7", person.prompt)
    assert person.gives("_") == "7"
    assert person.gives("x") == "1"


@pytest.mark.parametrize("answer", ["s", "l"])
def test_a_cell_that_was_left_keeps_its_node_unless_told_otherwise(home: Home, screens: Screens, answer: str) -> None:
    person = first(screens)
    person.stuck(HELD)
    person.beside(1)
    person.terminal.type("\x04")
    person.see(f"{NAME}: a cell is running in shell 0 s: stop it, l: leave it running, any other key: stay here")
    person.terminal.type(answer)
    assert person.terminal.wait_exit() == 0
    if answer == "s":
        until(lambda: not home.processes(), "the end of every process")
    else:
        assert [node["node"] for node in home.nodes()] == [NAME]


def test_what_one_runs_elsewhere_ends_with_it(home: Home, screens: Screens) -> None:
    for name in (NAME, "n2@localhost"):
        home.node(name)
    alone = own(screens)
    alone.enter("import time; connect('n2@localhost'); t = task(time.sleep, 600, on='n2@localhost')")
    alone.prompted()
    assert alone.gives("d = task(time.sleep, 600, on='n2@localhost', detach=True); 1") == "1"

    def tasks() -> int:
        return len(json.loads(home.pysh("tasks", "n2", "--json").stdout))

    until(lambda: tasks() == 2, "the tasks")
    alone.terminal.type("\x04")
    alone.see(f"shell 1 of {NAME}: 1 task that it started s: stop it, l: leave it running")
    alone.terminal.type("s")
    assert alone.terminal.wait_exit() == 0
    until(lambda: tasks() == 1, "the end of the task")
