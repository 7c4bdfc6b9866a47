"""pysh in a notebook: a real Jupyter kernel, whose loop runs around every cell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Home, until
from tests.system.notebook import Notebook, opened

CONNECT = "import pysh\npysh.start(name='book@localhost')\nn2 = pysh.connect('n2@localhost')"
WAITING = """
import pathlib, time
def until(flag):
    while not pathlib.Path(flag).exists():
        time.sleep(0.01)
def waiting(go, flag):
    until(go)
    print('begun')
    until(flag)
    return 'ended'
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook whose node is connected to n2: one for all whose cells may follow each other."""
    home = Home(tmp_path_factory.mktemp("j"))
    home.node("n2@localhost")
    with opened(home) as notebook:
        notebook.value(CONNECT)
        yield notebook
    home.end()


def test_the_first_verb_in_a_notebook_starts_its_node(home: Home, n2: str) -> None:
    with opened(home) as notebook:
        assert notebook.value("import pysh\npysh.call(lambda: 6 * 7)") == "42"
        assert "n2@localhost up" in notebook.value("pysh.connect('n2@localhost')")
        assert notebook.value("pysh.call(lambda: 6 * 7, on='n2')") == "42"


def test_the_extension_gives_a_notebook_the_names_of_the_prompt(notebook: Notebook) -> None:
    assert notebook.value("%load_ext pysh\nt = task(lambda x: x * x, 5, on='n2')\nawait t") == "25"


def test_nodes_processes_and_results_are_tables_in_a_notebook(notebook: Notebook) -> None:
    shown = notebook("pysh.nodes()").html
    assert "<td>book@localhost</td><td>self</td>" in shown
    assert "<td>n2@localhost</td><td>up</td>" in shown
    assert "<td>program</td>" in notebook("pysh.processes()").html
    assert "<td>book, n2</td><td>42</td>" in notebook("pysh.call_all(lambda: 42)").html


LOOPS = """
import time
def loops():
    for n in pysh.progress(range(10), label='rows <b>'):
        if n == 5:
            time.sleep(0.7)
        elif n > 5:
            time.sleep(0.2)
    print('over')
    return n
"""


@pytest.mark.parametrize(
    ("run", "before"), [("loops()", ""), ("pysh.call(loops, on=n2)", "n2 | ")], ids=["here", "elsewhere"]
)
def test_progress_is_one_bar_that_is_written_anew_in_its_place(notebook: Notebook, run: str, before: str) -> None:
    notebook.value(LOOPS)
    cell = notebook(run)
    assert (cell.value, cell.printed) == ("9", f"{before}over\n")
    [states] = cell.bars
    assert '<progress max="100" value="60"></progress> 60% 6/10' in states[0]
    assert states[0].startswith(f'<div style="font-family: monospace">{before}rows &lt;b&gt;')
    assert len(states) >= 3
    assert states[-1].startswith(f"<pre>{before}rows &lt;b&gt;:  10 in ")


def test_a_task_is_awaited_in_a_cell(notebook: Notebook) -> None:
    assert notebook.value("t = pysh.task(lambda x: x * x, 5, on=n2)\nawait t") == "25"
    assert notebook.value("await pysh.aio.call(lambda: 'later', on=n2)") == "'later'"


def test_blocking_verbs_work_in_a_cell_that_awaits_too(notebook: Notebook) -> None:
    code = """
before = pysh.call(lambda: 'before', on=n2)
between = await pysh.task(lambda: 'between', on=n2)
t = pysh.task(lambda: 'after', on=n2)
before, between, t.result(), len(pysh.nodes())
"""
    assert notebook.value(code) == "('before', 'between', 'after', 2)"


def test_an_async_def_that_would_block_the_loop_is_told_what_to_await(notebook: Notebook) -> None:
    cell = notebook("async def f():\n    return pysh.call(lambda: 1, on=n2)\nawait f()")
    assert cell.error == "BlockingCall"
    assert "await pysh.aio.call(...)" in cell.traceback
    code = "async def f():\n    return await pysh.aio.call(lambda: 1, on=n2)\nawait f()"
    assert notebook.value(code) == "1"


def test_background_tasks_of_the_loop_go_on_between_cells(notebook: Notebook) -> None:
    notebook.value("import asyncio\nlater = asyncio.create_task(pysh.aio.call(lambda: 'done', on=n2))")
    assert notebook.value("await later") == "'done'"


def test_what_remote_code_prints_is_shown_under_its_cell_before_the_result(notebook: Notebook) -> None:
    assert notebook("pysh.call(lambda: print('from afar'), on=n2)").printed == "n2 | from afar\n"
    assert notebook("await pysh.task(lambda: print('again'), on=n2)").printed == "n2 | again\n"


def test_functions_classes_and_globals_of_the_notebook_go_by_value(notebook: Notebook) -> None:
    code = """
