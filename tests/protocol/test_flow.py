"""Chunks and credit of one payload."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.flow import WINDOW, Inflow, Outflow
from pysh.runtime.protocol.frames import CHUNK


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


def test_a_payload_past_the_limit_is_refused_and_not_kept() -> None:
    flow = Inflow(limit=10)
    assert flow.add(b"12345678") == 8
    with pytest.raises(OverflowError, match="more than 10 bytes"):
        flow.add(b"123")
    assert flow.join() == b"12345678"
    assert flow.chunks() == [b"12345678"]
