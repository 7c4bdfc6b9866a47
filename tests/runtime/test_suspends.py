"""Cells that go on as jobs, in a real evaluator on a real pty; the hub is the test's."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from pysh.runtime.runner import background, cells
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.jobs import Job as Cell
from pysh.runtime.runner.suspends import Suspends
from tests.runtime.scripted_hub import Shell

SETUP = """
import asyncio, time
kept = 'kept'
bell = asyncio.Event()
async def work(value=42):
    asyncio.get_running_loop().call_soon(print, 'begun')
    await bell.wait()
    bell.clear()
    if isinstance(value, BaseException): raise value
    return value
"""
FETCH = "loop = asyncio.get_running_loop(); loop.call_soon(loop.call_soon, print, 'fetched')\nfg({})"
"""Says so in the turn of the loop after the one in which that cell ends."""
RING = "loop = asyncio.get_running_loop(); loop.call_soon(loop.call_soon, bell.set)\nfg({})"
STUBBORN = """
async def stubborn():
    while True:
        try: return await work(7)
        except asyncio.CancelledError: pass
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Shell(tmp_path_factory.mktemp("home")) as shell:
        shell.cell(SETUP + STUBBORN)
        yield shell


@pytest.fixture
def shell(one: Shell) -> Iterator[Shell]:
    """A shell without jobs; it has none when the test is over, either."""
    one.published()
    one.screen = b""
    yield one
    one.frames.clear()
    one.cell("for row in jobs():\n    bell.set()\n    try: await fg(row['job'])\n    except BaseException: pass")
    one.cell("bell.clear()")
    assert one.text("jobs()").startswith("no jobs"), "left over"
    one.frames.clear()


def suspended(shell: Shell, source: str, see: str = "begun") -> dict[str, Any]:
    """Begin a cell, press Ctrl-Z once it has printed `see`; what its DONE says."""
    shell.screen = b""
    ref = shell.begin(source)
    shell.see(see)
    shell.type(b"\x1a")
    return shell.done(ref)


def notices(shell: Shell) -> list[tuple[str, str, int]]:
    told = [frame.options() for frame in shell.frames if frame.kind == Kind.NOTICE]
    return [(each["text"], each["level"], each["jobs"]) for each in told]


def number(told: dict[str, Any]) -> int:
    assert told["kind"] == "job", told
    return int(str(told["text"]).split()[1])


def test_ctrl_z_makes_a_job_of_a_cell_that_awaits_and_the_prompt_has_the_same_names(shell: Shell) -> None:
    told = suspended(shell, "await work()")
    n = number(told)
    assert (told["text"], told["jobs"]) == (f"job {n} goes on: await work(); fg({n}) brings it back", 1)
    assert shell.text("kept") == "'kept'"
    assert shell.cell("rows = jobs()")["jobs"] == 1
    assert (
        shell.text("[(row['job'], row['cell'], row['state']) for row in rows]") == f"[({n}, 'await work()', 'running')]"
    )
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert notices(shell) == [(f"job {n} done: await work() gave 42; the value itself: fg({n})", "info", 0)]
    assert "jobs" not in shell.cell("None")
    assert shell.text(f"fg({n})") == "42"
    assert shell.text("_") == "42"


def test_a_job_in_the_foreground_is_the_cell_and_ctrl_c_reaches_it(shell: Shell) -> None:
    n = number(suspended(shell, "await work()"))
    ref = shell.begin(FETCH.format(n))
    shell.see("fetched")
    shell.interrupt()
    done = shell.done(ref)
    assert (done["kind"], done["error"]) == ("error", "KeyboardInterrupt")
    assert "await bell.wait()" in done["text"]
    assert f"there is no job {n}" in shell.text(f"fg({n})")
    assert notices(shell) == []


def test_a_job_in_the_foreground_goes_back_by_ctrl_z_under_its_number(shell: Shell) -> None:
    n = number(suspended(shell, "await work()"))
    assert number(suspended(shell, FETCH.format(n), "fetched")) == n
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text("fg()") == "42"


def test_a_job_that_fails_says_so_and_its_traceback_is_fetched(shell: Shell) -> None:
    n = number(suspended(shell, "await work(ValueError('bad'))"))
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    text = f"job {n} failed: await work(ValueError('bad')) raised ValueError: bad; its traceback: fg({n})"
    assert notices(shell) == [(text, "error", 0)]
    told = shell.cell(f"fg({n})")
    assert (told["kind"], told["error"]) == ("error", "ValueError")
    assert told["text"].startswith("Traceback (most recent call last):\n")
    assert told["text"].endswith("ValueError: bad\n")


