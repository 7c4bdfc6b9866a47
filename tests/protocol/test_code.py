"""What is callable by name, what is not and why, and what is told of it."""

from time import perf_counter
from typing import Any

import pytest

from pysh.runtime.protocol.code import BYTES, LARGEST, LEAST, LONGEST, SHOWN, TOLD, Code, read_names


def table(*names: str) -> Code:
    code = Code()
    for name in names:
        code.published({"name": name}, name.encode())
    return code


def test_a_name_is_callable_from_when_it_is_defined_until_it_is_gone() -> None:
    code = Code()
    assert code.published({"name": "f"}, b"1")
    assert not code.published({"name": "f"}, b"2"), "no other name"
    assert code.get("f") == b"2"
    assert code.published({"name": "f", "gone": True}, b"")
    assert code.get("f") is None
    assert not code.published({"name": "f", "gone": True}, b"")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fibb", ["fib"]),
        ("Fib", ["fib"]),
        ("compute_al", ["compute_all", "compute"]),
        ("zzz", ["compute", "compute_all", "fib", "square"]),
        ("f" * 10_000, ["compute", "compute_all", "fib", "square"]),
    ],
)
def test_what_is_called_alike_is_told_or_else_what_there_is(name: str, near: list[str]) -> None:
    told = table("square", "fib", "compute", "compute_all").missing(name)
    assert (told["near"], told["known"], told["why"]) == (near, 4, "")
    assert len(told["function"]) <= LONGEST + 1


def test_no_more_names_are_told_than_a_line_holds() -> None:
    code = table(*(f"name{number}" for number in range(100)))
    assert (len(code.missing("other")["near"]), code.missing("other")["known"]) == (SHOWN, 100)


def test_a_wrong_name_costs_little_however_many_and_long_the_names_are() -> None:
    code = table(*((f"abcdefghij_{number}_" * 12)[:LONGEST] for number in range(4000)))
    costs = []
    for number in range(500, 505):
        begun = perf_counter()
        assert code.missing((f"bacdefghji_{number}_" * 12)[:LONGEST])["known"] == 4000
        costs.append(perf_counter() - begun)
    assert min(costs) < 0.05, "it was more than a second, in which the hub does nothing else"


def test_what_is_called_alike_is_looked_for_anew_when_the_names_change() -> None:
    code = table("fob")
    assert code.missing("fub")["near"] == ["fob"]
    code.published({"name": "fib"}, b"1")
    assert sorted(code.missing("fub")["near"]) == ["fib", "fob"]


@pytest.mark.parametrize(
    ("told", "pickle", "why"),
    [
        ({"name": "f", "gone": True, "why": "it holds a lock"}, b"", "it holds a lock"),
        ({"name": "f" * (LONGEST + 1)}, b"1", "more than 100 characters"),
        ({"name": "f"}, bytes(LARGEST + 1), "its pickle has more than 262,144 bytes"),
    ],
)
def test_what_cannot_be_called_by_name_says_why(told: dict[str, Any], pickle: bytes, why: str) -> None:
    code = Code()
    assert not code.published(told, pickle)
    assert why in code.missing(told["name"])["why"]
    code.published({"name": told["name"], "gone": True}, b"")
    assert code.missing(told["name"])["why"] == ""


def test_the_table_is_bounded_and_what_goes_makes_room() -> None:
    code = Code()
    most = BYTES // LEAST
    for number in range(2 * most):
        code.published({"name": f"f{number}"}, b"1")
    assert len(code) == most
    assert "no room" in code.missing(f"f{most}")["why"]
    code.published({"name": "f0", "gone": True}, b"")
    assert code.published({"name": f"f{most}"}, b"1")
    assert code.missing(f"f{most}")["why"] == ""
    for number in range(2 * most):
        code.published({"name": f"g{number}", "gone": True, "why": "w" * 10_000}, b"")
    assert code.missing("g0")["why"] == "", "the reasons are bounded too"


def test_a_larger_definition_that_has_no_room_takes_the_old_one_back() -> None:
    code = table("f")
    for number in range(BYTES // LARGEST - 1):
        assert code.published({"name": f"g{number}"}, bytes(LARGEST))
    assert not code.published({"name": "h"}, bytes(LARGEST))
    assert code.published({"name": "f"}, bytes(LARGEST))
    assert code.get("f") is None, "stale code would be worse than none"
    assert "may take 16 MiB, and has no room left" in code.missing("f")["why"]


def test_a_pickle_in_pieces_is_refused_and_takes_the_old_one_back() -> None:
    code = table("f")
    assert code.published({"name": "f"}, bytes(LARGEST), more=True)
    assert not code.published({}, b"the rest")
    assert (code.get("f"), code.missing("f")["why"]) == (None, "its pickle has more than 262,144 bytes")


def test_a_table_with_reasons_alone_is_not_empty() -> None:
    code = Code()
    assert code.empty
    code.published({"name": "f", "gone": True, "why": "it holds a lock"}, b"")
    assert not code.empty
    code.published({"name": "f", "gone": True}, b"")
    assert code.empty and not table("f").empty


def test_the_latest_names_are_told_as_far_as_there_is_room() -> None:
    code = table("a", "b", "a")
    assert code.told() == ["a", "b"]
    code = table(*(f"ü{number}" * 20 for number in range(1000)))
    told = code.told()
    assert told[0] == "ü999" * 20 and 10 < len(told) < 100
    assert sum(len(name.encode()) for name in told) < TOLD
    assert read_names(told) == frozenset(told)


@pytest.mark.parametrize("told", [None, {}, "abc", [1], [b"f"], ["f", None]])
def test_what_another_node_tells_of_its_names_is_looked_at(told: object) -> None:
    assert read_names(told) is None
