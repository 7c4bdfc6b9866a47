"""From the object of an actor to one of a newer class: its state, and the version that it is told."""

import sys
from asyncio import CancelledError
from types import ModuleType
from typing import Any

import pytest

from pysh.runtime import codechange, trees
from pysh.runtime.codechange import (
    BACK,
    CHANGE,
    CHANGED,
    CURRENT,
    KEEP,
    KEPT,
    TRY,
    Change,
    Fate,
    found_again,
    state_of,
    told,
    version,
    with_state,
)  # fmt: skip
from pysh.runtime.errors import NodeDown
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.swapped import Swapped

SOURCE = Pid(b"1" * 16, 1)


class Plain:
    def __init__(self, x: Any = 1) -> None:
        self.x = x


class Slots:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x = 1


class Own:
    def __init__(self) -> None:
        self.x = 1

    def __getstate__(self) -> Any:
        return self.x

    def __setstate__(self, state: Any) -> None:
        self.x = state


@pytest.mark.parametrize("made", [Plain(), Slots(), Own()])
def test_what_the_state_of_one_was_is_the_state_of_the_other(made: Any) -> None:
    assert with_state(type(made), state_of(made)).x == 1


def test_the_state_of_a_plain_object_is_a_copy() -> None:
    made = Plain()
    state_of(made).clear()
    assert made.x == 1


@pytest.mark.parametrize("state", [None, 5, "text", ({}, 5), (1, 2, 3)])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(TypeError, match="no state of Plain"):
        with_state(Plain, state)


def test_the_version_is_what_the_class_or_its_module_says_else_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    module, top = ModuleType("cc_shop.goods"), ModuleType("cc_shop")
    cls: Any = type("Shelf", (), {"__module__": "cc_shop.goods"})
    assert version(cls()) == ""
    monkeypatch.setitem(sys.modules, "cc_shop", top)
    monkeypatch.setitem(sys.modules, "cc_shop.goods", module)
    monkeypatch.setitem(trees.bound, "cc_shop", trees.Tree("cc_shop", "/", {}))
    assert version(cls()) == trees.bound["cc_shop"].hash
    for place, told_by in ((top, "1"), (module, 2), (cls, "3")):
        place.__version__ = told_by
        assert version(cls()) == str(told_by)


def test_a_class_is_found_by_its_name_or_not_at_all() -> None:
    assert found_again(Plain) is Plain
    local: Any = type("Local", (), {"__module__": __name__, "__qualname__": "f.<locals>.Local"})
    for missing in (local, type("version", (), {"__module__": __name__, "__qualname__": "version"})):
        with pytest.raises(Exception, match="there is no class"):
            found_again(missing)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("x"), "KeyError: 'x'"), (ValueError(), "ValueError"),
        (NodeDown("n2", "shutdown", text="n2 is away"), "NodeDown: n2 is away"),
    ],
)  # fmt: skip
def test_why_is_told_in_a_line(error: Exception, text: str) -> None:
    assert told(error) == text


def test_modules_are_put_back_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    old, below = ModuleType("cc_shop"), ModuleType("cc_shop.goods")
    monkeypatch.setitem(sys.modules, "cc_shop", old)
    monkeypatch.setitem(sys.modules, "cc_shop.goods", below)
    tree = trees.Tree("cc_shop", "/", {})
    monkeypatch.setitem(trees.bound, "cc_shop", tree)
    swapped = Swapped(["cc_shop", "cc_money"])
    swapped.take_out()
    assert not [name for name in sys.modules if name.startswith("cc_")]
    for name in ("cc_shop", "cc_money"):
        trees.bound[name] = trees.Tree(name, "/new", {})
        sys.modules[name] = ModuleType(name)
    swapped.put_back()
    assert sys.modules["cc_shop"] is old
    assert sys.modules["cc_shop.goods"] is below
    assert "cc_money" not in sys.modules
    assert trees.bound["cc_shop"] is tree
    assert "cc_money" not in trees.bound


