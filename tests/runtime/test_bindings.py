"""What names meant before a cell: which are looked at, what is kept, and what comes back."""

import io
import threading
from functools import partial
from typing import Any

import pytest

from pysh.runtime.helpers.recall import undone
from pysh.runtime.runner import bindings
from pysh.runtime.runner.bindings import Bindings, Undone, bound, bound_inside, judged
from pysh.runtime.runner.cells import Namespace


class Shell:
    """Runs cells as an evaluator does, and undoes them."""

    def __init__(self) -> None:
        self.namespace = Namespace()
        self.names = self.namespace.names
        self.bindings = Bindings(self.names, lambda name: name == "preloaded")
        self.number = 0

    def __call__(self, source: str, **meanwhile: Any) -> None:
        self.number += 1
        codes = self.namespace.compile(source, f"<cell {self.number}>")
        self.bindings.begin(self.number, codes)
        self.names.update(meanwhile)
        try:
            for code in codes:
                eval(code, self.names)
        except ZeroDivisionError:
            pass
        self.bindings.end()

    def undo(self, cells: int = 1) -> list[Undone]:
        return self.bindings.undo(cells)

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in self.names.items() if not name.startswith("__")}


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.mark.parametrize(
    ("source", "names", "inside"),
    [
        ("x = y.z = 1; y[0] = 2", {"x"}, set()),
        ("for i in a: pass\nimport os.path, sys as s\nfrom m import (n, o as p)", {"i", "os", "s", "n", "p"}, set()),
        ("def f(a=b): c = 1\nclass C:\n  d = 1", {"f", "C"}, set()),
        ("del q\nwith r as t: pass\n(u := 1)", {"q", "t", "u"}, set()),
        ("def f():\n  global g\n  def inner():\n    global h\n    del h\n  g = 1", {"f"}, {"g", "h"}),
        ("[x for x in y if (w := x)]", set(), {"w"}),
        ("x + y", set(), set()),
        ("\n".join(f"v{n} = 1" for n in range(600)), {f"v{n}" for n in range(600)}, set()),
    ],
)
def test_the_names_that_a_cell_binds_are_read_from_its_code(source: str, names: set[str], inside: set[str]) -> None:
    code = compile(source, "<cell>", "exec")
    assert {*bound(code)} | {*bound_inside(code)} == names | inside
    assert inside <= {*bound_inside(code)} | {*bound(code)}


def test_names_that_were_bound_anew_deleted_or_new_are_as_they_were(shell: Shell) -> None:
    shell("a = 1; b = 2")
    shell("a = 10; del b; c = 30")
    assert shell.undo() == [Undone(2, ["a", "b"], ["c"], {})]
    assert shell.shown() == {"a": 1, "b": 2}


def test_cells_are_undone_from_the_last_that_bound_a_name(shell: Shell) -> None:
    for source in ("a = 1", "a = 2", "a", "print", "a = 3"):
        shell(source)
    assert [one.cell for one in shell.undo(2)] == [5, 2]
    assert shell.shown() == {"a": 1}
    shell.undo()
    assert shell.shown() == {}


def test_a_cell_that_raised_is_undone_too(shell: Shell) -> None:
    shell("a = 1; 1 / 0; b = 2")
    assert shell.undo()[0].gone == ["a"]


def test_what_a_cell_binds_by_other_ways_is_undone(shell: Shell) -> None:
    shell("a = 1\ndef f():\n    global a, b\n    a = b = 2")
    for source in ("f()", "exec('a = b = 2')", "globals().update(a=2, b=2)"):
        shell(source)
        assert (shell.names["a"], shell.names["b"]) == (2, 2)
        shell.undo()
        assert (shell.names["a"], "b" in shell.names) == (1, False), source
    shell("from os.path import *")
    assert "basename" in shell.undo()[0].gone


def test_what_comes_meanwhile_and_is_nobodys_is_left_alone(shell: Shell) -> None:
    shell("a = 1", preloaded=print, _7=7, _e=ValueError())
    assert shell.undo() == [Undone(1, [], ["a"], {})]
    assert {"preloaded", "_7", "_e"} <= {*shell.names}


def test_a_cell_that_undoes_is_none_that_can_be_undone(shell: Shell) -> None:
    shell("a = 1")
    shell("a = 2")
    shell.names["undo"] = shell.bindings.undo
    shell("b = undo()")
    assert shell.names["a"] == 1
    assert [one.cell for one in shell.undo()] == [1]


