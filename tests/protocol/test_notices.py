import pytest

from pysh.runtime.protocol.notices import (
    GATHER,
    KEPT,
    LATEST,
    NEXT,
    NEXT_FOLDED,
    TEXT,
    Ended,
    Endings,
    Hush,
    Notice,
    folded,
)
from pysh.runtime.protocol.outcome import CANCELLED, DONE, FAILED, LOST

BAD = Ended("task 7 compute on w1", FAILED, 2.1, "ValueError: bad")
LONG_DONE = Ended("task 8 compute on w1", DONE, 6.0)
GONE = Ended("task 9 compute on w1", LOST, why="NodeDown: w1 is down")


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ([BAD], [("error", "task 7 compute on w1 failed after 2.1 s: ValueError: bad")]),
        ([LONG_DONE], [("info", "task 8 compute on w1 done after 6.0 s")]),
        ([LONG_DONE._replace(took=3725)], [("info", "task 8 compute on w1 done after 1 h 2 min")]),
        ([GONE], [("warn", "task 9 compute on w1 lost: NodeDown: w1 is down")]),
        ([LONG_DONE, BAD], [("info", LONG_DONE.line), ("error", BAD.line)]),
        ([LONG_DONE] * 500, [("info", "500 tasks done")]),
        ([LONG_DONE] * 500 + [BAD] * 3, [("error", f"500 tasks done, 3 failed; the first that failed: {BAD.line}")]),
        ([BAD] * 4, [("error", f"4 tasks failed; the first that failed: {BAD.line}")]),
        ([GONE] * 1200, [("warn", "1,200 tasks lost")]),
        ([LONG_DONE, *[GONE] * 3], [("warn", "1 task done, 3 lost")]),
    ],
)
def test_a_few_have_a_line_each_and_many_have_one(told: list[Ended], lines: list[tuple[str, str]]) -> None:
    assert folded(told) == [Notice(*line) for line in lines]


def test_a_line_has_an_end() -> None:
    line = BAD._replace(why="x" * 10_000).line
    assert len(line) == TEXT
    assert line.endswith(" …")
    assert len(folded([BAD._replace(called="x" * 1000)] * 9)[0].text) <= 2 * TEXT


@pytest.mark.parametrize(
    ("one", "news"),
    [
        (Ended("t", DONE, 4.9), False),
        (Ended("t", DONE), False),
        (Ended("t", DONE, 5.0), True),
        (Ended("t", FAILED, 0.0), True),
        (Ended("t", CANCELLED), True),
    ],
)
def test_success_is_news_only_where_it_took_a_while(one: Ended, news: bool) -> None:
    assert one.is_news is news


def test_it_is_told_a_moment_later_unless_somebody_looks() -> None:
    endings = Endings()
    assert endings.due() is None
    endings.ended(1, BAD, now=10.0)
    endings.ended(2, GONE, now=10.1)
    assert endings.due() == 10.1 + GATHER
    assert endings.take(now=10.3) == []
    endings.unseen.pop(1)
    assert endings.take(now=10.1 + GATHER) == [Notice("warn", GONE.line)]
    assert endings.due() is None


def test_those_that_end_one_after_the_other_are_told_together_but_not_late() -> None:
    endings = Endings()
    for tenth in range(100):
        endings.ended(tenth, BAD, now=10.0 + tenth / 10)
    assert endings.due() == 10.0 + LATEST


def test_a_cell_that_ends_puts_it_off() -> None:
    endings = Endings()
    endings.ended(1, BAD, now=10.0)
    endings.calm_from(now=20.0)
    assert endings.take(now=20.1) == []
    assert endings.take(now=20.0 + GATHER) == [Notice("error", BAD.line)]


def test_batches_keep_their_distance_and_after_a_storm_more() -> None:
    endings = Endings()
    endings.ended(1, BAD, now=10.0)
    assert endings.take(now=11.0)
    endings.ended(2, BAD, now=11.1)
    assert endings.due() == 11.0 + NEXT
    for ref in range(100):
        endings.ended(ref, BAD, now=12.0)
    assert len(endings.take(now=13.0)) == 1
    endings.ended(1, BAD, now=13.0)
    assert endings.due() == 13.0 + NEXT_FOLDED


def test_what_is_beyond_all_bounds_is_counted() -> None:
    endings = Endings()
    for ref in range(KEPT + 7):
        endings.ended(ref, BAD, now=10.0)
    (notice,) = endings.take(now=11.0)
    assert notice.text.startswith("10,000 tasks failed, 7 more ended; the first")


def test_whoever_looked_at_all_that_is_known_has_seen_the_rest() -> None:
    endings = Endings()
    for ref in range(KEPT + 7):
        endings.ended(ref, BAD, now=10.0)
    endings.unseen.clear()
    assert endings.take(now=11.0) == []
    endings.ended(1, BAD, now=12.0)
    assert endings.take(now=13.0) == [Notice("error", BAD.line)]


def test_notices_of_a_level_and_less_are_held_back_and_counted() -> None:
    hush = Hush()
    assert not hush.holds("info")
    assert hush.set("warn") == {}
    assert [hush.holds(level) for level in ("info", "warn", "error", "info", "?")] == [True, True, False, True, True]
    assert hush.set("info") == {"info": 3, "warn": 1}
    assert not hush.holds("warn")
    assert hush.set("") == {}
    assert not hush.holds("info")


def test_there_are_three_levels() -> None:
    with pytest.raises(ValueError, match="info, warn, error"):
        Hush().set("loud")
