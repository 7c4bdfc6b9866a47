"""Arguments that come in chunks go on to a worker as they come, and hold nothing up."""

import pytest

from pysh.runtime.protocol.frames import LOCAL, Decoder, Frame, Kind, encode
from tests.sim.cluster import Cluster, Program


@pytest.fixture
def cluster() -> Cluster:
    """Two nodes, of which b has one slot."""
    made = Cluster("a", "b", cores=1)
    made.join("a", "b")
    return made


def begun(cluster: Cluster) -> tuple[Program, int]:
    """A task on b of whose arguments one chunk has come."""
    program = cluster["a"].program()
    ref = program.task(cluster["b"], b"1", more=True)
    cluster.run(1)
    return program, ref


def test_the_rest_goes_to_the_worker_that_has_the_beginning(cluster: Cluster) -> None:
    program, ref = begun(cluster)
    program.task(cluster["b"], b"0", ref=ref, more=True)
    program.task(cluster["b"], b"0", ref=ref)
    cluster.run(1)
    assert [bytes(f.payload) for f in program.results[ref]] == [b"done 100"]
    assert len(cluster["b"].core.work.jobs) == 0


def test_a_slow_sender_takes_no_slot(cluster: Cluster) -> None:
    program, _ = begun(cluster)
    other = program.task(cluster["b"], b"5")
    cluster.run(1)
    assert [bytes(f.payload) for f in program.results[other]] == [b"done 5"]


def test_a_sender_that_is_lost_leaves_neither_a_job_nor_a_worker(cluster: Cluster) -> None:
    begun(cluster)
    there = cluster["b"]
    [job] = there.core.work.jobs
    worker = there.core.processes[job.number]
    cluster.kill("a")
    cluster.run(1)
    assert len(there.core.work.jobs) == 0
    assert worker.number in there.closed


def test_a_cancel_before_the_last_chunk_ends_it_unstarted(cluster: Cluster) -> None:
    program, ref = begun(cluster)
    program.cancel(cluster["b"], ref)
    cluster.run(1)
    [answer] = program.results[ref]
    assert answer.options()["error"] == "TaskCancelled"
    assert answer.options()["executed"] == "no"


def test_arguments_that_grow_over_the_limit_leave_no_slot_taken(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    there.core.work._limit = 10
    program.task(there, b"100")
    cluster.run(0.05)
    large = program.task(there, b"0" * 9, more=True)
    program.task(there, b"0" * 9, ref=large)
    after = program.task(there, b"1")
    cluster.run(1)
    assert [answer.options()["error"] for answer in program.results[large]] == ["NotSendable"]
    assert after in program.results
    assert not there.core.work.pool.busy


def test_a_chunk_that_crosses_the_cancel_begins_nothing(cluster: Cluster) -> None:
    program, ref = begun(cluster)
    program.cancel(cluster["b"], ref)
    program.task(cluster["b"], b"2", ref=ref, more=True)
    cluster.run(1)
    assert [answer.options()["error"] for answer in program.results[ref]] == ["TaskCancelled"]
    assert len(cluster["b"].core.work.jobs) == 0


def test_the_rest_of_a_process_that_was_refused_is_no_new_job(cluster: Cluster) -> None:
    program, there = cluster["a"].program(), cluster["b"]
    there.core.work.pool.cap = 0
    ref = program.task(there, b"1", more=True, kind="process")
    program.task(there, b"2", ref=ref, more=True)
    cluster.run(1)
    assert [answer.options()["error"] for answer in program.results[ref]] == ["PyshError"]
    assert len(there.core.work.jobs) == 0


@pytest.mark.parametrize("at", [0.01, 1.0])
def test_a_task_counts_as_started_once_the_values_that_it_needs_are_there(cluster: Cluster, at: float) -> None:
    there = cluster["b"]
    cluster["a"].program().task(there, b"60000", values={"1f": ["/df", 5]})
    cluster.run(at)
    [job] = there.core.work.jobs
    stand = there.core.work.standing.of(job)
    assert (stand.state, stand.why) == ("sent", "values that it needs are being brought")
    link = there.core.processes[job.number].number
    here = Frame(Kind.ALIVE, there.core.work.pid(job), LOCAL, job.number)
    there.happens(lambda: there.hear(link, list(Decoder().feed(b"".join(map(bytes, encode(here)))))))
    cluster.run(0.05)
    assert there.core.work.standing.of(job).state == "running"
