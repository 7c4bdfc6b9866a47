"""The shell of a node that listens, as the system's own ssh client has it: with a terminal, without, and a command."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.sshd import public
from tests.system.conftest import Machines, Screens, until

SSH = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]


class Far:
    """Node n1, which listens on another machine; `ssh` is how to get there."""

    def __init__(self, both: Machines) -> None:
        self.both = both
        folder = both.there.folder / ".ssh"
        folder.mkdir(mode=0o700)
        self.keys = folder / "authorized_keys"
        self.allow("")
        both.there.node("n1@far", "--listen", "0")
        (entry,) = both.there.nodes()
        self.port = entry["listens"].rpartition(":")[2]
        self.ssh = [*SSH, "-p", self.port, "127.0.0.1"]

    def allow(self, options: str) -> None:
        """Have the key from here open what listens there, with `options`."""
        self.keys.write_text(f"{options} {public(self.both.place.home.key)}\n")

    def run(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run ssh to its end."""
        return self.both.here.run([*self.ssh, *words], stdin=stdin)

    def terminals(self) -> list[psutil.Process]:
        """What was started there for people."""
        found = []
        for process in self.both.there.processes():
            with suppress(psutil.Error):
                found += [process] if {"attach", "rpc"} & {*process.cmdline()} else []
        return found


@pytest.fixture
def far(both: Machines) -> Iterator[Far]:
    yield Far(both)


def at(terminal: Terminal, cell: int, text: str = "") -> None:
    """Wait for the prompt of that number."""
    terminal.wait_for_end(f"n1@far[{cell}]> {text}".rstrip())


def test_a_command_runs_as_rpc_does_with_its_outputs_and_its_status(far: Far) -> None:
    done = far.run("print('out'); x = 6 * 7; x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n42\n", "")
    assert far.run("x -1").stdout == "41\n"
    done = far.run("print('out'); 1 / 0")
    assert (done.returncode, done.stdout) == (1, "out\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert far.run("raise SystemExit(7)").returncode == 7


def test_without_a_terminal_cells_come_line_by_line_and_no_escape_sequence_goes_back(far: Far) -> None:
    done = far.run("-T", stdin="def f():\n    return 6 * 7\n\nf()\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
    done = far.run("-T", stdin="f() + 1\n1 / 0\nprint('never')\n")
    assert (done.returncode, "43\n" in done.stdout, "never" in done.stdout) == (1, True, False)
    assert "\x1b" not in done.stdout


def test_people_who_came_by_ssh_share_the_shell_with_the_one_that_sits_there(far: Far) -> None:
    with Screens(far.both.here) as here, Screens(far.both.there) as there:
        sits = there.open("attach", "n1")
        at(sits, 1)
        comes = here.run(far.ssh)
        at(comes, 1)
        comes.type("half")
        at(comes, 1, "half")
        sits.type("x = 'seen'; x\r")
        at(sits, 2)
        comes.wait_for_end("'seen'", "n1@far[2]> half")
        comes.resize(20, 70)
        comes.send_signal(28)
        comes.type("\x03import os; os.get_terminal_size()\r")
        for terminal in sits, comes:
            terminal.wait_for_end("os.terminal_size(columns=70, lines=20)", "n1@far[3]>")
        comes.process.kill()
        until(lambda: len(far.terminals()) == 1, "the end of the terminal there")
        sits.type("os.get_terminal_size()\r")
        sits.wait_for_end("os.terminal_size(columns=100, lines=30)", "n1@far[4]>")


def test_a_key_may_be_for_watching_alone(far: Far) -> None:
    far.allow('restrict,pty,command="pysh attach --watch n1"')
    with Screens(far.both.here) as here, Screens(far.both.there) as there:
        sits = there.open("attach", "n1")
        at(sits, 1)
        watches = here.run(far.ssh)
        watches.wait_for_end("watching n1@far; Ctrl-C or Ctrl-D leaves")
        watches.type("x = 1\r")
        sits.type("6 * 7\r")
        at(sits, 2)
        watches.wait_for_end("n1@far[1]> 6 * 7", "42")
        watches.type("\x04")
        assert watches.wait_exit() == 0
    done = far.run("x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "this key may only watch" in done.stderr
    assert "n1@127.0.0.1" not in far.both.here.script(f"connect('n1@127.0.0.1:{far.port}', transport='openssh')").stdout
    far.allow('command="pysh attach --watch n2"')
    assert "Permission denied" in far.run("x").stderr


def test_a_dropped_client_leaves_nothing_and_ends_its_command(far: Far) -> None:
    running = subprocess.Popen(
        [*far.ssh, "import time; x = 'begun'; open(x, 'w').close(); time.sleep(600)"],
        env=far.both.here.environ, stdin=subprocess.DEVNULL, cwd=far.both.here.folder,
    )  # fmt: skip
    until((far.both.there.folder / "begun").exists, "the begin of the command")
    running.kill()
    running.wait()
    until(lambda: not far.terminals(), "the end of what ran there", 5)
    assert far.both.there.pysh("rpc", "n1", "-c", "x").stdout == "'begun'\n"


def test_a_paste_of_a_megabyte_stalls_no_heartbeat_and_nobody_else(far: Far) -> None:
    with Screens(far.both.here) as here:
        other = here.open("--name", "n2@near")
        other.wait_for_end("n2@near[1]>")
        other.type(f"n = connect('n1@127.0.0.1:{far.port}'); n.state\r")
        other.wait_for_end("'up'", "n2@near[2]>")
        comes = here.run(far.ssh)
        at(comes, 1)
        comes.type("import sys; len(sys.stdin.readline()), len(sys.stdin.read(1_000_000))\r")
        comes.wait(lambda: any("n1@far[1]> import sys" in line for line in comes.lines), "echo")
        comes.type("first\r")
        other.paste("import time\nworst = 0\nfor _ in range(300):\n    begun = time.time()\n    call(int, on=n)\n"
                    "    worst = max(worst, time.time() - begun)\n    time.sleep(0.01)\n\n")  # fmt: skip
        other.type("\r")
        for _ in range(1000):
            comes.type("x" * 999 + "\r")
            other.settle()
        comes.wait(lambda: "(6, 1000000)" in "\n".join(comes.lines), "all of it", 60)
        other.wait(lambda: re.search(r"n2@near\[3\]>$", other.lines[-1]), "the end of the calls", 60)
        other.type("worst < 2.0\r")
        other.wait_for_end("True", "n2@near[4]>")
        assert not any("suspect" in line for line in other.lines)
