import pytest

from pysh.shell.columns import fitted


@pytest.mark.parametrize(
    ("widths", "empty", "room", "shown"),
    [
        ([12, 5, 3], [], 26, {0: 12, 1: 5, 2: 3}),
        ([12, 5, 3], [2], 25, {0: 12, 1: 5}),  # nothing is lost by that
        ([12, 5, 3], [0, 1, 2], 25, {0: 11, 1: 5, 2: 3}),
        ([12, 5, 3], [], 22, {0: 8, 1: 5, 2: 3}),
        ([12, 30, 3], [], 30, {0: 11, 1: 10, 2: 3}),
        ([12, 5, 3], [], 21, {0: 8, 1: 5}),
        ([12, 30, 3], [], 8, {0: 8}),
        ([], [], 8, {}),
    ],
)
def test_columns_are_left_out_or_shortened_where_there_is_little_room(
    widths: list[int], empty: list[int], room: int, shown: dict[int, int]
) -> None:
    assert fitted(widths, [at in empty for at in range(len(widths))], room) == shown


def test_a_column_of_any_width_costs_no_more_than_a_screen_full() -> None:
    assert fitted([10**9] * 8, [False] * 8, 80) == fitted([80] * 8, [False] * 8, 80)
