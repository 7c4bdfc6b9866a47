import pytest

from benchmarks.rows import ROWS, Goal, Measured, Row, text
from benchmarks.table import table

SAMPLES = {"pysh": [9.0, 10.0, 30.0], "rpyc": [4.0, 5.0, 6.0]}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("<=", 10), True),
        (Goal("<=", 9.9), False),
        (Goal(">=", 10), True),
        (Goal(">=", 11), False),
        (Goal("<=", 2.0, "rpyc"), True),
        (Goal("<=", 1.9, "rpyc"), False),
        (Goal(">=", 2.0, "rpyc"), True),
        (Goal("<=", 1.0, "iex"), None),
        (Goal("<=", 29, percent=95), False),
        (Goal("<=", 30, percent=95), True),
    ],
)
def test_a_goal_is_judged_by_medians_and_not_without_its_peer(goal: Goal, met: bool | None) -> None:
    assert goal.met(SAMPLES) is met


def test_a_goal_reads_as_the_design_writes_it() -> None:
    goals = [text(goal, row) for row in ROWS.values() for goal in (*row.goals, *row.later)]
    assert goals[:2] == ["<= 0.8x iex", "<= 0.6x iex"]
    assert {">= 20,000/s", ">= 1x rpyc", "<= 30 MB", "p95 <= 50 ms"} <= {*goals}


def test_a_row_of_the_table_has_figures_ratios_and_verdicts() -> None:
    row = Row("call", "one call", "us", (Goal("<=", 2.5, "rpyc"),), (Goal("<=", 1.5, "rpyc"),))
    measured = Measured(row, {name: [*values] for name, values in SAMPLES.items()}, {"rpyc": "fewer"})
    line = (
        "| one call | 10 us (9-30) | rpyc 5 us (4-6), fewer: pysh is 2.00x "
        "| <= 2.5x rpyc: met; later <= 1.5x rpyc: missed |"
    )
    assert table([measured]).splitlines()[-1] == line
    assert [judged["verdict"] for judged in measured.record()["goals"]] == ["met", "missed"]


def test_a_percentile_stands_beside_the_median_where_it_is_judged() -> None:
    row = Row("killed", "a kill", "ms", (Goal("<=", 9, percent=95),), digits=1)
    measured = Measured(row)
    for samples in ([1.0, 2.0, 3.0], [4.0, 9.5], 2.5):
        measured.add("pysh", samples)
    assert table([measured]).splitlines()[-1] == "| a kill | 2.8 ms (1.0-9.5, p95 9.5) | - | p95 <= 9 ms: missed |"
