"""Results that nobody has fetched, on a virtual clock: kept, found by others, and gone in the end."""

from typing import Any

import pytest

from pysh.runtime.protocol import spool
from pysh.runtime.protocol.frames import Flag, unpack
from pysh.runtime.protocol.jobs import Job
from tests.sim.cluster import LARGE_RESULT, Cluster, Machine, Program

DAY = 86400.0


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster("a", "b", "c")
    made.join("a", "b")
    made.join("c", "b")
    return made


def asks(cluster: Cluster, who: str, *works: bytes, **options: Any) -> Program:
    """A program of node `who` that asks b for tasks."""
    program = cluster[who].program()
    cluster.run(0.1)
    for work in works:
        program.task(cluster["b"], work, **options)
    cluster.run(0.1)
    return program


def jobs(machine: Machine) -> list[Job]:
    return list(machine.core.work.jobs)


def got(program: Program, ref: int) -> bytes:
    """What came as the one result of `ref`."""
    [frame] = program.results[ref]
    assert frame is not None
    return program.parts.get(ref, b"") + bytes(frame.payload)


def fetches(cluster: Cluster, who: str, job: Job) -> bytes:
    """Have a program of node `who` fetch a result from b."""
    program = cluster[who].program()
    cluster.run(0.1)
    ref = program.fetch(cluster["b"], job.number)
    cluster.run(1)
    return got(program, ref)


def test_a_result_that_is_fetched_at_once_never_goes_to_disk(cluster: Cluster) -> None:
    program = asks(cluster, "a", b"10", b"10L")
    cluster.run(60)
    assert len(program.results) == 2
    assert not jobs(cluster["b"]) and not cluster["b"].disk


def test_the_result_of_a_lost_owner_goes_to_disk_at_once(cluster: Cluster) -> None:
    asks(cluster, "a", b"200", b"2000")
    cluster["a"].freeze(1000, asleep=False)
    cluster.run(0.3)
    assert not cluster["b"].disk
    cluster.kill("a")
    cluster.run(0.1)
    assert len(cluster["b"].disk) == 1, "what had ended before"
    cluster.run(3)
    assert [unpack(record)["by"] for record, _ in cluster["b"].disk.values()] == ["a@sim"] * 2
    assert [job.result for job in jobs(cluster["b"])] == [[], []], "what lies on disk takes no memory"


def test_a_result_that_its_owner_is_slow_to_take_is_written_down_too_and_removed_once_he_has_it(
    cluster: Cluster,
) -> None:
    program = asks(cluster, "a", b"500")
    cluster["a"].freeze(4 * spool.AFTER, asleep=False)
    cluster.run(2.5 * spool.AFTER)
    assert len(cluster["b"].disk) == 1
    cluster.run(5 * spool.AFTER)
    assert got(program, 1) == b"done 500"
    assert not cluster["b"].disk and not jobs(cluster["b"])


@pytest.mark.parametrize("work", [b"400", b"400L"])
def test_another_fetches_what_a_lost_owner_left_and_then_it_is_gone(cluster: Cluster, work: bytes) -> None:
    asks(cluster, "a", b"1000", work)
    cluster.kill("a")
    cluster.run(2)
    [first, second] = jobs(cluster["b"])
    whole = fetches(cluster, "c", second)
    assert whole == b"done " + work + b"." * (LARGE_RESULT if work == b"400L" else 0)
    assert jobs(cluster["b"]) == [first]
    assert fetches(cluster, "b", first) == b"done 1000", "also from a program on its own node"
    assert not cluster["b"].disk


def test_what_is_not_finished_comes_when_it_is(cluster: Cluster) -> None:
    asks(cluster, "a", b"5000")
    cluster.kill("a")
    cluster.run(1)
    program = cluster["c"].program()
    cluster.run(0.1)
    ref = program.fetch(cluster["b"], jobs(cluster["b"])[0].number)
    cluster.run(1)
    assert not program.results
    cluster.run(5)
    assert got(program, ref) == b"done 5000"
    assert not jobs(cluster["b"])


def test_to_fetch_takes_nothing_from_an_owner_who_waits(cluster: Cluster) -> None:
    owner = asks(cluster, "a", b"1000L")
    program = cluster["c"].program()
    cluster.run(0.1)
    ref = program.fetch(cluster["b"], jobs(cluster["b"])[0].number)
    cluster.run(3)
    assert got(owner, 1) == got(program, ref) == b"done 1000L" + b"." * LARGE_RESULT
    assert not jobs(cluster["b"])


