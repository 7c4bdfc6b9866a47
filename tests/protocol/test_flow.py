"""Chunks and credit of one payload, and the window of a session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.flow import LEAST, WINDOW, Backlog, Inflow, Outflow, Window
from pysh.runtime.protocol.frames import CHUNK, HEADER, Frame, Kind, Raw, encode
from pysh.runtime.protocol.terms import HUB, Parts, Pid


@pytest.mark.parametrize("size", [0, 1, CHUNK])
def test_a_payload_of_one_chunk_or_none_is_complete_at_once(size: int) -> None:
    flow = Outflow(bytes(size), window=0)
    assert [(chunk.nbytes, more) for chunk, more in flow.chunks()] == [(size, False)]
    assert flow.finished


def test_a_large_payload_stops_where_its_credit_ends_and_goes_on_with_more() -> None:
    flow = Outflow(bytes(WINDOW + CHUNK + 1))
    assert sum(chunk.nbytes for chunk, _ in flow.chunks()) == WINDOW
    assert not flow.finished
    assert list(flow.chunks()) == []
    flow.grant(2 * CHUNK)
    assert [(chunk.nbytes, more) for chunk, more in flow.chunks()] == [(CHUNK, True), (1, False)]
    assert flow.finished


@given(st.integers(0, 12 * CHUNK))
def test_the_two_ends_carry_any_size_whole_with_at_most_a_window_under_way(size: int) -> None:
    payload = memoryview(bytes(range(256)) * (size // 256 + 1))[:size]
    near, far = Outflow(payload), Inflow(limit=size)
    while not near.finished:
        under_way = [chunk for chunk, _ in near.chunks()]
        assert sum(chunk.nbytes for chunk in under_way) <= WINDOW
        near.grant(sum(far.add(chunk) for chunk in under_way))
    assert far.join() == payload
    assert far.size == size


@given(st.lists(st.sampled_from([0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]), max_size=5))
def test_a_payload_in_parts_goes_in_chunks_without_being_joined(sizes: list[int]) -> None:
    parts = Parts([bytes([index]) * size for index, size in enumerate(sizes)])
    flow = Outflow(parts, window=len(parts) + 1)
    chunks = list(flow.chunks())
    assert flow.finished and all(chunk.nbytes <= CHUNK for chunk, _ in chunks)
    assert b"".join(chunk for chunk, _ in chunks) == parts.join()
    assert [more for _, more in chunks] == [True] * (len(chunks) - 1) + [False]


def test_a_payload_past_the_limit_is_refused_and_not_kept() -> None:
    flow = Inflow(limit=10)
    assert flow.add(b"12345678") == 8
    with pytest.raises(OverflowError, match="more than 10 bytes"):
        flow.add(b"123")
    assert flow.join() == b"12345678"
    assert flow.chunks() == [b"12345678"]


MIB = 1 << 20


@pytest.mark.parametrize(
    ("trips", "size"),
    [
        ([], LEAST),
        ([(MIB, 0.1)], 2 * MIB),  # nothing stood in the way: perhaps more goes in the same time
        ([(MIB, 0.1), (2 * MIB, 0.1), (4 * MIB, 0.2)], 4 * MIB),  # it took longer: this is what the path carries
        ([(4 * MIB, 0.1), (4 * MIB, 0.4)], 2 * MIB),  # most of that stood in a queue
        ([(64 * 1024, 0.001)], LEAST),
        ([(MIB, 0.1), (64 * 1024, 0.1)], LEAST),  # there was no more to send
        ([(MIB, 0.0)], 2 * MIB),  # no clock is fine enough
    ],
)
def test_a_window_is_twice_what_the_path_carries_in_its_fastest_round_trip(
    trips: list[tuple[int, float]], size: int
) -> None:
    window, now = Window(), 0.0
    for seq, (acked, took) in enumerate(trips, 1):
        window.sent(seq, now)
        now += took
        window.acked(seq, acked, now)
    assert window.size == size


def test_a_window_times_one_frame_at_a_time_and_counts_all_that_arrived_meanwhile() -> None:
    window = Window()
    for seq in (1, 2, 3, 4):
        window.sent(seq, 0.0)
    window.acked(3, 3 * MIB, 1.0)
    assert window.size == 6 * MIB
    window.sent(6, 2.0)
    window.acked(5, MIB, 2.5)  # of those before it
    assert window.size == 6 * MIB
    window.acked(6, MIB, 4.0)
    assert window.size == 2 * MIB


def test_another_path_is_measured_anew() -> None:
    window = Window()
    window.sent(1, 0.0)
    window.acked(1, MIB, 0.001)
    window.sent(2, 1.0)
    window.reset()
    window.acked(2, MIB, 9.0)
    window.sent(3, 10.0)
    window.acked(3, MIB, 10.1)
    assert window.size == 2 * MIB


A, B, C = Pid(b"a" * 16, 1), Pid(b"b" * 16, 1), Pid(b"b" * 16, HUB)


def raw(source: Pid, dest: Pid, ref: int) -> Raw:
    header, *body = encode(Frame(Kind.SPAWN, source, dest, ref, payload=b"12345"))
    return Raw(header, b"".join(body))


def test_a_backlog_holds_back_its_lanes_until_the_last_of_them_has_gone() -> None:
    backlog = Backlog()
    assert not backlog.holds_back(raw(A, B, 1))
    for frame in (raw(A, B, 1), raw(A, B, 2), raw(A, C, 3)):
        backlog.add(frame)
    assert (len(backlog), backlog.size) == (3, 3 * (HEADER.size + 5))
    held = [raw(A, B, 9), raw(A, C, 3)]
    free = [raw(B, A, 1), raw(A, C, 4), raw(A, Pid(B.incarnation, 2), 1)]
    assert [backlog.holds_back(frame) for frame in held + free] == [True, True, False, False, False]
    assert [backlog.pop() for _ in range(2)] == [raw(A, B, 1), raw(A, B, 2)]
    assert [backlog.holds_back(frame) for frame in held] == [False, True]
    backlog.pop()
    assert not backlog and backlog.size == 0
