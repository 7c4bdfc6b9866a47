import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.question import Question, question


@pytest.mark.parametrize(
    ("text", "about", "level"),
    [
        ("x?", "x", 1),
        ("?x", "x", 1),
        ("x??", "x", 2),
        ("??x", "x", 2),
        ("  x ?\n", "x", 1),
        ("obj.attr?", "obj.attr", 1),
        ("f(x)[0].y??", "f(x)[0].y", 2),
        ('d["why?"]?', 'd["why?"]', 1),
        ("'text'?", "'text'", 1),
        ("await t?", "await t", 1),
        ("[1,\n 2]?", "[1,\n 2]", 1),
        ("'\\d'?", "'\\d'", 1),
        ("?", "", 1),
        ("??", "", 1),
    ],
)
def test_a_question_mark_at_an_end_of_an_expression_asks(text: str, about: str, level: int) -> None:
    assert question(text) == Question(about, level)


@pytest.mark.parametrize(
    "text",
    [
        "x", "", "'x?'", '"""x?', "'''\nwhat?", "x = 5  # why?", "x  # why?", "# why?", "f(  # why?", "x = y?",
        "del x?", "for?", "?x?", "x???", "???", "x ? y", "x?\ny", "import x?", "\\?", "if x:\n    y?", "x := 5?",
        "?x = 5", "1 +?", "\0?", "(" * 300 + "?",
    ],
)  # fmt: skip
def test_all_else_is_left_to_python(text: str) -> None:
    assert question(text) is None


def parses(text: str) -> bool:
    try:
        compile(text, "<text>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


@given(st.text(alphabet="x?'\"#\\\n .([])=,") | st.text())
def test_no_program_is_ever_taken_for_a_question(text: str) -> None:
    assert not (parses(text.strip()) and question(text))


def test_an_error_in_what_is_asked_about_has_its_place() -> None:
    space = Namespace()
    with pytest.raises(SyntaxError) as raised:
        space.compile("x + (yield)?", "<n1@here:1>")
    assert (raised.value.lineno, raised.value.offset) == (1, 6)
