"""What a call of an actor sends, what comes of it, and how the other end answers."""

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime import api
from pysh.runtime.actor import MAKE, serve
from pysh.runtime.errors import MailboxFull, NodeDown, NoProcess, PyshError, TaskTimeout
from pysh.runtime.payload import loads, loads_error
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.flow import WINDOW
from pysh.runtime.protocol.frames import Flag, Frame, Kind
from tests.runtime.hub_end import DEADLINE, ME, N1, WORKER, HubEnd, dumped, hub_end

ACTOR = Actor(Process(WORKER, "n2@there"), "Model")


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_of_an_actor_it_is_shown_what_is_known_here_of_its_end(hub: HubEnd) -> None:
    assert repr(ACTOR) == "<Actor Model <n2.30>>"
    hub.send(Kind.DOWN, ref=1, meta={"reason": "noconnection"})
    hub.ping()
    assert repr(ACTOR) == "<Actor Model <n2.30>>"
    hub.tell_nodes(N1, reason="noconnection")
    api.wait([])
    hub.ping()
    assert repr(ACTOR) == "<Actor Model <n2.30> unreachable>"
    hub.send(Kind.EXIT, meta={"reason": "normal"})
    hub.ping()
    assert repr(ACTOR) == "<Actor Model <n2.30> ended>"


def answer(hub: HubEnd, call: Frame, value: object = None, flags: int = 0, meta: Any = 0.5) -> None:
    payload = b"" if flags else dumped(value)
    hub.send(Kind.ANSWER, dest=call.source, ref=call.ref, flags=flags, meta=meta, payload=payload)


def test_a_call_goes_to_the_process_and_its_answer_to_the_call(hub: HubEnd) -> None:
    first, second = ACTOR.predict(1, x=2), ACTOR.predict(3)
    assert repr(first) == "<Reply predict on n2 sent: await it for its value>"
    calls = [hub.expect(Kind.CALL) for _ in range(2)]
    assert (calls[0].source, calls[0].dest, calls[0].options()) == (ME, WORKER, {"method": "predict"})
    assert loads(calls[0].payload) == ((1,), {"x": 2})
    answer(hub, calls[1], "second")
    answer(hub, calls[0], "first")
    assert (first.result(DEADLINE), second.result(DEADLINE)) == ("first", "second")
    assert (first.status, first.executed, first.took, first.cancel(), first.output) == ("done", "yes", 0.5, False, "")
    assert repr(first) == "<Reply predict on n2 done 0.5s>"
    assert api.flush() == []


def test_an_answer_may_say_that_its_actor_ended_or_be_lost_with_its_node(hub: HubEnd) -> None:
    reply, other = ACTOR.predict(), ACTOR.predict()
    meta = {"error": "NoProcess", "pid": "<n2.30>", "executed": "no"}
    answer(hub, hub.expect(Kind.CALL), flags=Flag.FAILED, meta=meta)
    with pytest.raises(NoProcess) as caught:
        reply.result(DEADLINE)
    assert (caught.value.executed, reply.executed, reply.status) == ("no", "no", "failed")
    assert repr(ACTOR) == "<Actor Model <n2.30> ended>"
    hub.tell_nodes(N1, reason="noconnection")
    with pytest.raises(NodeDown) as lost:
        other.result(DEADLINE)
    assert lost.value.executed == "maybe"
    with pytest.raises(NodeDown) as refused:
        ACTOR.predict()
    assert refused.value.executed == "no"


def test_a_call_that_is_late_goes_on_and_is_not_cancelled_alone(hub: HubEnd) -> None:
    reply = ACTOR.predict()
    with pytest.raises(TaskTimeout) as caught:
        reply.result(0.01)
    assert caught.value.task is reply
    reply.give_up()
    with pytest.raises(PyshError, match="ends its actor, with all its calls"):
        reply.cancel()
    answer(hub, hub.expect(Kind.CALL), 7)
    assert reply.result(DEADLINE) == 7


