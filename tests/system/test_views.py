"""What moves on a terminal, as a person sees it: notices, bars, and the live view; with real nodes."""

from collections.abc import Iterator

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, ok

ONE = "n1@localhost"
HELD = """\
async def told():
while 'none' in (text := await aio.quiet('error')): await asyncio.sleep(0.1)
print('told:', text)

import asyncio; watching = asyncio.create_task(told())
""".replace("\n", "\r")
"""Waits in the background for a notice that is held back; Enter indents."""


@pytest.fixture
def shell(home: Home, screens: Screens) -> Iterator[Terminal]:
    """A shell n1 at its third prompt, connected to a node w1."""
    home.node("w1@localhost")
    shell = screens.open("--name", ONE)
    shell.wait_for_end(f"{ONE}[1]>")
    shell.type("w1 = connect('w1@localhost')\r")
    shell.wait_for_end(f"{ONE}[2]>")
    shell.type("import time\r")
    shell.wait_for_end(f"{ONE}[3]>")
    yield shell
    shell.type("\x03\x04y")


def sees(shell: Terminal, *texts: str) -> None:
    """Wait until lines of the screen have these `texts`, each somewhere."""
    shell.wait(lambda: all(any(text in line for line in shell.lines) for text in texts), f"{texts}")


def test_a_task_that_nobody_waits_for_and_fails_is_told_above_what_is_being_typed(shell: Terminal) -> None:
    shell.type("t = task(lambda: time.sleep(0.6) or int('bad'), on=w1)\r")
    shell.wait_for_end(f"{ONE}[4]>")
    shell.type("half of a")
    sees(shell, " <lambda> on w1 failed after ", "ValueError: invalid literal for int()")
    shell.wait_for_end(f"{ONE}[4]> half of a")


def test_a_failure_that_the_cell_looked_at_is_told_once(shell: Terminal) -> None:
    shell.type("try: task(int, 'bad', on=w1).result()\rexcept ValueError: pass\r\r")
    shell.wait_for_end(f"{ONE}[4]>")
    shell.type("ts = [task(int, 'bad', on=w1) for _ in range(500)]; ended = wait(ts)\r")
    sees(shell, "500 tasks failed; the first that failed: task")
    assert sum("failed" in line for line in shell.lines) == 1


def test_quiet_holds_notices_back_and_says_how_many(shell: Terminal) -> None:
    shell.type("quiet('error')\r")
    sees(shell, "no notices until quiet(False); none was held back")
    shell.type("t = task(int, 'bad', on=w1)\r")
    shell.wait_for_end(f"{ONE}[5]>")
    shell.type(HELD)
    sees(shell, "told: no notices until quiet(False); 1 was held back (1 error)")
    shell.type("quiet(False)\r")
    sees(shell, "notices are shown; none was held back")
    assert not any("failed after" in line for line in shell.lines)


def test_progress_is_a_bar_here_and_a_live_line_from_a_task(shell: Terminal) -> None:
    shell.type("for _ in progress(range(40), label='here'): time.sleep(0.05)\r\r")
    sees(shell, "here", "s left")
    sees(shell, "here:  40 in ")
    shell.wait_for_end(f"{ONE}[4]>")
    shell.type("t = task(lambda: sum(time.sleep(0.05) or 1 for _ in progress(range(40), label='there')), on=w1)\r")
    sees(shell, "w1 | there", "s left")
    sees(shell, "w1 | there:  40 in ")
    shell.wait_for_end(f"{ONE}[5]>")


