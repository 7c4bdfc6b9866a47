"""Which worker runs what, told as the events of a node's day."""

import pytest

from pysh.runtime.protocol.pool import AHEAD, OF_HERE, Fork, Full, Pool, Retire, Run, Step


def quick(pool: Pool) -> None:
    """Let the pool believe that tasks are short."""
    for _ in range(100):
        pool.finished(0, 0, 0.0)


def ready(pool: Pool, amount: int) -> None:
    for number in range(1, amount + 1):
        pool.ready(number)


def test_the_first_task_forks_its_worker_and_a_warm_one() -> None:
    pool = Pool(2)
    assert pool.submit(10) == [Fork(1), Fork(2)]
    assert pool.ready(1) == [Run(1, 10)]
    assert pool.ready(2) == []


def test_a_fresh_worker_is_forked_though_one_is_idle_and_runs_nothing_else() -> None:
    pool = Pool(1, warm=0)
    assert pool.submit(1) == [Fork(1)]
    assert pool.ready(1) == [Run(1, 1)]
    assert pool.finished(1, 1, 1.0) == []
    assert pool.submit_own(2, fresh=True) == [Fork(2)]
    assert pool.ready(2) == [Run(2, 2)]
    assert pool.submit(3) == [Run(1, 3)]
    assert pool.submit(4) == []
    assert pool.finished(2, 2, 1.0) == [Retire(2)]
    assert pool.exited(2, []) == []
    assert list(pool.waiting) == [4]


def test_tasks_beyond_the_slots_wait_for_the_first_that_ends() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    assert pool.submit(11) == []
    assert pool.finished(1, 10, 0.1) == [Run(1, 11)]


def test_a_process_never_waits_behind_tasks() -> None:
    pool = Pool(1)
    pool.submit(10)
    pool.submit(11)
    ready(pool, 2)
    assert Run(2, 20) in pool.submit_own(20)


def test_a_blocked_worker_gives_its_slot_back() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    pool.submit(11)
    assert Run(2, 11) in pool.blocked(1)


def test_nested_tasks_do_not_deadlock_however_deep() -> None:
    pool = Pool(1)
    pool.submit(0)
    ready(pool, 2)
    for depth in range(1, 50):
        holder = next(n for n, w in pool.workers.items() if w.jobs and not w.blocked)
        pool.submit(depth)
        for step in pool.blocked(holder):
            if isinstance(step, Fork):
                pool.ready(step.worker)
    assert not pool.waiting


def test_long_tasks_are_not_prefetched() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    assert pool.submit(11) == []
    assert pool.of(1) == [10]


def test_short_tasks_are_prefetched_up_to_a_bound() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    quick(pool)
    for job in range(11, 11 + 2 * AHEAD):
        pool.submit(job)
    assert len(pool.of(1)) == AHEAD + 1
    assert len(pool.waiting) == AHEAD


def test_a_prefetched_task_that_comes_back_goes_first_to_another() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    quick(pool)
    pool.submit(11)
    pool.blocked(1)
    assert Run(2, 11) in pool.returned(1, 11)


def test_what_a_dead_worker_had_not_begun_runs_elsewhere() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    quick(pool)
    pool.submit(11)
    assert Run(2, 11) in pool.exited(1, [11])


def test_a_careful_task_is_never_prefetched_and_nothing_behind_it() -> None:
    pool = Pool(1)
    pool.submit(10, prefetch=False)
    ready(pool, 2)
    quick(pool)
    assert pool.submit(11) == []
    pool.finished(1, 10, 0.0)
    pool.submit(12, prefetch=False)
    assert 12 in pool.waiting


def test_a_waiting_task_can_be_withdrawn_and_a_sent_one_cannot() -> None:
    pool = Pool(1)
    pool.submit(10)
    ready(pool, 2)
    pool.submit(11)
    assert pool.withdrawn(11)
    assert not pool.withdrawn(10)


def test_processes_beyond_the_cap_are_refused() -> None:
    pool = Pool(1, cap=2)
    pool.submit_own(20)
    pool.submit_own(21)
    with pytest.raises(Full):
        pool.submit_own(22)


def test_workers_that_many_processes_left_are_retired() -> None:
    pool = Pool(1)
    for job in range(20, 25):
        pool.submit_own(job)
    ready(pool, len(pool.workers))
    steps = [step for number, job in enumerate(range(20, 25), 1) for step in pool.finished(number, job, 1.0)]
    assert sum(isinstance(step, Retire) for step in steps) >= 4
    assert len(pool.workers) <= 2


