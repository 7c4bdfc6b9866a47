"""A node without a connection, on a virtual clock: when it is dialled again, and when no more."""

from pysh.runtime.protocol.member import FIRST, FLAPPING, Member
from tests.protocol.pair import member, pair, part
from tests.sim.cluster import Cluster


def test_a_cut_is_mended_at_once_by_who_dialled() -> None:
    cluster = pair()
    a, b = cluster["a"], cluster["b"]
    cluster.run(2)
    before = member(a, b)
    cluster.lines[-1].cut()
    cluster.run(0.1)
    assert len(cluster.lines) == 2
    assert cluster.lines[-1].ends[0][0] is a
    assert member(a, b) is before and not before.suspect


def test_connections_that_fail_at_once_are_dialled_less_often() -> None:
    cluster = pair()
    cluster.run(2)
    for _ in range(200):
        cluster.lines[-1].cut()
        cluster.run(0.05)
    assert 10 / (FIRST * 2**FLAPPING) - 4 < len(cluster.lines) < 20 + 10 / (FIRST * 2**FLAPPING)


def test_a_node_waits_longer_where_the_other_has_a_terminal() -> None:
    cluster = pair(grace=(5.0, 50.0), one_machine=False)
    a, b = cluster["a"], cluster["b"]
    seat = b.terminal()
    cluster.run(1)
    part(cluster)
    cluster.run(49)
    assert member(a, b).suspect and member(b, a).suspect
    cluster.run(3)
    assert not a.core.peers and not b.core.peers
    seat.lose()


def dialled_again() -> tuple[Cluster, Member]:
    """Two nodes between which there is no way, and what `a` knows of `b` while it dials that."""
    cluster = pair(one_machine=False)
    cluster.run(2)
    part(cluster)
    cluster.run(0.0015)
    there = member(cluster["a"], cluster["b"])
    assert there.dialling
    return cluster, there


def test_nobody_dials_again_who_was_refused_for_good() -> None:
    cluster, there = dialled_again()
    cluster["a"].core.members.dial_failed(there.dialling, {"stage": "cookie", "text": "another cookie\nand a hint"})
    cluster.unreachable.clear()
    cluster.run(30)
    assert there.refused and there.suspect and len(cluster.lines) == 1
    cluster.run(31)
    assert there.ended == "unreachable for 60 s: another cookie"


def test_a_login_that_broke_is_no_refusal_and_is_tried_again() -> None:
    cluster, there = dialled_again()
    cluster["a"].core.members.dial_failed(there.dialling, {"stage": "sshauth", "text": "it broke", "passing": True})
    cluster.unreachable.clear()
    cluster.run(10)
    assert not there.suspect and len(cluster.lines) == 2
