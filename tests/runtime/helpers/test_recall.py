from collections.abc import Iterator

import pytest

import pysh
from pysh.runtime.errors import PyshError
from tests.runtime.scripted_hub import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Shell(tmp_path_factory.mktemp("home"), cell=7) as shell:
        yield shell


@pytest.fixture
def first(shell: Shell) -> int:
    """The number of the cell that comes next."""
    return int(shell.cell("")["cell"])


def test_values_of_cells_come_back(shell: Shell, first: int) -> None:
    shell.cell("'a' * 3")
    shell.cell("x = 5")
    shell.cell("[1, 2]")
    assert shell.text(f"[_, __, _{first}, v({first}), v({first + 1}), v(-1), v()]") == (
        "[[1, 2], 'aaa', 'aaa', 'aaa', None, [1, 2], [1, 2]]"
    )


def test_the_last_error_comes_back_with_its_frames(shell: Shell) -> None:
    shell.cell("def divide(n):\n    return 1 / n")
    shell.cell("divide(0)")
    assert shell.text("_e is e() and e().__traceback__.tb_next.tb_next.tb_frame.f_locals") == "{'n': 0}"


def test_a_traceback_is_shown_again(shell: Shell, first: int) -> None:
    shell.cell("{}['absent']")
    shell.cell("1 / 0")
    shell.screen = b""
    shell.cell("tb(); tb(-2)")
    shell.see("ZeroDivisionError: division by zero\r\nTraceback")
    shell.see("    {}['absent']")
    assert "ValueError: there is no e(999): the last 5 errors are kept" in shell.text("tb(999)")


def test_a_secret_is_asked_for_unseen_and_of_somebody(shell: Shell) -> None:
    shell.screen = b""
    ref = shell.begin("word = secret('token? ')")
    shell.see("token? ")
    shell.type(b"hunter2\r")
    assert shell.done(ref)["kind"] == "none"
    assert b"hunter2" not in shell.screen
    assert shell.text("word") == "'hunter2'"
    assert "PyshError: nobody sits here who could be asked" in str(shell.ask("eval", source="secret()"))


def test_the_names_of_a_cell_are_undone(shell: Shell, first: int) -> None:
    shell.cell("undoable = [1]")
    shell.cell("undoable = 2; new = 3; _x = _")
    shell.cell("new")
    shell.cell("undo()")
    shell.see(f"cell {first + 1} undone: undoable as before; no more _x, new")
    shell.see("(names alone: objects that were changed in place stay so)")
    assert shell.text("undoable, 'new' in globals()") == "([1], False)"
    assert "undo(99): of the cells that bound names only " in shell.text("undo(99)")
    assert "undo() takes how many cells, as undo(2), not str; nothing was changed" in shell.text("undo('x')")


def test_what_comes_with_a_start_is_of_no_cell(shell: Shell, first: int) -> None:
    shell.cell("import pysh.shell.prelude; pysh.shell.prelude.provide_all(globals()); late = 1")
    shell.cell("undo()")
    shell.see(f"cell {first} undone: no more late\r\n")


def test_a_cut_value_says_how_to_see_the_rest_and_these_ways_work(shell: Shell, first: int) -> None:
    done = shell.cell("list(range(1500))")
    assert done["footer"] == f"… the rest: v({first})[1000:2000], full({first}), page({first})"
    assert shell.text(f"v({first})[1000:2000][-2:]") == "[1498, 1499]"
    shell.cell(f"full({first})")
    shell.see("1497, 1498, 1499]")


def test_what_is_not_cut_has_no_footer(shell: Shell) -> None:
    assert "footer" not in shell.cell("[1]")


def test_a_pager_shows_what_it_is_given_and_may_end_early(shell: Shell, first: int) -> None:
    shell.cell("import os; os.environ['PAGER'] = 'head -c 20'")
    assert shell.cell("page(list(range(1_000_000)))")["kind"] == "none"
    shell.see("[0, 1, 2, 3, 4, 5, 6")
    shell.cell("page('a text')")
    shell.see("a text")


def test_through_a_pipe_and_in_plain_lines_there_is_no_pager(shell: Shell) -> None:
    shell.cell("import os; os.environ['PAGER'] = 'false'")
    shell.done(shell.begin("page('no ' + 'pager')", {"person": False}))
    shell.see("no pager")
    shell.done(shell.begin("page('none ' + 'here')", {"plain": True}))
    shell.see("none here")


def test_a_name_of_a_value_that_never_was_is_explained(shell: Shell) -> None:
    assert "there is no cell 999 yet" in shell.text("_999")


def test_what_was_typed_by_others_is_no_cell(shell: Shell) -> None:
    shell.cell("'mine'")
    assert shell.ask("eval", source="'theirs'")["ok"]["text"] == "'theirs'"
    assert shell.text("_") == "'mine'"


def test_in_a_script_they_say_that_they_belong_to_a_shell() -> None:
    for ask in (pysh.v, pysh.e, pysh.full, lambda: pysh.page(3)):
        with pytest.raises(PyshError, match=r"is for a shell, .* Nothing ran"):
            ask()
