"""What becomes of a session without a connection, each rule by itself, on a virtual clock."""

import pytest

from pysh.runtime.protocol import flow, members, node, session
from pysh.runtime.protocol.actions import Answer, Dial
from pysh.runtime.protocol.frames import LOCAL, Frame, FrameError, Kind
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.member import FAULTS, FIRST, FLAPPING, LONGEST, SOUND, Member, Resume
from tests.sim.cluster import Cluster, Machine


def pair(**options: object) -> Cluster:
    """Two nodes, of which `a` dialled `b`."""
    cluster = Cluster("a", "b", **options)  # type: ignore[arg-type]
    cluster.join("a", "b")
    return cluster


def member(of: Machine, other: Machine) -> Member:
    return of.core.peers[other.incarnation]


def part(cluster: Cluster) -> None:
    """There is no way between the two any more."""
    cluster.unreachable.add(frozenset("ab"))
    cluster.lines[-1].cut()


def test_the_pauses_grow_to_a_bound_and_differ_by_the_jitter() -> None:
    cluster = pair()
    there = member(cluster["a"], cluster["b"])
    assert [there.pause(1.0) for _ in range(8)] == [FIRST, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST]
    assert there.pause(0.0) == LONGEST / 2


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


def test_nobody_dials_again_who_was_refused_for_good() -> None:
    cluster = pair(one_machine=False)
    a, b = cluster["a"], cluster["b"]
    cluster.run(2)
    part(cluster)
    cluster.run(0.0015)
    there = member(a, b)
    assert there.dialling
    a.core.members.dial_failed(there.dialling, {"stage": "cookie", "text": "another cookie\nand a hint"})
    cluster.unreachable.clear()
    cluster.run(30)
    assert there.refused and there.suspect and len(cluster.lines) == 1
    cluster.run(31)
    assert there.ended == "unreachable for 60 s: another cookie"


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


def test_a_login_that_broke_is_no_refusal_and_is_tried_again() -> None:
    cluster = pair(one_machine=False)
    a, b = cluster["a"], cluster["b"]
    cluster.run(2)
    part(cluster)
    cluster.run(0.0015)
    there = member(a, b)
    a.core.members.dial_failed(there.dialling, {"stage": "sshauth", "text": "it broke", "passing": True})
    cluster.unreachable.clear()
    cluster.run(10)
    assert not there.suspect and len(cluster.lines) == 2


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


@pytest.mark.parametrize("told", [None, [], {}, {"session": 1}, {"session": "x", "yours": 0, "received": 0}])
def test_what_is_no_resume_ends_the_connection(told: object) -> None:
    with pytest.raises(FrameError, match="malformed RESUME"):
        Resume(told)


def test_who_sits_at_a_node_is_told_which_others_are_suspect_and_until_when() -> None:
    cluster = pair(one_machine=False)
    a = cluster["a"]
    seat = a.terminal()
    cluster.run(2)
    part(cluster)
    cluster.run(1)
    assert a.core.members.suspects() == []  # too short to be worth a word
    cluster.run(2)
    assert a.core.members.suspects() == ["b"]
    cluster.unreachable.clear()
    cluster.run(10)
    assert a.core.members.suspects() == []
    part(cluster)
    cluster.run(3)
    assert a.core.members.suspects() == ["b"]
    a.core.members.end(member(a, cluster["b"]), "for a reason")
    a.settle()
    assert a.core.members.suspects() == []
    cluster.run(1)
    assert seat.suspects == [["b"], [], ["b"], []]


FAILED = {"error": "ConnectError", "stage": "sshauth", "text": "too late"}


@pytest.mark.parametrize("late", [False, True])
def test_who_answers_a_question_hears_what_came_of_the_dial_even_if_it_was_over_before(
    monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    core, told = Cluster("a")["a"].core, []
    monkeypatch.setattr(core, "reply", lambda asked, meta: told.append((asked.ref, meta)))
    first, second = (Frame(Kind.REQUEST, LOCAL, LOCAL, ref=ref) for ref in (1, 2))
    core.members.connect("w1@db1", first, asks=True)
    [dial] = [action for action in core.take() if isinstance(action, Dial)]
    assert dial.asks
    assert core.members.question(dial.token, "Code:", True)
    assert told.pop() == (1, {"ok": {"question": "Code:", "wanted": True, "token": dial.token}})
    assert not core.members.question(dial.token, "Another:", True), "one at a time"
    if late:
        core.members.dial_failed(dial.token, FAILED)
    assert core.members.answer(dial.token, "1234", second)
    assert [action for action in core.take() if isinstance(action, Answer)] == [Answer(dial.token, "1234")]
    if not late:
        assert told == []
        core.members.dial_failed(dial.token, FAILED)
    assert told == [(2, FAILED)]
    assert not core.members.answer(dial.token, "1234", second), "nobody asked"
