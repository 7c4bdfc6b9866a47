import ast
import importlib
import textwrap
import warnings
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.shell.enter import Newline, Run, Wrong, enter, pasted, unindented, whole_line


def pressed(text: str) -> Run | Newline | Wrong:
    """What Enter does where `|` stands in `text`, or at its end."""
    before, bar, after = text.partition("|")
    return enter(before + after, len(before) if bar else len(text))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", ""),
        ("1 + 1", "1 + 1"),
        ("1 +| 1", "1 + 1"),
        ("await t", "await t"),
        ("async with x: await y\n", "async with x: await y"),
        ("  secret()", "secret()"),
        ("# a remark", "# a remark"),
        ("x = 1; y = 2", "x = 1; y = 2"),
        ("def f():\n    return 1\n", "def f():\n    return 1"),
        ("def f():\n    x = 1\n    ", "def f():\n    x = 1"),
        ("for x in y: print(x)\n", "for x in y: print(x)"),
        ("[1,\n 2]", "[1,\n 2]"),
        ("'''a\nb'''", "'''a\nb'''"),
        ("def f():\n    return 1\nf()", "def f():\n    return 1\nf()"),
        ("if x:\n    y|\n\n", None),
        ("    def f():\n        return 1\n    ", "def f():\n    return 1"),
        ("return 1", "return 1"),
    ],
)
def test_enter_runs_what_is_complete(text: str, source: str | None) -> None:
    assert pressed(text) == (Newline("    ") if source is None else Run(source))


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("def f():", "    "),
        ("def f():  # why", "    "),
        ("class A:\n    def f(self):", "        "),
        ("def f():\n    x = 1", "    "),
        ("def f():\n    return 1", ""),
        ("def f():\n    for x in y:\n        break", "    "),
        ("def f():\n    returned = 1", "    "),
        ("if x:\n    pass\nelse:", "    "),
        ("for x in y: print(x)", ""),
        ("@decorated", ""),
        ("x = [", "    "),
        ("x = [\n    1,", "    "),
        ("f(a,\n  b,", "  "),
        ("x = {1: 2,  # a: b", "    "),
        ("s = '''", ""),
        ("def f():\n    '''doc", ""),
        ("x = 1 + \\", ""),
        ("try:\n    x\n", ""),
        ("match x:\n    case 1:", "        "),
        ("if x:\n    ", "    "),
        ("if x:\n    \n    ", "    "),
        ("if x:\n", "    "),
        ("def f():\n    raise E", ""),
        ("for x in y:\n    continue", ""),
        ("def f():\n    pass", ""),
        ("def f():\n    while x:\n        continue", "    "),
        ("def f():\n    x| = 1\n    y = 2", "    "),
        ("def f():\n    x = 1|\n    y = 2", "    "),
    ],
)
def test_enter_goes_on_with_what_is_not(text: str, indent: str) -> None:
    assert pressed(text) == Newline(indent)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("1 +* 2", 3, "invalid syntax"),
        ("  1 +* 2", 5, "invalid syntax"),
        ("x = 'abc", 4, "unterminated string"),
        ("def f():\n    a b\n", 15, "invalid syntax"),
        ("x = )", 4, "unmatched"),
        ("x\0", 0, "null bytes"),
    ],
)
def test_enter_points_at_what_can_never_be_right(text: str, position: int, words: str) -> None:
    verdict = pressed(text)
    assert isinstance(verdict, Wrong)
    assert (verdict.position, words in verdict.message) == (position, True)


def test_a_doubtful_escape_is_no_reason_to_warn_twice() -> None:
    assert pressed(r"'\d'") == Run(r"'\d'")


