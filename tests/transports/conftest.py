"""What tests over a real sshd share: a home of our own, and a carrier that leaves nothing behind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pysh.transports import dial
from pysh.transports.tunnels import Carrier
from tests.sshd import Place, alive, descendants, place, until


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    """A home of our own, and sshds for it to go to."""
    with place(tmp_path) as made:
        yield made


@pytest.fixture
async def carrier(there: Place) -> AsyncIterator[Carrier]:
    """A carrier; with it end all processes that it started."""
    async with asyncio.timeout(40):
        started = await Carrier.start(str(there.home.own_known_hosts), log=2)
        yield started
        below = [started.pid, *descendants(started.pid)]
        await started.close()
        await until(lambda: not any(map(alive, below)))


@pytest.fixture
def hole() -> Iterator[dial.Address]:
    """An address that answers nothing: a listener whose queue is full."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as other:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (one, other):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield socket.AF_INET, full.getsockname()
