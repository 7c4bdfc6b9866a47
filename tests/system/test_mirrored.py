"""Several terminals at one shell, each on a real pty: everybody sees what is done there, and nobody holds it up."""

import signal

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, until
from tests.system.prompts import held


def at(cell: int) -> str:
    """The prompt of that number, the first one being that at which two terminals are."""
    return f"n1@localhost[{cell + 1}]>"


def two(screens: Screens) -> tuple[Terminal, Terminal]:
    """Two terminals at the first prompt of one shell, which a cell has made sure is there."""
    first = screens.open("--name", "n1@localhost")
    first.wait_for_end(at(0))
    first.type("0\r")
    first.wait_for_end(at(1))
    second = screens.open("attach", "n1")
    second.wait_for_end(at(1))
    return first, second


def test_each_terminal_sees_the_cells_of_the_other_and_keeps_what_is_half_typed(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    second.type("half")
    second.wait_for_end(f"{at(1)} half")
    first.type("print('out'); 6 * 7\r")
    shown = [f"{at(1)} print('out'); 6 * 7", "out", "42"]
    first.wait_for_end(*shown, at(2))
    second.wait_for_end(*shown, f"{at(2)} half")
    second.type("\x7f\x7f\x7f\x7fx = _ + 1; x\r")
    for terminal in first, second:
        terminal.wait_for_end(*shown, f"{at(2)} x = _ + 1; x", "43", at(3))
    first.type("def f():\rreturn x\r\r")
    first.wait_for_end(at(4))
    second.wait_for(f"{at(3)} def f():", " " * 13 + "...     return x")
    second.wait_for_end(at(4))
    first.type("1 / 0\r")
    for terminal in first, second:
        terminal.wait_for_end("ZeroDivisionError: division by zero", at(5))
    first.type("\x04")
    first.wait_exit()
    assert first.lines[-1] == "n1@localhost stays; back to it with: pysh attach n1"
    second.type("f()\r")
    second.wait_for_end("43", at(6))
    second.type("exit()\r")
    assert second.wait_exit() == 0
    until(lambda: not home.nodes(), "the end of n1")


def test_a_cell_has_the_keys_of_who_typed_it_and_the_others_ctrl_c(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    first.type("input('name? ')\r")
    for terminal in first, second:
        terminal.wait_for_end(f"{at(1)} input('name? ')", "name?")
    second.type("2 + 3")
    first.type("me\r")
    first.wait_for_end("name? me", "'me'", at(2))
    second.wait_for_end("name? me", "'me'", f"{at(2)} 2 + 3")
    second.type("\r")
    for terminal in first, second:
        terminal.wait_for_end("5", at(3))
    first.type("import time; time.sleep(60)\r")
    second.wait_for_end(f"{at(3)} import time; time.sleep(60)")
    second.type("\x03")
    for terminal in first, second:
        terminal.wait_for_end("KeyboardInterrupt", at(4))
    first.type("input('name? ')\r")
    second.wait_for_end("name?")
    first.process.send_signal(signal.SIGHUP)
    first.wait_exit()
    second.type("you\r")
    second.wait_for_end("name? you", "'you'", at(5))


def test_a_cell_is_suspended_where_it_was_typed_and_fetched_by_anybody(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    first.type("import asyncio, os\r")
    first.wait_for_end(at(2))
    first.type("async def work():\rwhile not os.path.exists('go'): await asyncio.sleep(0.01)\rreturn 42\r\r")
    first.wait_for_end(at(3))
    first.type("await work()\r")
    second.wait_for_end(f"{at(3)} await work()")
    second.type("\x1a2 + 3")
    first.type("\x1a")
    said = "job 1 goes on: await work(); fg(1) brings it back"
    first.wait_for_end(said, at(4))
    second.wait_for_end(said, f"{at(4)} 2 + 3")
    second.type("\x7f\x7f\x7f\x7f\x7ffg(1)\r")
    first.wait_for_end(f"{at(4)} fg(1)")
    (home.folder / "go").touch()
    for terminal in first, second:
        terminal.wait_for_end("42", at(5))


def test_who_presses_ctrl_c_in_vain_may_kill_the_shell_though_another_typed_the_cell(
    home: Home, screens: Screens
) -> None:
    first, second = two(screens)
    first.type(held("begun") + "\r")
    second.wait_for_end("begun")
    second.type("\x03\x03\x03")
    second.wait_for_end("k: kill the shell (lost: all its bindings), any other key: wait")
    second.type("k")
    for terminal in first, second:
        terminal.wait(lambda t=terminal: "was killed from its terminal" in " ".join(t.lines), "the end of the shell")
    first.type("6 * 7\r")
    second.wait_for("42")


def test_cells_of_two_run_one_after_the_other(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    first.type("import os, time\r")
    second.wait_for_end(at(2))
    first.wait_for_end(at(2))
    first.process.send_signal(signal.SIGSTOP)  # so that it hears of nothing
    first.type("'first'\r")
    second.type("while not os.path.exists('go'): time.sleep(0.01)\r\r")
    second.wait_for(f"{at(2)} while not os.path.exists('go'): time.sleep(0.01)")
    first.process.send_signal(signal.SIGCONT)
    first.wait_for(f"{at(2)} 'first'")
    second.type("'second'\r")  # which waits here, and is no input of the cell
    (home.folder / "go").touch()
    for terminal in first, second:
        terminal.wait(lambda terminal=terminal: {"'first'", "'second'"} <= {*terminal.lines}, "both results")
        terminal.wait_for_end(at(5))
    second.type("1 + 1\r")
    for terminal in first, second:
        terminal.wait_for_end(f"{at(5)} 1 + 1", "2", at(6))


def test_who_watches_sees_all_and_types_nothing(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    watcher = screens.open("attach", "n1", "--watch")
    told = "watching n1@localhost; Ctrl-C or Ctrl-D leaves"
    watcher.wait_for_end(told)
    watcher.type("x = 1\r")
    first.type("print('out'); 6 * 7\r")
    shown = [f"{at(1)} print('out'); 6 * 7", "out", "42"]
    watcher.wait_for_end(told, *shown)
    second.type("input('name? ')\r")
    watcher.wait_for_end(*shown, f"{at(2)} input('name? ')", "name?")
    watcher.type("it\r")
    second.type("me\r")
    watcher.wait_for_end("name? me", "'me'")
    first.wait_for_end("'me'", at(3))
    first.type("import time; time.sleep(60)\r")
    watcher.wait_for_end(f"{at(3)} import time; time.sleep(60)")
    watcher.type("\x03")
    assert watcher.wait_exit() == 0
    assert watcher.modes == watcher.found
    first.type("\x03")
    for terminal in first, second:
        terminal.wait_for_end("KeyboardInterrupt", at(4))
    first.type("x\r")
    second.wait(lambda: any("NameError: name 'x'" in line for line in second.lines), "error")
    second.wait_for_end(at(5))
    last = screens.open("attach", "--watch", "n1")
    last.wait_for_end(told)
    for terminal in first, second:
        terminal.type("\x04")
        terminal.wait_exit()
    assert last.wait_exit() == 5


def test_a_terminal_that_is_stuck_holds_up_nobody_and_is_told_what_it_missed(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    second.process.send_signal(signal.SIGSTOP)
    first.type("for n in range(20_000): print('line', n)\r\r")
    first.wait(lambda: first.lines[-2:] == ["line 19999", at(2)], "all lines", 30)
    second.process.send_signal(signal.SIGCONT)
    second.wait(lambda: any("bytes not shown: this terminal was too slow" in line for line in second.lines), "count")
    second.type("6 * 7\r")
    for terminal in first, second:
        terminal.wait_for_end(f"{at(2)} 6 * 7", "42", at(3))


def test_a_pipe_joins_and_has_what_comes_of_its_own_cells_alone(home: Home, screens: Screens) -> None:
    first, _ = two(screens)
    done = home.pysh("attach", "n1", stdin="print('out')\n6 * 7\n")
    assert (done.returncode, done.stdout) == (0, "out\n42\n"), done.stderr
    first.wait_for_end(f"{at(1)} print('out')", "out", f"{at(2)} 6 * 7", "42", at(3))
    first.type("import os; os.get_terminal_size()\r")
    first.wait_for_end("os.terminal_size(columns=100, lines=30)", at(4))


def test_when_all_are_lost_what_nobody_saw_is_shown_once_to_the_next(home: Home, screens: Screens) -> None:
    first, second = two(screens)
    first.type("import os, threading, time; x = 'kept'\r")
    first.wait_for_end(at(2))
    first.paste("def later():\n while not os.path.exists('go'): time.sleep(0.01)\n print('printed', flush=True)\n\n")
    first.type("\r")
    first.wait_for_end(at(3))
    first.type("t = threading.Thread(target=later); t.start()\r")
    for terminal in first, second:
        terminal.wait_for_end(at(4))
    for terminal in first, second:
        terminal.process.kill()
        terminal.wait_exit()
    (home.folder / "go").touch()
    home.pysh("rpc", "n1", "-c", "t.join()")
    third = screens.open("attach", "n1")
    third.wait_for_end("printed", at(4))
    fourth = screens.open("attach", "n1")
    fourth.wait_for_end(at(4))
    assert fourth.lines == [at(4)]
    fourth.type("x\r")
    for terminal in third, fourth:
        terminal.wait_for_end("'kept'", at(5))
