import _thread
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pysh.runtime import api
from pysh.runtime.errors import (
    BlockingCall,
    NodeDown,
    RemoteError,
    RemoteTraceback,
    TaskCancelled,
    TaskTimeout,
    WorkerDied,
)
from pysh.runtime.payload import dumps, dumps_error
from pysh.runtime.protocol.flow import WINDOW
from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.cells import Outcome
from pysh.runtime.runner.jobs import outcome_of
from pysh.runtime.task import Task
from tests.runtime.hub_end import DEADLINE, HERE, ME, N1, THERE, WORKER, HubEnd, dumped, hub_end, hub_of


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def started(hub: HubEnd) -> tuple[Task, Frame]:
    """A task on n2, and the SPAWN it sent."""
    task = api.task(len, [1, 2], on="n2")
    return task, hub.expect(Kind.SPAWN)


def test_a_task_is_sent_to_its_node_and_its_value_comes_back(hub: HubEnd) -> None:
    task, spawn = started(hub)
    assert (spawn.source, spawn.dest, spawn.options()) == (ME, Pid(THERE, HUB), {"label": "len"})
    hub.result(spawn, 2, took=1.25)
    assert task.result(DEADLINE) == 2
    assert (task.done(), task.exception(), task.status, task.executed) == (True, None, "done", "yes")
    assert task.took == 1.25 and task.started
    assert (repr(task), task.number) == (f"<Task {WORKER.number} len on n2 done 1.2s>", WORKER.number)


