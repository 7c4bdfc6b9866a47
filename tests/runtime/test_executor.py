"""The futures of an `Executor`, its thread, and what it hands out when."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from functools import partial

import pytest

from pysh.runtime.errors import ConnectError, NodeDown, NotSendable
from pysh.runtime.executor import Executor
from pysh.runtime.protocol.frames import Kind
from tests.runtime.hub_end import DEADLINE, N1, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub
    until(lambda: not threads(), "the end of its threads")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pysh-executor"]


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_values_and_exceptions_come_as_futures(hub: HubEnd) -> None:
    hub.serve()
    with Executor() as executor:
        future = executor.submit(len, "abc")
        assert isinstance(future, Future) and future.result(DEADLINE) == 3
        assert isinstance(executor.submit(int, "x").exception(DEADLINE), ValueError)
        assert list(executor.map(pow, range(10), range(10), chunksize=3)) == [n**n for n in range(10)]
        assert list(executor.map(abs, range(-300, 300))) == [abs(n) for n in range(-300, 300)]
        with pytest.raises(NotSendable):
            executor.submit(len, threading.Lock())
        with pytest.raises(ValueError):
            executor.map(abs, (), chunksize=0)
    with pytest.raises(RuntimeError):
        executor.submit(len, "")


def test_so_many_are_handed_out_and_the_others_wait_in_order(hub: HubEnd) -> None:
    executor = Executor(on="n2", max_workers=2)
    futures = [executor.submit(int, n) for n in range(4)]
    spawns = [hub.expect(Kind.SPAWN) for _ in range(2)]
    until(lambda: futures[1].running(), "the second to run")
    assert [future.running() for future in futures] == [True, True, False, False]
    assert repr(executor) == "<Executor: 2 running, 2 waiting>"
    assert not futures[0].cancel() and futures[2].cancel()
    hub.result(spawns[1], 1)
    hub.result(hub.expect(Kind.SPAWN), 3)
    hub.result(spawns[0], 0)
    assert [futures[n].result(DEADLINE) for n in (0, 1, 3)] == [0, 1, 3]
    with pytest.raises(CancelledError):
        futures[2].result()
    executor.shutdown()


def test_what_waits_is_cancelled_at_the_end_if_so_wanted_and_what_runs_is_waited_for(hub: HubEnd) -> None:
    executor = Executor(max_workers=1)
    first, *others = [executor.submit(int, n) for n in range(4)]
    spawn = hub.expect(Kind.SPAWN)
    executor.shutdown(wait=False, cancel_futures=True)
    assert wait(others, DEADLINE).not_done == set() and all(future.cancelled() for future in others)
    threading.Timer(0.1, partial(hub.result, spawn, 7)).start()
    executor.shutdown()
    assert first.done() and first.result() == 7


def test_one_that_is_forgotten_ends_its_thread_once_all_is_done(hub: HubEnd) -> None:
    future = Executor().submit(int, 7)
    hub.result(hub.expect(Kind.SPAWN), 7)
    assert future.result(DEADLINE) == 7
    until(lambda: not threads(), "the end of its thread")


def test_all_futures_fail_where_the_node_is_gone(hub: HubEnd) -> None:
    executor = Executor(on="n2", max_workers=1)
    futures = [executor.submit(int, n) for n in range(3)]
    hub.expect(Kind.SPAWN)
    hub.tell_nodes(N1, reason="noconnection")
    assert [type(future.exception(DEADLINE)) for future in futures] == [NodeDown, ConnectError, ConnectError]
    with pytest.raises(ConnectError):
        Executor(on="n2")
    here = Executor(max_workers=1)
    futures = [here.submit(int, n) for n in range(3)]
    hub.expect(Kind.SPAWN)
    hub.hang_up()
    assert [type(future.exception(DEADLINE)) for future in futures] == [NodeDown] * 3
    with pytest.raises((NodeDown, RuntimeError)):
        here.submit(int, 1)
    here.shutdown()
    executor.shutdown()


def test_a_callback_of_the_users_may_submit_more_and_shut_it_down(hub: HubEnd) -> None:
    hub.serve()
    executor = Executor()
    later: list[Future[int]] = []

    def more(_: object) -> None:
        later.append(executor.submit(int, 2))
        executor.shutdown()

    executor.submit(int, 1).add_done_callback(more)
    until(lambda: later, "the callback")
    assert later[0].result(DEADLINE) == 2


def test_it_reads_for_itself_where_no_thread_does() -> None:
    with hub_end("worker", thread=False) as hub:
        hub.serve()
        with Executor() as executor:
            assert [future.result(DEADLINE) for future in [executor.submit(int, n) for n in range(50)]] == [*range(50)]
