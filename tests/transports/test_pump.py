"""The pump between a socket and a channel that is only played: what it joins, and when it waits."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from pysh.transports.pump import Pump
from tests.sshd import until


class Channel:
    """Notes what the pump asks of it."""

    def __init__(self) -> None:
        self.written = self.refused = b""
        self.reading = True
        self.closed = self.broken = False

    def write(self, data: bytes) -> None:
        if self.broken:
            self.refused += data
            raise BrokenPipeError
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True


class Joined:
    """A pump on its channel, and the hub's end of its socket."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.pump = Pump(self.channel)

    async def connect(self) -> None:
        self.hub = await self.pump.local()
        self.hub.setblocking(False)


@pytest.fixture
async def joined() -> AsyncIterator[Joined]:
    made = Joined()
    yield made
    made.hub.close()
    await until(lambda: made.channel.closed)


async def test_a_socket_that_cannot_be_served_is_closed_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", refuse)
    ends = socket.socketpair()
    monkeypatch.setattr(socket, "socketpair", lambda: ends)
    with pytest.raises(OSError, match="no"):
        await Pump(Channel()).local()
    assert [end.fileno() for end in ends] == [-1, -1]


async def test_what_came_before_the_socket_was_there_is_not_lost(joined: Joined) -> None:
    joined.pump.channel_received(b"early ")
    await asyncio.sleep(0)
    joined.pump.channel_received(b"bird")
    await joined.connect()
    assert joined.hub.recv(100) == b"early bird"


async def test_a_channel_that_is_over_before_the_socket_is_there_ends_it(joined: Joined) -> None:
    joined.pump.channel_received(b"last words")
    joined.pump.channel_lost()
    await joined.connect()
    await until(lambda: joined.channel.closed)
    assert joined.hub.recv(100) == b"last words"
    assert joined.hub.recv(100) == b""


async def test_packets_of_one_turn_are_one_write(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    await joined.connect()
    writes: list[list[bytes]] = []
    monkeypatch.setattr(joined.pump._local, "writelines", lambda pieces: writes.append(list(pieces)))
    for piece in (b"a", b"b", b"c"):
        joined.pump.channel_received(piece)
    await asyncio.sleep(0)
    joined.pump.channel_received(b"d")
    await asyncio.sleep(0)
    assert writes == [[b"a", b"b", b"c"], [b"d"]]


async def test_a_hub_that_does_not_read_stops_the_channel_until_it_does(joined: Joined) -> None:
    await joined.connect()
    sent = 0
    while joined.channel.reading:
        joined.pump.channel_received(bytes(65536))
        sent += 65536
        await asyncio.sleep(0)
    assert sent < 2 << 20
    loop, received = asyncio.get_running_loop(), 0
    while received < sent:
        received += len(await loop.sock_recv(joined.hub, 1 << 20))
    assert joined.channel.reading


async def test_a_channel_that_is_full_stops_the_hub_until_it_is_not(joined: Joined) -> None:
    await joined.connect()
    joined.pump.channel_paused()
    joined.hub.send(b"held back")
    for _ in range(5):
        await asyncio.sleep(0)
    assert joined.channel.written == b""
    joined.pump.channel_resumed()
    await until(lambda: joined.channel.written == b"held back")


async def test_the_end_of_the_hub_is_the_end_of_the_channel_after_its_last_words(joined: Joined) -> None:
    await joined.connect()
    joined.hub.send(b"bye")
    joined.hub.close()
    await until(lambda: joined.channel.closed)
    assert joined.channel.written == b"bye"


async def test_the_last_words_of_a_hub_that_went_while_it_was_written_to_reach_the_channel(joined: Joined) -> None:
    await joined.connect()
    joined.hub.send(b"bye")
    joined.hub.close()
    joined.pump.channel_received(b"too late")
    joined.pump._flush()
    await until(lambda: joined.channel.closed)
    assert joined.channel.written == b"bye"


async def test_the_end_of_the_channels_direction_is_read_as_such_while_ours_goes_on(joined: Joined) -> None:
    await joined.connect()
    joined.pump.channel_received(b"all of it")
    joined.pump.channel_eof()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(joined.hub, 100) == b"all of it"
    assert await loop.sock_recv(joined.hub, 100) == b""
    joined.hub.send(b"more")
    await until(lambda: joined.channel.written == b"more")


async def test_what_goes_to_a_channel_that_is_closing_is_dropped(joined: Joined) -> None:
    await joined.connect()
    joined.channel.broken = True
    joined.hub.send(b"too late")
    await until(lambda: joined.channel.refused == b"too late")
    joined.pump.channel_lost()
    await until(lambda: joined.channel.closed)