class Codes:
    """Stands for those of a worker: the class `Plain` here becomes `New`, and the other way round."""

    def __init__(self, new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.new = new
        self.monkeypatch = monkeypatch

    def swap(self, code: dict[str, str], hub: Pid) -> Any:
        codes, old = self, Plain
        self.monkeypatch.setattr(sys.modules[__name__], "Plain", self.new)

        class Back:
            def put_back(self) -> None:
                codes.monkeypatch.setattr(sys.modules[__name__], "Plain", old)

        return Back()
        yield


class Client:
    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self.meant = True

    def ask(self, verb: str, **asked: Any) -> bool:
        assert (verb, list(asked)) == ("meant", ["code"])
        return self.meant


def called(function: Any, *args: Any) -> Any:
    return function(*args)


def newer(**names: Any) -> Any:
    return type("Plain", (), {"__module__": __name__, "__qualname__": "Plain", **names})


def change_to(new: Any, monkeypatch: pytest.MonkeyPatch, *, meant: bool = True) -> Change:
    for name in CODE:
        monkeypatch.setitem(trees.bound, name, trees.Tree(name, "/", {}))
    client: Any = Client(Codes(new, monkeypatch))
    client.meant = meant
    return Change(client, called)


CODE = {__name__.partition(".")[0]: "1" * 64}


def test_code_of_which_a_process_has_nothing_new_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, change = Plain(), change_to(newer(), monkeypatch)
    same = {name: trees.bound[name].hash for name in CODE}
    assert change.run(made, CHANGE, {**same, "other": "1" * 64}, SOURCE) == (made, Fate(CURRENT))


def test_an_object_goes_over_and_back_with_what_happened_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Plain
    new = newer(code_change=lambda version, state: {"x": [state["x"]]}, __version__="2")
    monkeypatch.setattr(old, "code_change", lambda version, state: {"x": (version, state["x"])}, raising=False)
    change = change_to(new, monkeypatch)
    made, fate = change.run(old(5), TRY, CODE, SOURCE)
    assert (type(made), made.x, fate) == (new, [5], Fate(CHANGED))
    made.x.append(6)
    made, fate = change.run(made, BACK, CODE, SOURCE)
    assert (type(made), made.x, fate) == (old, ("2", [5, 6]), Fate(CHANGED))
    assert change.run(made, BACK, CODE, SOURCE) == (made, Fate(CURRENT))


def test_back_to_a_class_without_code_change_it_is_as_it_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Plain(5)
    change = change_to(newer(code_change=lambda version, state: {"x": 6}), monkeypatch)
    made, _ = change.run(before, TRY, CODE, SOURCE)
    made, fate = change.run(made, BACK, CODE, SOURCE)
    assert (made, made.x, fate.what) == (before, 5, CHANGED)
    assert "as it was before" in fate.why


@pytest.mark.parametrize(("first", "then"), [(TRY, KEEP), (CHANGE, KEEP), (CHANGE, ""), (TRY, CHANGE), (TRY, TRY)])
def test_what_is_final_does_not_go_back(first: str, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change = change_to(newer(code_change=lambda version, state: state), monkeypatch)
    made, fate = change.run(Plain(5), first, CODE, SOURCE)
    assert fate == Fate(CHANGED)
    if then:
        with monkeypatch.context() as patched:
            patched.setattr(codechange, "is_current", lambda code: True)
            assert change.run(made, then, CODE, SOURCE) == (made, Fate(CURRENT))
    assert change.run(made, BACK, CODE, SOURCE) == (made, Fate(CURRENT))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({}, "its class has no code_change"),
        ({"code_change": lambda version, state: 1 / 0}, "ZeroDivisionError: division by zero"),
        ({"code_change": lambda version, state: sys.exit("no")}, "SystemExit: no"),
        ({"code_change": lambda version, state: state.clear()}, "TypeError: code_change() returned None"),
        ({"code_change": lambda: {}}, "TypeError: "),
        ({"code_change": lambda version, state: (_ for _ in ()).throw(CancelledError("old"))}, "CancelledError: old"),
    ],
)
def test_whatever_goes_wrong_leaves_it_as_it_was(names: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, before = Plain, Plain(5)
    change = change_to(newer(**names), monkeypatch)
    made, fate = change.run(before, CHANGE, CODE, SOURCE)
    assert (made, made.x, fate.what) == (before, 5, KEPT)
    assert fate.why.startswith(why)
    assert Plain is old
    assert change.run(made, BACK, CODE, SOURCE) == (made, Fate(CURRENT))


def test_what_is_overtaken_by_another_push_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    old, before = Plain, Plain(5)
    made, fate = change_to(newer(), monkeypatch, meant=False).run(before, CHANGE, CODE, SOURCE)
    assert (made, fate) == (before, Fate(KEPT, "something else was pushed meanwhile"))
    assert Plain is old


def test_one_whose_class_was_not_pushed_keeps_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trees.bound, "other", trees.Tree("other", "/", {}))
    _, fate = change_to(newer(), monkeypatch).run(Plain(), CHANGE, {"other": "1" * 64}, SOURCE)
    assert fate == Fate(KEPT, f"its class is of {__name__}, which was not pushed")


def test_one_that_began_with_the_code_has_nothing_to_go_back_to_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    change = change_to(newer(), monkeypatch)
    made = Plain()
    monkeypatch.setattr(codechange, "is_current", lambda code: True)
    assert change.run(made, TRY, CODE, SOURCE) == (made, Fate(CURRENT))
    assert change.run(made, BACK, CODE, SOURCE) == (made, Fate(KEPT, "it began with that"))
