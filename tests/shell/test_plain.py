import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest

from pysh.runtime.protocol.frames import Kind
from tests.shell.hub import COOKIE, NAME, Hub
from tests.shell.terminal import DEADLINE, Terminal

START = """\
import socket, sys
from pysh.shell.plain import run_plain
sys.exit(run_plain(lambda: socket.socket(fileno=int(sys.argv[1])), sys.argv[2].encode()))
"""
ENV = {name: os.environ[name] for name in ("PYTHONPATH", "PATH") if name in os.environ}

ASKED = "Enter runs that; Ctrl-C, or another line, leaves it:"


class Piped:
    """A plain shell with pipes on both ends."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.text = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(hub.end.fileno()), COOKIE.decode()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=(hub.end.fileno(),), env=ENV,
        )  # fmt: skip
        hub.end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.hub.close()

    def feed(self, text: str, *, end: bool = False) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        if end:
            self.process.stdin.close()

    def wait(self, condition: "object") -> None:
        """Wait until `condition()`."""
        assert callable(condition)
        assert self.process.stdout is not None
        out = self.process.stdout.fileno()
        files = [self.hub.fileno(), out]
        while not condition():
            ready, _, _ = select.select(files, [], [], DEADLINE)
            assert ready, f"nothing more came after {self.text!r}"
            if self.hub.fileno() in ready:
                self.hub.receive()
            if out in ready:
                data = os.read(out, 65536)
                self.text += data
                if not data:
                    files.remove(out)
            if self.hub.gone:
                files = [file for file in files if file != self.hub.fileno()]

    def code(self) -> int:
        """Its exit code."""
        assert self.process.stdout is not None
        if not self.hub.gone:
            self.wait(lambda: self.hub.gone)
        self.text += self.process.stdout.read()
        return self.process.wait(DEADLINE)


@pytest.fixture
def piped() -> Iterator[Piped]:
    with Piped(Hub()) as piped:
        yield piped


def test_cells_from_a_pipe_run_one_after_the_other(piped: Piped) -> None:
    piped.feed("def f():\n    return 1\n\n f()\n2+2", end=True)
    piped.wait(lambda: len(piped.hub.cells) == 1)
    piped.hub.screen("prinťed\r\n\x1b[31mred\x1b[0m\r\n".encode())
    piped.hub.done()
    piped.wait(lambda: len(piped.hub.cells) == 2)
    piped.hub.output("n2", b"\r10%\r20%\n")
    piped.hub.done("1")
    piped.wait(lambda: len(piped.hub.cells) == 3)
    piped.hub.done("4")
    assert piped.code() == 0
    assert piped.hub.cells == ["def f():\n    return 1", "f()", "2+2"]
    assert piped.text.decode() == "prinťed\nred\nn2 | 20%\n1\n4\n"


def test_a_pipe_ends_at_the_first_error(piped: Piped) -> None:
    piped.feed("1/0\n2\n")
    piped.wait(lambda: piped.hub.cells)
    piped.hub.done("ZeroDivisionError: division by zero", kind="error")
    assert piped.code() == 1
    assert (piped.hub.cells, piped.text) == (["1/0"], b"ZeroDivisionError: division by zero\n")


def test_a_cell_from_a_pipe_has_no_input(piped: Piped) -> None:
    piped.feed("input()\n")
    piped.wait(lambda: piped.hub.typed == b"\x04")


def test_a_cell_from_a_pipe_is_of_no_person(piped: Piped) -> None:
    piped.feed("page(1)\n")
    piped.wait(lambda: piped.hub.cells)
    assert piped.hub.of(Kind.CELL)[0].options() == {"person": False, "plain": True}


def test_exit_gives_its_code(piped: Piped) -> None:
    piped.feed("exit(7)\n")
    piped.wait(lambda: piped.hub.cells)
    piped.hub.done(exit=7)
    assert piped.code() == 7


def test_what_keeps_the_node_is_said(piped: Piped) -> None:
    piped.hub.answers["leave"] = {"stop": False, "reasons": ["1 task running here"]}
    piped.feed("", end=True)
    assert piped.code() == 0
    assert piped.text.decode() == f"{NAME} stays: 1 task running here\n"


def test_sigint_interrupts_the_cell_and_then_ends_the_shell(piped: Piped) -> None:
    piped.feed("work()\n")
    piped.wait(lambda: piped.hub.cells)
    piped.process.send_signal(signal.SIGINT)
    piped.wait(lambda: piped.hub.of(Kind.INTERRUPT))
    piped.hub.done()
    piped.feed("again()\n")
    piped.wait(lambda: len(piped.hub.cells) == 2)
    piped.hub.done("ok")
    piped.wait(lambda: b"ok\n" in piped.text)
    piped.process.send_signal(signal.SIGINT)
    assert piped.code() == 130


def test_a_hub_that_goes_ends_a_plain_shell_with_5(piped: Piped) -> None:
    piped.feed("work()\n")
    piped.wait(lambda: piped.hub.cells)
    piped.hub.close()
    piped.hub.gone = True
    assert piped.code() == 5
    assert piped.text.decode() == f"{NAME}: connection lost: its hub is gone\n"


DUMB = {"TERM": "dumb"}


@contextmanager
def at_a_terminal(hub: Hub, env: dict[str, str]) -> Iterator[Terminal]:
    """A plain terminal of the shell of `hub`, at its first prompt."""
    end = hub.end.fileno()
    command = [sys.executable, "-c", START, str(end), COOKIE.decode()]
    with ExitStack() as stack:
        stack.callback(hub.close)
        terminal = stack.enter_context(Terminal(command, {**ENV, **env}, pass_fds=(end,)))
        hub.end.close()
        terminal.others[hub.fileno()] = hub.receive
        terminal.wait_for_end(f"{NAME}[1]>")
        yield terminal


def test_a_person_at_a_dumb_terminal_gets_prompts_and_no_escape() -> None:
    hub = Hub()
    with at_a_terminal(hub, DUMB) as terminal:
        terminal.type("if x:\r")
        terminal.wait_for_end(f"{NAME}[1]> if x:", "                ...")
        terminal.type("    input()\r")
        terminal.wait_for_end("                ...     input()", "                ...")
        terminal.type("\r")
        terminal.wait(lambda: hub.cells)
        hub.screen(b"name? ")
        terminal.wait(lambda: terminal.lines[-1] == "name?")
        terminal.type("me\r")
        terminal.wait(lambda: hub.typed == b"me\n")
        hub.unread = b""
        hub.done("'me'")
        terminal.wait_for_end("name? 'me'", f"{NAME}[2]>")
        terminal.type("sleep()\r")
        terminal.wait(lambda: hub.cells[-1] == "sleep()")
        terminal.type("1\r2\r")
        terminal.wait(lambda: hub.typed.endswith(b"1\n2\n"))
        hub.done()
        terminal.wait_for_end(f"{NAME}[2]> sleep()", f"{NAME}[3]> 1")
        terminal.wait(lambda: hub.cells[-1] == "1")
        hub.done("1")
        terminal.wait_for_end("1", f"{NAME}[4]> 2")
        terminal.wait(lambda: hub.cells[-1] == "2")
        hub.done("2", offer="\x1b[1m3")  # which can be changed nowhere
        terminal.wait_for_end("2", "3", ASKED)
        assert hub.cells[-1] == "2"
        terminal.type("\r")
        terminal.wait(lambda: hub.cells[-1] == "\x1b[1m3")
        terminal.type("\r")  # by somebody who has not seen the question
        terminal.wait(lambda: hub.typed.endswith(b"2\n\n"))
        hub.done("3", offer="4")
        terminal.wait_for_end("3", "4", ASKED)
        terminal.type("\x03")
        terminal.wait(lambda: terminal.lines[-3:] == [f"{ASKED} ^C", f"{NAME}[6]>", f"{NAME}[6]>"])
        terminal.type("5\r")
        terminal.wait(lambda: hub.cells[-1] == "5")
        hub.done("5", offer="6")
        terminal.wait_for_end("5", "6", ASKED)
        terminal.type("7\r")
        terminal.wait(lambda: hub.cells[-1] == "7")
        hub.done("7")
        terminal.wait_for_end(f"{NAME}[7]> 7", "7", f"{NAME}[8]>")
        terminal.type("half")
        terminal.wait_for_end(f"{NAME}[8]> half")
        terminal.type("\x03")
        terminal.wait(lambda: terminal.lines[-2:] == [f"{NAME}[8]> half^C", f"{NAME}[8]>"])
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
        assert hub.of(Kind.CELL)[0].options() == {"plain": True}
        assert hub.cells == ["if x:\n    input()", "sleep()", "1", "2", "\x1b[1m3", "5", "7"]
        assert b"\x1b" not in terminal.raw
        assert terminal.modes == terminal.found


@pytest.mark.parametrize("env", [{"TERM": "xterm-256color", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_whatever_a_node_sends_there_is_no_escape_sequence_and_words_say_what_colours_would(
    env: dict[str, str],
) -> None:
    hub = Hub()
    with at_a_terminal(hub, env) as terminal:
        hub.output("n2", b"last words\n")
        hub.notice("nothing comes from n2", "warn")
        terminal.wait(lambda: any("warning: nothing comes from n2" in line for line in terminal.lines))
        assert terminal.lines[-2].endswith("n2 | last words")
        terminal.type("work()\r")
        terminal.wait(lambda: hub.cells)
        hub.screen(b"\x1b[1;31mred\x1b[0m \x1b[2Jtext \x1b]0;title\x07\r\n")
        hub.output("n2", b"\x1b[32mgreen\x1b[0m\r 50%\r100%\n")
        rows = {"columns": ["node", "state"], "rows": [["n1@here", "\x1b[31mup"]]}
        hub.done(kind="table", table=rows)
        terminal.wait_for_end(f"{NAME}[2]>")
        terminal.type("fail()\r")
        terminal.wait(lambda: hub.cells[-1] == "fail()")
        hub.done("Traceback\nValueError: \x1b[31mno\x1b[0m\n", kind="error")
        terminal.wait_for_end("ValueError: no", f"{NAME}[3]>")
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
        lines = {line.strip() for line in terminal.lines}
        assert {"red text", "n2 | 100%", "node     state", "n1@here  up"} <= lines
        assert b"\x1b" not in terminal.raw


def test_a_person_at_a_plain_terminal_may_kill_a_shell_that_is_stuck_and_sees_how_long_a_cell_took() -> None:
    hub = Hub()
    hub.answers["at_stake"] = {"jobs": 0, "tasks": 0, "functions": 0, "interrupts": True}
    hub.answers["kill_shell"] = {"killed": True}
    with at_a_terminal(hub, DUMB) as terminal:
        terminal.type("work()\r")
        terminal.wait(lambda: hub.cells, "the cell")
        for n in (1, 2, 3):
            terminal.type("\x03")
            terminal.wait(lambda n=n: len(hub.of(Kind.INTERRUPT)) == n, "the press")
        terminal.wait_for_end("k: kill the shell (lost: all its bindings), any other key: wait")
        terminal.type("k\r")
        terminal.wait(lambda: hub.asked[-1] == {"verb": "kill_shell", "began": 0.0}, "the kill")
        hub.done("the shell was killed", kind="error", took=2.5)
        terminal.wait_for_end("the shell was killed", "took 2.5 s", f"{NAME}[2]>")
    assert hub.typed == b""


def test_a_person_at_a_plain_terminal_may_go_to_a_shell_beside_one_that_is_stuck_and_back() -> None:
    hub = Hub()
    hub.answers["at_stake"] = {"jobs": 0, "tasks": 0, "functions": 0, "interrupts": True}
    told = {"evaluator": 2, "cell": 1, "busy": False, "missed": b"", "suspects": []}
    hub.answers["beside"] = {**told, "shell": 1}
    with at_a_terminal(hub, DUMB) as terminal:
        terminal.type("work()\r")
        terminal.wait(lambda: hub.cells, "the cell")
        for n in (1, 2, 3):
            terminal.type("\x03")
            terminal.wait(lambda n=n: len(hub.of(Kind.INTERRUPT)) == n, "the press")
        terminal.wait_for_end("k: kill the shell (lost: all its bindings), any other key: wait")
        hub.running = False
        terminal.type("n\r")
        terminal.wait_for_end(f"at shell 1 of {NAME}; that cell is a job: fg() goes back to it", f"{NAME}#1[1]>")
        hub.answers["attach"] = {**told, "shell": 0, "cell": 4, "missed": b"missed\r\n"}
        terminal.type("fg(1)\r")
        terminal.wait(lambda: hub.cells == ["work()", "fg(1)"], "the cell")
        hub.done(shell=0)
        terminal.wait_for_end(
            f"back at the shell of {NAME}; shell 1 stays: attach(node(), shell=1)", "missed", f"{NAME}[4]>"
        )
    assert hub.asked[-1]["plain"] is True
