import threading
from collections import namedtuple
from typing import Any

import pytest

from pysh.runtime import payload, unsendable
from pysh.runtime.helpers.facts import facts, i
from tests.runtime.helpers.conftest import Printing


def told(x: Any) -> dict[str, str]:
    return dict(facts(x))


class Holder:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1, 2], {"value": "[1, 2]", "type": "list", "length": "2", "memory": "about 1", "sent": "yes, as 20 B"}),
        (None, {"value": "None", "type": "NoneType", "sent": "yes, as 4 B"}),
        (Point(1, 2), {"type": "tests.runtime.helpers.test_facts.Point", "bases": "tuple, object"}),
        (b"x" * 10**6, {"length": "1,000,000", "memory": "about 977", "sent": "yes, as 977"}),
        (len, {"type": "builtin_function_or_method", "source": "none", "sent": "yes, as "}),
        (Holder, {"value": "<class ", "type": "type", "source": "/"}),
        (threading, {"value": "<module ", "source": "/", "sent": "yes, as "}),
        (
            Holder(a=[Holder(lock=threading.Lock())]),
            {"sent": "no: cannot send x.a[0].lock (_thread.lock); "},
        ),
        (
            (n for n in ()),
            {"sent": "no: cannot send x (generator); cannot pickle "},
        ),
    ],
)
def test_what_a_value_is(x: Any, expected: dict[str, str]) -> None:
    shown = told(x)
    assert {label: shown[label][: len(text)] for label, text in expected.items()} == expected


class Hostile:
    def __repr__(self) -> str:
        raise SystemExit

    def __len__(self) -> int:
        raise SystemExit

    def __sizeof__(self) -> int:
        raise SystemExit

    def __reduce__(self) -> Any:
        raise SystemExit

    @property
    def __class__(self) -> Any:
        raise SystemExit


def test_what_defends_itself_ends_nothing() -> None:
    shown = told(Hostile())  # in no variable, whose repr a failing test would ask for
    assert shown["value"] == shown["length"] == "it raised SystemExit"
    assert shown["sent"] == "no: it raised SystemExit"
    assert shown["type"].endswith("Hostile")


class Liar:
    __class__ = list  # type: ignore[assignment]


def test_the_type_is_the_real_one() -> None:
    assert told(Liar())["type"].endswith("Liar")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


def test_a_metaclass_is_not_asked_for_names() -> None:
    class Odd(metaclass=Meta):
        pass

    assert "Odd" in told(Odd())["type"]


def test_what_is_huge_is_told_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsendable, "SECONDS", 0)
    shown = told([[n] for n in range(100_000)])
    assert len(shown["value"]) < 300
    assert shown["sent"].startswith("yes, as more than ")


def test_what_is_larger_than_may_be_sent_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "limit", 1_000)
    assert told(b"x" * 5_000)["sent"] == "no: it takes 4.9 KiB, and 1000 B is the most (PYSH_MAX_VALUE)"


def test_without_a_value_it_is_the_last_one(shell: Printing) -> None:
    shell.cell("[1, 2, 3]")
    assert shell.printed("i()").startswith("value    [1, 2, 3]\ntype     list\nlength   3\n")
    shell.cell("import threading\nclass Model:\n    def __init__(self):\n        self.lock = threading.Lock()")
    assert "sent     no: cannot send x.lock (_thread.lock);" in shell.printed("i(Model())")


def test_in_a_script_it_takes_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    i("a\nb")
    assert "value    'a\\nb'\n" in capsys.readouterr().out
