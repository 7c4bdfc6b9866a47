"""Heartbeats, each as a table of what happens when."""

import pytest

from pysh.runtime.protocol.heartbeat import Heartbeat, Ping, Recovered, Silent, Suspect

NEVER = float("inf")


def test_a_quiet_peer_is_asked_then_suspected_then_given_up_once() -> None:
    beat = Heartbeat(every=2, suspect_after=5, give_up_after=9, now=0)
    table: list[tuple[float, list[object]]] = [
        (1, []),
        (2, [Ping()]),
        (3, []),
        (4, [Ping()]),
        (5, [Suspect(5)]),
        (6, [Ping()]),
        (8, [Ping()]),
        (9, [Silent(9)]),
        (60, []),
    ]
    assert [(now, beat.tick(now)) for now, _ in table] == table
    assert beat.next_deadline() == NEVER


@pytest.mark.parametrize(
    ("heard", "deadline"),
    [(0.0, 2.0), (0.5, 2.5), (1.9, 3.9)],
)
def test_whatever_is_heard_puts_the_next_question_off(heard: float, deadline: float) -> None:
    beat = Heartbeat(now=0)
    beat.heard(heard)
    assert beat.next_deadline() == deadline
    assert beat.tick(deadline - 0.1) == []
    assert beat.tick(deadline) == [Ping()]


def test_a_busy_peer_is_never_asked() -> None:
    beat = Heartbeat(now=0)
    for second in range(100):
        beat.heard(second)
        assert beat.tick(second + 0.5) == []


def test_a_suspect_that_is_heard_recovers_and_this_is_due_at_once() -> None:
    beat = Heartbeat(now=0)
    for now in (2, 4):
        assert beat.tick(now) == [Ping()]
    assert beat.tick(5) == [Suspect(5)]
    beat.heard(5.5)
    assert beat.next_deadline() <= 5.5
    assert beat.tick(5.5) == [Recovered()]
    assert beat.next_deadline() == 7.5


def test_a_suspect_that_recovers_unnoticed_until_it_is_silent_again_is_told_as_both() -> None:
    beat = Heartbeat(every=100, suspect_after=5, give_up_after=50, now=0)
    beat.tick(5)
    beat.heard(6)
    assert beat.tick(11.5) == [Recovered(), Suspect(5.5)]


def everything_from_here_on(beat: Heartbeat) -> list[object]:
    """The events of a peer that is never heard again, ticked at each deadline."""
    events: list[object] = []
    while (now := beat.next_deadline()) != NEVER:
        happened = beat.tick(now)
        assert happened, f"nothing was due at {now}"
        events += happened
    return events


def test_every_deadline_has_its_event_and_no_event_comes_twice() -> None:
    events = everything_from_here_on(Heartbeat(every=0.7, suspect_after=2.1, give_up_after=6.3, now=0.1))
    assert [type(event) for event in events if not isinstance(event, Ping)] == [Suspect, Silent]


def test_the_time_in_which_this_process_stood_still_is_not_held_against_the_peer() -> None:
    beat = Heartbeat(now=0)
    beat.heard(1)
    assert beat.tick(1000) == [Ping()]  # due at 3: of 999 s of silence, 2 count
    beat.heard(1000.01)
    assert beat.tick(1000.02) == []
    assert beat.next_deadline() == pytest.approx(1002.01)


def test_a_peer_that_stays_silent_after_a_standstill_is_still_found_out() -> None:
    beat = Heartbeat(now=0)
    beat.tick(500)
    *_, last = everything_from_here_on(beat)
    assert isinstance(last, Silent)
    assert last.for_seconds == pytest.approx(60)


def test_the_patience_can_be_changed_while_it_runs() -> None:
    beat = Heartbeat(now=0)
    beat.give_up_after = 900
    while (now := beat.next_deadline()) < 900:
        assert not any(isinstance(event, Silent) for event in beat.tick(now))
    assert repr(beat) == "<Heartbeat every 2 s: suspect>"
