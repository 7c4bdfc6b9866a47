import os
from collections.abc import Iterator

import pytest

from pysh.runtime.runner.slot import SIZE, Slot, Slots


@pytest.fixture
def slots() -> Iterator[Slots]:
    slots = Slots(4)
    yield slots
    slots.close()


def worker_end(slots: Slots, offset: int) -> Slot:
    return Slot(os.dup(slots.fileno()), offset)


def test_the_hub_reads_what_the_worker_runs(slots: Slots) -> None:
    first, second = slots.take(), slots.take()
    worker = worker_end(slots, second)
    assert slots.running(second) == worker.running == 0
    worker.running = 2**63
    assert slots.running(second) == worker.running == 2**63
    assert slots.running(first) == 0


def test_a_slot_outlives_its_worker_by_any_death(slots: Slots) -> None:
    offset = slots.take()
    pid = os.fork()
    if not pid:
        worker_end(slots, offset).running = 7
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert slots.running(offset) == 7


def test_a_cancel_is_for_one_job_alone(slots: Slots) -> None:
    offset = slots.take()
    worker = worker_end(slots, offset)
    assert not worker.cancelled
    slots.cancel(offset, 7)
    assert not worker.cancelled
    worker.running = 7
    assert worker.cancelled
    worker.running = 8
    assert not worker.cancelled


def test_a_slot_that_was_given_back_is_clean_for_the_next(slots: Slots) -> None:
    taken = [slots.take() for _ in range(4)]
    assert sorted(taken) == [0, SIZE, 2 * SIZE, 3 * SIZE]
    worker_end(slots, taken[2]).running = 7
    slots.cancel(taken[2], 7)
    slots.give_back(taken[2])
    assert slots.take() == taken[2]
    again = worker_end(slots, taken[2])
    assert (again.running, again.cancelled) == (0, False)
