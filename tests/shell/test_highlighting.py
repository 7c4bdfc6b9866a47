import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.document import Document
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.python import PythonLexer

from pysh.shell.editing.highlighting import LONGEST, Highlighting, closes, opened

STRING = "class:pygments.literal.string"


def strings(text: str, lexer: Highlighting | PygmentsLexer) -> list[str]:
    """Each line of `text` with a mark for every character: `s` in a string, `c` in a comment."""
    line = lexer.lex_document(Document(text))
    marks = {STRING: "s", "class:pygments.comment": "c"}

    def mark(style: str) -> str:
        return next((mark for name, mark in marks.items() if style.startswith(name)), ".")

    return ["".join(mark(part[0]) * len(part[1]) for part in line(number)) for number in range(text.count("\n") + 1)]


@pytest.mark.parametrize("module", ["textwrap", "bisect", "dataclasses", "functools", "heapq", "asyncio.locks"])
def test_real_code_looks_as_if_it_was_read_from_its_beginning(module: str) -> None:
    text = Path(str(importlib.import_module(module).__file__)).read_text()[:LONGEST]
    assert strings(text, Highlighting()) == strings(text, PygmentsLexer(PythonLexer, sync_from_start=True))


@pytest.mark.parametrize(
    ("line", "quotes"),
    [
        ("x = 1", ""),
        ('x = """doc', '"""'),
        ("x = '''doc", "'''"),
        ('x = """doc"""', ""),
        ('x = """a""" + """b', '"""'),
        ('x = \'"""\'', ""),
        ('# """', ""),
        ('"#" + """', '"""'),
        (r'"""\"""', '"""'),
        ("'it", ""),
        ("x = '''a\\", "'''"),
    ],
)
def test_it_is_known_which_string_a_line_leaves_open(line: str, quotes: str) -> None:
    assert opened(line) == quotes


def test_a_string_ends_behind_its_own_quotes() -> None:
    assert closes("a''' \"\"\" b", '"""') == 8
    assert closes(r'a \""" b', '"""') == -1


def test_a_change_within_a_string_changes_what_is_below_it() -> None:
    highlighting = Highlighting()
    assert strings('x = """\na\n"""\nb', highlighting) == ["....sss", "s", "sss", "."]
    assert strings('x = ""\na\n"""\nb', highlighting) == ["....ss", ".", "sss", "s"]


def test_a_text_that_is_too_long_is_not_coloured_and_whole() -> None:
    text = "'x'\n" * (LONGEST // 4 + 1)
    line = Highlighting().lex_document(Document(text))
    assert line(0) == [("", "'x'")]
    assert line(10**6) == []


@given(st.text(alphabet="ab\"'\\#\n (f{}", max_size=40))
def test_of_no_text_a_character_is_lost(text: str) -> None:
    line = Highlighting().lex_document(Document(text))
    shown = ["".join(part[1] for part in line(number)) for number in range(text.count("\n") + 1)]
    assert "\n".join(shown) == text
