from typing import Any

import pytest

import pysh
from pysh.shell import prelude


def provided(source: str, **own: Any) -> set[str]:
    namespace: dict[str, Any] = dict(own)
    prelude.provide(namespace, [compile(source, "<n1@here:1>", "exec")])
    return namespace.keys() - own.keys()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("1 + 1", set()),
        ("me()", {"me"}),
        ("def f():\n    return [task(me) for _ in ()]", {"me", "task"}),
        ("unknown()", set()),
        ("eval('me()')", {*pysh.__all__, "pysh"}),
        ("help(me)", {*pysh.__all__, "pysh"}),
    ],
)
def test_code_gets_the_names_it_mentions(source: str, names: set[str]) -> None:
    assert provided(source) == names


def test_a_name_of_the_users_own_is_left_alone() -> None:
    assert provided("me()", me=5) == set()


def test_every_preloaded_name_is_documented() -> None:
    namespace: dict[str, Any] = {}
    prelude.provide_all(namespace)
    assert [name for name, value in namespace.items() if callable(value) and not value.__doc__] == []


class Notebook:
    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {"me": "mine"}

    def find_line_magic(self, name: str) -> object:
        return print if name == "cd" else None

    def push(self, names: dict[str, Any], interactive: bool) -> None:
        assert not interactive
        self.user_ns |= names


def test_a_notebook_gets_all_names_but_those_it_has_and_its_magics() -> None:
    notebook = Notebook()
    prelude.load_ipython_extension(notebook)
    assert notebook.user_ns.keys() == {*pysh.__all__, "pysh"} - {"cd"}
    assert notebook.user_ns["me"] == "mine"
