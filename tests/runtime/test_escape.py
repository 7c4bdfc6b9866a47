import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.escape import command
from tests.runtime.test_question import parses


@pytest.mark.parametrize(
    ("text", "found"),
    [("!ls -l", "ls -l"), ("  ! ls \n", "ls"), ("!!x", "!x"), ("!echo {x}?", "echo {x}?"), ("!ls | wc", "ls | wc")],
)
def test_a_line_that_begins_with_an_exclamation_mark_is_a_command(text: str, found: str) -> None:
    assert command(text) == found


@pytest.mark.parametrize("text", ["", "!", " ! ", "x", "x!", "!ls\n!ls", "!ls\nx = 1", "a != b", "'!ls'", "!a\0"])
def test_all_else_is_left_to_python(text: str) -> None:
    assert command(text) is None


@given(st.text(alphabet="!x'\"#\\\n .([])=,") | st.text())
def test_no_program_is_ever_taken_for_a_command(text: str) -> None:
    assert not (parses(text.strip()) and command(text))


def test_it_is_for_cells_alone() -> None:
    with pytest.raises(SyntaxError):
        Namespace().compile("!ls", "<n1@here:eval 1>")
    assert len(Namespace().compile("!ls", "<n1@here:1>", escapes=True)) == 1
