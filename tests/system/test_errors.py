"""Errors of other nodes as somebody at a prompt sees them."""

from collections.abc import Iterator

import pytest

from tests.system.conftest import Home, Screens
from tests.system.prompts import HERE, Prompt


@pytest.fixture
def prompt(home: Home, screens: Screens) -> Iterator[Prompt]:
    for name in ("n2@localhost", "n3@localhost"):
        home.node(name)
    terminal = screens.open("--rm", "--name", HERE)
    yield Prompt(terminal, "n2@localhost", "n3@localhost")
    terminal.type("\x04")


def test_a_traceback_over_three_nodes_is_one_with_the_source_of_each_frame(prompt: Prompt) -> None:
    prompt("Node('n2@localhost').run('connect(\"n3@localhost\")')")
    prompt("def inner(x):\n    return {'a': x}['b']\ndef outer(x):\n    return call(inner, x, on='n3')")
    assert prompt("call(outer, 5, on='n2')") == [
        "Traceback (most recent call last):",
        '  File "<n1@localhost:4>", line 1, in <module>',
        "    call(outer, 5, on='n2')",
        '  File "<n1@localhost:3>", line 4, in outer, on n2@localhost',
        "    return call(inner, x, on='n3')",
        "           ^^^^^^^^^^^^^^^^^^^^^^^",
        '  File "<n1@localhost:3>", line 2, in inner, on n3@localhost',
        "    return {'a': x}['b']",
        "           ~~~~~~~~^^^^^",
        "KeyError: 'b'",
    ]


def test_what_was_meant_is_found_on_the_node_that_has_the_names(prompt: Prompt) -> None:
    prompt("def f():\n    counter = 1\n    return countr")
    assert prompt("call(f, on='n2')")[-1] == "NameError: name 'countr' is not defined. Did you mean: 'counter'?"
    prompt("Node('n3@localhost').run('def greet(): pass')")
    last = prompt("Node('n3@localhost').eval('gret()')")[-1]
    assert last == "RemoteError: NameError: name 'gret' is not defined (on n3@localhost). Did you mean: 'greet'?"


def test_a_group_that_failed_elsewhere_is_shown_with_its_members_frames(prompt: Prompt) -> None:
    prompt(
        "import asyncio\nasync def bad(n): raise ValueError(f'bad {n}')\nasync def all_of():\n"
        "    async with asyncio.TaskGroup() as g:\n        for n in range(2): g.create_task(bad(n))"
    )
    shown = prompt("call(all_of, on='n2')")
    assert shown[0] == "  + Exception Group Traceback (most recent call last):"
    assert '  |   File "<n1@localhost:2>", line 4, in all_of, on n2@localhost' in shown
    assert shown.count('    |   File "<n1@localhost:2>", line 2, in bad, on n2@localhost') == 2
    assert "    | ValueError: bad 1" in shown


def test_what_an_error_elsewhere_was_raised_from_is_shown_before_it_with_its_node(prompt: Prompt) -> None:
    prompt("Node('n2@localhost').run('connect(\"n3@localhost\")')")
    prompt(
        "def inner(x):\n    return {}[x]\ndef outer(x):\n    try:\n        return call(inner, x, on='n3')\n"
        "    except KeyError as error:\n        raise ValueError(f'no {x}') from error"
    )
    assert prompt("call(outer, 5, on='n2')") == [
        "Traceback (most recent call last):",
        '  File "<n1@localhost:3>", line 5, in outer, on n2@localhost',
        "    return call(inner, x, on='n3')",
        "           ^^^^^^^^^^^^^^^^^^^^^^^",
        '  File "<n1@localhost:3>", line 2, in inner, on n3@localhost',
        "    return {}[x]",
        "           ~~^^^",
        "KeyError: 5",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        '  File "<n1@localhost:4>", line 1, in <module>',
        "    call(outer, 5, on='n2')",
        '  File "<n1@localhost:3>", line 7, in outer, on n2@localhost',
        "    raise ValueError(f'no {x}') from error",
        "ValueError: no 5",
    ]


def test_an_attribute_that_was_meant_is_found_where_the_object_is(prompt: Prompt) -> None:
    prompt("class Model:\n    def predict(self): pass\ndef f():\n    return Model().predcit()")
    last = prompt("call(f, on='n2')")[-1]
    assert last == "AttributeError: 'Model' object has no attribute 'predcit'. Did you mean: 'predict'?"
