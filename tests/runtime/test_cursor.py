"""What stands under the cursor, from text alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.runner.cursor import Call, Cursor, Expression, Step, under


def simple(text: str) -> Expression:
    """The expression `a.b` of names and attributes."""
    first, *others = text.split(".")
    return (Step("name", first), *(Step("attribute", name) for name in others)) if text else ()


@pytest.mark.parametrize(
    ("text", "kind", "prefix", "target"),
    [
        ("", "name", "", ""),
        ("pri", "name", "pri", ""),
        ("x = pri", "name", "pri", ""),
        ("os.", "attribute", "", "os"),
        ("os.path.jo", "attribute", "jo", "os.path"),
        ("os . pa", "attribute", "pa", "os"),
        ("f().x", "", "x", ""),
        ("(a + b).x", "", "x", ""),
        ("1.", "", "", ""),
        ("12", "", "", ""),
        ("d['ke", "key", "ke", "d"),
        ("a.d[\"ke y", "key", "ke y", "a.d"),
        ("d[", "item", "", "d"),
        ("[", "name", "", ""),
        ("['x", "text", "x", ""),
        ("'/tmp/a b", "text", "/tmp/a b", ""),
        ('"""doc', "text", "doc", ""),
        ("'' + pri", "name", "pri", ""),
        ("'forgotten\nos.pa", "attribute", "pa", "os"),
        ("x  # a comm", "", "", ""),
        ("# over\npri", "name", "pri", ""),
        ("größe.wei", "attribute", "wei", "größe"),
    ],
)  # fmt: skip
def test_what_is_typed_is_told(text: str, kind: str, prefix: str, target: str) -> None:
    cursor = under(text, len(text))
    assert (cursor.kind, cursor.prefix, cursor.target) == (kind, prefix, simple(target))
    if kind:
        assert text[cursor.start :] == prefix


def test_keys_and_texts_are_steps_of_an_expression() -> None:
    assert under("a['b'][0].c.d", 13).target == (
        Step("name", "a"), Step("item", "b"), Step("item", 0), Step("attribute", "c"),
    )  # fmt: skip
    assert under("'abc'.up", 8).target == (Step("value", "abc"),)
    assert under("a[i].x", 6).target == under("f'{a}'.x", 8).target == ()


@pytest.mark.parametrize(
    ("text", "kind", "module", "prefix"),
    [
        ("import ", "module", "", ""),
        ("import os, sy", "module", "", "sy"),
        ("import os.pa", "module", "os.", "pa"),
        ("import os as o", "", "", "o"),
        ("x = 5; import so", "module", "", "so"),
        ("if x: import so", "module", "", "so"),
        ("from o", "module", "", "o"),
        ("from os.", "module", "os.", ""),
        ("from os import pa", "member", "os", "pa"),
        ("from os import (\n  a, b", "member", "os", "b"),
        ("from . import x", "member", ".", "x"),
        ("from .a.b import x", "member", ".a.b", "x"),
        ("from os import path as p", "", "os", "p"),
    ],
)
def test_what_is_imported_is_told(text: str, kind: str, module: str, prefix: str) -> None:
    cursor = under(text, len(text))
    assert (cursor.kind, cursor.module, cursor.prefix) == (kind, module, prefix)


F = simple("f")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("f(", Call(F, 0, "", (), True)),
        ("f(a, b", Call(F, 1, "", (), True)),
        ("f(a, b=", Call(F, 1, "b", (), False)),
        ("f(a=1, b=2, ", Call(F, 2, "", ("a", "b"), True)),
        ("f(a == b", Call(F, 0, "", (), False)),
        ("f(x, on='n", Call(F, 1, "on", (), False)),
        ("f(g(a, b), ", Call(F, 1, "", (), True)),
        ("f(a, [1, 2, ", Call(F, 1, "", (), False)),
        ("f(a, (1, 2, x", Call(F, 1, "", (), False)),
        ("f(\n  a,\n  b", Call(F, 1, "", (), True)),
        ("m.g(f(1), ", Call(simple("m.g"), 1, "", (), True)),
        ("f(a.b", Call(F, 0, "", (), False)),
        ("(a, b", None),
        ("f(a)", None),
        ("f(a) + [b", None),
    ],
)
def test_the_call_around_it_is_told(text: str, call: Call | None) -> None:
    assert under(text, len(text)).call == call


def test_what_is_behind_the_cursor_is_not_looked_at() -> None:
    assert under("os.pa = f(", 5) == under("os.pa", 5)


@given(st.text(alphabet="ab.([{)]}'\"\\,=:; \n#_1f", max_size=60), st.integers(0, 60))
def test_whatever_is_typed_there_is_an_answer(text: str, position: int) -> None:
    at = min(position, len(text))
    cursor = under(text, at)
    assert isinstance(cursor, Cursor)
    assert not cursor.kind or text[:at].endswith(cursor.prefix)
    assert 0 <= cursor.start <= at
