"""`attach("n2")` at the prompt of n1: the same terminal at another shell, and back."""

import signal

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Machines, Screens, until


def shell(screens: Screens, name: str) -> Terminal:
    """A terminal on the shell of a new node, after its first cell."""
    opened = screens.open("--name", f"{name}@localhost")
    opened.wait_for_end(f"{name}@localhost[1]>")
    opened.type("x = node().name\r")
    opened.wait_for_end(f"{name}@localhost[2]>")
    return opened


def test_a_terminal_goes_over_to_another_shell_and_comes_back(home: Home, screens: Screens) -> None:
    there = shell(screens, "n2")
    here = shell(screens, "n1")
    here.type("connect('n2').name; attach('n2'); print('last')\r")
    here.wait_for_end("last", "at n2@localhost; Ctrl-D comes back to n1@localhost", "n2@localhost[2]>")
    colours = [here.screen.buffer[here.screen.cursor.y][0].fg, there.screen.buffer[there.screen.cursor.y][0].fg]
    assert colours == ["cyan", "default"], "the prompt of another shell than one's own looks different"
    here.type("x\r")
    for terminal in here, there:
        terminal.wait_for_end("n2@localhost[2]> x", "'n2@localhost'", "n2@localhost[3]>")
    here.type("import time, os\r")
    here.wait_for_end("n2@localhost[4]>")
    here.type("time.sl\t")
    here.wait_for_end("n2@localhost[4]> time.sleep")
    here.type("(60)\r")
    there.wait_for_end("n2@localhost[4]> time.sleep(60)")
    here.type("\x03")
    here.wait_for_end("KeyboardInterrupt", "n2@localhost[5]>")
    here.resize(20, 80)
    here.send_signal(signal.SIGWINCH)
    here.type("os.get_terminal_size()\r")
    there.wait_for_end("os.terminal_size(columns=80, lines=20)", "n2@localhost[6]>")
    here.type("\x04")
    here.wait_for_end("n1@localhost[3]>")
    here.type("x\r")
    here.wait_for_end("'n1@localhost'", "n1@localhost[4]>")
    there.type("attach('n1')\r")
    there.wait_for_end("n1@localhost[4]>")
    there.type("exit()\r")
    there.wait_for_end("n2@localhost[7]>")
    assert {node["node"] for node in home.nodes()} == {"n1@localhost", "n2@localhost"}


def test_what_is_printed_at_home_meanwhile_is_shown_once_at_the_return(home: Home, screens: Screens) -> None:
    home.node("n2@localhost")
    here = shell(screens, "n1")
    here.type("import threading, os, time\r")
    here.wait_for_end("n1@localhost[3]>")
    here.paste(
        "def later():\n while not os.path.exists('go'): time.sleep(0.01)\n print('printed'); open('done', 'w')\n\n"
    )
    here.type("\r")
    here.wait_for_end("n1@localhost[4]>")
    here.type("threading.Thread(target=later).start(); attach('n2@localhost')\r")
    here.wait_for_end("n2@localhost[1]>")
    (home.folder / "go").touch()
    until((home.folder / "done").exists, "the thread's end")
    here.type("6 * 7\r")
    here.wait_for_end("42", "n2@localhost[2]>")
    here.type("\x04")
    here.wait_for_end("n2@localhost[2]>", "printed", "n1@localhost[5]>")
    here.type("\x04")
    assert here.wait_exit() == 0
    until(lambda: [node["node"] for node in home.nodes()] == ["n2@localhost"], "the end of n1")


def test_a_node_that_cannot_be_reached_or_is_lost_leaves_the_terminal_at_home(home: Home, screens: Screens) -> None:
    home.node("n2@localhost")
    here = shell(screens, "n1")
    here.type("attach('nobody')\r")
    here.wait(
        lambda: any("pysh: nobody: no node 'nobody' runs on this machine" in line for line in here.lines), "reason"
    )
    here.wait_for_end("n1@localhost[3]>")
    here.type("attach('-oProxyCommand=x')\r")
    here.wait(lambda: any("BadName" in line for line in here.lines), "refusal")
    here.wait_for_end("n1@localhost[4]>")
    here.type("attach('n2')\r")
    here.wait_for_end("n2@localhost[1]>")
    assert home.pysh("stop", "n2").returncode == 0
    here.wait(lambda: any(line.startswith("pysh: n2:") for line in here.lines), "loss")
    here.wait_for_end("n1@localhost[5]>")
    here.type("x\r")
    here.wait_for_end("'n1@localhost'", "n1@localhost[6]>")
    assert "is for a prompt" in home.pysh("rpc", "n1", "-c", "attach('n2')").stderr
    assert "is for a prompt" in home.script("attach('n2')\n").stderr


def test_the_shell_of_another_machine_is_reached_by_the_way_that_led_to_its_node(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@there")
    with Screens(both.here) as screens:
        here = shell(screens, "n1")
        here.type("connect('w1@db1')\r")
        here.wait_for_end("n1@localhost[3]>")
        here.type("attach('w1@there')\r")
        here.wait_for_end("w1@there[1]>")
        here.type("6 * 7\r")
        here.wait_for_end("42", "w1@there[2]>")
        here.type("\x04")
        here.wait_for_end("n1@localhost[4]>")
