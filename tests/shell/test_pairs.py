"""Brackets and quotes that close by themselves."""

import ast
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.shell.pairs import KEYS, is_empty_pair, typed, within
from tests.shell.conftest import Shell

LEFT, BACKSPACE = "\x1b[D", "\x7f"


def keys(text: str, before: str = "", behind: str = "") -> str:
    """What stands there after the keys of `text`, with the cursor as `|`."""
    for key in text:
        if key in KEYS:
            done = typed(key, before, behind)
            whole, at = before + done.text + behind, len(before) + len(done.text) + done.right
        elif key == "<":
            both = is_empty_pair(before, behind)
            whole, at = before[:-1] + behind[both:], len(before) - 1
        else:
            whole, at = before + key + behind, len(before) + 1
        before, behind = whole[:at], whole[at:]
    return f"{before}|{behind}"


@pytest.mark.parametrize(
    ("typed_keys", "shown"),
    [
        ("f(", "f(|)"),
        ("f()", "f()|"),
        ("f(x)", "f(x)|"),
        ("f([{", "f([{|}])"),
        ("f([1])", "f([1])|"),
        ("x = '", "x = '|'"),
        ("x = 'a'", "x = 'a'|"),
        ('f"', 'f"|"'),
        ("rb'", "rb'|'"),
        ("don't", "don't|"),
        ("'('", "'('|"),
        ("# it's (", "# it's (|"),
        ("'''", "'''|"),
        ('"""a', '"""a|'),
        (")", ")|"),
        ("(<", "|"),
        ("'<", "|"),
        ("((<", "(|)"),
        ("''<", "'|"),
    ],
)
def test_what_opens_is_closed_and_what_is_closed_is_passed(typed_keys: str, shown: str) -> None:
    assert keys(typed_keys) == shown


@pytest.mark.parametrize(
    ("key", "before", "behind", "shown"),
    [
        ("(", "", "name", "(|name"),
        ("'", "", "name", "'|name"),
        ("(", "f", " + 1", "f(|) + 1"),
        (")", "f((1", ")", "f((1)|)"),
        (")", "f(1", ")", "f(1)|"),
    ],
)
def test_nothing_is_put_around_a_name_and_a_bracket_that_is_missing_is_typed(
    key: str, before: str, behind: str, shown: str
) -> None:
    assert keys(key, before, behind) == shown


@pytest.mark.parametrize(
    ("before", "where"),
    [
        ("", ""),
        ("x", ""),
        ("'a", "'"),
        ("'a'", ""),
        ("'a\\'", "'"),
        ("'a\\\\'", ""),
        ("'a\n", ""),
        ('"""a\nb', '"""'),
        ('"""a"""', ""),
        ('"""', '"""'),
        ("# a", "#"),
        ("# a\n", ""),
        ("'#", "'"),
    ],
)
def test_it_is_known_whether_the_cursor_is_in_a_string_or_a_remark(before: str, where: str) -> None:
    assert within(before) == where


SOURCES = [
    "f(a, [1, 2], {'k': \"v\"})",
    "x['a'](b)[0]",
    "print('it', \"don't\", r'\\d')",
    "s = '''a(b'''",
    "d = {}  # it's",
]


@pytest.mark.parametrize("source", SOURCES)
def test_code_that_is_typed_from_left_to_right_stands_there_as_typed(source: str) -> None:
    before, behind = keys(source).split("|")
    assert (before + behind).startswith(source)
    assert ast.dump(ast.parse(before + behind)) == ast.dump(ast.parse(source))


@given(st.text("()[]{}'\"a\\# ", max_size=30))
def test_no_key_is_lost_and_nothing_that_stood_there(text: str) -> None:
    shown = keys(text).replace("|", "", 1)
    left = iter(shown)
    assert all(key in left for key in text)


def test_it_is_off_unless_somebody_wants_it(shell: Shell) -> None:
    shell.type("f(")
    shell.prompt(1, "f(")


def test_keys_close_what_they_open_and_pastes_stay_as_they_are(open_shell: Callable[..., Shell]) -> None:
    shell = open_shell(settings="autopair=True")
    shell.prompt(1)
    shell.type("x")
    shell.prompt(1, "x")
    shell.wait(lambda: shell.hub.asked, "editor")
    for key, shown in (("(", "x()"), ("'", "x('')"), ("a", "x('a')"), ("'", "x('a')"), (")", "x('a')")):
        shell.type(key)
        shell.wait_for_end(f"node1@localhost[1]> {shown}")
    shell.type("\x03")
    shell.prompt(1)
    shell.paste("f(a, '(")
    shell.prompt(1, "f(a, '(")
    shell.type("\x03")
    shell.prompt(1)
    shell.type("g(h[1], 'x'")
    shell.wait(lambda: shell.lines[-1].startswith("node1@localhost[1]> g(h[1], 'x'"))
