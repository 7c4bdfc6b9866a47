"""Sessions: numbers, acknowledgements, and nothing lost or doubled over broken connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.flow import LEAST
from pysh.runtime.protocol.frames import CHUNK, HEADER, Frame, FrameError, Kind, Raw, encode, parse
from pysh.runtime.protocol.session import ACK_BYTES, ACK_SECONDS, Session, SessionStatistics
from pysh.runtime.protocol.terms import HUB, Pid

A, B = b"a" * 16, b"b" * 16
NEVER = float("inf")


def raw(ref: int = 0, payload: bytes = b"", hops: int = 16) -> Raw:
    return raw_of(Frame(Kind.SEND, Pid(A, 1), Pid(B, 1), ref, payload=payload, hops=hops))


def raw_of(frame: Frame) -> Raw:
    (header,) = encode(frame._replace(payload=b""))  # the limits of a frame are no session's business
    return Raw(header, frame.payload)


def sent(session: Session, frame: Raw, now: float = 0.0) -> Raw:
    """`frame` as it goes out, which needs no waiting."""
    stamped = session.send(frame, now)
    assert stamped is not None
    return stamped


def take(session: Session, came: Raw, now: float = 0.0) -> str:
    frame = parse(came)
    return session.receive(frame.seq, frame.ack, len(came.body), now)


def test_frames_are_numbered_from_one_and_held_until_they_are_acknowledged() -> None:
    near = Session(B)
    out = [sent(near, raw(ref)) for ref in (7, 8, 9)]
    assert [parse(frame).seq for frame in out] == [1, 2, 3]
    assert near.unacked() == out
    near.acked(2, 0.0)
    assert near.unacked() == out[2:]
    near.acked(1, 0.0)  # an old one changes nothing
    assert near.unacked() == out[2:]
    near.acked(3, 0.0)
    assert near.unacked() == []


def test_every_frame_carries_what_was_received() -> None:
    near, far = Session(B), Session(A)
    assert take(far, sent(near, raw())) == "new"
    answer = sent(far, raw())
    assert parse(answer).ack == 1
    assert take(near, answer) == "new"
    assert near.unacked() == []


def test_a_frame_that_came_before_is_a_duplicate_and_acknowledged_again() -> None:
    near, far = Session(B), Session(A)
    frame = sent(near, raw())
    assert [take(far, frame), take(far, frame)] == ["new", "duplicate"]
    assert far.statistics().duplicates == 1
    assert far.ack_due(ACK_SECONDS) == 1


@pytest.mark.parametrize(
    ("seq", "ack", "text"),
    [
        (3, 0, "frame 3 of a session came after 1"),
        (0, 0, "frame 0"),
        (2, 1, "frame 1 of a session is acknowledged, 0 were sent"),
    ],
)
def test_a_gap_or_an_impossible_acknowledgement_is_an_error(seq: int, ack: int, text: str) -> None:
    session = Session(A)
    session.receive(1, 0, 0, 0.0)
    with pytest.raises(FrameError, match=text):
        session.receive(seq, ack, 0, 0.0)


def test_a_frame_without_a_hop_left_takes_no_number() -> None:
    session = Session(B)
    with pytest.raises(FrameError):
        session.send(raw(hops=0), 0.0)
    assert parse(sent(session, raw())).seq == 1


def test_an_ack_is_due_after_a_while() -> None:
    session = Session(A)
    assert session.next_deadline() == NEVER
    session.receive(1, 0, 100, now=10.0)
    session.receive(2, 0, 100, now=10.04)
    assert session.next_deadline() == 10.0 + ACK_SECONDS
    assert session.ack_due(10.04) is None
    assert session.ack_due(10.06) == 2
    assert session.ack_due(99.0) is None
    assert session.next_deadline() == NEVER


@pytest.mark.parametrize("size", [0, 1000, ACK_BYTES - HEADER.size])
def test_an_ack_is_due_after_so_many_bytes_headers_included(size: int) -> None:
    session = Session(A)
    frames = -(-ACK_BYTES // (HEADER.size + size))
    for seq in range(1, frames):
        session.receive(seq, 0, size, now=0.0)
        assert session.ack_due(0.0) is None
    session.receive(frames, 0, size, now=0.0)
    assert session.next_deadline() <= 0.0
    assert session.ack_due(0.0) == frames


def test_no_ack_is_due_when_a_frame_carried_it() -> None:
    session = Session(A)
    session.receive(1, 0, 100, now=0.0)
    sent(session, raw())
    assert session.ack_due(99.0) is None


def test_a_session_can_be_looked_at() -> None:
    session = Session(A)
    sent(session, raw(payload=b"12345"))
    session.receive(1, 0, 0, 0.0)
    assert session.statistics() == SessionStatistics(1, 1, 0, 1, HEADER.size + 5)
    assert repr(session) == "<Session with 61616161: 1 sent, 1 unacknowledged, 1 received>"
    session.acked(1, 0.0)
    assert session.statistics().unacked_bytes == 0


def test_what_is_small_goes_before_what_is_large_and_waits() -> None:
    near = Session(B)
    size = LEAST // 2
    large = [raw(ref, bytes(size - HEADER.size)) for ref in range(1, 5)]
    assert [near.send(frame, 0.0) is not None for frame in large] == [True, True, False, False]
    assert parse(sent(near, raw_of(Frame(Kind.REQUEST, Pid(A, 1), Pid(B, HUB), 5)))).seq == 3
    assert near.release(0.0) == []
    assert near.kept == 4 * size + HEADER.size
    near.acked(1, 0.0)
    assert [(parse(frame).seq, parse(frame).ref) for frame in near.release(0.0)] == [(4, 3)]
    assert [parse(frame).ref for frame in near.waiting()] == [4]


def test_nothing_overtakes_what_comes_from_the_same_process_to_the_same() -> None:
    near = Session(B)
    assert [near.send(raw(ref, bytes(LEAST)), 0.0) is not None for ref in (1, 2)] == [True, False]
    assert near.send(raw(3), 0.0) is None
    near.acked(1, 0.0)
    assert [parse(frame).ref for frame in near.release(0.0)] == [2, 3]
    assert sent(near, raw(4))


def test_a_frame_larger_than_the_window_goes_alone() -> None:
    near = Session(B)
    assert sent(near, raw(1, bytes(2 * LEAST)))
    assert near.send(raw(2, bytes(2 * LEAST)), 0.0) is None
    near.acked(1, 0.0)
    assert len(near.release(0.0)) == 1


def test_at_the_end_of_a_session_nothing_waits_any_more() -> None:
    near = Session(B)
    for ref in (1, 2, 3):
        near.send(raw(ref, bytes(LEAST)), 0.0)
    assert [parse(frame).ref for frame in near.flush(0.0)] == [2, 3]
    assert near.waiting() == []


def test_a_large_frame_without_a_hop_left_does_not_wait() -> None:
    near = Session(B)
    sent(near, raw(1, bytes(LEAST)))
    with pytest.raises(FrameError):
        near.send(raw(2, bytes(LEAST), hops=0), 0.0)
    assert near.waiting() == []


def test_another_connection_carries_again_what_did_not_arrive_and_then_what_waits() -> None:
    near = Session(B)
    for ref in range(1, 5):
        near.send(raw(ref, bytes(LEAST // 2 - HEADER.size)), 0.0)
    assert [parse(frame).ref for frame in near.resume(1, 0.0)] == [2]
    assert [parse(frame).ref for frame in near.release(0.0)] == [3]


def test_the_smallest_window_takes_two_chunks_so_that_the_path_is_not_idle_between_them() -> None:
    near = Session(B)
    assert [near.send(raw(ref, bytes(CHUNK)), 0.0) is not None for ref in (1, 2, 3)] == [True, True, False]


STEPS = st.lists(st.sampled_from(["send", "send", "deliver", "ack", "break"]), max_size=60)


@given(STEPS)
def test_whenever_connections_break_each_frame_arrives_once_and_in_order(steps: list[str]) -> None:
    near, far = Session(B), Session(A)
    wire: list[Raw] = []
    count = 0
    arrived: list[int] = []

    def deliver() -> None:
        if wire and take(far, frame := wire.pop(0)) == "new":
            arrived.append(parse(frame).ref)

    for step in [*steps, "break"]:
        if step == "send":
            count += 1
            wire.append(sent(near, raw(count)))
        elif step == "deliver":
            deliver()
        elif step == "ack":
            near.acked(far.statistics().received, 0.0)
        else:  # the connection breaks with what is on it; the next one carries what was not acknowledged
            wire = near.unacked()
    while wire:
        deliver()
    assert arrived == list(range(1, count + 1))
    near.acked(far.statistics().received, 0.0)
    assert near.unacked() == []
