import asyncio
from collections.abc import Iterator

import pytest

import pysh
from pysh.runtime import foreground
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
