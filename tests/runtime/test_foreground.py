import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import pysh
from pysh.runtime import attaching, foreground
from pysh.runtime.errors import PyshError
from pysh.runtime.process import Process
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.background import Jobs
from tests.runtime.hub_end import THERE, HubEnd, hub_end
from tests.runtime.test_background import begun


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    table = Jobs()
    monkeypatch.setattr(foreground, "TABLE", table)
    return table


def test_without_jobs_the_table_says_how_to_get_one() -> None:
    assert repr(pysh.jobs()) == "no jobs: Ctrl-Z makes one of a cell that awaits"
    with pytest.raises(PyshError, match="there is no job in this shell"):
        pysh.fg()
    with pytest.raises(PyshError, match="there is no job 3 in this shell"):
        pysh.cancel(3)


async def test_jobs_are_rows(table: Jobs) -> None:
    job = begun(table, asyncio.Event().wait)
    job.cell.ended = job.cell.started + 1.25
    assert list(foreground.jobs()) == [{"job": 1, "cell": "await work()", "state": "running", "age": 1.25}]
    assert foreground.fg() is foreground.fg(1) is job
    assert foreground.cancel(1)
    await asyncio.wait([job.task])
    assert (foreground.jobs()[0]["state"], foreground.cancel()) == ("cancelled", False)


def test_cancel_takes_a_task_and_a_process(hub: HubEnd) -> None:
    task = pysh.task(len, [], on="n2")
    spawn = hub.expect(Kind.SPAWN)
    assert pysh.cancel(task)
    assert hub.expect(Kind.CANCEL).ref == spawn.ref
    assert pysh.cancel(pysh.pid("n2.17"))
    exited = hub.expect(Kind.EXIT)
    assert (exited.dest.incarnation, exited.dest.number, exited.options()["reason"]) == (THERE, 17, "shutdown")
    assert isinstance(pysh.pid("n2.17"), Process)


async def test_cancel_takes_a_task_of_asyncio() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    assert foreground.cancel(task)
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("what", ["1", 1.5, True, [1]])
def test_what_cannot_be_cancelled_is_refused(what: object) -> None:
    with pytest.raises(TypeError, match=r"cancel\(\) takes the number of a job, a task or a process"):
        pysh.cancel(what)


# the cells of other shells, for which they were left

LEFT = [{"job": 1, "shell": 0, "cell": "while True: pass", "state": "running", "age": 3.04}]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This is a shell of its own, whose hub knows of one such cell."""
    own = SimpleNamespace(shared=False)
    monkeypatch.setattr(foreground.inside, "here", own)
    monkeypatch.setattr(foreground, "current", lambda: SimpleNamespace(role="evaluator", ask=lambda verb: list(LEFT)))
    monkeypatch.setattr(attaching, "current", lambda: SimpleNamespace(role="evaluator"))
    monkeypatch.setattr(attaching, "somebody_here", lambda role: True)
    yield
    attaching.taken()


@pytest.mark.usefixtures("left")
async def test_they_stand_before_the_jobs_of_this_one(table: Jobs) -> None:
    table.begin(2)
    job = begun(table, asyncio.Event().wait)
    assert next((row["job"], row["cell"], row["age"]) for row in foreground.jobs()) == (1, "while True: pass", 3.04)
    assert (job.number, foreground.fg(), foreground.fg(2)) == (2, job, job)
    job.cancel()


@pytest.mark.usefixtures("left", "table")
@pytest.mark.parametrize("number", [1, None])
def test_fg_of_one_has_the_terminal_go_back_to_its_shell(number: int | None) -> None:
    assert foreground.fg(number) is None
    assert (attaching.taken(), attaching.taken()) == ({"shell": 0}, {})


@pytest.mark.usefixtures("left", "table")
def test_one_is_not_cancelled_and_the_error_says_what_else_to_do() -> None:
    with pytest.raises(PyshError, match=r"nothing was done. Kill that shell: fg\(1\), then Ctrl-C three times, then k"):
        foreground.cancel(1)


@pytest.mark.usefixtures("left", "table")
def test_fg_of_one_is_for_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "somebody_here", lambda role: False)
    with pytest.raises(PyshError, match="no terminal typed this; nothing was done"):
        foreground.fg(1)
