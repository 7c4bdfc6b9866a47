import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pysh.runtime.errors import PyshError
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from pysh.runtime.runner import background, cells
from pysh.runtime.runner.background import KEPT, Job, Jobs
from pysh.runtime.runner.jobs import Job as Cell


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    table = Jobs()
    monkeypatch.setattr(background, "TABLE", table)
    yield table
    for job in table:
        job.task.cancel()


def begun(table: Jobs, does: Callable[[], Awaitable[Any]], source: str = "await work()") -> Job:
    """A job of a cell that awaits what `does` returns."""
    names = {"does": does}
    code = compile("await does()", "<n1:1>", "eval", cells.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    task = asyncio.get_running_loop().create_task(cells.run(lambda: [code], names))
    return table.add(Cell(Frame(Kind.CELL, LOCAL, LOCAL), source, "<n1:1>"), task)


def gives(value: Any) -> Callable[[], Awaitable[Any]]:
    async def work() -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return work


class Odd:
    def __repr__(self) -> str:
        raise AssertionError("no repr of the user's is asked")


class Strange(Exception):
    def __str__(self) -> str:
        raise AssertionError("no text of the user's is asked")


@pytest.mark.parametrize(
    ("came", "line", "level"),
    [
        (None, "job 1 done: await work()", "info"),
        (42, "job 1 done: await work() gave 42; the value itself: fg(1)", "info"),
        ("x" * 99, f"job 1 done: await work() gave '{'x' * 58}…; the value itself: fg(1)", "info"),
        (10**9999, "job 1 done: await work() gave a large int; the value itself: fg(1)", "info"),
        (Odd(), "job 1 done: await work() gave <Odd>; the value itself: fg(1)", "info"),
        (OSError("a\nb"), "job 1 failed: await work() raised OSError: a b; its traceback: fg(1)", "error"),
        (Strange(1), "job 1 failed: await work() raised Strange; its traceback: fg(1)", "error"),
        (asyncio.CancelledError(), "job 1 cancelled: await work()", "info"),
    ],
    ids=["nothing", "int", "text", "large", "object", "error", "own error", "cancel"],
)  # fmt: skip
async def test_one_line_says_how_a_job_ended(table: Jobs, came: Any, line: str, level: str) -> None:
    job = begun(table, gives(came), "await\twork()")
    await asyncio.wait([job.task])
    assert job.told() == (line, level)


async def test_a_job_can_be_awaited_and_has_no_result_after_that(table: Jobs) -> None:
    job = begun(table, gives(5))
    assert table.running == 1
    assert await table.find(1) == 5
    assert list(table) == []
    failing = begun(table, gives(ValueError("bad")))
    with pytest.raises(ValueError, match="bad"):
        await failing
    assert (job.number, failing.number, table.running) == (1, 2, 0)


async def test_who_is_cancelled_while_he_waits_for_a_job_cancels_it(table: Jobs) -> None:
    job = begun(table, asyncio.Event().wait)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(job, 0.01)
    assert job.state == "cancelled"


async def test_a_job_is_cancelled_once(table: Jobs) -> None:
    job = begun(table, asyncio.Event().wait)
    assert (job.state, job.cancel()) == ("running", True)
    await asyncio.wait([job.task])
    assert (job.state, job.cancel()) == ("cancelled", False)


async def test_the_latest_job_is_meant_where_none_is_named(table: Jobs) -> None:
    for _ in range(3):
        begun(table, asyncio.Event().wait)
    assert table.find().number == 3
    with pytest.raises(PyshError, match=r"there is no job 7 in this shell \(jobs: 1, 2, 3\); Ctrl-Z makes one"):
        table.find(7)


async def test_a_cell_that_was_a_job_keeps_its_number(table: Jobs) -> None:
    job = begun(table, asyncio.Event().wait)
    assert table.add(job.cell, job.task) is job


async def test_only_the_cell_that_asked_for_a_job_brings_it_back(table: Jobs) -> None:
    job = begun(table, asyncio.Event().wait)
    assert table.take_fetched(job) is None
    assert table.fetch(1) is job
    assert table.take_fetched(5) is None, "the cell ended with something else"
    assert table.take_fetched(job) is None
    table.fetch(1)
    assert table.take_fetched(job) is job


async def test_so_many_results_are_kept_and_every_job_that_runs(table: Jobs) -> None:
    going = begun(table, asyncio.Event().wait)
    ended = [begun(table, gives(None)) for _ in range(KEPT + 2)]
    await asyncio.wait([job.task for job in ended])
    table.make_room()
    assert list(table) == [going, *ended[2:]]


async def test_a_job_shows_what_it_is(table: Jobs) -> None:
    job = begun(table, gives(None), "await work(" + "1, " * 99 + ")")
    await asyncio.wait([job.task])
    job.cell.ended = job.cell.started + 2
    assert repr(job).startswith("<job 1 done 2.0s: await work(1, 1,")
    assert len(repr(job)) < 100