@pytest.mark.parametrize("cells", [0, -1, 3])
def test_so_many_cells_that_are_not_kept_are_refused(shell: Shell, cells: int) -> None:
    shell("a = 1")
    shell("a = 2")
    with pytest.raises(ValueError, match="only 1, 2 can be undone; nothing was changed"):
        shell.undo(cells)
    assert shell.shown() == {"a": 2}
    with pytest.raises(ValueError, match="none can be undone"):
        Shell().undo()


def test_as_many_cells_are_kept_as_there_is_room_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(bindings.CELLS + 5):
        shell(f"a = {number}")
    with pytest.raises(ValueError, match="only 6, "):
        shell.undo(bindings.CELLS + 1)
    monkeypatch.setattr(bindings, "BYTES", 5_000)
    for _ in range(4):
        shell("a = bytes(2_000)")
    assert len(shell.undo(2)) == 2
    with pytest.raises(ValueError, match="none can be undone"):
        shell.undo()


class Elsewhere:
    __module__ = "torchlike"

    def forward(self) -> None:
        pass


class Net(Elsewhere):
    __module__ = "__main__"


class Own:
    __module__ = "__main__"

    def __init__(self, held: object) -> None:
        self.held = held


def closing_over(value: object) -> Any:
    return lambda: value


def nested(value: object, depth: int) -> object:
    for _ in range(depth):
        value = [value]
    return value


def raised() -> BaseException:
    try:
        raise ValueError
    except ValueError as error:
        return error


MAY = "of torchlike, which may hold what is to be let go of"


class Closed:
    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1, ""),
        ({"a": [1]}, ""),
        (print, ""),
        (Closed, ""),
        (io, ""),
        (io.StringIO(), "it was a StringIO, which is let go of"),
        (threading.Lock(), "it was a lock, which is let go of"),
        ((n for n in ()), "it was a generator, which is let go of"),
        (bytes(100_000_000), "it took 95.4 MiB"),
        (Net(), f"it was a Net {MAY}"),
        ({"net": [Net()]}, f"it held a Net {MAY}"),
        (Own(Net()), f"it held a Net {MAY}"),
        (Net().forward, f"it held a Net {MAY}"),
        (partial(Net().forward), f"it held a Net {MAY}"),
        (closing_over(Net()), f"it held a Net {MAY}"),
        (closing_over(1), ""),
        ([io.StringIO()], "it held a StringIO, which is let go of"),
        (raised(), "it held a traceback, with all that its frames hold"),
        (nested(1, 250), "it held more than is looked at"),
        ([{"id": n, "name": str(n)} for n in range(60)], ""),
        ({n: str(n) for n in range(10_000)}, ""),
        ([[float(n) for n in range(500)] for _ in range(90)], ""),
        (pytest.raises(ValueError, match="x"), "of _pytest, which may hold what is to be let go of"),
    ],
)
def test_what_somebody_may_wait_to_see_go_is_not_kept(value: object, why: str) -> None:
    assert (judged(value)[0] == "") == (why == "")
    assert why in judged(value)[0]


class Lies(type):
    @property
    def __module__(self) -> str:  # type: ignore[override]
        raise LookupError

    __mro__ = __name__ = __module__  # type: ignore[assignment]


def test_no_code_of_the_users_is_asked(shell: Shell) -> None:
    class Meant(metaclass=Lies):
        __module__ = "__main__"

        @property
        def __class__(self) -> Any:
            raise LookupError

        def __sizeof__(self) -> int:
            raise LookupError

        def __eq__(self, _: object) -> bool:
            raise LookupError

    for value in (Meant, Meant()):
        shell.names["a"] = value
        shell("a = 1")
        assert shell.undo()[0].cell == shell.number


def test_a_value_that_is_not_kept_is_told_and_left_alone(shell: Shell) -> None:
    shell("import io; a = io.StringIO()")
    shell("b = 1")
    shell("a = None; b = 2")
    one = shell.undo()[0]
    assert (one.back, one.left) == (["b"], {"a": "it was a StringIO, which is let go of"})
    assert shell.names["a"] is None
    assert [*undone(one)] == ["cell 3 undone: b as before", "  a stays: it was a StringIO, which is let go of"]


def test_a_shell_of_ten_thousand_names_is_not_walked(shell: Shell) -> None:
    class Names(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("it was")

        items = keys = values = __iter__

    names = Names({f"n{number}": number for number in range(10_000)})
    kept = Bindings(names)
    for number, source in enumerate(("x = n5", "n5 = 6", "exec('1')")):
        kept.begin(number + 1, [compile(source, "<cell>", "exec")])
        kept.end()
