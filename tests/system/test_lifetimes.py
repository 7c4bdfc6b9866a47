"""When a node ends, and when it stays: each case of the table of lifetimes, on real processes."""

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import PYSH, Home, Screens, until

WAIT = """\
import pathlib, time
def wait(go):
 while not pathlib.Path(go).exists(): time.sleep(0.01)
 return 7

"""
"""Defines a task that runs until the file `go` is there."""


def shell(screens: Screens, name: str, *words: str) -> Terminal:
    """A terminal at the second prompt of a new node, where `wait` is defined."""
    terminal = screens.open("--name", name, *words)
    terminal.wait_for_end(f"{name}[1]>")
    terminal.paste(WAIT)
    terminal.type("\r")
    terminal.wait_for_end(f"{name}[2]>")
    return terminal


def running(home: Home) -> list[str]:
    """The names of the nodes that run."""
    return [node["node"] for node in home.nodes()]


def tasks(home: Home, node: str) -> list[dict[str, Any]]:
    """What a node runs, or keeps the results of."""
    listed: list[dict[str, Any]] = json.loads(home.pysh("tasks", node, "--json").stdout)
    return listed


# the last terminal of a node that `pysh` made


@pytest.mark.parametrize("farewell", ["\x04", "exit()\r"])
def test_a_node_on_which_nothing_runs_stops_with_its_last_terminal(home: Home, screens: Screens, farewell: str) -> None:
    terminal = shell(screens, "n1@localhost")
    terminal.type("1 + 1\r")
    terminal.wait_for_end("2", "n1@localhost[3]>")
    terminal.type(farewell)
    assert terminal.wait_exit() == 0
    until(lambda: not home.processes(), "the end of every process", 3)


@pytest.mark.parametrize(
    ("on", "reason"), [("n1", "1 task running here"), ("n2", "1 task running on other nodes for this shell")]
)
def test_a_node_that_has_work_asks_and_stops_when_told(home: Home, screens: Screens, on: str, reason: str) -> None:
    home.node("n2@localhost")
    terminal = shell(screens, "n1@localhost", "--connect", "n2@localhost")
    terminal.type(f"t = task(wait, {str(home.folder / 'go')!r}, on={on!r})\r")
    terminal.wait_for_end("n1@localhost[3]>")
    until(lambda: tasks(home, on), "the task")
    terminal.type("\x04")
    terminal.wait_for_end(f"n1@localhost: {reason}", "s: stop it, l: leave it running, any other key: stay here")
    terminal.type("x")
    terminal.wait_for_end("n1@localhost[3]>")
    terminal.type("\x04")
    terminal.wait(lambda: terminal.lines[-1].startswith("s: stop it"), "the question")
    terminal.type("s")
    assert terminal.wait_exit() == 0
    until(lambda: running(home) == ["n2@localhost"], "the end of n1", 3)
    until(lambda: not tasks(home, "n2"), "the end of its task", 3)


def test_a_node_that_has_work_may_be_left_running(home: Home, screens: Screens) -> None:
    terminal = shell(screens, "n1@localhost")
    go = home.folder / "go"
    terminal.type(f"t = task(wait, {str(go)!r})\r")
    terminal.wait_for_end("n1@localhost[3]>")
    until(lambda: tasks(home, "n1"), "the task")
    terminal.type("\x04")
    terminal.wait(lambda: terminal.lines[-1].startswith("s: stop it"), "the question")
    terminal.type("l")
    assert terminal.wait_exit() == 0
    assert "back to it with: pysh attach n1" in terminal.lines
    go.touch()
    back = screens.open("attach", "n1")
    back.wait_for_end("n1@localhost[3]>")
    back.type("t.result()\r")
    back.wait_for_end("7", "n1@localhost[4]>")
    back.type("\x04")
    assert back.wait_exit() == 0
    until(lambda: not running(home), "the end of n1", 3)


# another terminal, or a headless node


def test_a_terminal_on_a_headless_node_detaches_and_the_node_stays(home: Home, screens: Screens) -> None:
    home.node("n1@localhost")
    terminal = screens.open("attach", "n1")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("x = 42\r")
    terminal.wait_for_end("n1@localhost[2]>")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0
    assert "n1@localhost stays; back to it with: pysh attach n1" in terminal.lines
    assert home.pysh("rpc", "n1", "-c", "x").stdout == "42\n"


# a terminal is lost


def lose(terminal: Terminal, how: str) -> None:
    """Take a terminal away without a word."""
    if how == "hang-up":
        terminal.hang_up()
    else:
        terminal.process.kill()
    terminal.process.wait(10)


@pytest.mark.parametrize("how", ["kill -9", "hang-up"])
def test_a_node_whose_terminal_is_lost_stays_while_something_runs(home: Home, screens: Screens, how: str) -> None:
    terminal = shell(screens, "n1@localhost", "--rm")
    go = home.folder / "go"
    terminal.type(f"t = task(wait, {str(go)!r})\r")
    terminal.wait_for_end("n1@localhost[3]>")
    until(lambda: tasks(home, "n1"), "the task")
    lose(terminal, how)
    until(lambda: "left" in told(home, "n1@localhost"), "the loss to be noticed")
    assert running(home) == ["n1@localhost"]
    go.touch()
    until(lambda: not home.processes(), "the end of the node once nothing runs", 5)


