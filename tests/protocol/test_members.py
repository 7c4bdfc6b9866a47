"""What becomes of a session without a connection, each rule by itself, on a virtual clock."""

import pytest

from pysh.runtime.protocol import flow, members, node, session
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.member import FAULTS, SOUND
from tests.protocol.pair import member, pair, part
from tests.sim.cluster import Machine


@pytest.mark.parametrize(("asleep", "lines"), [(3.0, 1), (600.0, 2)])
def test_after_a_long_sleep_of_the_machine_every_node_is_dialled_anew_at_once(asleep: float, lines: int) -> None:
    cluster = pair()
    cluster.run(2)
    there = member(cluster["a"], cluster["b"])
    cluster["a"].core.members.slept(0.0, cluster.now)
    cluster["a"].core.members.slept(asleep, cluster.now)
    cluster["a"].settle()
    cluster.run(0.02)
    assert len(cluster.lines) == lines
    assert member(cluster["a"], cluster["b"]) is there and not there.suspect


def test_an_end_that_gave_the_session_up_makes_the_node_down_and_up_at_the_other() -> None:
    cluster = pair()
    a, b = cluster["a"], cluster["b"]
    program = a.program()
    part(cluster)
    cluster.run(1)
    b.core.members.end(member(b, a), "unreachable")
    cluster.unreachable.clear()
    cluster.run(10)
    assert [what for what, *_ in program.told] == ["down", "up"]
    assert program.downs == ["b@sim"]
    assert not member(a, b).suspect and not member(b, a).suspect


def test_a_goodbye_that_got_lost_is_said_again_to_who_dials() -> None:
    cluster = pair(one_machine=False)
    a, b = cluster["a"], cluster["b"]
    program = a.program()
    cluster.lines[-1].stall(1)
    b.core.members.part(member(b, a), "disconnected")
    b.settle()
    cluster.run(30)
    assert [reason for what, _, reason in program.told if what == "down"] == ["b@sim: disconnected"]
    assert not a.core.peers and not b.core.peers
    a.dial("b")
    cluster.run(1)
    assert program.nodes == ["a@sim", "b@sim"]


def test_what_was_never_sent_is_known_not_to_have_run() -> None:
    cluster = pair(grace=(5.0, 5.0), one_machine=False)
    program = cluster["a"].program()
    cluster.run(0.1)
    sent = program.task(cluster["b"], b"60000")
    cluster.run(1)
    part(cluster)
    cluster.run(1)
    kept = program.task(cluster["b"], b"1")
    cluster.run(10)
    [answer] = program.results[kept]
    assert answer is not None
    assert answer.options() == {"error": "NodeDown", "node": "b@sim", "reason": "unreachable for 5 s", "executed": "no"}
    assert program.results[sent] == [None]
    assert len(cluster["b"].core.work.jobs) == 1  # it goes on, and may be found


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of one message: all others wait until it was acknowledged."""
    monkeypatch.setattr(session, "LARGE", 1)
    monkeypatch.setattr(flow, "LEAST", 1)


@pytest.mark.usefixtures("one_at_a_time")
def test_what_waited_for_the_window_is_known_not_to_have_run() -> None:
    cluster = pair(grace=(5.0, 5.0), one_machine=False)
    program = cluster["a"].program()
    cluster.run(1)
    sent, waited = (program.task(cluster["b"], b"60000") for _ in range(2))
    cluster.run(0.0002)
    assert len(member(cluster["a"], cluster["b"]).session.waiting()) == 1
    part(cluster)
    cluster.run(10)
    assert program.results[sent] == [None]
    [answer] = program.results[waited]
    assert answer is not None and answer.options()["executed"] == "no"


@pytest.mark.usefixtures("one_at_a_time")
def test_what_waits_for_the_window_goes_before_a_goodbye() -> None:
    cluster = pair()
    a, b = cluster["a"], cluster["b"]
    sender, receiver = a.program(), b.program()
    cluster.run(1)
    for _ in range(5):
        sender.message(receiver)
    cluster.run(0.0002)
    assert len(member(a, b).session.waiting()) == 4
    a.core.members.part(member(a, b), "disconnected")
    a.settle()
    cluster.run(1)
    assert [what for what, *_ in receiver.told] == ["message"] * 5 + ["down"]


def break_rules(machine: Machine, other: Machine) -> None:
    """The hub of `machine` gets from the other what is no frame."""
    link = member(machine, other).link
    assert link is not None
    machine.drop(link.number, "no frame")


@pytest.mark.parametrize("strict", ["a", "b"])
def test_a_node_that_breaks_the_rules_again_and_again_is_parted_with_and_says_why(strict: str) -> None:
    cluster = pair(one_machine=False)
    a, b = cluster["a"], cluster["b"]
    programs = [a.program(), b.program()]
    here, there = (a, b) if strict == "a" else (b, a)
    for _ in range(FAULTS):
        assert here.core.peers
        cluster.run(2)
        break_rules(here, there)
    cluster.run(5)
    assert not a.core.peers and not b.core.peers
    for program in programs:
        [(_, _, reason)] = [told for told in program.told if told[0] == "down"]
        assert str(reason).endswith("@sim: 5 connections in a row broke the rules: no frame")


def test_rules_that_are_broken_now_and_then_cost_a_connection_each() -> None:
    cluster = pair(one_machine=False)
    for _ in range(3 * FAULTS):
        cluster.run(SOUND + 1)
        break_rules(cluster["b"], cluster["a"])
    cluster.run(1)
    assert len(cluster.lines) == 1 + 3 * FAULTS
    assert not member(cluster["a"], cluster["b"]).suspect


def test_a_name_that_is_up_is_nobody_elses_and_one_that_is_away_is_free_for_its_next_start() -> None:
    cluster = pair()
    a, b = cluster["a"], cluster["b"]
    other = b.hello()._replace(incarnation=b"another start of b"[:16])

    def refused(hello: Hello) -> str:
        return (a.core.members.refuse(hello) or "").partition(":")[0]

    assert refused(other) == "name_taken"
    assert refused(other._replace(name=a.name)) == "name_taken"
    assert refused(a.hello()) == "self_connect"
    assert not refused(b.hello())
    part(cluster)
    cluster.run(0.0015)
    assert not refused(other)


def test_another_node_at_the_same_address_proves_that_the_first_is_gone() -> None:
    cluster = pair(one_machine=False)
    program = cluster["a"].program()
    cluster.kill("b")
    cluster.restart("b")
    cluster.run(10)
    assert [reason for what, _, reason in program.told if what == "down"] == ["b@sim: restarted"]
    assert program.nodes == ["a@sim", "b@sim"]


def test_senders_are_told_when_too_much_is_kept_and_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "FULL", 2000)
    monkeypatch.setattr(node, "FULL", 2000)
    cluster = pair()
    a, b = cluster["a"], cluster["b"]
    sender, receiver = a.program(), b.program()
    part(cluster)
    cluster.run(1)
    for _ in range(30):
        sender.message(receiver)
    cluster.run(0.1)
    assert member(a, b).full and member(a, b).view()["full"]
    cluster.unreachable.clear()
    cluster.run(10)
    assert not member(a, b).full
    assert [number for what, _, number in receiver.told if what == "message"] == list(range(1, 31))


FAILED = {"error": "ConnectError", "stage": "sshauth", "text": "too late"}
