"""A shell outlives its terminal: another one finds it as it was, or takes it over."""

import signal
from pathlib import Path

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, until

LATER = """\
import pathlib, threading, time
def later(go, done, text):
 while not pathlib.Path(go).exists(): time.sleep(0.01)
 print(text, flush=True)
 pathlib.Path(done).touch()

"""
"""Defines a function that prints `text` once the file `go` is there, and then makes the file `done`."""


def told(terminal: Terminal, text: str) -> bool:
    """Whether `text` stands on the screen, broken into lines or not."""
    return text in "".join(terminal.lines)


def prepare(terminal: Terminal, folder: Path) -> None:
    """Bind a name, and start a thread and a task that print only once they are let go."""
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.paste(LATER)
    terminal.type("\r")
    terminal.wait_for_end("n1@localhost[2]>")
    terminal.type("x = 42\r")
    terminal.wait_for_end("n1@localhost[3]>")
    go = str(folder / "go")
    terminal.type(f"threading.Thread(target=later, args=({go!r}, 'thread', 'from a thread')).start()\r")
    terminal.wait_for_end("n1@localhost[4]>")
    terminal.type(f"t = task(later, {go!r}, 'task', 'from \\x1b]0;pwned\\x07a task', on='n2')\r")
    terminal.wait_for_end("n1@localhost[5]>")


def test_a_lost_terminal_is_replaced_and_what_was_missed_is_shown_once(home: Home, screens: Screens) -> None:
    home.node("n2@localhost")
    first = screens.open("--name", "n1@localhost", "--connect", "n2@localhost")
    prepare(first, home.folder)
    first.process.kill()
    first.wait_exit()
    (home.folder / "go").touch()
    until((home.folder / "thread").exists, "the thread's end")
    until((home.folder / "task").exists, "the task's end")
    home.pysh("rpc", "n1", "-c", "t.result()")  # so all that it printed is there

    second = screens.open("attach", "n1")
    second.wait_for_end("n1@localhost[5]>")
    assert sorted(second.lines[:-1]) == ["from a thread", "n2 | from a task"]
    assert b"pwned" not in second.raw
    second.type("x + 1\r")
    second.wait_for_end("43", "n1@localhost[6]>")
    second.process.send_signal(signal.SIGHUP)
    second.wait_exit()

    third = screens.open("attach", "n1")
    third.wait_for_end("n1@localhost[6]>")
    assert third.lines == ["n1@localhost[6]>"]
    third.type("\x04")
    assert third.wait_exit() == 0
    until(lambda: [node["node"] for node in home.nodes()] == ["n2@localhost"], "the end of n1")


def test_a_second_terminal_joins_and_a_third_may_take_over(home: Home, screens: Screens) -> None:
    first = screens.open("--name", "n1@localhost")
    first.wait_for_end("n1@localhost[1]>")
    first.type("x = 42\r")
    first.wait_for_end("n1@localhost[2]>")

    second = screens.open("attach", "n1")
    second.wait_for_end("n1@localhost[2]>")
    first.type("x + 1\r")
    second.wait_for_end("43", "n1@localhost[3]>")
    first.wait_for_end("43", "n1@localhost[3]>")

    third = screens.open("attach", "--force", "n1")
    for other in first, second:
        assert other.wait_exit() == 1
        assert told(other, "another terminal took over the shell of n1@localhost; take it back: pysh attach --force n1")
        assert other.modes == other.found
    third.wait_for_end("n1@localhost[3]>")
    third.type("x + 2\r")
    third.wait_for_end("44", "n1@localhost[4]>")
    third.type("\x04")
    assert third.wait_exit() == 0


def test_a_running_cell_is_handed_to_the_terminal_that_takes_over(home: Home, screens: Screens) -> None:
    first = screens.open("--name", "n1@localhost")
    first.wait_for_end("n1@localhost[1]>")
    first.type("print('asked'); input('name? ')\r")
    first.wait_for_end("asked", "name?")
    second = screens.open("attach", "--force", "n1")
    assert first.wait_exit() == 1
    assert first.modes == first.found
    second.type("you\r")
    second.wait_for_end("'you'", "n1@localhost[2]>")
    second.type("\x04")
    assert second.wait_exit() == 0


def test_what_became_of_a_cell_whose_terminal_was_lost_is_shown_to_the_next(home: Home, screens: Screens) -> None:
    go = home.folder / "go"
    first = screens.open("--name", "n1@localhost")
    first.wait_for_end("n1@localhost[1]>")
    first.paste(LATER)
    first.type("\r")
    first.wait_for_end("n1@localhost[2]>")
    first.type(f"print('begun'); later({str(go)!r}, 'done', 'printed'); 1 / 0\r")
    first.wait(lambda: first.lines[-1] == "begun", "the start of the cell")
    first.process.kill()
    first.wait_exit()
    go.touch()
    until((home.folder / "done").exists, "the end of the cell")
    home.pysh("rpc", "n1", "-c", "1")  # which comes after it
    second = screens.open("attach", "n1")
    second.wait_for_end("ZeroDivisionError: division by zero", "n1@localhost[3]>")
    assert second.lines.count("printed") == 1
    second.type("\x04")
    assert second.wait_exit() == 0


def test_what_another_node_printed_and_was_shown_is_not_shown_to_the_next(home: Home, screens: Screens) -> None:
    home.node("n2@localhost")
    first = screens.open("--name", "n1@localhost", "--connect", "n2@localhost")
    prepare(first, home.folder)  # with a task that keeps the node
    first.paste("def flood(lines):\n for n in range(lines): print(str(n) * 20)\n\n")
    first.type("\r")
    first.wait_for_end("n1@localhost[6]>")
    first.type("call(flood, 2000, on='n2')\r")
    first.wait_for_end("n1@localhost[7]>")
    first.type("f = task(flood, 2, on='n2')\r")
    first.wait_for_end("n2 | " + "1" * 20, "n1@localhost[8]>")
    first.settle(0.1)
    first.type("\x04")
    first.wait_for_end("s: stop it, l: leave it running, any other key: stay here")
    first.type("l")
    assert first.wait_exit() == 0

    second = screens.open("attach", "n1")
    second.wait_for_end("n1@localhost[8]>")
    assert second.lines == ["n1@localhost[8]>"]
    (home.folder / "go").touch()
    second.wait(lambda: "n2 | from a task" in second.lines, "the output of the task")