async def test_a_call_waits_for_room_but_not_in_a_loop() -> None:
    with hub_end() as hub:
        hub.send(Kind.FULL, meta={"full": True, "to": ""})
        hub.ping()
        with pytest.raises(MailboxFull):
            ACTOR.predict()
        calling = asyncio.ensure_future(asyncio.to_thread(ACTOR.predict))
        hub.send(Kind.FULL, meta={"full": False, "to": ""})
        reply = await asyncio.wait_for(calling, DEADLINE)
        answer(hub, hub.expect(Kind.CALL), 1)
        assert await asyncio.wait_for(reply, DEADLINE) == 1


def test_a_large_answer_is_granted_credit(hub: HubEnd) -> None:
    reply = ACTOR.predict()
    call, data = hub.expect(Kind.CALL), dumped(bytes(WINDOW))
    half = len(data) // 2
    for part, more in ((data[:half], Flag.MORE), (data[half:], 0)):
        for start in range(0, len(part), 1 << 17):
            last = not more and start + (1 << 17) >= len(part)
            piece = part[start : start + (1 << 17)]
            hub.send(Kind.ANSWER, dest=ME, ref=call.ref, flags=0 if last else Flag.MORE, payload=piece)
    assert reply.result(DEADLINE) == bytes(WINDOW)
    credit = hub.expect(Kind.CREDIT)
    assert (credit.dest, credit.options(), credit.credit) == (WORKER, Kind.ANSWER, 1 << 17)


def test_a_handle_can_be_sent_and_shows_what_it_is() -> None:
    again = pickle.loads(pickle.dumps(ACTOR))
    assert again == ACTOR and hash(again) == hash(ACTOR) and again != ACTOR.process
    assert repr(again) == "<Actor Model <n2.30>>"
    assert repr(again.predict) == "<predict of <Actor Model <n2.30>>>"
    assert not hasattr(again, "_weights")


class Model:
    def __init__(self, weight: int) -> None:
        self.weight = weight

    def predict(self, x: int) -> int:
        return self.weight * x

    async def later(self, x: int) -> int:
        await asyncio.sleep(0)
        return x

    def unsendable(self) -> Any:
        return (x for x in ())

    def leave(self) -> None:
        raise SystemExit("bored")


def test_calls_are_answered_in_order_whatever_comes_of_them() -> None:
    with hub_end("worker", thread=False) as hub:
        called = [(MAKE, ()), ("predict", (2,)), ("later", (5,)), ("predict", ()), ("unsendable", ()), ("leave", ())]
        for ref, (method, args) in enumerate(called, 1):
            hub.send(Kind.CALL, ref=ref, meta={"method": method}, payload=dumped((args, {})))
        hub.message("no call")
        with pytest.raises(SystemExit, match="bored"):
            serve(Model, (3,), {})
        answers = [hub.expect(Kind.ANSWER) for _ in called]
        assert [(frame.ref, frame.dest, frame.source) for frame in answers] == [(n, WORKER, ME) for n in range(1, 7)]
        flags = [frame.flags for frame in answers]
        assert flags == [0, 0, 0, Flag.ERROR, Flag.FAILED, Flag.ERROR]
        assert [loads(frame.payload) for frame in answers[:3]] == [None, 6, 5]
        assert isinstance(loads_error(answers[3].payload, "n2"), TypeError)
        assert (answers[4].options()["error"], answers[4].options()["executed"]) == ("NotSendable", "yes")
        assert api.receive() == "no call"


def test_what_cannot_be_made_is_told_and_ends_the_process() -> None:
    with hub_end("worker", thread=False) as hub:
        hub.send(Kind.CALL, ref=1, meta={"method": MAKE}, payload=dumped(((), {})))
        with pytest.raises(SystemExit) as caught:
            serve(Model, (), {})
        assert str(caught.value.code).startswith("TypeError: ")
        told = hub.expect(Kind.ANSWER)
        assert told.flags == Flag.ERROR and isinstance(loads_error(told.payload, "n2"), TypeError)
