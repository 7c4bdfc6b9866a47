"""`progress` with a stream and a clock of the test's; on real terminals it is tests/system/test_views.py that looks."""

import io
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from pysh import progress
from pysh.runtime.live import progress as module
from pysh.runtime.runner.client import Client


class Clock:
    """A clock that a loop moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passing(self, items: Iterable[Any], seconds: float) -> Iterator[Any]:
        for item in items:
            self.now += seconds
            yield item


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(Client, "current", None)
    return clock


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    def on(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return on


def test_what_ends_at_once_shows_nothing(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    stream = printed(Terminal())
    assert list(progress(clock.passing(range(4), 0.1), total=4)) == [0, 1, 2, 3]
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line_that_is_written_anew(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    stream = printed(Terminal())
    assert sum(progress(clock.passing(range(4), 1.0), total=4, label="rows")) == 6
    *states, last = [part.rstrip() for part in stream.getvalue().replace("\n", "\r").split("\r") if part.strip()]
    assert [state[:10] for state in states] == ["rows   25%", "rows   50%", "rows   75%", "rows  100%"]
    assert last == "rows:  4 in 4.0 s  1.0/s"
    assert stream.getvalue().count("\n") == 1
    assert states[1].endswith("2/4  1.0/s  2.0 s left")


def test_elsewhere_there_is_a_line_for_each_tenth(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    stream = printed(io.StringIO())
    for _ in progress(clock.passing(range(1000), 0.01), total=1000):
        pass
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert len(lines) == 10
    assert lines[4].startswith(" 50%")
    assert lines[-1] == "1,000 in 10 s  100/s"


def test_without_a_total_a_line_comes_every_ten_seconds(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    stream = printed(io.StringIO())
    for _ in progress(clock.passing(range(25), 1.0)):
        pass
    assert len(stream.getvalue().splitlines()) == 4


def test_in_a_task_the_line_is_rewritten_for_its_owner(
    clock: Clock, printed: Callable[..., io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "current", type("Worker", (), {"role": "worker"}))
    stream = printed(io.StringIO())
    for _ in progress(clock.passing(range(3), 1.0), total=3):
        pass
    assert stream.getvalue().count("\r") == 8
    assert stream.getvalue().endswith("3 in 3.0 s  1.0/s".ljust(len(stream.getvalue().split("\r")[5])) + "\r\n")


def test_a_loop_that_is_left_says_how_far_it_came(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    stream = printed(Terminal())
    for item in progress(clock.passing(range(10), 1.0), total=10):
        if item == 4:
            break
    assert stream.getvalue().rstrip("\r\n ").endswith("4 of 10 in 5.0 s  0.8/s")


def test_a_total_is_taken_from_what_has_a_length() -> None:
    assert len(progress([1, 2, 3])) == 3
    assert len(progress(iter([1, 2, 3]))) == 3
    assert len(progress((n for n in ()), total=7)) == 7
    with pytest.raises(TypeError, match="total="):
        len(progress(n for n in ()))


async def test_asynchronous_iterables_are_taken_by_async_for(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in clock.passing(range(3), 1.0):
            yield number

    stream = printed(Terminal())
    assert [number async for number in progress(numbers(), total=3)] == [0, 1, 2]
    assert "3 in 3.0 s" in stream.getvalue()


@pytest.mark.parametrize("given", [5, None, print])
def test_what_is_no_iterable_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"such as range\(100\)"):
        progress(given)


@pytest.mark.parametrize("total", [-1, 2.5, True, "9"])
def test_a_total_is_a_number_of_items(total: Any) -> None:
    with pytest.raises(TypeError, match="total= takes a number of items"):
        progress([], total)


def test_a_closed_stream_ends_no_loop(clock: Clock, printed: Callable[..., io.StringIO]) -> None:
    printed(Terminal()).close()
    assert len(list(progress(clock.passing(range(3), 1.0), total=3))) == 3
