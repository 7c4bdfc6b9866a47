"""A hub's end of a connection, on whichever loop the hub has."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop

from pysh.runtime.hub.peer import Peer
from pysh.runtime.hub.server import Server
from pysh.runtime.protocol.connection import Connection

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Heard:
    """Stands for the connection and the server: what was heard, and that the peer was lost after that."""

    opened, error, rtt, peer = True, None, None, None
    link_numbers, prover = count(1), None

    def __init__(self) -> None:
        self.peers: dict[int, Peer] = {}
        self.core = SimpleNamespace(links={}, opened=lambda *_, **__: None)
        self.dialler = SimpleNamespace(greeted=lambda _: True)
        self.heard = b""
        self.over = asyncio.get_running_loop().create_future()
        self.peer = SimpleNamespace(role="worker")

    def receive_data(self, data: bytes, now: float) -> list[object]:
        self.heard += data
        return []

    def take_work(self) -> None: ...
    def carry_out(self) -> None: ...
    def drain(self, worker: int) -> None: ...
    def went_up(self, peer: Peer) -> None: ...

    def data_to_send(self) -> list[bytes]:
        return []

    def lost(self, peer: Peer) -> None:
        self.over.set_result(self.heard)


class Busy(Peer):
    """One that writes before it reads."""

    def go_on(self) -> None:
        self.send([b"another job"])


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
@pytest.mark.parametrize("opening", [{"worker": 1}, {"alias": "n2"}], ids=["worker", "node"])
def test_what_somebody_said_before_it_went_is_heard_also_by_a_hub_that_writes_to_it(
    loop: Callable[[], asyncio.AbstractEventLoop], opening: dict[str, Any]
) -> None:
    async def live() -> bytes:
        near, far = socket.socketpair()
        near.setblocking(False)
        near.send(b"a job that it does not begin")
        far.send(b"its last result")
        far.close()
        heard = Heard()
        peer = Busy(cast(Server, heard), cast(Connection, heard), **opening)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: peer, near)
        async with asyncio.timeout(10):
            said: bytes = await heard.over
            return said

    with asyncio.Runner(loop_factory=cast(Any, loop)) as runner:
        assert runner.run(live()) == b"its last result"


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_somebody_who_reads_no_more_and_talks_on_is_not_listened_to_for_ever(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    near, far = socket.socketpair()
    far.shutdown(socket.SHUT_RD)

    def talk() -> None:
        with suppress(OSError):
            while True:
                far.sendall(bytes(65536))

    async def live() -> int:
        near.setblocking(False)
        heard = Heard()
        peer = Busy(cast(Server, heard), cast(Connection, heard), worker=1)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: peer, near)
        return len(await heard.over)

    talking = threading.Thread(target=talk)
    talking.start()
    with asyncio.Runner(loop_factory=cast(Any, loop)) as runner:
        assert runner.run(live()) < 8 << 20
    talking.join(10)
    far.close()
    assert not talking.is_alive()
