"""Somebody at a prompt debugs code of another node."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from pysh.runtime.protocol.postmortem import APART, IN_SHELL, SHARED
from tests.system.conftest import CONNECT, Home, Screens, ok, until
from tests.system.prompts import HERE, Prompt

STOPS = "def f(n):\n    k = n * 2\n    breakpoint()\n    k += 1\n    return k"
LATER = """import pathlib, time
def f(begun, go):
    breakpoint()
    pathlib.Path(begun).touch()
    while not pathlib.Path(go).exists(): time.sleep(0.01)
    return 5"""
FAILS = "def f(n):\n    k = n * 2\n    return [k][5]"


@pytest.fixture
def prompt(home: Home, screens: Screens) -> Iterator[Prompt]:
    home.node("n2@localhost")
    terminal = screens.open("--rm", "--name", HERE)
    yield Prompt(terminal, "n2@localhost")
    terminal.type("\x04")


def parked(prompt: Prompt) -> None:
    """A task of the prompt waits in a breakpoint."""
    prompt(STOPS)
    prompt("t = task(f, 5, on='n2')")
    prompt.shows('n2 | breakpoint in f at <n1@localhost:2>:4 waits: debug("n2.')


def test_a_breakpoint_elsewhere_is_stepped_through_at_the_prompt_of_its_owner(prompt: Prompt) -> None:
    parked(prompt)
    assert "waits in a debugger at <n1@localhost:2>:4: debug() gets there" in "".join(prompt("why(t)"))
    prompt.type("debug()")
    prompt.shows("> <n1@localhost:2>(4)f()", "-> k += 1")
    prompt.pdb("p k", "10")
    prompt.pdb("k = 100")
    prompt.pdb("n", "-> return k")
    prompt.pdb("w", "> <n1@localhost:2>(5)f()")
    assert not any("execution.py" in line for line in prompt.terminal.lines)
    prompt.pdb("c")
    prompt.waits()
    assert prompt("t.result()") == ["101"]


def test_ctrl_c_leaves_it_waiting_and_ctrl_d_lets_it_go_on(prompt: Prompt) -> None:
    parked(prompt)
    for _ in range(2):
        prompt.type("debug()")
        prompt.pdb("p k", "10")
        prompt.terminal.wait_for_end("(Pdb)")
        prompt.terminal.type("\x03")
        prompt.shows('goes on waiting: debug("n2.')
        prompt.waits()
    prompt.type("debug(t)")
    prompt.terminal.wait_for_end("(Pdb)")
    prompt.terminal.type("\x04")
    prompt.waits()
    assert prompt("t.result()") == ["11"]


def test_ctrl_c_while_it_runs_leaves_it_running_and_its_next_stop_is_told(prompt: Prompt, home: Home) -> None:
    begun, go = home.folder / "begun", home.folder / "go"
    prompt(LATER)
    prompt(f"t = task(f, {str(begun)!r}, {str(go)!r}, on='n2')")
    prompt.shows("breakpoint in f at <n1@localhost:2>:4 waits: ")
    prompt.type("debug()")
    prompt.pdb("b 6", "Breakpoint 1 at <n1@localhost:2>:6")
    prompt.pdb("c")
    until(begun.exists, "its going on")
    prompt.terminal.type("\x03")
    prompt.shows("goes on running; a line says so if it stops again")
    prompt.waits()
    go.touch()
    prompt.shows("breakpoint in f at <n1@localhost:2>:6 waits: ")
    prompt.type("debug()")
    prompt.pdb("c")
    prompt.waits()
    assert prompt("t.result()") == ["5"]


def test_each_call_of_an_actor_tells_where_it_stops_also_after_somebody_left_while_it_ran(
    prompt: Prompt, home: Home
) -> None:
    begun, go = home.folder / "begun", home.folder / "go"
    prompt(LATER.replace("    return", "    if not go:\n        return\n    return"))
    prompt("class A:\n    m = staticmethod(f)")
    prompt("a = actor(A, on='n2')")
    prompt(f"t = a.m({str(begun)!r}, {str(go)!r})")
    prompt.shows("breakpoint in f at <n1@localhost:2>:4 waits: ")
    prompt.type("debug(a)")
    prompt.pdb("b 7", "Breakpoint 1 at <n1@localhost:2>:7")  # which is never reached
    prompt.pdb("c")
    until(begun.exists, "its going on")
    prompt.terminal.type("\x03")
    prompt.shows("goes on running; a line says so if it stops again")
    prompt.waits()
    go.touch()
    assert prompt("t.result(10)") == ["5"]
    prompt(f"t = a.m({str(begun)!r}, {str(go)!r})")
    prompt.shows("breakpoint in f at <n1@localhost:2>:4 waits: ")
    prompt.type("debug(a)")
    prompt.pdb("c")
    prompt.waits()
    assert prompt("t.result(10)") == ["5"]


def test_one_that_waits_is_ended_by_a_cancel(prompt: Prompt) -> None:
    parked(prompt)
    prompt("t.cancel()")
    assert prompt("t.exception()") == ["TaskCancelled('the task on n2@localhost was cancelled (cancel)')"]
    assert prompt("debug(t)")[-1] == "It came of no code of yours: there are no frames."


def test_the_frames_of_a_failure_elsewhere_are_there_without_a_word_before(prompt: Prompt) -> None:
    prompt(FAILS)
    prompt("call(f, 5, on='n2')")
    for typed in ("debug()", "debug(_e)"):
        prompt.type(typed)
        prompt.shows("> <n1@localhost:2>(3)f()", "-> return [k][5]")
        prompt.pdb("p k", "10")
        prompt.pdb("q")
        prompt.waits()
    prompt("t = task(f, 7, on='n2')")
    prompt("t.exception()")
    prompt.type("debug(t)")
    prompt.pdb("p k", "14")
    prompt.terminal.wait_for_end("(Pdb)")
    prompt.terminal.type("\x03")
    prompt.shows('left; the frames stay as they are: debug("n2.')
    prompt.waits()
    prompt("call(f, 9, on='n2')")  # another worker had that
    prompt.type("debug()")
    prompt.pdb("p k", "18")
    prompt.pdb("c")
    prompt.waits()


def test_a_failure_through_two_nodes_is_looked_at_where_it_was_raised(prompt: Prompt, home: Home) -> None:
    home.node("n3@localhost")
    prompt("Node('n2@localhost').run('connect(\"n3@localhost\")')")
    prompt("connect('n3@localhost')")
    prompt(FAILS + "\ndef g(n):\n    m = n + 1\n    return call(f, m, on='n3')")
    prompt("call(g, 5, on='n2')")
    prompt.type("debug()")
    prompt.shows("> waited for this one; its frames: debug(", "> <n1@localhost:4>(3)f()")
    prompt.pdb("p n", "6")
    prompt.pdb("q")
    prompt.waits()
    [caller] = [line for line in prompt.terminal.lines if "waited for this one" in line]
    prompt.type(caller[caller.index("debug(") :])
    prompt.pdb("p m", "6")
    prompt.pdb("q")
    prompt.waits()


@pytest.mark.parametrize(
    ("started", "why"),
    [
        ("task(f, 5, on='n2', isolate=True)", APART),
        ("task(f, 5, on='n2', where='shell')", IN_SHELL),
        ("spawn(g, on='n2')", SHARED),
    ],
)
def test_of_frames_that_are_gone_it_is_said_why_and_what_to_do(prompt: Prompt, started: str, why: str) -> None:
    prompt(FAILS + "\nasync def g(): f(5)")
    prompt(f"t = {started}; wait([t]) if isinstance(t, Task) else None")
    prompt.shows("IndexError: list index out of range")
    shown = "".join(prompt("debug(t)")).replace(" ", "")  # lines may be broken anywhere
    assert f"{why}. To have them: debug(True), run it again, debug()".replace(" ", "") in shown


def test_a_task_that_failed_in_the_background_is_the_last_failure_until_something_is_raised_here(
    prompt: Prompt,
) -> None:
    prompt(FAILS)
    prompt("t = task(f, 5, on='n2')")
    prompt.shows("failed")
    prompt.type("debug()")
    prompt.pdb("p k", "10")
    prompt.pdb("q")
    prompt.waits()
    prompt("missing")
    prompt.type("debug()")
    prompt.shows("-> missing")
    prompt.pdb("q")
    prompt.waits()


def test_an_owner_may_have_none_kept(prompt: Prompt) -> None:
    prompt(FAILS)
    prompt("call(f, 5, on='n2')")
    prompt("debug(keep=False)")
    assert "itsownersaiddebug(keep=False)" in "".join(prompt("debug()")).replace(" ", "")
    prompt("call(f, 5, on='n2')")
    assert "itsownerkeepsnone" in "".join(prompt("debug()")).replace(" ", "")
    prompt("debug(keep=True)")
    prompt("call(f, 8, on='n2')")
    prompt.type("debug()")
    prompt.pdb("p k", "16")
    prompt.pdb("q")
    prompt.waits()


def test_code_that_raises_waits_before_that_is_told_for_who_asked_for_it(prompt: Prompt) -> None:
    prompt(FAILS)
    prompt("debug(True)")
    prompt.type("call(f, 5, on='n2')")
    prompt.shows("n2 | IndexError: list index out of range in f at <n1@localhost:2>:3 waits: debug(")
    prompt.terminal.type("\x03")
    prompt.waits()
    prompt.shows("waits in a debugger at <n1@localhost:2>:3")
    prompt.type("debug()")
    prompt.shows("> <n1@localhost:2>(3)f()", "-> return [k][5]")
    prompt.pdb("p k", "10")
    prompt.pdb("q")
    prompt.waits()
    prompt("debug(False)")
    assert prompt("call(f, 5, on='n2')")[-1] == "IndexError: list index out of range"


def test_the_last_error_of_this_shell_is_looked_at_here(prompt: Prompt) -> None:
    prompt(FAILS)
    prompt("f(5)")
    prompt.type("debug()")
    prompt.shows("> <n1@localhost:2>(3)f()", "-> return [k][5]")
    prompt.pdb("p k", "10")
    prompt.pdb("up", "-> f(5)")
    prompt.pdb("q")
    prompt.waits()


def test_one_whose_owner_is_lost_ends(prompt: Prompt, home: Home) -> None:
    parked(prompt)
    [ours] = [node["pid"] for node in home.nodes() if node["node"] == HERE]
    os.kill(ours, signal.SIGKILL)

    def ended() -> bool:
        rows = json.loads(home.pysh("tasks", "n2", "--json").stdout)
        return all(row["status"] == "cancelled" for row in rows)

    until(ended, "the end of the task")


def test_one_whose_owner_died_alone_ends(prompt: Prompt, home: Home) -> None:
    parked(prompt)
    prompt("import os")
    prompt.type("os.kill(os.getpid(), 9)")

    def ended() -> bool:
        rows = json.loads(home.pysh("tasks", "n2", "--json").stdout)
        return all(row["status"] in ("cancelled", "failed", "lost") for row in rows)

    until(ended, "the end of the task")
    prompt.terminal.wait_for_end(f"{HERE}[5]>")


def test_where_nobody_sits_a_breakpoint_is_passed_over(home: Home) -> None:
    home.node("n2@localhost")
    code = """
