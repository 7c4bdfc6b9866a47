"""Several addresses of one host: the first that answers wins, and nothing stays behind."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from pysh.transports import dial
from pysh.transports.base import TransportError
from tests.sshd import free_port

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def server() -> Iterator[dial.Address]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield V4, listening.getsockname()


@pytest.fixture
def closed() -> dial.Address:
    return V4, ("127.0.0.1", free_port())


async def test_a_silent_address_gets_a_head_start_and_no_more(hole: dial.Address, server: dial.Address) -> None:
    began = time.monotonic()
    with await dial.dial([hole, server], timeout=5) as sock:
        assert sock.getpeername() == server[1]
    assert dial.HEAD_START <= time.monotonic() - began < 2


async def test_a_closed_port_hands_over_at_once(closed: dial.Address, server: dial.Address) -> None:
    began = time.monotonic()
    with await dial.dial([closed, server], timeout=5) as sock:
        assert sock.getpeername() == server[1]
    assert time.monotonic() - began < dial.HEAD_START


async def test_when_all_fail_each_address_is_named(closed: dial.Address) -> None:
    with pytest.raises(TransportError) as caught:
        await dial.dial([closed], timeout=5)
    assert caught.value.stage == "tcp"
    assert f"port {closed[1][1]}: Connection refused" in caught.value.evidence
    assert "sshd" in caught.value.hint


async def test_silence_ends_after_the_time_that_was_given(hole: dial.Address) -> None:
    with pytest.raises(TransportError) as caught:
        await dial.dial([hole, hole], timeout=0.4)
    assert caught.value.stage == "tcp"
    assert "0.4 s" in caught.value.evidence
    await asyncio.sleep(0)


def test_the_families_take_turns() -> None:
    six, more, four = (V6, ("a", 1)), (V6, ("b", 1)), (V4, ("c", 1))
    assert dial.interleaved([six, more, six, four]) == [six, four, more]


async def test_a_name_that_is_no_name_fails_at_resolve() -> None:
    with pytest.raises(TransportError) as caught:
        await dial.addresses("x" * 64 + ".example", 22, 0)
    assert caught.value.stage == "resolve"
