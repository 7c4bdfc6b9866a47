"""Where the time of a job went, as its node tells it."""

import pytest

from pysh.runtime.protocol.times import Times, spent
from tests.protocol.test_requests import answered
from tests.sim.cluster import Cluster


@pytest.mark.parametrize(
    ("accepted", "sent", "ended", "told"),
    [
        (10, 0, 0, Times(5, None)),
        (10, 12, 0, Times(2, 3)),
        (10, 12, 14, Times(2, 2)),
        (10, 0, 14, Times(4, None)),
    ],
)
def test_durations_of_what_waits_runs_and_has_ended(accepted: float, sent: float, ended: float, told: Times) -> None:
    assert spent(accepted, sent, ended, 15) == told


def test_a_task_is_told_with_its_times_while_it_waits_runs_and_after_its_end() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    for _ in range(2):
        program.task(there, b"3000")
    cluster.run(1)
    first, second = (job.number for job in there.core.work.jobs)
    runs, waits = (answered(there, "times", number=number) for number in (first, second))
    assert (runs["state"], waits["state"]) == ("running", "queued")
    assert runs["working"] == pytest.approx(1, abs=0.2) and waits["working"] is None
    assert waits["queued"] == pytest.approx(1, abs=0.2) and waits["why"].startswith("0 before it")
    cluster.run(10)
    assert there.core.work.jobs.get(second) is None
    over = answered(there, "times", number=second)
    assert over["state"] == "done"
    assert [over["queued"], over["working"]] == pytest.approx([3, 3], abs=0.2)
    assert answered(there, "times", number=999) == {}
