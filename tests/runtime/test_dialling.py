"""How many other machines a hub is on its way to at a time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pysh.runtime.hub.dialling import AT_ONCE, Dialler
from pysh.runtime.protocol.addresses import Way


class Far:
    """Leads nowhere until it is let."""

    def __init__(self) -> None:
        self.on_their_way: list[str] = []
        self.let = asyncio.Event()

    async def open(self, there: Any, _attempt: Any) -> Any:
        self.on_their_way.append(there.destination)
        await self.let.wait()
        raise asyncio.CancelledError


@pytest.mark.parametrize(("way", "most"), [(Way(), AT_ONCE), (None, 2 * AT_ONCE)])
async def test_a_verb_waits_for_others_and_a_connection_that_broke_does_not(
    monkeypatch: pytest.MonkeyPatch, way: Way | None, most: int
) -> None:
    far = Far()
    dialler = Dialler(SimpleNamespace(loop=asyncio.get_running_loop()))  # type: ignore[arg-type]
    monkeypatch.setattr(dialler, "far", lambda: far)
    for number in range(2 * AT_ONCE):
        dialler.start(number, f"w@web{number}", way, asks=False)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(far.on_their_way) == most
    far.let.set()
    while dialler._dialling:
        await asyncio.sleep(0)
    assert far.on_their_way == [f"web{number}" for number in range(2 * AT_ONCE)]
