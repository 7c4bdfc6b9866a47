"""What tests over a real sshd share: a home of our own, and a carrier that leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

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
