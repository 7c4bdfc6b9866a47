import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pysh
from pysh.runtime.helpers.names import exports
from tests.runtime.helpers.conftest import Printing


def test_ones_own_names_are_listed_and_no_others(shell: Printing) -> None:
    shell.cell("import json\nx = [1, 2]\ndef f(): pass\n_private = 1\nnode, task\neval('1')")
    assert [line.split() for line in shell.text("whos()").split("\n")] == [
        ["name", "type", "memory", "value"],
        ["f", "function", "160", "B", "<function", "f", "at"],
        ["json", "module", "72", "B", "<module", "'json'", "from"],
        ["x", "list", "128", "B", "[1,", "2]"],
    ] or [line.split()[0] for line in shell.text("whos()").split("\n")] == ["name", "f", "json", "x"]


def test_a_name_of_ones_own_that_shadows_a_preloaded_one_is_listed_until_it_is_deleted(shell: Printing) -> None:
    shell.cell("i = 5")
    assert "i     int" in shell.text("whos()")
    shell.cell("del i")
    assert "i     int" not in shell.text("whos()")
    assert shell.text("i").startswith("i is a function, type i() to call it: ")


def test_values_that_defend_themselves_are_listed(shell: Printing) -> None:
    shell.cell("class Bad:\n    def __repr__(self): raise SystemExit\n    __sizeof__ = __len__ = __repr__\nbad = Bad()")
    assert "it raised SystemExit" in shell.text("whos()")


def test_a_module_tells_what_it_offers() -> None:
    rows = {row["name"].partition("(")[0]: row for row in exports(json)}
    assert set(rows) == set(json.__all__)
    assert rows["loads"]["kind"] == "function"
    assert rows["loads"]["what"].startswith("Deserialize `") or rows["loads"]["what"].startswith("Deserialize ``")
    assert [row["name"] for row in exports("json")] == [row["name"] for row in exports(json)]
    assert len(exports(pysh)) == len(pysh.__all__)


def test_without_a_list_of_its_own_what_a_module_imports_is_left_out() -> None:
    made: Any = ModuleType("made")
    exec("import json\nfrom json import loads\nvalue = 5\n_hidden = 6\ndef f(a, b=2):\n    '''Does it.'''", vars(made))
    assert [tuple(row.values()) for row in exports(made)] == [
        ("f(a, b=2)", "function", "Does it"),
        ("value", "value", "5"),
    ]


def test_a_class_tells_what_it_has() -> None:
    assert "exists(self" in " ".join(row["name"] for row in exports(Path))


@pytest.mark.parametrize("m", [3, [1], None])
def test_what_has_no_names_is_told_so(m: Any) -> None:
    with pytest.raises(TypeError, match=r"exports\(\) takes a module or class, or the name of one, not"):
        exports(m)
