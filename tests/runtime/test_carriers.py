"""The SSH connections of a hub: shared, and ended with their last user."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pysh.runtime.hub import carriers as module
from pysh.runtime.hub.carriers import Carriers
from pysh.runtime.protocol.addresses import Way
from pysh.transports.base import TransportError
from tests.sshd import Place, descendants, place, until


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    """A home of our own, and an sshd that it calls db1."""
    with place(tmp_path) as made:
        made.sshd()
        yield made


@pytest.fixture
async def carriers(there: Place) -> AsyncIterator[Carriers]:
    """A hub's carriers."""
    made = Carriers(log=2)
    yield made
    await made.close()


async def test_a_connection_is_shared_and_ends_with_its_last_user(there: Place, carriers: Carriers) -> None:
    first, shared = await carriers.connect("db1", Way())
    assert not shared
    second, shared = await carriers.connect("db1", Way())
    assert (second, shared) == (first, True)
    await carriers.release(first)
    assert (await second.run("echo here")).stdout == b"here\n"
    await carriers.release(second)
    server = there.servers[0].process
    assert server
    await until(lambda: not descendants(server.pid))


class Answering:
    """A carrier with one connection, whose answer is on its way for as long as the test likes."""

    gone = False

    def __init__(self) -> None:
        self.arrives = asyncio.Event()
        self.closed = 0

    async def connect(self, destination: str, **way: object) -> "Answering":
        await self.arrives.wait()
        return self

    async def close(self) -> None:
        self.closed += 1


async def test_a_connection_does_not_end_while_the_answer_that_names_it_is_on_its_way() -> None:
    carriers, carrier = Carriers(log=2), Answering()
    vars(carriers)["_carrier"] = carrier
    carrier.arrives.set()
    ssh, _ = await carriers.connect("db1", Way())
    carrier.arrives.clear()
    coming = asyncio.create_task(carriers.connect("db1", Way()))
    await asyncio.sleep(0)
    await carriers.release(ssh)
    assert not carrier.closed
    carrier.arrives.set()
    assert await coming == (ssh, False)
    await asyncio.sleep(0)
    assert not carrier.closed
    await carriers.release(ssh)
    assert carrier.closed == 1
    await carriers.close()


async def test_a_connection_that_nobody_came_for_ends_once_nobody_waits() -> None:
    carriers, carrier = Carriers(log=2), Answering()
    vars(carriers)["_carrier"] = carrier
    carrier.arrives.set()
    ssh, _ = await carriers.connect("db1", Way())
    carrier.arrives.clear()
    coming = asyncio.create_task(carriers.connect("db2", Way()))
    await asyncio.sleep(0)
    await carriers.release(ssh)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    await until(lambda: carrier.closed == 1)
    await carriers.close()


async def test_a_node_that_has_no_pysh_says_that_it_cannot_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "running_from", lambda: "/proc/1/fd/4")
    with pytest.raises(TransportError, match="cannot itself go to db1 by SSH"):
        await Carriers(log=2).connect("db1", Way())
