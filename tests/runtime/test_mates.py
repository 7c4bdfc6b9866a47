"""The async processes of one apartment: what is kept of each, and for whom its apartment asks."""

from collections.abc import Iterator

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.mates import Mates, Tenant
from tests.runtime.hub_end import HERE, ME, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    """The hub of an apartment."""
    with hub_end("worker", make=Mates) as hub:
        yield hub


def moved_in(hub: HubEnd, number: int) -> Tenant:
    """A process that lives there now."""
    tenant = Tenant(Pid(HERE, number), (ME, 1), None)
    mates_of(hub).moved_in(tenant)
    return tenant


def mates_of(hub: HubEnd) -> Mates:
    assert isinstance(hub.client, Mates)
    return hub.client


def test_numbers_are_asked_for_by_the_apartment_and_not_by_whoever_needs_one_first(hub: HubEnd) -> None:
    tenant = moved_in(hub, 100)
    assert tenant.context.run(hub.client.numbers.take) == 0
    assert hub.expect(Kind.REQUEST).source == ME
