"""What goes at once of what is printed, and what waits for the end of its line."""

import pytest

from pysh.runtime.runner.printer import UNFINISHED, Printer, lines_of


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("", False, ("", "")),
        ("one", False, ("", "one")),
        ("one", True, ("one", "")),
        ("one\ntwo", False, ("one\n", "two")),
        ("one\n", False, ("one\n", "")),
        ("50%\r", False, ("50%\r", "")),
        ("\r60%", False, ("\r", "60%")),
        ("x" * (UNFINISHED + 1), False, ("x" * (UNFINISHED + 1), "")),
    ],
)
def test_lines_go_whole(text: str, whole: bool, expected: tuple[str, str]) -> None:
    assert lines_of(text, whole) == expected


def test_it_is_what_print_and_write_expect_of_a_stream() -> None:
    said: list[tuple[int, str, bool]] = []
    stream = Printer(2, lambda *told: said.append(told))
    print("a", 1, file=stream, flush=True)
    assert stream.write("é") == 1
    assert "".join(text for _, text, _ in said) == "a 1\né"
    assert {fd for fd, _, _ in said} == {2}
    assert [whole for *_, whole in said].count(True) == 1
    assert (stream.writable(), stream.readable(), stream.isatty(), stream.fileno()) == (True, False, False, 2)
    stream.close()
    stream.flush()
