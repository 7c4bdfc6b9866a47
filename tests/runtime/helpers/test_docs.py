import functools
from typing import Any

import pytest

import pysh
from pysh.runtime.errors import PyshError
from pysh.runtime.helpers import docs
from pysh.runtime.helpers.docs import described, fitted, h, listed, rendered, summary
from tests.runtime.helpers.conftest import Printing


def told(x: Any, name: str = "") -> str:
    return "\n".join(described(x, name))


def test_every_name_of_the_prompt_is_listed_once_with_what_it_does() -> None:
    lines = [line.split(maxsplit=1) for line in listed(100) if line.startswith("  ")]
    names = {name for name in pysh.__all__ if name[0].islower()} - {"aio", "all_nodes"}
    assert sorted(name for name, *_ in lines) == sorted(names)
    assert [name for name, *rest in lines if not rest] == []


def test_no_line_of_the_list_is_wider_than_the_terminal() -> None:
    assert max(map(len, listed(60))) <= 100  # the last one, which is a sentence
    assert max(len(line) for line in listed(60) if line.startswith("  ")) < 60


def test_no_name_stands_in_two_groups() -> None:
    names = " ".join(docs.GROUPS.values()).split()
    assert len(names) == len(set(names))


def test_a_function_is_told_with_its_signature_its_place_and_its_documentation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(docs, "_width", lambda: 120)
    lines = told(pysh.ping).split("\n")
    assert lines[0].startswith("ping(n: ")
    assert lines[1].startswith("  defined in pysh.runtime.api, /")
    assert (
        lines[3] == "The seconds of a round trip from here to the hub of node `n`. Raises `ConnectError`, `NodeDown`."
    )


class Thing:
    """What it is. And more."""

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    def half(self) -> int:
        """Half of it."""
        raise AssertionError("nobody asked for the value")

    def grow(self) -> None:
        """Make it larger."""


def test_a_class_is_told_with_what_it_can_do() -> None:
    lines = told(Thing).split("\n")
    assert lines[0] == "class Thing(size: int) -> None"
    assert lines[-2:] == ["  .half               Half of it", "  .grow               Make it larger"]


def test_types_are_told_without_their_modules() -> None:
    assert told(pysh.start_node).startswith("start_node(name: str | None = None, host: str | None = None,")
    assert ") -> Node\n" in told(pysh.start_node)


def test_a_signature_is_broken_between_its_parameters() -> None:
    heading = f"f({', '.join(f'parameter{n}: dict[str, int] = {{}}' for n in range(6))}) -> int"
    lines = docs.broken(heading, 80).split("\n")
    assert max(map(len, lines)) <= 80 and len(lines) > 2
    assert " ".join(line.strip() for line in lines) == heading
    assert docs.broken("f(a, b)", 80) == "f(a, b)"


def test_a_value_is_told_by_its_class() -> None:
    assert told(Thing(1), "x").startswith("x is a Thing; class Thing(size: int)")
    assert told(5).startswith("5 is an int; class int(...)")


@pytest.mark.parametrize(
    "x", [len, print, Thing.half, functools.partial(print, 1), functools.lru_cache(len), None, ...]
)
def test_anything_is_told_somehow(x: object) -> None:
    assert told(x)


class Hostile:
    def __repr__(self) -> str:
        raise ValueError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")

    @property
    def __class__(self) -> Any:
        raise RuntimeError("no")

    @property
    def __doc__(self) -> Any:
        raise RuntimeError("no")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


def test_a_metaclass_that_raises_keeps_nobody_from_being_told() -> None:
    class Odd(metaclass=Meta):
        pass

    assert "Odd" in told(Odd())


def test_of_what_defends_itself_its_class_is_told() -> None:
    assert "<Hostile: its repr raised ValueError: no> is a Hostile; class Hostile(" in told(Hostile())


@pytest.mark.parametrize(
    ("doc", "shown"),
    [
        (":param x: what\n:param int y: why", "  x: what\n  y: why"),
        ("See :class:`~a.B` and ``code``.", "See `a.B` and `code`."),
        (":returns: it\n:raises ValueError: never", "  returns: it\n  raises ValueError: never"),
        ("plain: text", "plain: text"),
    ],
)
def test_a_docstring_is_rendered(doc: str, shown: str) -> None:
    assert rendered(doc) == shown


def test_the_summary_is_the_first_sentence() -> None:
    assert summary(Thing) == "What it is"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing_at_all", "nothing is called 'nothing_at_all' here. h() lists what there is"),
        ("prnit", "nothing is called 'prnit' here; perhaps print. h() lists what there is"),
        ("json.dumpz", "json has no 'dumpz'; perhaps dump or dumps"),
        ("1 + 1", "'1 + 1' is no name, as f or json.dumps: h(x) and source(x) also take the thing itself"),
        ("", "'' is no name, as f or json.dumps: h(x) and source(x) also take the thing itself"),
    ],
)
def test_what_means_nothing_is_told_with_what_it_may_have_been(name: str, said: str) -> None:
    with pytest.raises(PyshError) as raised:
        h(name)
    assert str(raised.value).startswith(said)


def test_at_the_prompt_a_question_mark_is_help(shell: Printing) -> None:
    shell.cell("def double(n):\n    '''Twice n.'''\n    return 2 * n")
    shown = shell.printed("double?")
    assert shown.startswith("double(n)\n  defined in <n1@here:")
    assert shown.endswith(" on n1@here\n\nTwice n.\n")
    assert shell.printed("?double") == shown == shell.printed("h(double)") == shell.printed("h('double')")


def test_a_question_imports_what_it_asks_about_and_shadows_nothing(shell: Printing) -> None:
    shell.cell("h = 5; i = 6; source = 7")
    assert shell.printed("textwrap.dedent?").startswith("textwrap.dedent(text)")
    assert "def dedent(text):" in shell.printed("textwrap.dedent??")
    assert shell.text("'textwrap' in dir()") == "False"
    assert shell.text("h, i, source") == "(5, 6, 7)"
    shell.cell("del h, i, source")
    assert shell.text("callable(h) and callable(source)") == "True"


def test_a_question_about_nothing_is_an_error_without_our_frames(shell: Printing) -> None:
    assert shell.text("nothing_at_all?").split("\n") == [
        "Traceback (most recent call last):",
        f'  File "<n1@here:{shell.cell("")["cell"] - 2}>", line 1, in <module>',
        "    nothing_at_all?",
        "PyshError: nothing is called 'nothing_at_all' here. h() lists what there is",
        "",
    ]


def test_an_eval_may_ask_too(shell: Printing) -> None:
    answer = shell.ask("eval", source="len?", by="pysh rpc")["ok"]
    assert answer["output"].startswith("len(obj, /)\n  built in on n1@here")


def test_a_property_is_told_of_and_not_run(shell: Printing) -> None:
    shell.cell(
        "class Late:\n    @property\n    def value(self):\n        '''Takes long.'''\n        1 / 0\nlate = Late()"
    )
    assert shell.printed("late.value?").startswith("property late.value\n  defined in <n1@here:")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("short\nlines", "short\nlines"),
        ("one two three\nfour five six", "one two\nthree four\nfive six"),
        ("a b\n\n  in a margin as\n  is this", "a b\n\n  in a\n  margin as\n  is this"),
        ("- first of a list\n- second", "- first of\na list\n- second"),
        ("a: 1\nbcd: as wide as\ne: 2", "a: 1\nbcd: as\nwide as\ne: 2"),
    ],
)
def test_what_is_too_wide_for_the_terminal_is_broken_to_less(text: str, told: str) -> None:
    assert fitted(text, 12) == told
