"""The budgets that every run of the tests is held against."""

from collections import Counter

import pytest

from tests.budgets import FUZZ, HOSTILE, SHELL, SIMULATOR, SLACK, SYSTEM, UNIT, over, part_of, table


@pytest.mark.parametrize(
    ("test", "part"),
    [
        ("tests/protocol/test_frames.py::test_x", UNIT),
        ("tests/test_layers.py::test_x[a/b]", UNIT),
        ("tests/sim/test_cluster.py::test_x", SIMULATOR),
        ("tests/system/test_calls.py::test_x", SYSTEM),
        ("tests/security/test_threats.py::test_x", SYSTEM),
        ("tests/hostile/test_programs.py::test_x[spins]", HOSTILE),
        ("tests/fuzz/test_strangers.py::test_x", FUZZ),
        ("tests/shell/test_boot.py::test_x", SHELL),
    ],
)
def test_a_test_counts_for_the_part_of_its_folder(test: str, part: str) -> None:
    assert part_of(test) == part


def test_a_part_that_takes_longer_than_it_may_is_named() -> None:
    seconds = Counter({UNIT: 12.3, SYSTEM: 240.1})
    assert over(seconds) == [SYSTEM]
    assert over(seconds, SLACK) == []
    assert over(Counter({SYSTEM: 240 * SLACK + 1}), SLACK) == [SYSTEM]
    assert table(seconds, Counter({UNIT: 700, SYSTEM: 9})) == [
        "unit and property   700 tests    12.3 of 90 s",
        "system                9 tests   240.1 of 240 s OVER",
    ]