def test_its_value_is_the_same_object_each_time(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.result(spawn, [1])
    assert task.result(DEADLINE) is task.result()


def test_what_its_code_raised_is_raised_as_often_as_asked(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.error(spawn, KeyError("k"))
    for _ in range(2):
        with pytest.raises(KeyError, match="k"):
            task.result(DEADLINE)
    assert isinstance(task.exception(), KeyError)
    assert (task.status, task.executed) == ("failed", "yes")


def test_each_wait_raises_with_a_traceback_of_its_own_and_the_frames_there_as_cause(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.error(spawn, KeyError("k"))
    depths = set()
    for _ in range(3):
        with pytest.raises(KeyError) as caught:
            task.result(DEADLINE)
        depths.add(len(caught.traceback))
        assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert len(depths) == 1


def test_what_the_infrastructure_says_is_raised_with_whether_it_ran(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.fail(spawn, error="WorkerDied", signal=9, tail="last words", executed="yes")
    with pytest.raises(WorkerDied) as caught:
        task.result(DEADLINE)
    assert (caught.value.signal, caught.value.tail) == (9, "last words")
    assert (task.status, task.executed) == ("failed", "yes")


def test_a_timeout_does_not_lose_the_result(hub: HubEnd) -> None:
    task, spawn = started(hub)
    with pytest.raises(TaskTimeout) as caught:
        task.result(0.01)
    assert caught.value.task is task and caught.value.executed == "maybe"
    hub.result(spawn, 5)
    assert caught.value.task.result(DEADLINE) == 5


def test_a_result_that_cannot_be_read_here_raises_why(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.send(Kind.RESULT, ref=spawn.ref, payload=b"cno_such_module\nname\n.")
    with pytest.raises(ModuleNotFoundError) as caught:
        task.result(DEADLINE)
    [note] = caught.value.__notes__
    assert note == f"raised here, when the result of <{task.called}> was read; its code ran"


def test_a_result_that_would_end_its_reader_is_an_error(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.send(Kind.RESULT, ref=spawn.ref, payload=b"cbuiltins\nexit\n(I5\ntR.")
    for _ in range(2):
        with pytest.raises(RemoteError, match="SystemExit: 5"):
            task.result(DEADLINE)


def test_a_result_whose_reading_was_interrupted_can_be_read_again(hub: HubEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_data: object) -> None:
        raise KeyboardInterrupt

    task, spawn = started(hub)
    hub.send(Kind.RESULT, ref=spawn.ref, payload=dumps(5))
    with monkeypatch.context() as patch:
        patch.setattr("pysh.runtime.payload.loads", interrupted)
        with pytest.raises(KeyboardInterrupt):
            task.result(DEADLINE)
    assert task.result(DEADLINE) == 5


def test_it_is_known_to_run_once_its_node_says_so(hub: HubEnd) -> None:
    task, spawn = started(hub)
    assert (task.status, task.executed, task.took, task.started) == ("sent", "maybe", None, False)
    hub.stage(spawn, "started")
    until = time.monotonic() + DEADLINE
    while task.status == "sent":
        assert time.monotonic() < until
    assert (task.status, task.executed, task.started) == ("running", "yes", True)
    assert repr(task) == f"<Task {WORKER.number} len on n2 running 0.0s>"


def test_its_number_is_that_of_its_node_which_is_asked_if_it_has_not_said_it(hub: HubEnd) -> None:
    task, _ = started(hub)
    assert repr(task) == "<Task len on n2 sent>"

    def answer() -> None:
        asked = hub.expect(Kind.REQUEST)
        hub.send(Kind.REPLY, dest=ME, ref=asked.ref, meta={"ok": {"state": "sent", "why": "", "number": 12}})

    answering = threading.Thread(target=answer)
    answering.start()
    assert task.number == 12
    answering.join()
    assert repr(task) == "<Task 12 len on n2 sent>"


def test_its_result_is_acknowledged(hub: HubEnd) -> None:
    _, spawn = started(hub)
    hub.result(spawn, 0)
    fetched = hub.expect(Kind.FETCHED)
    assert fetched.dest == hub_of(THERE) and bytes(fetched.payload) == spawn.ref.to_bytes(8)


def test_a_large_result_is_received_in_chunks(hub: HubEnd) -> None:
    task, spawn = started(hub)
    value = bytes(3 * WINDOW)
    payload = dumped(value)
    for start in range(0, len(payload), 200_000):
        more = Flag.MORE if start + 200_000 < len(payload) else 0
        hub.send(Kind.RESULT, ref=spawn.ref, flags=more, payload=payload[start : start + 200_000])
    assert task.result(DEADLINE) == value


def test_a_lost_node_ends_its_tasks_and_says_whether_they_ran(hub: HubEnd) -> None:
    queued, _ = started(hub)
    running, spawn = started(hub)
    here = api.task(len, "")
    hub.stage(spawn, "started")
    hub.tell_nodes(N1, reason="restarted")
    with pytest.raises(NodeDown, match=r"n2@there is down \(restarted\)") as caught:
        running.result(DEADLINE)
    assert caught.value.executed == "yes"
    with pytest.raises(NodeDown) as caught:
        queued.result(DEADLINE)
    assert caught.value.executed == "maybe"
    assert (running.status, here.status) == ("lost", "sent")


def test_a_hub_that_dies_ends_all_tasks(hub: HubEnd) -> None:
    task, _ = started(hub)
    hub.hang_up()
    with pytest.raises(NodeDown):
        task.result(DEADLINE)


def test_cancel_asks_and_the_result_tells(hub: HubEnd) -> None:
    task, spawn = started(hub)
    assert task.cancel(grace=0.5)
    cancel = hub.expect(Kind.CANCEL)
    assert (cancel.source, cancel.dest, cancel.ref) == (ME, spawn.dest, spawn.ref)
    assert cancel.options() == {"grace": 0.5}
    hub.fail(spawn, error="TaskCancelled", reason="cancel", executed="no")
    with pytest.raises(TaskCancelled) as caught:
        task.result(DEADLINE)
    assert caught.value.executed == "no"
    assert task.status == "cancelled" and not task.cancel()


def test_one_that_was_given_up_is_none_that_somebody_ought_to_have_looked_at(hub: HubEnd) -> None:
    (looked_at, first), (given_up, second) = started(hub), started(hub)
    given_up.give_up()
    for spawn in (first, second):
        hub.fail(spawn, error="TaskCancelled", reason="cancel", executed="yes")
    hub.ping()
    assert [*hub.client.unseen.values()] == [looked_at]


def test_one_whose_sending_is_interrupted_counts_nowhere(hub: HubEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hub.client, "post", interrupted)
    with pytest.raises(KeyboardInterrupt):
        api.task(len, "", on="n2")
    with pytest.raises(KeyboardInterrupt):
        api.spawn(len, "", on="n2")
    assert not hub.client.tasks


@pytest.mark.parametrize("grace", [float("nan"), -1.0, "2"])
def test_a_grace_that_is_no_time_is_refused(hub: HubEnd, grace: Any) -> None:
    task, _ = started(hub)
    with pytest.raises((TypeError, ValueError), match=r"grace.* nothing was sent"):
        task.cancel(grace)
    assert task.cancel(0)
    assert hub.expect(Kind.CANCEL).options() == {"grace": 0}


def test_a_callback_is_told_in_the_reading_thread(hub: HubEnd) -> None:
    task, spawn = started(hub)
    told: list[Task] = []
    happened = threading.Event()
    task.add_done_callback(told.append)
    task.add_done_callback(lambda _: happened.set())
    hub.result(spawn, 1)
    assert happened.wait(DEADLINE) and told == [task]


async def test_a_callback_added_in_a_loop_is_told_in_that_loop(hub: HubEnd) -> None:
    task, spawn = started(hub)
    told: asyncio.Future[Task] = asyncio.get_running_loop().create_future()
    task.add_done_callback(told.set_result)
    hub.result(spawn, 1)
    assert await asyncio.wait_for(told, DEADLINE) is task


async def test_a_task_can_be_awaited_and_again(hub: HubEnd) -> None:
    task, spawn = started(hub)
    hub.result(spawn, 3)
    assert await task == await task == 3


async def test_ending_an_await_does_not_cancel_it(hub: HubEnd) -> None:
    task, spawn = started(hub)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.01)
    gathering = asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    hub.result(spawn, 4)
    assert await asyncio.wait_for(task, DEADLINE) == 4
    assert all(frame.kind != Kind.CANCEL for frame in hub.frames)


async def test_many_are_gathered(hub: HubEnd) -> None:
    tasks = [api.task(len, [0] * n) for n in range(20)]
    hub.serve()
    assert await asyncio.gather(*tasks) == list(range(20))


async def test_waiting_for_it_in_an_async_function_is_refused_until_it_is_done(hub: HubEnd) -> None:
    task, spawn = started(hub)
    with pytest.raises(BlockingCall, match="await t"):
        task.result()
    hub.result(spawn, 1)
    await task
    assert task.result() == 1


async def test_a_loop_in_a_worker_reads_by_itself() -> None:
    with hub_end("worker", thread=False) as hub:
        task, spawn = started(hub)
        hub.result(spawn, "read in the loop")
        assert await asyncio.wait_for(task, DEADLINE) == "read in the loop"
        large = api.task(len, bytes(2 * WINDOW), on="n2")
        answering = asyncio.to_thread(hub.whole, Kind.SPAWN)
        waiting = asyncio.ensure_future(large)
        await answering
        hub.send(Kind.RESULT, ref=large.ref, payload=dumps(7))
        assert await asyncio.wait_for(waiting, DEADLINE) == 7


def test_a_worker_that_only_looks_learns_that_it_is_done() -> None:
    with hub_end("worker", thread=False) as hub:
        task, spawn = started(hub)
        assert not task.done() and task.status == "sent"
        hub.result(spawn, 1)
        until = time.monotonic() + DEADLINE
        while not task.done():
            assert time.monotonic() < until
        assert task.result(0) == 1


async def test_a_job_that_awaits_for_long_tells_its_hub() -> None:
    with hub_end("worker", thread=False) as hub:
        task, spawn = started(hub)
        waiting = asyncio.ensure_future(task)
        await asyncio.to_thread(hub.expect, Kind.BLOCKED)
        hub.result(spawn, 1)
        await waiting
        await asyncio.to_thread(hub.expect, Kind.UNBLOCKED)


def test_its_output_is_asked_of_its_node(hub: HubEnd) -> None:
    task, _ = started(hub)
    asked: list[dict[str, object]] = []

    def output(args: dict[str, object]) -> dict[str, str]:
        asked.append(args)
        return {"text": "printed"}

    hub.serve(output=output)
    assert task.output == "printed"
    assert asked == [{"ref": task.ref, "owner": [HERE, ME.number]}]


@pytest.mark.parametrize("executed", ["no", "yes"])
def test_an_error_says_whether_the_code_had_begun_before_and_after_it_is_read(hub: HubEnd, executed: str) -> None:
    task, spawn = started(hub)
    payload = dumps_error(ValueError("bad"), executed)
    hub.send(Kind.RESULT, dest=spawn.source, ref=spawn.ref, flags=Flag.ERROR, meta=0.1, payload=payload)
    task.waiter.wait(DEADLINE)
    assert task.executed == executed
    assert isinstance(task.exception(), ValueError)
    assert (task.executed, task.started) == (executed, executed == "yes")


def test_a_wait_that_is_interrupted_says_what_goes_on(hub: HubEnd) -> None:
    task, _ = started(hub)
    told = 'goes on: <Task len on n2 sent>; wait again or cancel() it, by its handle or as its row of tasks(on="n2")'

    async def cancelled() -> Outcome:
        async def cell() -> Outcome:
            return await task  # type: ignore[no-any-return]

        waiting = asyncio.create_task(cell())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        with pytest.raises(asyncio.CancelledError) as caught:
            waiting.result()
        assert caught.value.__notes__ == [told]

        async def ended() -> Outcome:
            return Outcome(error=caught.value)

        cell_task = asyncio.create_task(ended())
        await cell_task
        return outcome_of(cell_task, interrupted=True)

    error = asyncio.run(cancelled()).error
    assert isinstance(error, KeyboardInterrupt)
    assert error.__notes__ == [told]
    with interrupted(), pytest.raises(KeyboardInterrupt) as caught:
        task.result(DEADLINE)
    assert caught.value.__notes__ == [told]


@contextmanager
def interrupted() -> Iterator[None]:
    """Ctrl-C soon, and again until it was heard."""
    heard = threading.Event()

    def press() -> None:
        while not heard.wait(0.05):
            _thread.interrupt_main()

    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield
    finally:
        heard.set()
        presser.join()
