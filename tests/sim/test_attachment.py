"""When a node that another one started ends, on a virtual clock."""

from pysh.runtime.protocol import member
from tests.sim.cluster import Cluster

GRACE = member.GRACE[0]


def started(delay: float = 0.001) -> Cluster:
    """Node `a`, which started node `b`, and node `c`; all connected."""
    cluster = Cluster("a", "b", "c", delay=delay)
    cluster["b"].attach(cluster["a"])
    for one, other in (("a", "b"), ("a", "c"), ("c", "b")):
        cluster.join(one, other)
    return cluster


def test_a_node_stops_when_its_starter_stops_on_purpose_and_not_when_another_does() -> None:
    cluster = started()
    cluster["c"].stop()
    cluster.run(1)
    assert not cluster["b"].stopped
    cluster["a"].stop()
    cluster.run(1)
    assert cluster["b"].stopped == "who started it has stopped"


def test_a_node_whose_starter_is_lost_stops_after_the_grace_and_not_before() -> None:
    cluster = started()
    cluster.kill("a")
    cluster.run(GRACE - 1)
    assert not cluster["b"].stopped
    cluster.run(2)
    assert cluster["b"].stopped == "who started it is gone, and nothing runs here"
    assert not cluster["c"].stopped


def lose(cluster: Cluster) -> None:
    """From now on `a` and `b` do not reach each other."""
    cluster.unreachable.add(frozenset("ab"))
    cluster.cut("a", "b")


def test_a_starter_that_comes_back_in_time_keeps_its_node() -> None:
    cluster = started()
    for away in (GRACE / 2, GRACE - 6):
        lose(cluster)
        cluster.run(away)
        cluster.unreachable.clear()
        cluster.join("a", "b")
        cluster.run(2 * GRACE)
    assert not cluster["b"].stopped


def test_a_starter_that_was_away_for_the_grace_is_waited_for_no_longer() -> None:
    cluster = started()
    lose(cluster)
    cluster.run(GRACE - 1)
    assert not cluster["b"].stopped
    cluster.run(2)
    assert cluster["b"].stopped == "who started it is gone, and nothing runs here"


def test_a_node_that_lost_its_starter_stays_while_it_runs_something_and_until_the_result_is_fetched() -> None:
    cluster = started()
    program = cluster["c"].program()
    cluster.run(1)
    program.task(cluster["b"], b"300000")  # five minutes
    cluster.run(1)
    cluster.kill("a")
    cluster.run(5 * 60 - 10)
    assert not cluster["b"].stopped
    cluster.run(20 + GRACE)
    assert cluster["b"].stopped
    assert [bytes(frame.payload) for frame in program.results[1]] == [b"done 300000"]


def test_a_result_that_its_owner_could_not_fetch_keeps_the_node() -> None:
    cluster = started()
    program = cluster["c"].program()
    cluster.run(1)
    program.task(cluster["b"], b"1000")
    cluster.run(0.5)
    cluster.kill("c")
    cluster.kill("a")
    cluster.run(100 * GRACE)
    assert not cluster["b"].stopped


def test_a_node_that_persists_outlives_its_starter_however_that_ends() -> None:
    for end in ("stop", "kill"):
        cluster = Cluster("a", "b")
        cluster.join("a", "b")
        if end == "stop":
            cluster["a"].stop()
        else:
            cluster.kill("a")
        cluster.run(100 * GRACE)
        assert not cluster["b"].stopped
