"""Which frames of failures a hub counts on, and why others are gone."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from pysh.runtime.protocol import postmortem
from pysh.runtime.protocol.actions import Write
from pysh.runtime.protocol.frames import Decoder, Flag, Frame, Kind, parse
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.pool import Full, Run
from pysh.runtime.protocol.postmortem import APART, KEPT, NEVER, OVER, SHARED, UNASKED, VERBS
from pysh.runtime.protocol.terms import Pid, Ref
from tests.sim.cluster import Cluster

ME, OTHER = Pid(b"m" * 16, 1), Pid(b"o" * 16, 1)
KEEPS = {"frames": True, "label": "f"}


class Failing:
    """A node in whose workers jobs fail."""

    def __init__(self) -> None:
        self.core: Node = Cluster("a", cores=2)["a"].core
        self.all = self.core.work.post_mortems
        self._numbers = count(100)

    def worker(self) -> int:
        """One that is up, and idle."""
        pool, job = self.core.work.pool, next(self._numbers)
        before = set(pool.workers)
        pool.submit_own(job)
        for number in set(pool.workers) - before:
            pool.ready(number)
            self.core.work.workers[number] = Link(1000 + number, None, 0)  # type: ignore[arg-type]  # nobody's
        [worker] = [number for number in pool.workers if job in pool.of(number)]
        pool.finished(worker, job, 1.0)
        return worker

    def fails(self, worker: int, options: Mapping[str, Any] = KEEPS, owner: Pid = ME) -> int:
        """A job fails in that worker; its number."""
        job = self.job(options, owner)
        job.worker, job.flags = worker, Flag.ERROR
        self.all.failed(job)
        return job.number

    def job(self, options: Mapping[str, Any], owner: Pid = ME) -> Job:
        """One that was asked for."""
        number = next(self._numbers)
        return Job(number, Ref(owner, number), owner, options, b"", self.core.now)

    def looks(self, number: int) -> list[int]:
        """In which worker somebody may look at the frames of that job. Raises `Full`."""
        job = self.job({"frames_of": number})
        return [step.worker for step in self.all.place(job) if isinstance(step, Run) and step.job == job.number]

    def why(self, number: int) -> str:
        """Why nobody may."""
        with pytest.raises(Full) as refused:
            self.looks(number)
        return str(refused.value)

    def told_to_let_go(self) -> list[int]:
        """The jobs whose frames workers were told to let go of."""
        writes = [action for action in self.core.take() if isinstance(action, Write) and action.link > 1000]
        raws = [raw for write in writes for raw in Decoder().feed(b"".join(map(bytes, write.buffers)))]
        return [frame.dest.number for frame in map(parse, raws) if frame.kind == Kind.CANCEL]


@pytest.fixture
def failing() -> Failing:
    return Failing()


def test_they_are_looked_at_in_the_worker_that_has_them(failing: Failing) -> None:
    worker = failing.worker()
    number = failing.fails(worker)
    assert failing.looks(number) == [worker]


def test_a_worker_has_those_of_the_last_that_failed_in_it(failing: Failing) -> None:
    worker = failing.worker()
    first, last = failing.fails(worker), failing.fails(worker)
    assert "gone: f failed after it in the same worker, which keeps the last" in failing.why(first)
    assert failing.looks(last) == [worker]


def test_while_its_worker_runs_something_that_is_said(failing: Failing) -> None:
    worker = failing.worker()
    number = failing.fails(worker)
    job = failing.job({"label": "train"})
    failing.core.work.jobs.add(job)
    failing.core.work.pool.submit_at(worker, job.number)
    said = f"the frames of task {number} are there, but its worker runs task {job.number} train now; once that is over"
    assert failing.why(number) == said
    failing.core.work.pool.finished(worker, job.number, 1.0)
    assert failing.looks(number) == [worker]


@pytest.mark.parametrize(
    ("options", "why"),
    [({}, UNASKED), ({**KEEPS, "isolate": True}, APART), ({**KEEPS, "frames": False}, UNASKED)],
)
def test_where_none_are_kept_that_is_known(failing: Failing, options: dict[str, Any], why: str) -> None:
    assert failing.why(failing.fails(failing.worker(), options)).endswith(why)


def test_async_processes_share_a_runner_and_have_none(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing.core.work.tenancy, "apartments", {7: None})
    assert failing.why(failing.fails(7)).endswith(SHARED)


def test_a_worker_that_ends_takes_them_along(failing: Failing) -> None:
    worker = failing.worker()
    number = failing.fails(worker)
    del failing.core.work.pool.workers[worker]  # it is told to end
    assert failing.why(number).endswith(OVER)
    failing.all.worker_gone(worker)
    assert failing.why(number).endswith(OVER)
    assert failing.why(12345).endswith(NEVER)


def test_after_a_while_in_which_nobody_looked_they_go(failing: Failing) -> None:
    old = failing.fails(failing.worker())
    failing.core.tick(KEPT / 2)
    new = failing.fails(failing.worker())
    failing.core.take()
    failing.core.tick(KEPT)
    assert failing.told_to_let_go() == [old]
    assert "nobody looked at them for 10 minutes" in failing.why(old)
    assert failing.looks(new)
    failing.core.tick(KEPT * 1.9)
    assert not failing.told_to_let_go()
    failing.core.tick(KEPT * 2.1)
    assert "nobody looked" in failing.why(new)


def test_those_of_an_owner_go_with_it_or_when_it_says_so(failing: Failing) -> None:
    mine, other = failing.fails(failing.worker()), failing.fails(failing.worker(), owner=OTHER)
    frame = Frame(Kind.REQUEST, ME, failing.core.me, 1)
    failing.core.take()
    assert VERBS["let_go"](failing.core, None, frame, {}) == {"ok": 1}
    assert failing.told_to_let_go() == [mine]
    assert "debug(keep=False)" in failing.why(mine)
    failing.core.work.requester_lost(lambda asked: asked == OTHER)
    assert "its owner is gone" in failing.why(other)


def test_other_workers_are_taken_before_one_that_has_some(failing: Failing) -> None:
    failing.fails(worker := failing.worker())
    job = failing.job({})
    failing.core.work.pool.submit(job.number)
    assert job.number not in failing.core.work.pool.of(worker)


def test_of_how_many_it_is_remembered_why_is_bounded(failing: Failing) -> None:
    worker = failing.worker()
    numbers = [failing.fails(worker) for _ in range(postmortem.REMEMBERED + 2)]
    assert failing.why(numbers[0]).endswith(NEVER)
    assert "failed after it" in failing.why(numbers[1])
