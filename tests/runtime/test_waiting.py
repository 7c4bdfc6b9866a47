import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime.errors import BlockingCall
from pysh.runtime.runner.waiting import Steps, Waiter, block, drive, refuse_to_block
from tests.runtime.hub_end import DEADLINE, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_a_waiter_is_set_once_and_the_first_value_stays(hub: HubEnd) -> None:
    waiter = Waiter(hub.client)
    waiter.set(1)
    waiter.set(2)
    assert waiter.wait(0) and waiter.get() == 1


def test_an_error_is_raised_where_the_value_is_asked_for(hub: HubEnd) -> None:
    waiter = Waiter(hub.client)
    waiter.set(error=LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        waiter.get()


def test_any_number_of_threads_wait_for_one_waiter(hub: HubEnd) -> None:
    waiter, seen = Waiter(hub.client), []
    threads = [threading.Thread(target=lambda: seen.append(waiter.wait(DEADLINE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    waiter.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert seen == [True] * 8


def test_a_wait_that_is_late_says_so_and_can_be_repeated(hub: HubEnd) -> None:
    waiter = Waiter(hub.client)
    assert not waiter.wait(0.01)
    threading.Thread(target=waiter.set).start()
    assert waiter.wait(DEADLINE)


def test_a_callback_comes_once_whether_it_was_added_before_or_after(hub: HubEnd) -> None:
    waiter, seen = Waiter(hub.client), []
    waiter.add_callback(lambda _: seen.append("before"))
    waiter.set()
    waiter.add_callback(lambda _: seen.append("after"))
    assert seen == ["before", "after"]


async def test_cancelling_the_future_leaves_the_waiter_as_it_was(hub: HubEnd) -> None:
    waiter = Waiter(hub.client)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiter, 0.01)
    assert not waiter.done
    threading.Thread(target=waiter.set).start()
    await waiter


def sum_of(*waiters: Waiter) -> Steps[int]:
    """Steps that add up what they wait for, and take a LookupError for 100."""
    total = 0
    for waiter in waiters:
        try:
            total += yield waiter
        except LookupError:
            total += 100
    return total


def waiters(hub: HubEnd) -> list[Waiter]:
    first, second = Waiter(hub.client), Waiter(hub.client)

    def happen() -> None:
        first.set(1)
        second.set(error=LookupError())

    threading.Thread(target=happen).start()
    return [first, second]


def test_steps_run_in_a_thread(hub: HubEnd) -> None:
    assert block(sum_of(*waiters(hub))) == 101


async def test_the_same_steps_run_in_a_loop(hub: HubEnd) -> None:
    assert await drive(sum_of(*waiters(hub))) == 101


async def test_steps_that_take_too_long_raise_timeout_in_both_worlds(hub: HubEnd) -> None:
    with pytest.raises(TimeoutError, match=r"nothing came within 0\.01 s"):
        await drive(sum_of(Waiter(hub.client)), 0.01)
    with pytest.raises(TimeoutError, match=r"nothing came within 0\.01 s"):
        block(sum_of(Waiter(hub.client)), 0.01)


async def test_a_timeout_of_the_users_own_is_not_taken_for_ours(hub: HubEnd) -> None:
    waiter = Waiter(hub.client)
    waiter.set(error=TimeoutError("the user's"))
    with pytest.raises(TimeoutError, match="the user's"):
        await drive(sum_of(waiter), 5)


def test_blocking_is_fine_where_no_loop_runs() -> None:
    refuse_to_block("call")


async def test_blocking_in_an_async_function_is_refused_and_names_the_other_form() -> None:
    with pytest.raises(BlockingCall, match=r"await pysh\.aio\.call"):
        refuse_to_block("call")
    with pytest.raises(BlockingCall, match="await t"):
        (lambda: refuse_to_block("result", "await t"))()


async def test_the_body_of_a_cell_may_block_though_a_loop_runs_around_it() -> None:
    names: dict[str, Any] = {"refuse_to_block": refuse_to_block}
    exec("def helper():\n    refuse_to_block('call')\nhelper()", names)


async def test_an_async_function_in_that_cell_may_not() -> None:
    names: dict[str, Any] = {"refuse_to_block": refuse_to_block}
    exec("async def helper():\n    refuse_to_block('call')", names)
    with pytest.raises(BlockingCall):
        await names["helper"]()
