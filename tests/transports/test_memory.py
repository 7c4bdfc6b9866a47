"""The faults that a network in memory can be asked for, in virtual time."""

import asyncio
import heapq
from collections.abc import Callable

import pytest

from pysh.transports.base import Stream, TransportError
from pysh.transports.memory import CONNECT_TIMEOUT, Network


class VirtualClock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._made = 0

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self._made += 1
        heapq.heappush(self._due, (self.now + delay, self._made, callback))

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        await turns()
        while self._due and self._due[0][0] <= end:
            self.now, _, callback = heapq.heappop(self._due)
            callback()
            await turns()
        self.now = end


async def turns() -> None:
    """Let every task that is ready run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def network(clock: VirtualClock) -> Network:
    return Network(delay=0.5, clock=clock)


async def joined(network: Network, clock: VirtualClock) -> tuple[Stream, Stream]:
    listener = network.listen("b")
    dialling = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(1)
    return await dialling, await listener.accept()


async def stage_of(dialling: asyncio.Task[Stream]) -> str:
    with pytest.raises(TransportError) as caught:
        await dialling
    return caught.value.stage


async def test_bytes_take_the_delay_of_their_direction(network: Network, clock: VirtualClock) -> None:
    near, far = await joined(network, clock)
    network.link("a", "b").delay = 3
    await near.write(b"slow")
    reading = asyncio.create_task(far.read())
    await clock.advance(2.9)
    assert not reading.done()
    await clock.advance(0.2)
    assert await reading == b"slow"
    await far.write(b"fast")
    await clock.advance(0.5)
    assert await near.read() == b"fast"


async def test_a_dark_hour_is_a_pause_and_no_gap(network: Network, clock: VirtualClock) -> None:
    near, far = await joined(network, clock)
    network.darken("a", "b")
    await near.write(b"before ")
    await near.write(b"after")
    reading = asyncio.create_task(far.read())
    await far.write(b"the other way is light")
    await clock.advance(3600)
    assert not reading.done()
    assert await near.read() == b"the other way is light"
    network.lighten("a", "b")
    await clock.advance(1)
    assert await reading + await far.read() == b"before after"


async def test_a_peer_in_the_dark_does_not_learn_of_a_close(network: Network, clock: VirtualClock) -> None:
    near, far = await joined(network, clock)
    network.darken("a", "b")
    await near.close()
    await clock.advance(3600)
    await far.write(b"unaware")
    network.lighten("a", "b")
    await clock.advance(1)
    assert await far.read() == b""


async def test_a_cut_breaks_both_ends_after_what_had_arrived(network: Network, clock: VirtualClock) -> None:
    near, far = await joined(network, clock)
    await near.write(b"arrived")
    await clock.advance(1)
    await near.write(b"never")
    network.cut("a", "b")
    assert await far.read() == b"arrived"
    for end in (near, far):
        with pytest.raises(TransportError, match="broke"):
            await end.read()
        with pytest.raises(TransportError, match="broke"):
            await end.write(b"x")


async def test_a_lost_attempt_times_out_and_the_next_succeeds(network: Network, clock: VirtualClock) -> None:
    network.listen("b")
    network.lose_attempts("a", "b", 1)
    first = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(CONNECT_TIMEOUT)
    assert await stage_of(first) == "tcp"
    second = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(1)
    assert await second


@pytest.mark.parametrize("direction", [("a", "b"), ("b", "a")])
async def test_nobody_connects_through_the_dark(
    network: Network, clock: VirtualClock, direction: tuple[str, str]
) -> None:
    network.listen("b")
    network.darken(*direction)
    dialling = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(CONNECT_TIMEOUT)
    assert await stage_of(dialling) == "tcp"


async def test_a_place_where_nobody_listens_is_not_found(network: Network, clock: VirtualClock) -> None:
    dialling = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(1)
    assert await stage_of(dialling) == "find"


async def test_a_closed_listener_frees_its_place_and_ends_whoever_waits(network: Network, clock: VirtualClock) -> None:
    listener = network.listen("b")
    with pytest.raises(TransportError, match="another listens"):
        network.listen("b")
    dialling = asyncio.create_task(network.connect("a", "b"))
    await clock.advance(1)
    near = await dialling
    await listener.close()
    await listener.close()
    await clock.advance(1)
    assert await near.read() == b""  # it was never accepted
    with pytest.raises(TransportError, match="closed"):
        await listener.accept()
    assert network.listen("b")