@pytest.mark.parametrize("how", ["kill -9", "hang-up"])
def test_an_idle_node_lingers_and_the_next_shell_says_so(home: Home, screens: Screens, how: str) -> None:
    lost = shell(screens, "n1@localhost")
    kept = shell(screens, "n2@localhost")
    home.node("n3@localhost")
    lose(lost, how)
    until(lambda: told(home, "n1@localhost").get("left"), "the loss to be noticed")
    later = screens.open("--name", "n4@localhost", "--rm")
    later.wait_for_end("n1 is still here: pysh attach n1", "n4@localhost[1]>")
    assert not [line for line in later.lines if "n2" in line or "n3" in line]
    back = screens.open("attach", "n1")
    back.wait_for_end("n1@localhost[2]>")
    again = screens.open("--name", "n5@localhost", "--rm")
    again.wait_for_end("n5@localhost[1]>")
    again.type("6 * 7\r")
    again.wait_for_end("n5@localhost[1]> 6 * 7", "42", "n5@localhost[2]>")
    assert len(again.lines) == 3  # no word of n1, which has a terminal again
    for terminal in (back, kept, later, again):
        terminal.type("\x04")
        assert terminal.wait_exit() == 0


def told(home: Home, name: str) -> dict[str, Any]:
    """What a node says of itself in the runtime directory."""
    said: dict[str, Any] = json.loads((home.runtime / f"{name}.json").read_text())
    return said


# `pysh node`


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_node_in_the_foreground_ends_with_its_command(home: Home, number: signal.Signals) -> None:
    command = subprocess.Popen([*PYSH, "node", "--name", "n1@localhost"], env=home.environ, stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert b"n1@localhost is up" in command.stdout.readline()
    home.pysh("rpc", "n1", "-c", "x = 1")
    command.send_signal(number)
    command.communicate(timeout=10)
    assert command.returncode == 128 + number
    until(lambda: not home.processes(), "the end of every process", 2)


def test_a_node_in_the_foreground_ends_when_its_terminal_hangs_up(home: Home, screens: Screens) -> None:
    command = screens.open("node", "--name", "n1@localhost")
    command.wait_for_end("n1@localhost is up; Ctrl-C ends it")
    command.hang_up()
    command.process.wait(10)
    until(lambda: not home.processes(), "the end of every process", 2)


def test_a_detached_node_outlives_the_terminal_it_was_started_from(home: Home, screens: Screens) -> None:
    command = screens.open("node", "--name", "n1@localhost", "--detach")
    assert command.wait_exit() == 0
    command.hang_up()
    assert home.pysh("rpc", "n1", "-c", "1 + 1").stdout == "2\n"
    assert home.pysh("stop", "n1").returncode == 0
    until(lambda: not home.processes(), "the end of every process", 2)


# a script ends, an owner is lost, an owner stops

OWNER = """
import pathlib, time
n2 = connect("n2@localhost")
def wait(go):
    while not pathlib.Path(go).exists(): time.sleep(0.01)
    return 7
t = task(wait, {go!r}, on=n2)
d = task(wait, {go!r}, on=n2, detach=True)
p = spawn(wait, {go!r}, on=n2)
while t.status != "running" or d.status != "running": time.sleep(0.01)
"""


def kinds(home: Home) -> list[str]:
    """What n2 runs or keeps: tasks by their state, detached or not, and processes."""
    code = "for row in tasks(on='n2'): print('detached' if row['detached'] else row['kind'], row['status'])"
    listed = home.pysh("--connect", "n2@localhost", "-c", code)
    assert listed.returncode == 0, listed.stderr
    return sorted(listed.stdout.splitlines())


def test_a_script_that_ends_cancels_its_tasks_but_not_those_detached_nor_processes(home: Home) -> None:
    home.node("n2@localhost")
    done = home.script(OWNER.format(go=str(home.folder / "go")))
    assert done.returncode == 0, done.stderr
    assert "cancel" in done.stderr
    assert "wait" in done.stderr
    assert running(home) == ["n2@localhost"]
    until(lambda: kinds(home) == ["detached running", "process running"], "the end of the task", 5)


def test_a_shell_that_stops_cancels_its_tasks_but_not_those_detached_nor_processes(home: Home) -> None:
    home.node("n1@localhost")
    home.node("n2@localhost")
    done = home.pysh("rpc", "n1", "-c", OWNER.format(go=str(home.folder / "go")))
    assert done.returncode == 0, done.stderr
    assert kinds(home) == ["detached running", "process running", "task running"]
    assert home.pysh("stop", "n1").returncode == 0
    until(lambda: kinds(home) == ["detached running", "process running"], "the end of the task", 5)


def test_the_tasks_of_a_lost_owner_go_on_and_are_found_from_any_shell(home: Home) -> None:
    home.node("n1@localhost")
    home.node("n2@localhost")
    go = home.folder / "go"
    assert home.pysh("rpc", "n1", "-c", OWNER.format(go=str(go))).returncode == 0
    [hub] = [node["pid"] for node in home.nodes() if node["node"] == "n1@localhost"]
    os.kill(hub, signal.SIGKILL)
    until(lambda: running(home) == ["n2@localhost"], "the end of n1")
    assert kinds(home) == ["detached running", "process running", "task running"]
    go.touch()
    until(lambda: kinds(home) == ["detached done", "task done"], "the results, which nobody fetched", 5)
