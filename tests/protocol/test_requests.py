"""What a hub is asked is answered in one frame, however much there is to tell."""

from typing import Any

from pysh.runtime.protocol.frames import MAX_META, pack
from tests.sim.cluster import Cluster, Machine


def answered(machine: Machine, verb: str, **asked: Any) -> Any:
    """What `machine` answers; the answer fits into a frame."""
    seat = machine.terminal()
    seat.ask(verb, **asked)
    assert len(pack({"ok": seat.answers[-1]})) < MAX_META
    return seat.answers[-1]


def test_a_thousand_tasks_are_told_a_part_at_a_time() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    for _ in range(1000):
        program.task(there, b"600000", label="x" * 100)
    cluster.run(1)
    told: list[int] = []
    while page := answered(there, "tasks", after=told[-1] if told else 0):
        told += [row["number"] for row in page]
    assert told == sorted(job.number for job in there.core.work.jobs)
    assert len(told) == 1000


def test_output_that_is_no_text_is_cut_where_its_text_is_too_long() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    ref = program.task(there, b"600000")
    cluster.run(1)
    [job] = there.core.work.jobs
    job.keep_output(b"\xff" * 60_000)
    told = answered(there, "output", owner=list(job.key.owner), ref=ref)
    assert set(told["text"]) == {"\N{REPLACEMENT CHARACTER}"}
