"""Why a task waits: each place that it can be in."""

import pytest

from pysh.runtime.protocol.jobs import DONE, SENT, Job
from pysh.runtime.protocol.pool import Pool
from pysh.runtime.protocol.standing import Stand, facts, load, read_facts, stand
from pysh.runtime.protocol.terms import Pid, Ref
from tests.sim.cluster import Cluster


def job(number: int, *, state: str = "queued", worker: int | None = None, complete: bool = True) -> Job:
    made = Job(number, Ref(Pid(b"1" * 16, 1), number), Pid(b"1" * 16, 1), {}, b"", 0.0)
    made.state, made.worker, made.complete = state, worker, complete
    return made


@pytest.fixture
def pool() -> Pool:
    """One worker of one, which runs task 1; 2 and 3 wait."""
    made = Pool(1, warm=0)
    made.submit(1)
    made.ready(1)
    for number in (2, 3):
        made.submit(number)
    return made


def test_one_that_waits_for_a_worker_says_how_many_are_before_it(pool: Pool) -> None:
    assert stand(job(2), pool, "w1") == Stand("queued", "0 before it, 1 worker busy on w1")
    assert stand(job(3), pool, "w1") == Stand("queued", "1 before it, 1 worker busy on w1")
    two = Pool(2)
    for number in (1, 2, 3):
        two.submit(number)
    assert stand(job(3), two, "w1").why == "0 before it, 2 workers busy on w1"


def test_one_whose_worker_starts_is_sent(pool: Pool) -> None:
    assert stand(job(9), pool, "w1") == Stand("sent", "a worker for it starts on w1")


def test_one_whose_arguments_have_not_come_says_so(pool: Pool) -> None:
    assert stand(job(2, complete=False), pool, "w1") == Stand("sent", "its arguments are on their way")


def test_one_that_waits_in_a_worker_is_queued_there(pool: Pool) -> None:
    for _ in range(30):
        pool.finished(1, 0, 0.0)  # they prove short, and the next are handed over in advance
    assert pool.of(1) == [1, 2, 3]
    assert stand(job(3, state=SENT, worker=1), pool, "w1") == Stand("queued", "2 before it in its worker on w1")


def test_one_runs_once_its_requester_was_told_so_and_is_done_when_it_is(pool: Pool) -> None:
    running = job(1, state=SENT, worker=1)
    assert stand(running, pool, "w1").state == "sent"
    running.told = True
    assert stand(running, pool, "w1").state == "running"
    running.state = DONE
    assert stand(running, pool, "w1").state == "done"


def test_a_pool_tells_what_is_busy_and_what_waits(pool: Pool) -> None:
    assert facts(pool) == {"busy": 1, "size": 1, "waiting": 2}


def test_what_has_a_worker_to_itself_is_busy_too_unless_it_waits(pool: Pool) -> None:
    pool.submit_own(9)
    pool.submit_own(10, fresh=True)
    assert facts(pool) == {"busy": 3, "size": 1, "waiting": 2}
    assert load(facts(pool)) == 5
    process = next(number for number in pool.workers if pool.of(number) == [9])
    pool.blocked(process)
    assert facts(pool)["busy"] == 2
    assert stand(job(3), pool, "w1").why == "1 before it, 1 worker busy on w1"


@pytest.mark.parametrize("told", [None, [], {}, {"busy": 1}, {"busy": 1, "size": "2", "waiting": 0}])
def test_what_a_node_tells_of_its_pool_is_looked_at(told: object) -> None:
    assert read_facts(told) is None
    assert read_facts({"busy": 1, "size": 2, "waiting": 0, "more": 3}) == {"busy": 1, "size": 2, "waiting": 0}


def test_nodes_tell_each_other_how_busy_they_are() -> None:
    cluster = Cluster("a", "b", cores=1)
    cluster.join("a", "b")
    program, seat = cluster["a"].program(), cluster["a"].terminal()
    cluster.run(0.1)

    def told() -> list[dict[str, int]]:
        seat.ask("nodes")
        return [row["pool"] for row in seat.answers[-1]]

    assert told() == [{"busy": 0, "size": 1, "waiting": 0}] * 2
    for _ in range(3):
        program.task(cluster["b"], b"2000")
    cluster.run(1)
    assert told() == [{"busy": 0, "size": 1, "waiting": 0}, {"busy": 1, "size": 1, "waiting": 2}]
    cluster.run(10)
    assert told() == [{"busy": 0, "size": 1, "waiting": 0}] * 2


def test_who_chooses_a_node_hears_how_busy_each_is_and_no_worker_does() -> None:
    cluster = Cluster("a", "b", cores=1)
    cluster.join("a", "b")
    program, other = cluster["a"].program(), cluster["b"].program()
    cluster.run(0.1)
    for _ in range(3):
        other.task(cluster["b"], b"2000")
    cluster.run(1)
    here, there = (cluster[name].core.incarnation for name in "ab")
    assert program.loads == {here: 0, there: 3}
    program.task(cluster["a"], b"60000")
    cluster.run(1)
    assert program.loads == {here: 1, there: 3}
    cluster.run(10)
    assert program.loads == {here: 1, there: 0}


def test_a_task_is_asked_why_it_waits_and_where_its_code_is() -> None:
    cluster = Cluster("a", cores=1)
    program, seat = cluster["a"].program(), cluster["a"].terminal()
    cluster.run(0.1)
    for _ in range(2):
        program.task(cluster["a"], b"60000")
    cluster.run(1)
    first, second = (one.number for one in cluster["a"].core.work.jobs)
    for number, state in ((first, "running"), (second, "queued")):
        seat.ask("standing", number=number)
        assert seat.answers[-1]["state"] == state
    seat.ask("standing", number=99)
    assert seat.answers[-1] == {}
    seat.ask("stack", number=second)
    assert seat.answers[-1]["text"] == "it does not run yet; queued: 0 before it, 1 worker busy on a\n"
    before = len(seat.answers)
    seat.ask("stack", number=first)
    seat.ask("stack", number=first)
    assert len(seat.answers) == before
    cluster["a"].core.work.stacks.dumped(first, "in f\n")
    cluster["a"].settle()
    assert [answer["text"] for answer in seat.answers[before:]] == ["in f\n"] * 2
    seat.ask("cancel_task", number=second, grace=0)
    assert seat.answers[-1] is True
    cluster.run(1)
    seat.ask("stack", number=second)
    assert "does not know this task any more" in seat.answers[-1]["text"]