def test_what_another_has_fetched_while_its_owner_was_away_goes_when_that_is_lost(cluster: Cluster) -> None:
    asks(cluster, "a", b"400")
    cluster["a"].freeze(1000, asleep=False)
    cluster.run(2)
    [job] = jobs(cluster["b"])
    assert fetches(cluster, "c", job) == b"done 400"
    assert jobs(cluster["b"]) == [job], "he may still come for it"
    cluster.kill("a")
    cluster.run(1)
    assert not jobs(cluster["b"]) and not cluster["b"].disk


def test_a_reader_that_is_lost_on_the_way_loses_nothing(cluster: Cluster) -> None:
    asks(cluster, "a", b"400L")
    cluster.kill("a")
    cluster.run(1)
    [job] = jobs(cluster["b"])
    reader = cluster["c"].program()
    cluster.run(0.1)
    reader.fetch(cluster["b"], job.number)
    cluster.run(0.005)
    cluster.kill("c")
    cluster.run(1)
    assert jobs(cluster["b"]) == [job]
    assert fetches(cluster, "b", job).startswith(b"done 400L")


def test_a_node_that_starts_again_has_what_it_kept(cluster: Cluster) -> None:
    asks(cluster, "a", b"400", b"500L")
    cluster.kill("a")
    cluster.run(1)
    assert len(cluster["b"].disk) == 2
    before = [job.number for job in jobs(cluster["b"])]
    cluster.kill("b")
    again = cluster.restart("b")
    cluster.run(1)
    cluster.join("c", "b")
    kept = jobs(again)
    assert [job.options["label"] for job in kept] == ["work", "work"] and len(before) == 2
    assert again.core.reasons_to_stay() == [], "it lies on disk whether the node runs or not"
    assert fetches(cluster, "c", kept[0]) == b"done 400"
    assert fetches(cluster, "c", kept[1]).startswith(b"done 500L")
    assert not again.disk and not jobs(again)


def test_what_an_owner_who_stops_leaves_is_kept_only_if_it_is_detached(cluster: Cluster) -> None:
    asks(cluster, "a", b"500")
    asks(cluster, "a", b"500", detach=True)
    cluster["a"].stop()
    cluster.run(5)
    assert [job.options.get("detach") for job in jobs(cluster["b"])] == [True]
    assert len(cluster["b"].disk) == 1


def test_it_stays_in_memory_where_it_cannot_be_written(cluster: Cluster) -> None:
    cluster["b"].disk_fault = "no space left"
    asks(cluster, "a", b"400", b"500L")
    cluster.kill("a")
    cluster.run(20)
    assert not cluster["b"].disk
    small, large = [fetches(cluster, "c", job) for job in jobs(cluster["b"])]
    assert (small, len(large)) == (b"done 400", LARGE_RESULT + len(b"done 500L"))


def test_after_seven_days_a_result_is_dropped_and_said_so(cluster: Cluster) -> None:
    machine = cluster["b"]
    asks(cluster, "a", b"400")
    cluster.kill("a")
    cluster.kill("c")
    cluster.run(2)
    [job] = jobs(machine)
    machine.core.tick(machine.core.now + 7 * DAY - 60)
    assert jobs(machine) == [job]
    machine.core.tick(machine.core.now + 120)
    assert not jobs(machine)
    [gone] = [action for action in machine.core.take() if type(action).__name__ == "Discard"]
    assert gone.reason == (f"the result of task {job.number} (work) for a@sim was dropped: it was kept for 7 days")


def test_past_its_room_a_node_drops_the_oldest_and_tells_whoever_reads_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = cluster["b"]
    asks(cluster, "a", b"400L", b"500L", b"600L")
    cluster.kill("a")
    monkeypatch.setattr(spool, "ROOM", int(2.5 * LARGE_RESULT))
    reader = cluster["c"].program()
    cluster.run(0.1)
    ref = reader.fetch(machine, jobs(machine)[0].number)
    cluster.lines[-1].stall(1)
    cluster.run(2)
    cluster.lines[-1].stall(1, on=False)
    cluster.run(2)
    assert len(machine.disk) == len(jobs(machine)) == 2
    [frame] = reader.results[ref]
    assert frame is not None and frame.flags & Flag.FAILED
    assert "it was the oldest" in frame.options()["text"]


def test_who_fetches_what_is_not_there_is_told(cluster: Cluster) -> None:
    seat = cluster["b"].terminal()
    seat.ask("fetch", number=99, ref=1)
    assert "b@sim has no result of a task 99" in seat.answers[-1]["text"]
