import math

import pytest

from pysh.runtime.live.bars import Pace, ended, per_second, running, tenth
from pysh.runtime.live.spark import spark
from pysh.runtime.live.text import fit, plain, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("n1@here", "n1@here"),
        ("a\tb\nc", "a b c"),
        ("\x1b[31mred\x1b[0m\x1b]0;title\x07!", "red!"),
        ("\x07\u202e\x9b2J", "???2J"),
        (12, "12"),
    ],
)
def test_text_of_others_is_one_harmless_line(text: object, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "columns", "fitted"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 4, "abc…"),
        ("abc", 3, "abc"),
        ("漢字", 5, "漢字 "),
        ("漢字漢", 4, "漢… "),
        ("漢字漢", 5, "漢字…"),
        ("e\u0301a", 2, "e\u0301a"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("", 2, "  "),
    ],
)
def test_text_is_made_to_take_exactly_its_columns(text: str, columns: int, fitted: str) -> None:
    assert fit(text, columns) == fitted
    assert width(fitted) == columns


@pytest.mark.parametrize(
    ("values", "options", "line"),
    [
        ([], {}, ""),
        ([1, 2, 3, 8], {}, "▁▂▃█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], {}, "▁▂▃▄▅▆▇█"),
        ([3, 3, 3], {}, "▁▁▁"),
        ([None, 0, math.nan, 1], {}, " ▁ █"),
        ([None], {}, " "),
        ([0, 5, 50], {"low": 0, "high": 10}, "▁▅█"),
        ([-5, 5], {"low": 0, "high": 10}, "▁▅"),
        ([-math.inf, 0, math.inf], {}, "▁▁█"),
    ],
)
def test_a_sparkline_has_a_bar_for_each_number(values: list[float], options: dict[str, float], line: str) -> None:
    assert spark(values, **options) == line
    assert repr(spark(values, **options)) == line


def test_no_number_has_no_bar() -> None:
    with pytest.raises(TypeError):
        spark(["high"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("rate", "text"), [(0, ""), (0.2, "5.0 s each"), (3.44, "3.4/s"), (9.96, "10/s"), (1234.6, "1,235/s")]
)
def test_rates_are_read_as_people_write_them(rate: float, text: str) -> None:
    assert per_second(rate) == text


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("rows", 420, 1000, 3.5, 120.0, 70), "rows   42% |███████████▎               | 420/1,000  120/s  4.8 s left"),
        (("", 420, 1000, 3.5, 120.0, 38), " 42% 420/1,000  120/s  4.8 s left"),
        (("rows", 420, 1000, 3.5, 120.0, 20), "rows   42% 420/1,0…"),
        (("rows", 420, None, 3.5, 120.0, 70), "rows  420  3.5 s  120/s"),
        (("rows", 1001, 1000, 3.5, 0.0, 70), "rows  1,001  3.5 s"),
        (("", 0, 1000, 3.5, 0.0, 40), "  0% |                        | 0/1,000"),
    ],
)  # fmt: skip
def test_a_bar_fits_its_line(given: tuple[str, int, int | None, float, float, int], line: str) -> None:
    assert running(*given) == line
    assert width(line) < given[-1]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("rows", 1000, 1000, 8.0), "rows:  1,000 in 8.0 s  125/s"),
        (("", 3, 1000, 8.0), "3 of 1,000 in 8.0 s  2.7 s each"),
        (("", 0, None, 0.0), "0 in 0 ms"),
    ],
)
def test_the_last_line_says_how_many_there_were(given: tuple[str, int, int | None, float], line: str) -> None:
    assert ended(*given) == line


def test_a_rate_follows_what_happens_of_late() -> None:
    pace = Pace(now=0.0)
    assert pace.at(100, now=1.0) == 100
    assert pace.at(100, now=1.0) == 100
    slower = [pace.at(100 + 10 * second, now=1.0 + second) for second in range(1, 31)]
    assert slower == sorted(slower, reverse=True)
    assert 10 <= slower[-1] < 11


@pytest.mark.parametrize(("done", "total", "tenths"), [(0, 10, 0), (1, 10, 1), (99, 100, 9), (5, None, 0), (3, 0, 0)])
def test_tenths_are_counted_whole(done: int, total: int | None, tenths: int) -> None:
    assert tenth(done, total) == tenths
