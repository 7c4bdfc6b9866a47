import functools
import json
from typing import Any

import pytest

import pysh
from pysh.runtime.helpers.origin import origin, source
from tests.runtime.elsewhere import Elsewhere, Prompt
from tests.runtime.helpers.conftest import Printing


def plain(n: int) -> int:
    return n + 1


@functools.wraps(plain)
def wrapped(n: int) -> int:
    return plain(n)


class Outer:
    class Inner:
        def method(self) -> int:
            return 5

    @property
    def value(self) -> int:
        return 6

    @staticmethod
    def still() -> int:
        return 7


async def coroutine() -> None: ...


@pytest.mark.parametrize(
    ("x", "begins"),
    [
        (plain, "def plain(n: int)"),
        (wrapped, "def plain(n: int)"),
        (functools.partial(plain, 1), "def plain(n: int)"),
        (functools.lru_cache(plain), "def plain(n: int)"),
        (plain.__code__, "def plain(n: int)"),
        (Outer, "class Outer:"),
        (Outer.Inner, "    class Inner:"),
        (Outer.Inner().method, "        def method(self)"),
        (Outer.value, "    @property\n"),
        (Outer.still, "    @staticmethod\n"),
        (coroutine, "async def coroutine()"),
        (json, 'r"""JSON'),
        (pysh.task, "def task("),
    ],
)
def test_the_source_is_found(x: Any, begins: str) -> None:
    assert origin(x).text.startswith(begins)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (3, "3 is a value, of type int, and has no source: source(type(x)) is that of its class"),
        (len, "<built-in function len> has no source here: it is built in, written in C, or its text is gone"),
        (int, "<class 'int'> has no source here: it is built in, written in C, or its text is gone"),
        (eval("lambda: 5"), "has no source here: it is built in, written in C, or its text is gone"),
        ([1] * 1000, "is a value, of type list, and has no source: source(type(x)) is that of its class"),
    ],
)
def test_what_has_none_is_told_so(x: Any, said: str) -> None:
    with pytest.raises(TypeError) as raised:
        source(x)
    assert str(raised.value).endswith(said)


def test_what_was_typed_is_found_functions_and_classes(shell: Printing) -> None:
    first = shell.cell("def double(n):\n    return 2 * n\n\n\nclass Pair:\n    left = 1\n    right = 2")["cell"] - 1
    assert shell.printed("source(double)") == f"# <n1@here:{first}>:1\ndef double(n):\n    return 2 * n\n"
    assert shell.printed("Pair??") == f"# <n1@here:{first}>:5\nclass Pair:\n    left = 1\n    right = 2\n"
    shell.cell("class Pair:\n    '''Another.'''")
    assert shell.printed("source(Pair)") == f"# <n1@here:{first + 5}>:1\nclass Pair:\n    '''Another.'''\n"


def test_source_takes_a_name(shell: Printing) -> None:
    assert "def dumps(" in shell.printed("source('json.dumps')")


def test_functions_and_classes_from_another_node_have_their_source() -> None:
    prompt = Prompt("n7@elsewhere")
    prompt("def far(n):\n    return n * 41\n\nclass Far:\n    size = 1\n\n    def value(self):\n        return 42")
    with Elsewhere() as there:
        assert there.call(lambda x: str(origin(x).text), prompt["far"]) == "def far(n):\n    return n * 41\n"
        assert there.call(lambda x: str(origin(x)), prompt["far"]) == "<n7@elsewhere:1>:1"
        assert there.call(lambda x: origin(x).text, prompt["Far"]) == (
            "class Far:  # only its methods are known here\n    def value(self):\n        return 42\n"
        )
