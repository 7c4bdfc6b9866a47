import sys
import time
from typing import Any

import pytest

from pysh.runtime.helpers import sizes
from pysh.runtime.helpers.sizes import readable, size_of


class Held:
    def __init__(self, inside: object) -> None:
        self.inside = inside


class Slotted:
    __slots__ = ("inside",)

    def __init__(self, inside: object) -> None:
        self.inside = inside


class Lying:
    def __init__(self) -> None:
        self.inside = b"x" * 1_000_000

    @property
    def __class__(self) -> Any:
        return list

    def __sizeof__(self) -> int:
        raise ValueError("not for you")

    def __iter__(self) -> Any:
        raise AssertionError("nobody iterates")


BIG = b"x" * 1_000_000


@pytest.mark.parametrize(
    "value",
    [
        BIG, [BIG], {"key": BIG}, (1, (2, [BIG])), Held(BIG), Slotted(BIG), Held([Slotted({"a": BIG})]), Lying(),
        [bytes(1_000) for _ in range(1_000)], {n: bytes(1_000) for n in range(1_000)},
        [[bytes(1_000)] for _ in range(1_000)],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_holds_about_a_megabyte_is_about_that_large(value: object) -> None:
    assert 800_000 < size_of(value) < 2_500_000


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_large_is_seen_beside_many_small_things_whichever_comes_first(turned: bool) -> None:
    pairs: list[tuple[str, object]] = [("large", BIG), ("small", [[float(n) for n in range(99)] for _ in range(99)])]
    assert size_of(dict(reversed(pairs) if turned else pairs)) > len(BIG)


def test_what_is_held_twice_or_in_itself_counts_once() -> None:
    values: list[object] = [BIG, BIG]
    values.append(values)
    assert size_of(values) < 1_100_000


def nested(depth: int, width: int) -> Any:
    value: Any = BIG
    for _ in range(depth):
        value = [value] * width
    return value


def linked(length: int) -> Any:
    value: Any = BIG
    for _ in range(length):
        value = Held(value)
    return value


@pytest.mark.parametrize("value", [nested(2_000, 1), nested(2_000, 1_000), linked(2_000)], ids=["1", "1000", "linked"])
def test_what_is_nested_deep_has_a_size(value: Any) -> None:
    assert size_of(value) > 1_000_000


@pytest.mark.parametrize("value", [[None] * 500, (None,) * 500, {n: n for n in range(500)}, set(range(500))], ids=type)
def test_of_a_container_that_changes_meanwhile_the_items_do_not_count(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_value: Any) -> Any:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(sizes, "_CONTAINERS", dict.fromkeys((list, tuple, dict, set), changed))
    assert size_of(value) == sys.getsizeof(value)


def test_functions_classes_and_modules_belong_to_nobody() -> None:
    assert size_of([pytest, Held, size_of]) < 1_000


def test_millions_of_items_take_no_time() -> None:
    values = [[n] for n in range(200_000)]
    before = time.process_time()
    size_of(values)
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1536, "1.5 KiB"), (3 * 1024**3, "3.0 GiB"), (10**16, "9094.9 TiB")]
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable(size) == text
