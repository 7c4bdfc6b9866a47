import pyte
import pytest

from pysh.shell.above import Block, above, rows_of

SIZE = (8, 20)
PROMPT = ["n1[1]> def f():", "   ...     return"]
BLOCK = Block(rows=2, row=1, column=17)


def screen(first_row: int) -> tuple[pyte.Screen, pyte.ByteStream]:
    """A screen with a prompt of two rows that begins in `first_row`, as an editor leaves it."""
    shown = pyte.Screen(SIZE[1], SIZE[0])
    stream = pyte.ByteStream(shown)
    stream.feed(b"\x1b[?7l" + b"before\r\n" * first_row + "\r\n".join(PROMPT).encode())
    return shown, stream


def lines(shown: pyte.Screen) -> list[str]:
    found = [line.rstrip() for line in shown.display]
    while found and not found[-1]:
        found.pop()
    return found


@pytest.mark.parametrize("first_row", [0, 1, 3, 6])
@pytest.mark.parametrize(
    ("written", "rows"),
    [
        (["one"], ["one"]),
        ([""], [""]),
        (["one", "two", "three"], ["one", "two", "three"]),
        (["x" * 20], ["x" * 20]),
        (["x" * 21, "y"], ["x" * 20, "x", "y"]),
        (["a\tb"], ["a       b"]),
        (["\x1b[31mred\x1b[0m"], ["red"]),
    ],
)
def test_lines_appear_above_and_the_prompt_is_as_it_was(first_row: int, written: list[str], rows: list[str]) -> None:
    shown, stream = screen(first_row)
    data = above(written, BLOCK, SIZE)
    assert data is not None
    stream.feed(data.encode())
    expected = ["before"] * first_row + rows + PROMPT
    assert lines(shown) == expected[-SIZE[0] :]
    assert (shown.cursor.x, shown.cursor.y) == (17, min(len(expected), SIZE[0]) - 1)
    assert not shown.cursor.hidden


def test_the_prompt_stands_there_whatever_part_was_written() -> None:
    data = above([f"line {n}" for n in range(20)], BLOCK, SIZE)
    assert data is not None
    shown, stream = screen(2)
    for byte in data.encode():
        stream.feed(bytes([byte]))
        assert lines(shown)[-2:] == PROMPT


@pytest.mark.parametrize("text", ["x" * 141, "e\u0301", "👨\u200d👩"])
def test_what_has_no_room_or_no_sure_width_is_left_to_others(text: str) -> None:
    assert above([text], BLOCK, SIZE) is None


@pytest.mark.parametrize(
    ("text", "rows"),
    [("", 1), ("ab", 1), ("a" * 10, 1), ("a" * 11, 2), ("漢" * 5, 1), ("a" + "漢" * 5, 2)],
)
def test_rows_are_counted_in_columns(text: str, rows: int) -> None:
    assert rows_of(text, 10) == rows
