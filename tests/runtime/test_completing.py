"""What can stand under the cursor: from real objects, of which no code runs."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pysh.runtime.process import Process
from pysh.runtime.runner.completing import NOTHING, Completion, Known, complete, signature
from pysh.runtime.runner.nearby import Living
from pysh.runtime.task import Task


def texts(text: str, names: dict[str, Any] | None = None, known: Known = NOTHING) -> list[str]:
    return [each.text for each in complete(text, len(text), names or {}, known).candidates]


class Boom:
    """Anything of it that runs counts."""

    calls = 0
    plain = 1

    def __init__(self) -> None:
        self.own = 2

    def method(self, first: int, second: int = 2) -> None: ...

    @property
    def prop(self) -> int:
        Boom.calls += 1
        return 1

    def __getattr__(self, name: str) -> int:
        Boom.calls += 1
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        Boom.calls += 1
        return []

    def __repr__(self) -> str:
        Boom.calls += 1
        return ""


class Keys(dict[Any, Any]):
    def __missing__(self, key: object) -> object:
        Boom.calls += 1
        return key

    def keys(self) -> Any:
        Boom.calls += 1
        return super().keys()


class Lazy:
    """Stands for something else, as proxies do."""

    @property
    def __class__(self) -> Any:
        Boom.calls += 1
        return dict

    def __getattribute__(self, name: str) -> Any:
        Boom.calls += 1
        return object.__getattribute__(self, name)


class Meta(type):
    def __eq__(cls, other: object) -> bool:
        Boom.calls += 1
        return False

    __hash__ = type.__hash__


@pytest.mark.parametrize("text", ["x.", "x[", 'x["', "x(", "x.a.", "k.", "k(", "i.", "i.own.", "m.", "f.", "d["])
def test_what_lies_about_its_class_or_compares_it_is_not_asked(text: str) -> None:
    kind: Any = Meta("Kind", (), {"own": 1})
    instance = kind()
    names = {"x": Lazy(), "k": kind, "i": instance, "m": Meta, "f": Lazy.__init__, "d": {"a": Lazy()}}
    Boom.calls = 0
    texts(text, names)
    assert Boom.calls == 0


def test_names_of_the_shell_preloaded_ones_builtins_and_keywords_come() -> None:
    found = texts("pri", {"price": 5, "_private": 1}, Known(preloaded=frozenset(("pride",))))
    assert found == ["price", "pride", "print"]
    assert "_private" in texts("_p", {"_private": 1})
    assert "_private" not in texts("", {"_private": 1})
    assert {"while", "with"} <= set(texts("w"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("b.pl", ["plain"]), ("b.ow", ["own"]), ("b.me", ["method"]), ("b.pr", ["prop"]), ("b.prop.", []),
        ("b.nothing.", []), ("Boom.me", ["method"]), ("b.own.bit_l", ["bit_length"]),
        ("b.__in", ["__init__", "__init_subclass__"]),
        ("sys.versi", ["version", "version_info"]), ("sys.version.isas", ["isascii"]), ("'a'.isas", ["isascii"]),
        ("n.inner.de", ["deep"]), ("n.lst[0].own", ["own"]), ("n.lst[9].", []), ("d['b'].ow", ["own"]), ("k['x'].", []),
    ],
)  # fmt: skip
def test_attributes_come_and_no_code_runs(text: str, found: list[str]) -> None:
    Boom.calls = 0
    boom = Boom()
    space = SimpleNamespace(inner=SimpleNamespace(deep=1), lst=[boom])
    names = {"b": boom, "Boom": Boom, "sys": sys, "n": space, "d": {"b": boom}, "k": Keys()}
    assert texts(text, names) == found
    assert Boom.calls == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("b.method(", ["first=", "second="]), ("b.method(fi", ["first="]), ("Boom.method(se", ["second=", "self="]),
        ("b.method(1, se", ["second="]), ("b.method(second=1, ", ["first="]), ("b.method(1, second=", []),
        ("b.prop(", []),
    ],
)  # fmt: skip
def test_arguments_come_first_and_no_code_runs(text: str, found: list[str]) -> None:
    Boom.calls = 0
    told = texts(text, {"b": Boom(), "Boom": Boom})
    assert told[: len(found)] == found
    assert not any(each.endswith("=") for each in told[len(found) :])
    assert Boom.calls == 0


def test_keys_of_dicts_come_as_they_are_written() -> None:
    names = {"d": {"one": 1, "other": 2, 3: 4, "it's": 5, b"x": 6, (1, 2): 7, "new\nline": 8}, "k": Keys(a=1)}
    assert texts("d['o", names) == ["one", "other"]
    assert texts('d["i', names) == ["it's"]
    assert texts("d['i", names) == []
    assert texts("d['n", names) == []
    assert texts("d[", names) == ['"it\'s"', "'new\\nline'", "'one'", "'other'", "3", "b'x'"]
    assert texts("k['", names) == ["a"]


def test_modules_come_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shopping"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemError('imported')")
    (package / "prices.py").write_text("raise SystemError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert texts("import shoppi") == ["shopping"]
    assert texts("import shopping.") == ["prices"]
    assert texts("from shopping import pr") == ["prices"]
    assert texts("import json.") == ["decoder", "encoder", "scanner", "tool"]
    assert "dumps" in texts("from json import du")
    assert not any(name.startswith("shopping") for name in sys.modules)
    (package / "later.py").touch()
    assert texts("import shopping.la") == ["later"]
    assert texts("from .x import y") == []


def test_paths_come_in_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    found = complete("!wc -l no", 9, {})
    assert (found.start, [each.text for each in found.candidates]) == (7, ["notes.txt"])


def test_paths_come_in_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "dates.csv").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "da\x1b[2J").touch()
    monkeypatch.chdir(tmp_path)
    assert texts("open('da") == ["data/", "dates.csv"]
    assert texts(f"'{tmp_path}/dat") == [f"{tmp_path}/data/", f"{tmp_path}/dates.csv"]
    assert texts("open('.h") == [".hidden"]
    assert texts("'no/such/") == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert texts("'~/dates") == ["~/dates.csv"]


LIVING = [Living("n1.17", "worker", ["db", "log"]), Living("n2.5", "evaluator")]
KNOWN = Known(nodes=("n1@a", "n2@a"), processes=lambda: LIVING)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call(f, on='n", ["n1@a", "n2@a"]),
        ('connect("n2', ["n2@a"]),
        ("pid('n1", ["n1.17"]),
        ("pid('", ["n1.17", "n2.5"]),
        ("whereis('", ["db", "log"]),
        ("send('d", ["db"]),
        ("send(p, 'db", []),
        ("kill(pi", ['pid("n1.17")', 'pid("n2.5")']),
        ("kill(x=pi", []),
    ],
)
def test_nodes_processes_and_registered_names_come_where_they_are_expected(text: str, found: list[str]) -> None:
    assert texts(text, {}, KNOWN) == found


def test_nobody_is_asked_for_processes_where_none_are_expected() -> None:
    def never() -> Any:
        raise AssertionError

    for text in ("x", "open('n", "send(p, 'd", "call(kil"):
        texts(text, {}, Known(processes=never))


def test_tasks_and_processes_come_first_where_they_are_expected() -> None:
    a_task, server = object.__new__(Task), object.__new__(Process)
    names = {"a": 1, "a_task": a_task, "server": server}
    assert texts("wait(", names)[0] == "a_task"
    assert texts("kill(", names)[0] == "server"
    assert texts("kill(", names, KNOWN)[:3] == ['pid("n1.17")', 'pid("n2.5")', "server"]
    assert texts("print(a", names)[:2] == ["a", "a_task"]


def test_the_signature_alone_costs_no_candidates() -> None:
    def f(a: int) -> None: ...

    assert signature("f(", 2, {"f": f}) == Completion(2, [], signature=("f", ["a"], 0))


def test_the_signature_of_the_call_is_told() -> None:
    def f(a: int, b: int = 5, *c: int, d: object = (1, 2), **e: int) -> None: ...

    for text, at in (("f(", 0), ("f(1, ", 1), ("f(1, 2, 3, 4, ", 2), ("f(d=", 3), ("f(1, x=", 4)):
        assert complete(text, len(text), {"f": f}).signature == ("f", ["a", "b=5", "*c", "d=…", "**e"], at)
    assert complete("b.method(1, ", 12, {"b": Boom()}).signature == ("method", ["first", "second=2"], 1)
    assert complete("len(", 4, {}).signature == ("len", ["obj", "/"], 0)

    def g(a: int, /, b: int, *, c: int) -> None: ...

    for text, at in (("g(", 0), ("g(1, ", 2), ("g(1, c=", 4), ("g(1, 2, 3", -1)):
        assert complete(text, len(text), {"g": g}).signature == ("g", ["a", "/", "b", "*", "c"], at)
    for text in ("nothing(", "Boom(", "x(", "(", "f"):
        assert complete(text, len(text), {"x": 5, "Boom": Boom, "f": f}).signature is None


def test_there_is_a_bound_to_what_is_told() -> None:
    names = {f"x{number}": 1 for number in range(2000)} | {"y" * 1000: 1}
    found = complete("x", 1, names)
    assert len(found.candidates) == 500
    assert found.more
    assert texts("yy", names) == []
