import pickle

import pytest

from pysh.runtime import api
from pysh.runtime.errors import NodeDown, PyshError
from pysh.runtime.payload import dumps, loads
from pysh.runtime.process import Process
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import Pid
from tests.runtime.hub_end import DEADLINE, HERE, ME, THERE, WORKER, hub_end


def test_spawn_returns_once_its_node_has_accepted_it() -> None:
    with hub_end() as hub:
        hub.serve()
        process = api.spawn(print, on="n2")
        assert process.pid == WORKER and process.node.name == "n2@there"
        assert repr(process) == "<n2.30>"
        assert hub.client.tasks == {}


def test_spawn_raises_why_it_was_refused() -> None:
    with hub_end() as hub:
        from pysh.runtime.calls import NO_TIES
        from pysh.runtime.verbs import spawn

        steps = spawn(print, (), {}, "n2", NO_TIES)
        waiter = next(steps)
        sent = hub.expect(Kind.SPAWN)
        assert sent.options() == {"label": "print", "kind": "process"}
        hub.fail(sent, error="PyshError", text="256 workers are taken", executed="no")
        assert waiter.wait(DEADLINE)
        with pytest.raises(PyshError, match="256 workers"):
            waiter.get()


def test_a_process_travels_and_is_the_same_one_there() -> None:
    process = Process(Pid(THERE, 17), "n2@there")
    copy = loads(dumps(process))
    assert copy == process and hash(copy) == hash(process) and repr(copy) == "<n2.17>"
    assert pickle.loads(pickle.dumps(process)) == process
    assert Process(Pid(HERE, 17), "n1@here") != process


def test_me_is_this_process_and_messages_to_it_arrive() -> None:
    with hub_end() as hub:
        me = api.me()
        assert me.pid == ME and repr(me) == "<n1.7>"
        hub.serve()
        api.send(me, ("hello", 1))
        assert api.receive(("hello", int), timeout=DEADLINE) == ("hello", 1)


def test_a_message_goes_to_the_process_itself() -> None:
    with hub_end() as hub:
        Process(WORKER, "n2@there").send({"a": 1})
        frame = hub.expect(Kind.SEND)
        assert (frame.source, frame.dest, loads(frame.payload)) == (ME, WORKER, {"a": 1})


def test_nothing_is_sent_to_a_node_that_is_not_connected() -> None:
    with hub_end(), pytest.raises(NodeDown) as caught:
        api.send(Process(Pid(b"9" * 16, 1), "n9@x"), "hello")
    assert caught.value.executed == "no"


def test_what_is_no_process_is_refused() -> None:
    with hub_end(), pytest.raises(TypeError, match="send\\(\\) takes a process"):
        api.send(7, "hello")  # type: ignore[arg-type]
