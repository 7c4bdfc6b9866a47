"""Tab at a real terminal: what the node says whose objects are meant."""

import time
from collections.abc import Callable

from tests.shell.terminal import DEADLINE, Terminal
from tests.system.conftest import Home, Screens

TAB = "\t"


def tab(shell: Terminal, done: Callable[[], bool]) -> None:
    """Press Tab until it is answered: a machine that is busy may be too late for one."""
    until = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < until, shell.lines
        shell.type(TAB)
        try:
            shell.wait(done, seconds=1)
        except AssertionError:
            continue


def test_names_attributes_and_keys_are_completed_and_no_property_runs(screens: Screens) -> None:
    shell = screens.open("--name", "n1@localhost")
    shell.wait_for_end("n1@localhost[1]>")
    shell.paste("class Slow:\n    plain = 1\n    @property\n    def prop(self): print('it ran')\n")
    shell.type("\r")
    shell.wait_for_end("n1@localhost[2]>")
    shell.type("d, thing = {'alpha': 1, 'alter': 2}, Slow()\r")
    shell.wait_for_end("n1@localhost[3]>")
    shell.type("thi" + TAB)
    shell.wait_for_end("n1@localhost[3]> thing")
    shell.type(".p" + TAB)
    shell.wait(lambda: {"plain", "prop"} <= {line.strip() for line in shell.lines}, "the menu")
    shell.type(TAB + "\r")
    shell.wait_for("n1@localhost[3]> thing.plain", "1")
    shell.wait_for_end("n1@localhost[4]>")
    shell.type("d['alp" + TAB)
    shell.wait_for_end("n1@localhost[4]> d['alpha")
    shell.type("']\r")
    shell.wait_for("n1@localhost[4]> d['alpha']", "1")
    assert "it ran" not in shell.lines


def test_a_shell_that_is_attached_completes_its_own_names_also_while_others_run_there(
    screens: Screens, home: Home
) -> None:
    home.node("n2@localhost")
    home.pysh("rpc", "n2", "-c", "import time; special_name = 5")
    home.pysh("rpc", "n2", "-c", "p = spawn(lambda: time.sleep(5), where='shell')")
    shell = screens.open("attach", "n2@localhost")
    shell.wait_for_end("n2@localhost[1]>")
    shell.type("spec" + TAB)
    shell.wait_for_end("n2@localhost[1]> special_name")


def test_processes_of_all_nodes_are_completed_by_pid_and_by_name(screens: Screens, home: Home) -> None:
    home.node("n2@localhost")
    shell = screens.open("--name", "n1@localhost", "--connect", "n2@localhost")
    shell.wait_for_end("n1@localhost[1]>")
    shell.type("p = spawn(receive, on='n2@localhost', name='collector')\r")
    shell.wait_for_end("n1@localhost[2]>")
    shell.type("send('coll")
    tab(shell, lambda: "n1@localhost[2]> send('collector" in shell.lines)
    shell.type("\x15pid('n2.")
    tab(shell, lambda: any(line.startswith("n1@localhost[2]> pid('n2.2") for line in shell.lines))