def test_every_task_ends_exactly_once_whatever_dies() -> None:
    pool = Pool(2)
    quick(pool)
    ended: list[int] = []

    def follow(steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Fork):
                follow(pool.ready(step.worker))

    for job in range(100, 160):
        follow(pool.submit(job))
    while busy := [(number, worker) for number, worker in pool.workers.items() if worker.jobs]:
        number, worker = busy[0]
        first, *unstarted = worker.jobs
        ended.append(first)
        follow(pool.exited(number, unstarted) if first % 3 == 0 else pool.finished(number, first, 0.0001))
    assert sorted(ended) == list(range(100, 160))


def test_what_was_prefetched_behind_a_long_task_goes_elsewhere() -> None:
    pool = Pool(1)
    quick(pool)
    pool.submit(10)
    ready(pool, 1)
    assert pool.submit(11) == [Run(1, 11)]
    assert pool.proved_long(1)
    assert pool.submit(12) == []
    assert pool.returned(1, 11) == []
    assert not pool.proved_long(1)
    assert pool.finished(1, 10, 3.0) == [Run(1, 11)]


# code


def test_a_job_goes_to_a_worker_that_has_its_code_and_never_to_one_that_has_another() -> None:
    pool = Pool(2)
    assert pool.submit(10, code={"shop": "old"}) == [Fork(1), Fork(2)]
    ready(pool, 2)
    assert pool.finished(1, 10, 1.0) == []
    assert pool.submit(11, code={"shop": "old", "money": "1"}) == [Run(1, 11)]
    assert pool.finished(1, 11, 1.0) == []
    assert pool.submit(12, code={"shop": "new"}) == [Run(2, 12)]


def test_what_needs_no_code_goes_anywhere() -> None:
    pool = Pool(1, warm=0)
    pool.submit(10, code={"shop": "old"})
    ready(pool, 1)
    pool.finished(1, 10, 1.0)
    assert pool.submit(11) == [Run(1, 11)]


def test_what_is_named_by_text_goes_where_nobody_has_brought_any_code() -> None:
    pool = Pool(2)
    pool.submit(10, code={"shop": "old", "absent": ""})
    ready(pool, 2)
    pool.finished(1, 10, 1.0)
    assert pool.submit(11, code=OF_HERE) == [Run(2, 11)]
    pool.finished(2, 11, 1.0)
    assert pool.submit(12, code={"shop": "new"}) == [Run(2, 12)]
    pool.finished(2, 12, 1.0)
    assert pool.submit(13, code=OF_HERE) == [Retire(1), Fork(3)]


def test_where_workers_have_other_code_one_of_them_makes_room() -> None:
    pool = Pool(1, warm=0)
    pool.submit(10, code={"shop": "old"})
    ready(pool, 1)
    pool.finished(1, 10, 1.0)
    assert pool.submit(11, code={"shop": "new"}) == [Retire(1), Fork(2)]
    assert pool.ready(2) == [Run(2, 11)]
    assert pool.exited(1, []) == []


def test_of_too_many_idle_ones_that_goes_whose_code_is_not_wanted_any_more() -> None:
    pool = Pool(2)
    pool.submit(10, code={"shop": "old"})
    ready(pool, 2)
    pool.finished(1, 10, 1.0)
    pool.submit(11, code={"shop": "new"})  # in the warm one
    assert pool.submit(12, code={"shop": "new"}) == [Fork(3)]
    pool.ready(3)
    assert pool.finished(3, 12, 1.0) == []
    assert pool.finished(2, 11, 1.0) == [Retire(1)]


def test_short_ones_are_not_prefetched_where_other_code_runs() -> None:
    pool = Pool(1, warm=0)
    quick(pool)
    pool.submit(10, code={"shop": "old"})
    ready(pool, 1)
    assert pool.submit(11, code={"shop": "old"}) == [Run(1, 11)]
    assert pool.submit(12, code={"shop": "new"}) == []


def test_a_job_whose_worker_went_still_needs_its_code() -> None:
    pool = Pool(1, warm=0)
    pool.submit(10, code={"shop": "old"})
    ready(pool, 1)
    assert pool.exited(1, [10]) == [Fork(2)]
    pool.ready(2)
    pool.finished(2, 10, 1.0)
    assert pool.submit(11, code={"shop": "new"}) == [Retire(2), Fork(3)]
