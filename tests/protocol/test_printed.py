from pysh.runtime.protocol.printed import EACH, KEPT, Printed


def test_what_is_printed_is_kept_by_its_cell() -> None:
    printed = Printed()
    for cell, data in ((1, b"a"), (2, b"b"), (1, b"c")):
        printed.add(cell, data)
    assert list(printed.rows(0)) == [
        {"cell": 1, "data": b"ac", "more": 0},
        {"cell": 2, "data": b"b", "more": 0},
    ]
    assert [row["cell"] for row in printed.rows(1)] == [2]


def test_of_a_cell_the_beginning_is_kept_and_the_rest_counted() -> None:
    printed = Printed()
    printed.add(1, b"x" * (EACH - 1))
    printed.add(1, b"yz")
    printed.add(1, b"more")
    (row,) = printed.rows(0)
    assert (len(row["data"]), row["data"][-1:], row["more"]) == (EACH, b"y", 5)


def test_of_all_cells_the_latest_are_kept() -> None:
    printed = Printed()
    for cell in range(100):
        printed.add(cell, b"x" * EACH)
    rows = list(printed.rows(0))
    assert sum(len(row["data"]) for row in rows) <= KEPT
    assert rows[-1]["cell"] == 99