factor = 3
class Point:
    def __init__(self, x): self.x = x
def scaled(point): return Point(point.x * factor)
def moved(point): return scaled(point).x + 1
"""
    notebook.value(code)
    assert notebook.value("pysh.call(moved, Point(2), on=n2)") == "7"
    assert notebook.value("factor = 10\npysh.call(moved, Point(2), on=n2)") == "21"
    assert notebook.value("isinstance(pysh.call(scaled, Point(2), on=n2), Point)") == "True"


@pytest.mark.parametrize("wait", ["pysh.call(fails, on=n2)", "await pysh.task(fails, on=n2)"])
def test_a_remote_exception_has_its_own_type_and_the_line_of_its_cell(notebook: Notebook, wait: str) -> None:
    notebook.value("def fails():\n    here = {}\n    return here['no such key']")
    cell = notebook(wait)
    assert cell.error == "KeyError"
    assert "on n2@localhost:" in cell.traceback
    assert "line 3, in fails\n    return here['no such key']" in cell.traceback
    assert "/pysh/runtime/runner/" not in cell.traceback


@pytest.mark.parametrize(
    ("before", "wait", "error"),
    [
        ("", "await t", "CancelledError"),  # as with all that a cell of the kernel awaits
        ("", "t.result()", "KeyboardInterrupt"),
        ("await pysh.task(lambda: 1, on=n2)", "t.result()", "KeyboardInterrupt"),
        ("", "pysh.wait([t])", "KeyboardInterrupt"),
    ],
    ids=["await", "result", "result after await", "wait"],
)
def test_the_stop_button_ends_the_wait_and_not_the_task(
    notebook: Notebook, tmp_path: Path, before: str, wait: str, error: str
) -> None:
    notebook.value(WAITING)
    flag, go = tmp_path / "flag", str(tmp_path / "go")
    start = f"t = pysh.task(waiting, {go!r}, {str(flag)!r}, on=n2)\npathlib.Path({go!r}).touch()"
    cell = notebook.interrupted(f"{before}\n{start}\n{wait}", "begun")
    assert cell.error == error, cell.traceback
    assert notebook.value("t.status") == "'running'"
    flag.touch()
    assert notebook.value("await t") == "'ended'"


def test_the_stop_button_cancels_a_call(notebook: Notebook, tmp_path: Path) -> None:
    notebook.value(WAITING)
    cell = notebook.interrupted(f"pysh.call(waiting, {str(tmp_path)!r}, {str(tmp_path / 'never')!r}, on=n2)", "begun")
    assert cell.error == "KeyboardInterrupt"
    until(lambda: notebook.value("len(pysh.tasks(on=n2))") == "0", "the end of the call")


@pytest.mark.parametrize("now", [False, True], ids=["asked", "killed"])
def test_a_kernel_that_ends_takes_its_node_along(home: Home, n2: str, now: bool) -> None:
    before = {p.pid for p in home.processes()}
    with opened(home) as notebook:
        notebook.value(CONNECT)
        notebook.value("t = pysh.task(lambda: print('begun') or __import__('time').sleep(300))")
        assert len(home.processes()) > len(before) + 1
        notebook.manager.shutdown_kernel(now=now)
    until(lambda: {p.pid for p in home.processes()} == before, "the end of every process of the notebook's node", 5)
    assert [node["node"] for node in home.nodes()] == ["n2@localhost"]


def test_a_kernel_that_is_restarted_gets_its_name_again(home: Home, n2: str) -> None:
    with opened(home) as notebook:
        notebook.value(CONNECT)
        for now in (False, True):
            notebook.restart(now=now)
            notebook.value(CONNECT)
            assert notebook.value("[node.name for node in pysh.nodes()]") == "['book@localhost', 'n2@localhost']"