def test_a_job_is_cancelled_by_its_number(shell: Shell) -> None:
    n = number(suspended(shell, "await work()"))
    assert shell.text(f"cancel({n})") == "True"
    shell.wait(lambda: bool(notices(shell)))
    assert notices(shell) == [(f"job {n} cancelled: await work()", "info", 0)]
    assert shell.text(f"cancel({n})") == "False"


def test_the_value_of_a_job_can_be_awaited_in_an_expression(shell: Shell) -> None:
    n = number(suspended(shell, "await work(20)"))
    shell.cell("asyncio.get_running_loop().call_later(0.01, bell.set)")
    assert shell.text(f"2 + 2 * await fg({n})") == "42"


def test_a_handle_that_is_not_what_the_cell_ends_with_stays_one(shell: Shell) -> None:
    n = number(suspended(shell, "await work()"))
    assert shell.cell(f"handle = fg({n})")["kind"] == "none"
    assert shell.text("handle").startswith(f"<job {n} running ")


def test_an_eval_of_another_node_gets_the_handle(shell: Shell) -> None:
    n = number(suspended(shell, "await work()"))
    assert shell.ask("eval", source=f"fg({n})")["ok"]["text"].startswith(f"<job {n} running ")


def test_ctrl_z_does_nothing_to_an_eval_nor_while_nothing_runs(shell: Shell, tmp_path: Path) -> None:
    os.kill(shell.process.pid, signal.SIGTSTP)
    flag = tmp_path / "flag"
    ref = shell.send(
        Kind.REQUEST,
        meta={"verb": "eval", "source": f"open({str(flag)!r}, 'w').close()\nwhile kept: await asyncio.sleep(0.01)"},
    )
    shell.wait(flag.exists)
    os.kill(shell.process.pid, signal.SIGTSTP)
    shell.pump(0.05)
    assert not [frame for frame in shell.frames if frame.ref == ref and frame.kind == Kind.REPLY]
    assert shell.ask("interrupt") == {"ok": True}
    shell.answer(Kind.REPLY, ref)


def test_a_cell_that_does_not_await_says_that_it_cannot_be_a_job(shell: Shell) -> None:
    ref = shell.begin("print('begun')\ntime.sleep(99)")
    shell.see("begun")
    shell.type(b"\x1a")
    shell.see("no job: this cell does not await, so nothing could run beside it; Ctrl-C interrupts it\r\n")
    shell.interrupt()
    assert shell.done(ref)["error"] == "KeyboardInterrupt"


