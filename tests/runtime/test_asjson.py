"""Values as one line of JSON."""

import json
from array import array
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pysh.runtime.errors import NodeDown
from pysh.runtime.node import Node
from pysh.runtime.results import Nodes, Results, Rows
from pysh.runtime.runner import asjson
from pysh.runtime.runner.asjson import as_json


class Pair(NamedTuple):
    left: int
    right: object


@dataclass
class Point:
    x: int
    at: Path


class Level(IntEnum):
    HIGH = 3


ROWS: list[tuple[object, Any]] = [
    (None, None),
    (True, True),
    ([1, 2.5, "a\nb\x1b[31m"], [1, 2.5, "a\nb\x1b[31m"]),
    (float("nan"), None),
    (-float("inf"), None),
    ((1, (2, {3})), [1, [2, [3]]]),
    ({1: "one", (2, 3): None}, {"1": "one", "(2, 3)": None}),
    (b"caf\xc3\xa9 \xff", "café \\xff"),
    (Pair(1, Pair(2, None)), {"left": 1, "right": {"left": 2, "right": None}}),
    (Point(1, Path("/tmp")), {"x": 1, "at": "/tmp"}),
    (Level.HIGH, 3),
    (array("i", [1, 2]), [1, 2]),
    (date(2024, 2, 29), "2024-02-29"),
    (ValueError("bad"), {"error": "ValueError", "text": "bad"}),
    (Node("n1@here"), "n1@here"),
    (
        Results({Node("n1@here"): 5, Node("n2@here"): KeyError("x")}),
        {"n1@here": 5, "n2@here": {"error": "KeyError", "text": "'x'"}},
    ),
    (Rows(["a"], [{"a": 1, "b": Node("n1@here")}]), [{"a": 1, "b": "n1@here"}]),
    (
        Nodes([{"name": "n1@here", "state": "self", "rtt": None, "load": 0, "tasks": 2, "incarnation": b"\xff"}]),
        [{"node": "n1@here", "state": "self", "rtt": None, "load": "0", "tasks": 2}],
    ),
]


@pytest.mark.parametrize(("value", "meant"), ROWS, ids=[repr(row[0])[:30] for row in ROWS])
def test_a_value_is_one_line_of_what_json_has(value: object, meant: Any) -> None:
    line = as_json(value)
    assert json.loads(line) == meant
    assert line.isascii()
    assert line.isprintable()


def test_what_contains_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        as_json(circle)


def test_an_error_says_whether_anything_ran() -> None:
    told = json.loads(asjson.failed(NodeDown("n2@here", "noconnection", executed="no"), node="n2"))
    assert told.pop("text")
    assert told == {"error": "NodeDown", "executed": "no", "node": "n2"}


class Mute(Exception):
    def __str__(self) -> str:
        raise self


@pytest.mark.parametrize("error", [Mute(), SystemExit("3")], ids=["an error without a text", "an exit"])
def test_whatever_the_text_of_a_value_raises_is_told_by_its_name(error: BaseException) -> None:
    class Value:
        def __str__(self) -> str:
            raise error

    told = asjson.answer(Value())
    assert (told["kind"], told["error"]) == ("error", type(error).__name__)
    assert type(error).__name__ in told["text"]


def test_what_an_answer_has_no_room_for_is_an_error_and_no_half_of_a_line() -> None:
    assert asjson.answer([1]) == {"kind": "text", "text": "[1]"}
    told = asjson.answer("x" * asjson.LARGEST)
    assert (told["kind"], told["error"]) == ("error", "ValueError")
    assert "32,770 bytes as JSON" in told["text"]
