"""Whose the upgrade of a node is, and what it leaves where it ends in the middle; on a virtual clock."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.standing import CORDONED
from pysh.runtime.protocol.terms import Pid, Ref
from pysh.runtime.protocol.upgrades import Upgrades
from tests.sim.cluster import Cluster, Machine, Seat

OLD, NEW = {"shop": "1" * 64}, {"shop": "2" * 64, "money": "3" * 64}


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster("a", "b", cores=1)
    made.join("a", "b")
    made.run(0.1)
    return made


@pytest.fixture
def node(cluster: Cluster) -> Machine:
    return cluster["a"]


def by(cluster: Cluster, name: str = "a", token: int = 1) -> Ref:
    return Ref(Pid(cluster[name].core.incarnation, 7), token)


def meant(node: Machine) -> list[dict[str, str]]:
    return [node.core.work.blobs.named(f"{name}:f") for name in ("shop", "money")]


def taken(node: Machine, who: Ref, seconds: float = 60.0, **options: Any) -> Any:
    told = node.core.upgrades.take(who, "shop 2222", seconds, **options)
    node.settle()
    return told


def seated(cluster: Cluster, node: Machine) -> Seat:
    seat = node.terminal()
    cluster.run(0.1)
    seat.answers.clear()
    return seat


@pytest.mark.parametrize("other", [("a", 2), ("b", 1)])
def test_two_at_a_time_the_second_is_told_whose_it_is(cluster: Cluster, node: Machine, other: tuple[str, int]) -> None:
    first, second = by(cluster, "b", 5), by(cluster, *other)
    assert taken(node, first) is None
    cluster.run(3)
    node.core.now = cluster.now
    for told in (taken(node, second), node.core.upgrades.pushed(second, OLD)):
        assert told["executed"] == "no"
        assert told["text"] == (
            "a@sim is being upgraded to shop 2222 by <b.7>, since 3 s, for 57 s more at most: try again after that"
        )
    assert meant(node) == [{}, {}]
    assert taken(node, first) is None
    node.core.upgrades.end(second)
    assert taken(node, second) is not None
    node.core.upgrades.end(first)
    assert taken(node, second) is None


def test_whoever_has_ended_is_down_or_is_not_heard_of_for_so_long_has_it_no_more(
    cluster: Cluster, node: Machine
) -> None:
    upgrades = node.core.upgrades
    taken(node, by(cluster), 1000.0, cordon=True)
    node.core.ended(8, "normal")
    assert upgrades.cordoned
    node.core.ended(7, "normal")
    assert not upgrades.cordoned
    taken(node, by(cluster, "b"), 1000.0, cordon=True)
    cluster.kill("b")
    cluster.run(200)
    assert not upgrades.cordoned
    assert taken(node, by(cluster), 10.0, cordon=True) is None
    cluster.run(9)
    node.core.now = cluster.now
    assert taken(node, by(cluster), 10.0, cordon=True) is None
    cluster.run(9)
    assert upgrades.cordoned
    assert upgrades.refuses(by(cluster, token=2)) is not None
    cluster.run(2)
    assert not upgrades.cordoned
    assert upgrades.refuses(by(cluster, token=2)) is None


def test_what_names_meant_before_comes_back(cluster: Cluster, node: Machine) -> None:
    me, upgrades = by(cluster), node.core.upgrades
    assert upgrades.pushed(by(cluster, token=0), OLD) is None
    taken(node, me)
    upgrades.pushed(me, NEW)
    upgrades.pushed(me, {"shop": "4" * 64})  # perhaps it was told twice
    upgrades.back(by(cluster, token=2))
    assert meant(node) == [{"shop": "4" * 64}, NEW]
    upgrades.back(me)
    assert meant(node) == [OLD, {}]
    upgrades.back(me)
    assert meant(node) == [OLD, {}]


def test_once_it_is_over_nothing_comes_back_and_that_is_said(cluster: Cluster, node: Machine) -> None:
    taken(node, by(cluster))
    node.core.upgrades.pushed(by(cluster), NEW)
    node.core.upgrades.end(by(cluster), final=True)
    told = node.core.upgrades.back(by(cluster))
    assert told is not None
    assert "is not held by this upgrade any more" in told["text"]
    taken(node, by(cluster))  # that he comes again changes nothing
    assert node.core.upgrades.back(by(cluster)) is None
    assert meant(node) == [NEW, NEW]


def test_who_lost_it_without_his_doing_may_come_again_and_go_back(cluster: Cluster, node: Machine) -> None:
    upgrades = node.core.upgrades
    upgrades.pushed(by(cluster, token=0), OLD)
    for lost in (lambda: upgrades.node_down(by(cluster).owner.incarnation), lambda: cluster.run(1000)):
        taken(node, by(cluster))
        upgrades.pushed(by(cluster), NEW)
        lost()
        assert upgrades.back(by(cluster)) is not None
        taken(node, by(cluster))
        assert upgrades.back(by(cluster)) is None
        assert meant(node) == [OLD, {}]
        upgrades.end(by(cluster), final=True)


def test_what_others_pushed_while_it_was_let_go_stays_and_the_rest_comes_back(cluster: Cluster, node: Machine) -> None:
    upgrades, third = node.core.upgrades, {"shop": "9" * 64}
    upgrades.pushed(by(cluster, token=0), OLD)
    taken(node, by(cluster))
    upgrades.pushed(by(cluster), NEW)
    cluster.run(1000)
    upgrades.pushed(by(cluster, token=0), third)
    assert taken(node, by(cluster), again=True) is None
    assert upgrades.others == {"shop"}
    told = upgrades.back(by(cluster))
    assert told is not None and "others pushed shop since" in told["text"]
    assert meant(node) == [third, {}]
    assert upgrades.others == set()


def test_who_lost_it_to_another_upgrade_does_not_have_it_again(cluster: Cluster, node: Machine) -> None:
    taken(node, by(cluster))
    cluster.run(1000)
    taken(node, by(cluster, "b"))
    node.core.upgrades.end(by(cluster, "b"), final=True)
    assert "was upgraded by others since" in taken(node, by(cluster), again=True)["text"]


def test_what_was_pushed_before_something_else_is_not_meant_any_more(node: Machine) -> None:
    blobs = node.core.work.blobs
    blobs.pushed(NEW)
    assert blobs.meant(NEW)
    blobs.pushed({"other": "1" * 64, "money": NEW["money"]})
    assert blobs.meant(NEW)
    blobs.pushed(OLD)
    assert not blobs.meant(NEW)
    assert blobs.meant(OLD)


def test_who_lost_it_does_not_undo_what_others_pushed_since(cluster: Cluster, node: Machine) -> None:
    upgrades = node.core.upgrades
    taken(node, by(cluster))
    upgrades.pushed(by(cluster), OLD)
    upgrades.end(by(cluster))
    upgrades.pushed(by(cluster, token=0), NEW)
    taken(node, by(cluster))
    upgrades.back(by(cluster))
    assert meant(node) == [NEW, NEW]


def test_tasks_go_elsewhere_while_it_is_cordoned(cluster: Cluster, node: Machine) -> None:
    program = cluster["b"].program()
    there = node.core.incarnation
    for _ in range(3):
        taken(node, by(cluster), cordon=True)
        cluster.run(0.01)
        assert program.loads[there] == CORDONED
        assert node.core.work.standing.facts["cordoned"]
        taken(node, by(cluster))
        cluster.run(0.01)
        assert program.loads[there] == 0


def test_what_was_there_before_is_waited_for_and_what_is_left_is_counted(cluster: Cluster, node: Machine) -> None:
    program, seat = node.program(), seated(cluster, node)
    program.task(node, b"1000")
    program.task(node, b"60000")
    cluster.run(0.5)
    seat.ask("drained", seconds=5)
    program.task(node, b"1000")
    cluster.run(3)
    assert seat.answers == []
    cluster.run(3)
    assert seat.answers == [1]
    seat.ask("drained", seconds=0)
    assert seat.answers == [1, 2]
    cluster.run(70)
    seat.ask("drained", seconds=30)
    assert seat.answers == [1, 2, 0]


@pytest.mark.parametrize(("verb", "seconds"), [("drained", float("nan")), ("pause", float("inf")), ("drained", "soon")])
def test_what_is_no_time_is_refused(node: Machine, cluster: Cluster, verb: str, seconds: Any) -> None:
    seat = seated(cluster, node)
    seat.ask(verb, seconds=seconds)
    assert seat.answers[0]["executed"] == "no"


def test_a_pause_is_answered_when_it_is_over(node: Machine, cluster: Cluster) -> None:
    seat = seated(cluster, node)
    seat.ask("pause", seconds=2)
    cluster.run(1.9)
    assert seat.answers == []
    cluster.run(0.2)
    assert seat.answers == [None]


def test_who_may_change_code_is_listed_and_the_others_are_counted(cluster: Cluster, node: Machine) -> None:
    upgrades = node.core.upgrades
    started: list[tuple[str, dict[str, str], str]] = [
        ("actor", OLD, "Shelf"), ("", OLD, "f"), ("", NEW, "f"), ("actor", NEW, "Shelf"),
        ("actor", {"other": "1" * 64}, "x"), ("", {"shop": ""}, "g"), ("supervisor", OLD, "s"),
    ]  # fmt: skip
    for number, (role, code, label) in enumerate(started, 100):
        options = {"kind": "process", "role": role, "code": code, "label": label}
        node.core.work.jobs.add(
            Job(number, Ref(by(cluster).owner, number), by(cluster).owner, options, pack(options), 0.0)
        )
    rows = [[100, "actor", "Shelf"], [103, "actor", "Shelf"], [106, "supervisor", "s"]]
    assert upgrades.users(NEW, 0) == (rows, 1, 1)
    assert upgrades.users(NEW, 100) == (rows[1:], 1, 1)


def test_one_upgrade_says_no_more_of_itself_than_there_is_room_for(cluster: Cluster, node: Machine) -> None:
    upgrades: Upgrades = node.core.upgrades
    upgrades.take(by(cluster), "x" * 100_000, 1.0)
    assert len((upgrades.refuses(by(cluster, token=2)) or {})["text"]) < 500
