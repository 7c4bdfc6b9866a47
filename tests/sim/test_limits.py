"""A task is cancelled when its `limit` is over or somebody asks; neither costs its node anything once it has ended."""

from math import nan

import pytest

from pysh.runtime.protocol.frames import unpack
from tests.sim.cluster import Cluster, Machine, Program


@pytest.fixture
def cluster() -> Cluster:
    """Two nodes."""
    made = Cluster("a", "b", cores=4)
    made.join("a", "b")
    return made


def interrupts(there: Machine) -> list[int]:
    """The jobs that were sent SIGINT, in order."""
    return [asked.job for asked in there.signals if asked.signal == "SIGINT"]


def jobs(there: Machine) -> dict[int, int]:
    """The numbers of its jobs by the refs of their requester."""
    return {job.key.number: job.number for job in there.core.work.jobs}


def test_each_is_cancelled_when_its_own_limit_is_over(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    refs = [program.task(there, b"600000", limit=limit) for limit in (30, 10, 20)]
    endless = program.task(there, b"600000", limit=float("inf"))
    cluster.run(1)
    numbers = [jobs(there)[ref] for ref in refs]
    cluster.run(15)
    assert interrupts(there) == [numbers[1]]
    cluster.run(20)
    assert interrupts(there) == [numbers[1], numbers[2], numbers[0]]
    cluster.run(500)
    assert jobs(there)[endless] not in interrupts(there)


def test_it_is_told_which_task_it_was_and_what_its_limit_was(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    ref = program.task(there, b"600000", limit=0.5)
    cluster.run(2)
    [job] = there.core.work.jobs
    assert job.reason == "limit" and job.key.number == ref
    there.core.work.cancelled(job, "yes")
    assert unpack(job.result_meta)["text"] == f"task {job.number} on b@sim was cancelled: limit=0.5 s are over"


def test_one_that_ended_leaves_no_timer_behind(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    for _ in range(100):
        program.task(there, b"1", limit=3600)
    cluster.run(10)
    assert len(program.results) == 100
    assert len(there.core._timers) <= 2
    assert not there.core.work.ending._limits


@pytest.mark.parametrize("strange", ["limit", "grace"])
def test_what_is_no_time_stops_no_clock(cluster: Cluster, strange: str) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    first = program.task(there, b"600000", **({"limit": nan} if strange == "limit" else {}))
    cluster.run(1)
    if strange == "grace":
        program.cancel(there, first, nan)
    assert _is_ended_in_time(cluster, program, there)


def _is_ended_in_time(cluster: Cluster, program: Program, there: Machine) -> bool:
    limited = program.task(there, b"600000", limit=5)
    cluster.run(6)
    return jobs(there)[limited] in interrupts(there)


def test_a_second_cancel_can_be_less_patient(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    ref = program.task(there, b"600000")
    cluster.run(1)
    program.cancel(there, ref, 3600)
    program.cancel(there, ref, 7200)
    cluster.run(1)
    assert [asked.signal for asked in there.signals] == ["SIGINT"]
    program.cancel(there, ref, 0)
    cluster.run(1)
    assert [asked.signal for asked in there.signals] == ["SIGINT", "SIGKILL"]