def f():
    breakpoint()
    return 5
async def g():
    breakpoint()
    return 6
print(call(f, on=n2), call(g, on=n2))
p = spawn(g, on=n2, monitor=True)
print(receive(timeout=10).reason)
"""
    done = home.script(CONNECT + code)
    assert ok(done).splitlines()[-2:] == ["5 6", "normal"] or "5 6" in done.stdout
    said = done.stdout + done.stderr
    assert said.count("is passed over: nobody sits at the shell that owns it") == 2
    assert "is passed over: an async process would hold those beside it" in said


def test_what_waits_says_so_above_a_half_typed_line(prompt: Prompt, home: Home) -> None:
    go = home.folder / "go"
    prompt(
        "import pathlib, time\ndef f(go):\n    while not pathlib.Path(go).exists(): time.sleep(0.01)\n    breakpoint()"
    )
    prompt(f"t = task(f, {str(go)!r}, on='n2')")
    prompt.terminal.type("1 + ")
    prompt.terminal.wait_for_end(f"{HERE}[4]> 1 +")
    go.touch()
    prompt.shows("n2 | breakpoint in f at <n1@localhost:2>:4 waits: debug(", f"{HERE}[4]> 1 +")
    prompt.terminal.type("2\r")
    prompt.shows(f"{HERE}[4]> 1 + 2", "3", f"{HERE}[5]>")
    prompt.terminal.type("debug()\r")
    prompt.pdb("c")
    prompt.terminal.wait_for_end(f"{HERE}[6]>")


def test_what_waits_while_its_owners_terminal_is_at_another_shell_is_told_there_and_at_the_return(
    home: Home, screens: Screens
) -> None:
    for name in ("n2", "n3"):
        home.node(f"{name}@localhost")
    terminal = screens.open("--rm", "--name", HERE)
    prompt = Prompt(terminal, "n2@localhost", "n3@localhost")
    go = home.folder / "go"
    prompt(
        "import pathlib, time\ndef f(go):\n    while not pathlib.Path(go).exists(): time.sleep(0.01)\n    breakpoint()"
    )
    prompt(f"t = task(f, {str(go)!r}, on='n2')")
    prompt.type("attach('n3@localhost')")
    terminal.wait_for_end("n3@localhost[1]>")
    waits = 'n2 | breakpoint in f at <n1@localhost:2>:4 waits: debug("n2.'
    terminal.type("6 * ")
    terminal.wait_for_end("n3@localhost[1]> 6 *")
    go.touch()
    waits = "code on n2 waits in a debugger for n1@localhost"
    called = f"{waits}: Ctrl-D goes back there, and debug() to the code"
    prompt.shows(called, "n3@localhost[1]> 6 *")
    terminal.type("7\r")
    terminal.wait_for_end("42", "n3@localhost[2]>")
    terminal.type("\x04")
    prompt.waits()
    prompt.shows(waits)
    prompt.type("debug()")
    prompt.pdb("c")
    prompt.waits()
    terminal.type("\x04")
