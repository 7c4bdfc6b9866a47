"""The async processes of one apartment: what is kept of each, and for whom its apartment asks."""

import asyncio
from collections.abc import Iterator

import pytest

from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner import mates
from pysh.runtime.runner.mates import Mates, Tenant
from tests.runtime.hub_end import HERE, ME, WORKER, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    """The hub of an apartment."""
    with hub_end("worker", make=Mates) as hub:
        yield hub


def moved_in(hub: HubEnd, number: int) -> Tenant:
    """A process that lives there now."""
    tenant = Tenant(Pid(HERE, number), ME, 1, None)
    mates_of(hub).moved_in(tenant)
    return tenant


def mates_of(hub: HubEnd) -> Mates:
    assert isinstance(hub.client, Mates)
    return hub.client


class Call:
    """A call that was sent somewhere."""

    dest = WORKER

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def progressed(self, frame: Frame) -> None:
        """Nothing is told of it before its end."""

    def arrived(self, frame: Frame) -> None:
        self.frames.append(frame)

    def lost(self, reason: str) -> None:
        """Its node stays up."""


def test_numbers_are_asked_for_by_the_apartment_and_not_by_whoever_needs_one_first(hub: HubEnd) -> None:
    tenant = moved_in(hub, 100)
    assert tenant.context.run(hub.client.numbers.take) == 0
    assert hub.expect(Kind.REQUEST).source == ME


def test_nothing_is_kept_of_a_call_of_theirs_once_it_was_answered(hub: HubEnd) -> None:
    tenant, call = moved_in(hub, 100), Call()
    tenant.context.run(hub.client.track, 1, call)
    tenant.context.run(hub.client.track, 2, Call())
    assert tenant.refs == {1, 2}
    hub.send(Kind.RESULT, dest=tenant.pid, ref=1)
    hub.ping()
    assert len(call.frames) == 1
    assert tenant.refs == {2}


def test_what_one_waits_for_is_forgotten_with_it_and_not_what_its_mates_do(hub: HubEnd) -> None:
    tenant, mate, call = moved_in(hub, 100), moved_in(hub, 101), Call()
    tenant.context.run(hub.client.track, 1, Call())
    mate.context.run(hub.client.track, 2, call)
    mates_of(hub).moved_out(tenant)
    assert list(hub.client.tasks.values()) == [call]
    assert mate.refs == {2}


def test_a_mate_is_not_overtaken_and_nothing_is_kept_of_it_once_either_has_ended(hub: HubEnd) -> None:
    one, other = moved_in(hub, 100), moved_in(hub, 101)
    for tenant in (one, other):
        tenant.context.run(hub.client.post, Kind.SEND, Pid(HERE, 200), payload=b"early")
    mate = moved_in(hub, 200)
    assert (one.by_hub, other.by_hub) == ({200}, {200})
    mates_of(hub).moved_out(one)
    assert other.by_hub == {200}
    mates_of(hub).moved_out(mate)
    assert other.by_hub == set()
    assert not mates_of(hub).senders


def test_one_that_writes_to_very_many_elsewhere_writes_to_all_by_the_hub(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mates, "FAR", 3)
    tenant, mate = moved_in(hub, 100), moved_in(hub, 101)
    for number in range(200, 210):
        tenant.context.run(hub.client.post, Kind.SEND, Pid(HERE, number), payload=b"m")
    assert tenant.by_hub == {HUB}
    assert not mates_of(hub).senders
    tenant.context.run(hub.client.post, Kind.SEND, mate.pid, payload=b"last")
    assert [hub.expect(Kind.SEND).dest.number for _ in range(11)] == [*range(200, 210), 101]


def test_one_waits_while_all_its_tasks_do_and_runs_otherwise() -> None:
    async def stands() -> None:
        tenant, gate = Tenant(Pid(HERE, 100), ME, 1, None), asyncio.Event()
        assert tenant.state == "starting"
        tenant.task = asyncio.create_task(gate.wait())  # type: ignore[arg-type]  # whatever it returns
        assert tenant.state == "running"
        await asyncio.sleep(0)
        assert tenant.state == "waiting"
        tenant.tasks = {asyncio.create_task(asyncio.sleep(0))}
        assert tenant.state == "running"
        tenant.tasks = {asyncio.create_task(asyncio.sleep(1000))}
        await asyncio.sleep(0)
        assert tenant.state == "waiting"
        gate.set()
        assert tenant.state == "running"
        tenant.tasks.pop().cancel()

    asyncio.run(stands())


def test_all_that_waits_in_a_mailbox_is_counted_whatever_way_it_came(hub: HubEnd) -> None:
    tenant, mate = moved_in(hub, 100), moved_in(hub, 101)
    tenant.context.run(hub.client.post, Kind.SEND, mate.pid, payload=b"by a mate")
    for kind in (Kind.SEND, Kind.CALL):
        hub.send(kind, dest=mate.pid, payload=b"by the hub")
    hub.ping()
    assert mates_of(hub).stands([100, 101, 102]) == [(100, "starting", 0), (101, "starting", 3)]