def test_top_shows_what_runs_kills_a_task_and_leaves_the_screen_as_it_was(shell: Terminal) -> None:
    shell.type("t = task(lambda: [print('line', i) or time.sleep(0.05) for i in range(9999)], on=w1)\r")
    sees(shell, "w1 | line 3")
    shell.type("quiet('error')\rbox = spawn(lambda: receive(), on=w1, name='box')\rtop()\r")
    sees(shell, "[nodes 2]", "n1@localhost  self", "w1@localhost  up", "1/2")
    shell.type("\t")
    sees(shell, "[processes 2]", "<w1.")
    shell.type("\x1b[B")
    sees(shell, "><w1.")
    shell.type("\t")
    sees(shell, "[tasks 1]", "w1@localhost  <lambda>  task")
    shell.type("s")
    sees(shell, "stack of task", 'File "<n1@localhost:3>", line 1 in')
    shell.type("qo")
    sees(shell, "output of task", "line 1")
    shell.resize(12, 60)
    shell.wait(lambda: "q back" in shell.lines[-1] and len(shell.lines) == 12, "the picture of a smaller window")
    shell.resize(30, 100)
    shell.type("qk")
    sees(shell, "kill task", "? y/n")
    shell.type("n")
    sees(shell, "nothing was ended", "[tasks 1]")
    shell.type("ky")
    sees(shell, "[tasks 0]", "no tasks", "is killed")
    shell.type("\x03")
    shell.wait_for_end(f"{ONE}[7]>")
    opened, left = shell.raw.rindex(b"\x1b[?1049h"), shell.raw.rindex(b"\x1b[?1049l")
    assert opened < left  # pyte has no second screen to show it by
    assert not shell.screen.cursor.hidden
    shell.type("t.status, input('name? ')\r")
    sees(shell, "name?")
    shell.type("x\r")
    sees(shell, "('cancelled', 'x')")


def test_a_node_that_hangs_is_silent_in_top_and_holds_up_nothing(shell: Terminal, home: Home) -> None:
    hub = psutil.Process(next(node["pid"] for node in home.nodes() if node["node"] == "w1@localhost"))
    shell.type("top()\r")
    sees(shell, "[nodes 2]", "w1@localhost  up")
    hub.suspend()
    try:
        shell.wait(lambda: any("silent" in line or "suspect" in line for line in shell.lines), "a silent node")
        shell.type("\t")
        sees(shell, "[processes ")
        shell.type("q")
        shell.wait(lambda: shell.lines[-1].endswith(f"{ONE}[4]>"), "prompt")
    finally:
        hub.resume()


def test_without_a_terminal_top_prints_one_picture(home: Home, n2: str) -> None:
    told = ok(
        home.script(
            f"connect('{n2}')\nt = task('time:sleep', 60, on='{n2}')\nimport time\n"
            "while t.status != 'running': time.sleep(0.05)\ntop()\nt.cancel(0)\n"
        )
    )
    assert "n2@localhost  up" in told
    assert "time:sleep" in told
    assert "\x1b" not in told


def test_a_plain_terminal_gets_one_picture_too(home: Home) -> None:
    home.node(ONE)
    told = ok(home.pysh("attach", "n1", stdin="top()\n"))
    assert "n1@localhost  self" in told
    assert "\x1b" not in told


def test_trees_are_drawn_at_the_prompt(shell: Terminal) -> None:
    shell.type("nodes().tree()\r")
    shell.wait_for_end(f"{ONE}[4]>")
    own, below = shell.lines[-3:-1]
    assert own == " n1@localhost  self"
    assert below.startswith(" └─ w1@localhost  up")
    shell.type("s = supervise([Child('a', receive), Child('b', receive)], on=w1); await s.tree()\r")
    sees(shell, " supervisor <w1.", " ├─ a  <w1.", " └─ b  <w1.")


def test_a_node_that_comes_and_goes_is_told_above_what_is_being_typed(shell: Terminal, home: Home) -> None:
    shell.type("half of a")
    shell.wait_for_end(f"{ONE}[3]> half of a")
    ok(home.script("connect('n1@localhost')", "--name", "visitor@localhost"))
    sees(shell, "visitor@localhost is up: it connected to this node", "visitor@localhost is down: ")
    shell.wait_for_end(f"{ONE}[3]> half of a")
