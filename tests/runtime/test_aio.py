import asyncio
import inspect
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import pysh
from pysh import aio
from pysh.runtime import aio as ours
from pysh.runtime import api
from pysh.runtime.errors import NodeDown, TaskTimeout
from pysh.runtime.node import Node, NodeEvent
from pysh.runtime.protocol.frames import LOCAL, Kind
from tests.runtime.hub_end import DEADLINE, N1, N2, THERE, HubEnd, hub_end


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_every_verb_is_there_with_the_same_arguments() -> None:
    for name in aio.__all__:
        blocking = getattr(pysh, name)
        assert list(inspect.signature(getattr(aio, name)).parameters) == list(inspect.signature(blocking).parameters)
        assert name in ("me", "node", "pid", "as_completed") or inspect.iscoroutinefunction(getattr(aio, name)), name


def test_what_is_awaited_is_reached_by_the_public_name() -> None:
    there = {name for name, value in vars(ours).items() if inspect.iscoroutinefunction(value) and name in pysh.__all__}
    assert there - set(aio.__all__) == set()


async def test_nodes_are_asked_for(hub: HubEnd) -> None:
    hub.serve(
        connect=lambda _: N2, ping=lambda _: 0, nodes=lambda _: [N1, N2], tasks=lambda _: [], disconnect=lambda _: True
    )
    assert await aio.connect("n2@there") == Node("n2@there")
    assert await aio.nodes() == [Node("n1@here"), Node("n2@there")]
    assert await aio.ping("n2") > 0
    assert await aio.tasks() == []
    await aio.disconnect("n2")
    await aio.leave()


async def test_code_runs_while_the_loop_does(hub: HubEnd) -> None:
    hub.serve()
    assert await aio.call(max, 1, 2) == 2
    assert await asyncio.gather(*(aio.call(int, n) for n in range(50))) == list(range(50))
    task = await aio.task(len, "abc")
    assert await task == 3
    assert (await aio.spawn(print)).node == Node("n1@here")
    assert (await aio.call_all(len, "ab")).ok == {Node("n1@here"): 2, Node("n2@there"): 2}
    assert len(await aio.spawn_all(print)) == 2
    done, pending = await aio.wait(await aio.task_all(len, ""))
    assert len(done) == 2 and not pending
    assert {t async for t in aio.as_completed(done)} == set(done)


async def test_nodes_that_go_are_told_to_a_coroutine_as_well(hub: HubEnd) -> None:
    await aio.monitor_nodes()
    event = {"name": "n2@there", "incarnation": THERE, "state": "down", "reason": "restarted"}
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N1], "event": event})
    told = await aio.receive(NodeEvent, timeout=DEADLINE)
    assert told == (Node("n2@there"), "down", "restarted")


async def test_a_call_that_is_late_leaves_its_task_behind(hub: HubEnd) -> None:
    with pytest.raises(TaskTimeout) as caught:
        await aio.call(len, "abc", timeout=0.01)
    hub.result(hub.expect(Kind.SPAWN), 3)
    assert await asyncio.wait_for(caught.value.task, DEADLINE) == 3
    waited = await aio.wait([api.task(len, "")], 0.01)
    assert len(waited.pending) == 1


async def test_a_call_that_is_cancelled_cancels_what_nobody_else_can(hub: HubEnd) -> None:
    calling = asyncio.ensure_future(aio.call(len, "abc"))
    spawn = await asyncio.to_thread(hub.expect, Kind.SPAWN)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert (await asyncio.to_thread(hub.expect, Kind.CANCEL)).ref == spawn.ref


async def test_messages_are_awaited(hub: HubEnd) -> None:
    hub.serve()
    receiving = asyncio.ensure_future(aio.receive(("x", int)))
    await aio.send(aio.me(), "other")
    await aio.send(aio.me(), ("x", 1))
    assert await asyncio.wait_for(receiving, DEADLINE) == ("x", 1)
    assert await aio.receive() == "other"
    with pytest.raises(TimeoutError):
        await aio.receive(timeout=0.01)


async def test_every_wait_ends_when_the_hub_does(hub: HubEnd) -> None:
    waits = [asyncio.ensure_future(wait) for wait in (aio.receive(), aio.call(len, ""), aio.nodes())]
    await asyncio.sleep(0)
    threading.Thread(target=hub.hang_up).start()
    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(error) for error in ended] == [NodeDown] * 3


async def test_verbs_are_awaited_in_a_worker_without_a_reading_thread() -> None:
    with hub_end("worker", thread=False) as hub:
        hub.serve(nodes=lambda _: [N1])
        assert await aio.call(len, "abc") == 3
        assert await asyncio.gather(*(aio.call(int, n) for n in range(50))) == list(range(50))
        assert await aio.nodes() == [Node("n1@here")]
        await aio.send(aio.me(), "hello")
        assert await aio.receive(timeout=DEADLINE) == "hello"
