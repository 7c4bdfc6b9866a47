"""Whoever ends waits until the other nodes have what was sent, as long as some of it arrives."""

from typing import Any

import pytest

from pysh.runtime.protocol.delivery import MOST, PATIENCE
from pysh.runtime.protocol.frames import LOCAL, Decoder, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid
from tests.protocol.pair import member, pair
from tests.sim.cluster import Cluster, Machine, Program

Told = list[tuple[list[str], bool]]


@pytest.fixture
def cluster() -> Cluster:
    return pair(one_machine=False)


def waiting(machine: Machine, runner: Link | None = None) -> Told:
    """What is told of what a runner sent, and others there."""
    told: Told = []
    machine.happens(lambda: machine.core.delivery.wait(runner, lambda *words: told.append(words)))
    return told


def runner(machine: Machine, *rows: list[list[Any]]) -> Link:
    """A program that says it holds each of `rows`, one after the other; without any it says nothing."""
    link = next(machine.links)

    left = list(rows)

    def hear(raws: list[Any]) -> None:
        if left and any(parse(raw).kind == Kind.SENT for raw in raws):
            held = left.pop(0) if len(left) > 1 else left[0]
            frame = Frame(Kind.SENT, LOCAL, LOCAL, meta=pack(held))
            machine.hear(link, list(Decoder().feed(b"".join(map(bytes, encode(frame))))))

    machine.wire(link, hear)
    machine.opened(link, machine.hello("program")._replace(incarnation=bytes(16)))
    return machine.core.links[link]


def sent(cluster: Cluster, count: int) -> tuple[Program, Program]:
    near, far = cluster["a"].program(), cluster["b"].program()
    cluster.run(0.1)
    for _ in range(count):
        near.message(far)
    cluster.run(0.001)
    return near, far


def test_it_is_over_once_all_is_acknowledged(cluster: Cluster) -> None:
    _, far = sent(cluster, 9)
    told = waiting(cluster["a"])
    assert told == []
    cluster.run(0.2)
    assert told == [([], False)]
    assert [number for what, _, number in far.told if what == "message"] == list(range(1, 10))


def test_it_is_over_at_once_where_nothing_was_sent(cluster: Cluster) -> None:
    cluster.run(1)
    assert waiting(cluster["a"]) == [([], False)]


def test_what_nobody_acknowledges_is_counted_by_its_receiver(cluster: Cluster) -> None:
    near, far = sent(cluster, 0)
    cluster.lines[-1].stall(0)
    for _ in range(8):
        near.message(far)
    cluster.run(0.01)
    told = waiting(cluster["a"])
    cluster.run(PATIENCE - 0.1)
    assert told == []
    cluster.run(0.2)
    text = f"8 messages to <b.{far.pid.number}> may not have arrived: the sender ended first"
    assert told == [([text], False)]


def test_what_gets_on_slowly_is_waited_for_again(cluster: Cluster) -> None:
    near, far = sent(cluster, 0)
    near.message(far)
    cluster.run(0.001)
    session = member(cluster["a"], cluster["b"]).session
    cluster.lines[-1].stall(0)
    for _ in range(5):
        near.message(far)
    cluster.run(0.01)
    told = waiting(cluster["a"])
    session.acked(session.statistics().sent - 4, cluster.now)
    cluster.run(PATIENCE + 0.1)
    assert [sending for _, sending in told] == [True]


@pytest.mark.parametrize("left", [[], [[int(Kind.SEND), b"b" * 16, 3, 2, 500_000]]], ids=["nothing", "some"])
def test_what_a_runner_holds_is_waited_for_first(cluster: Cluster, left: list[Any]) -> None:
    there = cluster["b"].incarnation
    more = [int(Kind.SEND), there, 3, 2, 900_000]
    told = waiting(cluster["a"], runner(cluster["a"], [more], [more], [[row[0], there, *row[2:]] for row in left]))
    cluster.run(PATIENCE + 0.1)
    words = ["2 messages to <b.3> may not have arrived: the sender ended first"]
    assert told == ([(words, True)] if left else [([], False)])


def test_a_runner_that_says_nothing_is_waited_for_and_then_told_of(cluster: Cluster) -> None:
    told = waiting(cluster["a"], runner(cluster["a"]))
    cluster.run(PATIENCE - 0.1)
    assert told == []
    cluster.run(0.2)
    assert told == [(["the program is stuck, and what it has not sent yet is lost"], False)]


def test_few_receivers_are_told_by_themselves(cluster: Cluster) -> None:
    rows = [[int(Kind.SEND), cluster["b"].incarnation, number, 1, 9] for number in range(1, MOST + 4)]
    rows.append([int(Kind.SPAWN), cluster["b"].incarnation, 0, 5, 9])
    told = waiting(cluster["a"], runner(cluster["a"], rows))
    cluster.run(PATIENCE + 0.1)
    [(words, sending)] = told
    assert not sending
    assert words[0] == "5 requests to run something on b may not have arrived: the sender ended first"
    assert (len(words), words[-1]) == (MOST + 1, "4 more to others may not have arrived")


def test_who_ends_is_told_of_no_exit_signal_any_more(cluster: Cluster) -> None:
    node, by = cluster["a"].core, Pid(cluster["b"].incarnation, 5)
    ends, stays = runner(cluster["a"]), runner(cluster["a"])
    told: list[int] = []
    node.tell = lambda number, _: told.append(number)  # type: ignore[method-assign]
    waiting(cluster["a"], ends)
    for link in (ends, stays):
        node.end_process(link.process, "shutdown", by)
    assert told == [stays.process]
