"""Stopping a node gently, on a virtual clock."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import Flag, Frame
from tests.sim.cluster import Cluster, Machine, Program


def outcome(frame: Frame) -> Any:
    """What a result says: the value, or the error and whether the code ran."""
    if not frame.flags & Flag.FAILED:
        return bytes(frame.payload).decode()
    told = frame.options()
    return told["error"], told.get("reason"), told["executed"]


def outcomes(program: Program) -> dict[int, Any]:
    """Each task's one outcome; none where its node went down first."""
    assert all(len(frames) == 1 for frames in program.results.values())
    return {ref: outcome(frames[0]) for ref, frames in program.results.items() if frames != [None]}


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster("a", "b", cores=1)
    made.join("a", "b")
    return made


def busy(cluster: Cluster, work: bytes, tasks: int) -> tuple[Program, Machine]:
    """A program on `a`, and node `b`, which has accepted its `tasks` of so many milliseconds of `work`."""
    program, there = cluster["a"].program(), cluster["b"]
    cluster.run(1)
    for _ in range(tasks):
        program.task(there, work)
    cluster.run(1)
    return program, there


def test_accepted_tasks_finish_and_new_ones_are_told_that_nothing_ran(cluster: Cluster) -> None:
    program, there = busy(cluster, b"2000", 3)
    there.drain(60)
    program.task(there, b"1")
    cluster.run(3)
    assert outcomes(program)[4] == ("NodeDown", "draining", "no")
    assert not there.stopped
    cluster.run(4)
    assert outcomes(program) == {4: ("NodeDown", "draining", "no"), **dict.fromkeys((1, 2, 3), "done 2000")}
    assert there.stopped == "it was told to, and is drained"
    assert program.downs == ["b@sim"]


def test_when_the_time_is_up_what_never_began_is_told_so_and_what_runs_is_ended(cluster: Cluster) -> None:
    program, there = busy(cluster, b"100000", 3)
    there.drain(5)
    cluster.run(4.9)
    assert not program.results
    cluster.run(3)
    there_said = outcomes(program)
    assert there_said[2] == there_said[3] == ("TaskCancelled", "drain", "no")
    assert [signal.signal for signal in there.signals][:1] == ["SIGINT"]
    assert there.stopped


def test_an_idle_node_that_is_drained_stops_at_once(cluster: Cluster) -> None:
    cluster.run(1)
    cluster["b"].drain(60)
    cluster.run(0.1)
    assert cluster["b"].stopped


def test_a_second_drain_can_only_shorten_the_first(cluster: Cluster) -> None:
    _, there = busy(cluster, b"100000", 1)
    there.drain(30)
    there.drain(600)
    there.drain(1)
    cluster.run(5)
    assert there.stopped


def test_a_result_is_fetched_before_the_node_is_gone(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    cluster.delay = 2.0  # a slow way
    cluster.run(5)
    program.task(there, b"1000")
    cluster.run(2.5)
    there.drain(60)
    cluster.run(1.5)
    assert not program.results
    cluster.run(10)
    assert outcomes(program) == {1: "done 1000"}
    assert there.stopped