def test_a_cell_that_has_the_main_thread_is_a_job_from_its_next_await_on(shell: Shell, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    ref = shell.begin(f"import os\nprint('begun')\nwhile not os.path.exists({str(flag)!r}): pass\nawait work()")
    shell.see("begun")
    shell.type(b"\x1a")
    shell.see("it goes on as a job from its next await on")
    flag.touch()
    number(shell.done(ref))


async def test_ctrl_z_after_a_cell_arrived_and_before_it_begins_is_for_that_cell() -> None:
    told: list[dict[str, Any]] = []
    code = compile("await wait()", "", "eval", cells.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    task = asyncio.create_task(cells.run(lambda: [code], {"wait": asyncio.Event().wait}))
    runs: list[Any] = []
    suspends = Suspends(cast(Any, None), Interrupts(), lambda: runs[0] if runs else None, told.append, int)
    before = signal.getsignal(signal.SIGTSTP)
    try:
        suspends.install(asyncio.get_running_loop())
        signal.raise_signal(signal.SIGTSTP)
        suspends.expect()  # what was pressed before it arrived is not for it
        suspends.begin(task)
        await asyncio.sleep(0)
        assert told == []
        suspends.expect()
        signal.raise_signal(signal.SIGTSTP)
        runs.append((Cell(Frame(Kind.CELL, LOCAL, LOCAL), "await wait()", ""), task))
        suspends.begin(task)
        await asyncio.sleep(0)
        assert [each["kind"] for each in told] == ["job"]
    finally:
        signal.signal(signal.SIGTSTP, before)
        background.TABLE.forget_cell(task)
        task.cancel()


def test_the_third_press_lets_go_of_a_cell_that_swallows_every_cancel(shell: Shell) -> None:
    ref = shell.begin("await stubborn()")
    for _ in range(3):
        shell.see("begun")
        shell.interrupt()
    told = shell.done(ref)
    n = number(told)
    assert told["text"] == f"job {n} goes on, as Ctrl-C does not end it: await stubborn(); fg({n}) brings it back"
    assert shell.text("kept") == "'kept'"
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text(f"fg({n})") == "7"


def test_three_presses_at_once_end_a_cell_that_one_ends(shell: Shell) -> None:
    ref = shell.begin("await work()")
    shell.see("begun")
    for _ in range(3):
        shell.interrupt()
        shell.pump(0.002)
    assert shell.done(ref)["error"] == "KeyboardInterrupt"


def test_no_press_hits_a_job_that_has_the_main_thread_for_an_instant(shell: Shell) -> None:
    source = """
async def hog():
    print('begun')
    await bell.wait()
    bell.clear()
    for n in range(30):
        until = time.monotonic() + 0.01
        while time.monotonic() < until: pass
        await asyncio.sleep(0)
    return n
"""
    shell.cell(source)
    n = number(suspended(shell, "await hog()"))
    ref = shell.begin("bell.set()\nprint('waits')\nawait asyncio.sleep(99)")
    shell.see("waits")
    while not any(frame.kind == Kind.DONE and frame.ref == ref for frame in shell.frames):
        shell.interrupt()
        shell.pump(0.005)
    assert shell.done(ref)["error"] == "KeyboardInterrupt"
    assert shell.text(f"await fg({n})") == "29"


def holding(shell: Shell) -> int:
    """A job that was to await, and does not; its number."""
    n = number(suspended(shell, "await work()\nprint('holds')\ntime.sleep(9)"))
    shell.cell("asyncio.get_running_loop().call_later(0.05, bell.set)")
    shell.see("holds")
    return n


def test_a_job_that_keeps_a_cell_waiting_is_named_and_interrupted_by_the_next_press(shell: Shell) -> None:
    n = holding(shell)
    ref = shell.begin("1 + 1")
    shell.interrupt()
    shell.see(f"busy with job {n}: await work() print('holds') time.sleep(9); Ctrl-C again interrupts that\r\n")
    assert not any(frame.kind == Kind.DONE and frame.ref == ref for frame in shell.frames)
    shell.interrupt()
    assert shell.done(ref)["error"] == "KeyboardInterrupt"
    shell.wait(lambda: bool(notices(shell)))
    [(text, level, jobs)] = notices(shell)
    assert "raised KeyboardInterrupt: Ctrl-C at the terminal of this shell, twice" in text
    assert (level, jobs) == ("error", 0)
    assert shell.text("kept") == "'kept'"


def test_what_asks_while_a_job_holds_the_main_thread_is_told_which(shell: Shell) -> None:
    n = holding(shell)
    told = shell.ask("eval", source="1 + 1")
    text = f"n1@here has been busy for more than 0.5 s with job {n}: await work() print('holds') time.sleep(9)"
    assert (told["text"], told["executed"]) == (text, "no")
    shell.interrupt()
    shell.see("Ctrl-C again interrupts that")
    shell.interrupt()
    shell.wait(lambda: bool(notices(shell)))
    assert shell.ask("eval", source="1 + 1")["ok"]["text"] == "2"


def test_a_job_prints_as_a_background_task_does(shell: Shell) -> None:
    shell.cell("async def talks():\n    print('begun')\n    await bell.wait()\n    print('said later')")
    suspended(shell, "await talks()")
    shell.cell("bell.set()")
    shell.see("said later")


def test_what_a_job_defines_is_callable_by_name(shell: Shell) -> None:
    suspended(shell, "def before(): return 1\nawait work()\ndef after(): return 2")
    assert "before" in {told.get("name") for told, _ in shell.published()}
    shell.cell("bell.set()")
    shell.wait(lambda: "after" in {told.get("name") for told, _ in shell.published()})
    assert shell.text("before(), after()") == "(1, 2)"


def test_what_a_job_sets_for_a_while_is_not_so_for_the_cells_that_follow(shell: Shell) -> None:
    suspended(shell, "import decimal\nwith decimal.localcontext(prec=5): await work()")
    assert shell.text("decimal.getcontext().prec") == "28"
    shell.cell("decimal.getcontext().prec = 30")
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text("decimal.getcontext().prec") == "30"


def test_a_cell_leaves_the_terminal_as_it_found_it_when_it_goes_on(shell: Shell) -> None:
    shell.cell("import termios, tty; before = termios.tcgetattr(0)")
    suspended(shell, "_ = tty.setcbreak(0)\nawait work()")
    assert shell.text("termios.tcgetattr(0) == before") == "True"


def test_a_job_that_leaves_the_shell_does_so_once_it_is_fetched(shell: Shell) -> None:
    n = number(suspended(shell, "await work()\nexit(3)"))
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text("kept") == "'kept'"
    assert shell.cell(f"fg({n})")["exit"] == 3


def test_a_cell_that_went_on_and_the_one_that_fetched_it_are_both_remembered_in_order(
    shell: Shell, tmp_path: Path
) -> None:
    shell.cell("await asyncio.sleep(0); 'first'")
    told = suspended(shell, "await work(77)")
    n, cell = number(told), told["cell"] - 1
    assert f"cell {cell} has come to no value yet: job {n} goes on" in shell.text(f"v({cell})")
    assert shell.text("55") == "55"
    done = shell.cell(RING.format(n))
    fetching = done["cell"] - 1
    assert done["text"] == "77"
    assert (
        shell.text(f"[v({cell}), v({fetching}), v(-1), _, __, _{cell}, _{fetching}]") == "[77, 77, 77, 77, 55, 77, 77]"
    )
    shell.cell(f"save({str(tmp_path / 'saved')!r})")
    saved = (tmp_path / "saved").read_text()
    end = saved[saved.index("'first'") :].split("\n\n")
    assert end[:4] == ["'first'", "await work(77)", "55", RING.removesuffix("\nfg({})")]


def test_what_a_job_comes_to_that_nobody_fetches_is_had_by_the_number_of_its_cell(shell: Shell, tmp_path: Path) -> None:
    told = suspended(shell, "x = await work(20)\nx + 1")
    n, cell = number(told), told["cell"] - 1
    shell.cell("'seen'")
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text(f"[_, v(-1), v({cell}), _{cell}]") == "['seen', 'seen', 21, 21]"
    shell.cell(f"save({str(tmp_path / 'saved')!r})")
    assert "x = await work(20)\nx + 1\n\n'seen'\n\n" in (tmp_path / "saved").read_text()
    assert shell.text(f"fg({n})") == "21"
    assert shell.text("_") == "21"


def test_what_a_job_raises_that_nobody_fetches_is_had_by_the_number_of_its_cell(shell: Shell) -> None:
    shell.cell("1 / 0")
    told = suspended(shell, "await work(ValueError('bad'))")
    cell = told["cell"] - 1
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert shell.text(f"e({cell}), e(), _e") == (
        "(ValueError('bad'), ZeroDivisionError('division by zero'),\n ZeroDivisionError('division by zero'))"
    )
    assert f"cell {cell} came to no value, it raised ValueError: bad: see e({cell})" in shell.text(f"v({cell})")


def test_a_cell_that_waits_for_a_job_has_looked_at_it(shell: Shell) -> None:
    n = number(suspended(shell, "await work(5)"))
    assert shell.cell(f"asyncio.get_running_loop().call_soon(bell.set)\nx = await fg({n})")["kind"] == "none"
    assert shell.text("x") == "5"
    assert notices(shell) == []


def test_where_a_task_waits_for_a_job_its_end_is_told_and_nothing_to_fetch(shell: Shell) -> None:
    n = number(suspended(shell, "await work(5)"))
    shell.cell(f"async def waits(job=fg({n})): return await job")
    shell.cell("waiting = asyncio.create_task(waits())")
    shell.cell("bell.set()")
    shell.wait(lambda: bool(notices(shell)))
    assert notices(shell) == [(f"job {n} done: await work(5) gave 5", "info", 0)]
    assert shell.text("await waiting") == "5"


def test_where_a_task_waits_for_a_job_while_another_cell_runs_its_end_is_told(shell: Shell) -> None:
    n = number(suspended(shell, "await work(5)"))
    shell.cell(f"async def waits(job=fg({n})): return await job")
    shell.cell("waiting = asyncio.create_task(waits())")
    shell.cell("bell.set(); await asyncio.wait([waiting])")
    assert notices(shell) == [(f"job {n} done: await work(5) gave 5", "info", 0)]


def test_a_job_that_fetched_itself_is_what_it_comes_to(shell: Shell) -> None:
    m = number(suspended(shell, "print('begun'); await bell.wait(); fg()"))
    assert shell.text(RING.format(m)).startswith(f"<job {m} ")
    assert shell.text("list(jobs())") == "[]"


def test_a_job_that_fetched_another_is_over_with_that(shell: Shell) -> None:
    n = number(suspended(shell, "await work(5)"))
    m = number(suspended(shell, f"print('begun'); await bell.wait(); fg({n})"))
    assert shell.text(RING.format(m)) == "5"
    assert shell.text("list(jobs())") == "[]"
