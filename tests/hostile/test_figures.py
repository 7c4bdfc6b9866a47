"""The figures of the hostile programs."""

from tests.hostile.figures import Figures, Measured, pooled, table


def test_they_are_those_of_all_keys() -> None:
    assert Figures.of([0.1, 0.3, 0.2]) == (3, 0.2, 0.2, 0.3)
    assert Figures.of([]) == (1, 0, 0, 0)
    one, other = (Measured("spins", False, [late], [0.001], 0.5) for late in (0.1, 0.2))
    assert pooled([one, other])[0].worst == 0.2


def test_keys_are_late_by_what_a_bare_cat_needs_beside_them() -> None:
    quiet, busy = Figures.of([0.002] * 100), Figures.of([0.05] * 100)
    late = Figures.of([0.15] * 100)
    assert late.is_late(quiet)
    assert not late.is_late(busy)
    assert not Figures.of([0.1] * 100).is_late(quiet)


def test_storms_are_shown_apart_and_the_slowest_kill_of_each() -> None:
    rows = [["spins", False, [0.01], [0.001], 0.02], ["breeds", True, [0.03], [0.02], None]]
    assert table([], each=True) == []
    assert [line.split()[-1] for line in table(rows, each=False)] == ["kill", "20", "20.0"]
    assert len(table(rows, each=True)) == 5