PROGRAMS = (
    "def f(a, b=2):\n    if a:\n        return [\n            b,\n        ]\n    return {1: '''x\ny'''}\n",
    "async with a as b:\n    await b(\n        c,\n    )\n",
    "class A:\n    @property\n    def x(self):\n        while x:\n            break\n        else: pass\n",
    "try:\n    x\nexcept* E as e:\n    raise\nfinally:\n    y = f'{x!r:>{w}}' \\\n        'z'\n",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_typing_a_program_line_by_line_never_ends_it_early(program: str) -> None:
    lines = program.rstrip("\n").split("\n")
    for count in range(1, len(lines)):
        head = "\n".join(lines[:count])
        assert isinstance(enter(head, len(head)), Newline), head
    assert enter(program, len(program)) == Run(program.rstrip())


@settings(deadline=None)
@given(st.sampled_from(PROGRAMS), st.data())
def test_enter_inside_a_program_never_runs_half_of_it(program: str, data: st.DataObject) -> None:
    text = program.rstrip("\n")
    cursor = data.draw(st.integers(0, text.rindex("\n")))
    assert isinstance(enter(text, cursor), Newline)


def is_wrong(source: str) -> bool:
    """Whether CPython says that `source` is wrong, whatever might follow it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<test>", "exec", PyCF_ONLY_AST | PyCF_ALLOW_TOP_LEVEL_AWAIT | 0x4000)
    except SyntaxError as error:
        return error.msg != "incomplete input"
    return False


MODULES = ("textwrap", "bisect", "contextlib", "dataclasses", "functools", "heapq", "asyncio.locks", "ast")
"""Real programs: what people paste and type."""


@settings(deadline=None)
@given(st.sampled_from(MODULES), st.data())
def test_no_prefix_of_valid_code_is_an_error_unless_cpython_says_so(module: str, data: st.DataObject) -> None:
    source = Path(str(importlib.import_module(module).__file__)).read_text()
    statements = [each for each in ast.parse(source).body if not isinstance(each, ast.Expr)]
    code = ast.get_source_segment(source, data.draw(st.sampled_from(statements))) or ""
    head = code[: data.draw(st.integers(0, len(code)))]
    verdict = enter(head, len(head))
    assert isinstance(verdict, Wrong) <= is_wrong(head)


@settings(deadline=None)
@given(st.sampled_from(MODULES), st.data())
def test_no_line_end_within_valid_code_is_an_error(module: str, data: st.DataObject) -> None:
    source = Path(str(importlib.import_module(module).__file__)).read_text()
    statements = [each for each in ast.parse(source).body if not isinstance(each, ast.Expr)]
    lines = (ast.get_source_segment(source, data.draw(st.sampled_from(statements))) or "").split("\n")
    head = "\n".join(lines[: data.draw(st.integers(1, len(lines)))])
    assert not isinstance(enter(head, len(head)), Wrong)


@settings(deadline=None)
@given(st.text(alphabet="ab():[]'\"\\ \n\t#=,0+@{}", max_size=30), st.integers(0, 30))
def test_enter_has_an_answer_for_any_text(text: str, cursor: int) -> None:
    verdict = enter(text, min(cursor, len(text)))
    if isinstance(verdict, Wrong):
        assert 0 <= verdict.position <= len(text)
    if isinstance(verdict, Newline):
        assert not verdict.indent.strip()


@pytest.mark.parametrize(
    ("text", "inserted"),
    [
        ("x = 1\n", "x = 1"),
        ("x = 1", "x = 1"),
        ("x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        ("def f():\r    return 1\r", "def f():\n    return 1\n"),
        (">>> def f():\n...     return 1\n...\n>>> f()\n1\n", "def f():\n    return 1\n\nf()\n"),
        ("node1@localhost[3]> t = task(f)\n", "t = task(f)"),
        ("node1@host-1.org[3]> def f():\n                ...     return 1\n", "def f():\n    return 1\n"),
        ("n1@here#2[12]> x\n", "x"),
        ("(w1 suspect) n1@here[12]> x\n", "x"),
        ("(2 nodes suspect) n1@here[12]> x\n", "x"),
        (
            "In [1]: def f():\n   ...:     return 1\n   ...:\n\nIn [2]: f()\nOut[2]: 1\n",
            "def f():\n    return 1\n\nf()\n",
        ),
        ("iex(1)> x = 1\n1\niex(n1@here)2> x +\n...(n1@here)2> 1\n2\n", "x = 1\nx +\n1\n"),
        ("    >>> x = 1\n    >>> x\n    1\n", "x = 1\nx\n"),
        ("    if x:\n\n        y\n", "if x:\n\n    y\n"),
        ("\tif x:\n\t\ty = '\t'\n", "if x:\n\ty = '\t'\n"),
        ("    x = 1", "x = 1"),
        ("x = 1\n    y = 2", "x = 1\n    y = 2"),
        ("def f():\n    ...", "def f():\n    ..."),
        ("x >>> y", "x >>> y"),
        ("...", ""),
        ("", ""),
    ],
)
def test_a_paste_loses_its_prompts_and_results(text: str, inserted: str) -> None:
    assert pasted(text) == inserted


@pytest.mark.parametrize(
    ("text", "inserted"),
    [
        ("a\nb", "a\n    b"),
        ("  a\n  b\n", "a\n    b\n    "),
        ("if x:\n    y", "if x:\n        y"),
        ("if x:\n        y\n", "if x:\n        y\n"),  # copied from behind the margin on
        ("a\n    b", "a\n    b"),
        (">>> a\n>>> b", "a\n    b"),
    ],
)
def test_a_paste_behind_a_margin_gets_it(text: str, inserted: str) -> None:
    assert pasted(text, "    ") == inserted


def test_a_paste_behind_code_is_left_as_it_is() -> None:
    assert pasted("    a\n    b", "x = ") == "    a\n    b"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (b"2+2\r", "2+2"),
        (b"2+2\rrest", "2+2"),
        (b"\r", ""),
        (b"2+2", None),
        (b"def f():\r", None),
        (b"x = )\r", None),
        (b"\x1b[A\r", None),
        (b"x\x7fy\r", None),
        ("'ä'\r".encode(), None),
    ],
)
def test_a_whole_line_needs_no_editor(typed: bytes, line: str | None) -> None:
    assert whole_line(typed) == line


def test_a_common_margin_goes() -> None:
    assert unindented("    if x:\n\n        y\n") == "if x:\n\n    y\n"
    assert unindented("    if x:\n  y") == "    if x:\n  y"
    assert unindented(textwrap.dedent("if x:\n    y")) == "if x:\n    y"


@pytest.mark.parametrize("text", ["!ls -l", " !vim x", "x?", "obj.attr??", "?x", " x? ", "?", "d['a'].b?", "[1,\n2]?"])
def test_enter_sends_a_question_and_a_command(text: str) -> None:
    assert pressed(text) == Run(text.strip())


def test_a_question_mark_elsewhere_is_a_mistake() -> None:
    assert isinstance(pressed("x = y?"), Wrong)


def test_a_question_typed_ahead_is_a_line() -> None:
    assert whole_line(b"x?\rmore") == "x?"
