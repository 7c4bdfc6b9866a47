import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pysh
from pysh.runtime import aio, api
from pysh.runtime.errors import (
    BlockingCall,
    ConnectError,
    MailboxFull,
    NodeDown,
    PyshError,
    TaskTimeout,
    VersionSkew,
)
from pysh.runtime.listed import Listed
from pysh.runtime.node import Node, NodeEvent
from pysh.runtime.process import Process
from pysh.runtime.protocol.frames import LOCAL, Kind
from pysh.runtime.protocol.terms import Pid
from tests.runtime.hub_end import DEADLINE, HERE, ME, N1, N2, THERE, WORKER, HubEnd, hub_end, hub_of


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def fail(text: str) -> None:
    raise ValueError(text)


# nodes


def test_connect_returns_the_node_and_measures_the_way_to_it(hub: HubEnd) -> None:
    hub.serve(connect=lambda asked: N2, ping=lambda _: 0)
    node = api.connect("n2@there")
    assert node == Node("n2@there")
    assert repr(node).startswith("<Node n2@there up ") and repr(node).endswith(" ms>")


def test_connect_to_several_gives_each_its_node_or_its_error(hub: HubEnd) -> None:
    steps = threading.Thread(target=lambda: answers(hub))
    steps.start()
    results = api.connect("n2@there", "n9@gone")
    steps.join()
    assert list(results.ok) == [Node("n2@there")]
    assert isinstance(results[Node("n9@gone")], ConnectError)


def answers(hub: HubEnd) -> None:
    """Accept the first address that is asked for, refuse the second."""
    first, second = hub.expect(Kind.REQUEST), hub.expect(Kind.REQUEST)
    hub.send(Kind.REPLY, ref=second.ref, meta={"error": "ConnectError", "stage": "resolve", "address": "n9@gone"})
    hub.send(Kind.REPLY, ref=first.ref, meta={"ok": N2})
    hub.send(Kind.REPLY, ref=hub.expect(Kind.REQUEST).ref, meta={"ok": 0})


def test_nodes_are_listed_with_what_the_hub_knows_of_them(hub: HubEnd) -> None:
    hub.serve(nodes=lambda _: [N1 | {"tasks": 1}, N2 | {"tasks": 0, "rtt": 0.001}])
    assert api.nodes() == [Node("n1@here"), Node("n2@there")]
    assert api.node() == Node("n1@here")


def test_leaving_ends_the_connections_to_all_others(hub: HubEnd) -> None:
    left: list[str] = []
    hub.serve(disconnect=lambda asked: left.append(asked["name"]))
    api.leave()
    api.disconnect("n2")
    assert left == ["n2@there", "n2"]


def test_nodes_that_come_and_go_are_told_to_the_mailbox_that_asked(hub: HubEnd) -> None:
    api.monitor_nodes()
    event = {"name": "n2@there", "incarnation": THERE, "state": "down", "reason": "restarted"}
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N1]})  # no event
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N1], "event": event})
    told = api.receive(NodeEvent, timeout=DEADLINE)
    assert told == NodeEvent(Node("n2@there"), "down", "restarted") == (Node("n2@there"), "down", "restarted")
    api.monitor_nodes(on=False)
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N1, N2], "event": event | {"state": "up"}})
    hub.message("last")
    assert api.receive(timeout=DEADLINE) == "last"


def test_whoever_sends_to_a_node_that_is_full_waits_for_room(hub: HubEnd) -> None:
    hub.tell_nodes(N1, N2 | {"full": True})
    hub.ping()
    sending = threading.Thread(target=api.send, args=(Process(Pid(THERE, 7), "n2@there"), "hello"), daemon=True)
    sending.start()
    api.send(Process(Pid(HERE, 7), "n1@here"), "to another")
    assert hub.expect(Kind.SEND).dest == Pid(HERE, 7)
    assert sending.is_alive()
    hub.tell_nodes(N1, N2)
    assert hub.expect(Kind.SEND).dest == Pid(THERE, 7)
    sending.join(DEADLINE)
    assert not sending.is_alive()


def test_a_message_to_a_node_that_is_full_can_be_refused_or_left_out(hub: HubEnd) -> None:
    there = Process(Pid(THERE, 7), "n2@there")
    hub.tell_nodes(N1, N2 | {"full": True})
    hub.ping()
    with pytest.raises(MailboxFull, match="too much is on its way to n2@there; it was not sent"):
        api.send(there, "hello", full="error")
    api.send(there, "hello", full="drop")
    lost = hub.expect(Kind.LOST)
    assert (lost.source, lost.dest) == (Pid(THERE, 7), ME)
    assert lost.options() == {"why": "too much is on its way to n2@there"}
    hub.tell_nodes(N1, N2)
    hub.ping()
    api.send(there, "hello", full="drop")
    assert hub.expect(Kind.SEND).dest == Pid(THERE, 7)


def test_whoever_waits_for_room_learns_that_the_node_is_down(hub: HubEnd) -> None:
    hub.tell_nodes(N1, N2 | {"full": True})
    hub.ping()
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(api.send, Process(Pid(THERE, 7), "n2@there"), "hello")
        hub.tell_nodes(N1)
        with pytest.raises(NodeDown) as caught:
            sending.result(DEADLINE)
    assert caught.value.executed == "no"


def test_ping_is_timed_here_and_needs_a_known_node(hub: HubEnd) -> None:
    hub.serve(ping=lambda _: 0)
    assert 0 < api.ping("n2") < DEADLINE
    with pytest.raises(ConnectError, match="n9 is not connected"):
        api.ping("n9")


# running code


def test_call_gives_the_value_or_raises(hub: HubEnd) -> None:
    hub.serve()
    assert api.call(max, 1, 5, 3) == 5
    captured = 7
    assert api.call(lambda n: n * captured, 6) == 42
    with pytest.raises(ValueError, match="bad"):
        api.call(fail, "bad")


def test_a_function_may_be_named_by_text(hub: HubEnd) -> None:
    hub.serve()
    assert api.call("compute", 5, x=1, on="n2") == ("compute", (5,), {"x": 1})


def test_a_call_that_is_late_leaves_its_task_behind(hub: HubEnd) -> None:
    with pytest.raises(TaskTimeout) as caught:
        api.call(len, "abc", timeout=0.01)
    hub.result(hub.expect(Kind.SPAWN), 3)
    assert caught.value.task.result(DEADLINE) == 3


def test_nothing_is_sent_where_the_call_cannot_run(hub: HubEnd) -> None:
    hub.tell_nodes(N1, N2 | {"python": "3.99"})
    hub.send(Kind.PING)
    hub.expect(Kind.PONG)
    with pytest.raises(VersionSkew):
        api.call(eval("lambda: 1"), on="n2")
    with pytest.raises(TypeError, match="functools"):
        api.task(lambda limit: limit, 1)
    with pytest.raises(ConnectError):
        api.task(len, "", on="n9")
    assert hub.client.tasks == {}


@pytest.mark.parametrize(
    "verb",
    [each for verbs in (api, aio) for each in (verbs.task, verbs.task_all, verbs.spawn, verbs.spawn_all, verbs.actor)],
)
def test_code_is_taken_along_or_not_and_nothing_else(hub: HubEnd, verb: Any) -> None:
    with pytest.raises(ValueError, match=r'sync= takes "auto" or "off", not 1; nothing was sent'):
        asyncio.run(verb(dict, sync=1))
    assert hub.client.tasks == {}


def test_a_call_has_no_such_options_and_passes_them_on(hub: HubEnd) -> None:
    verbs = threading.Thread(target=lambda: hub.result(hub.expect(Kind.SPAWN), {"sync": 1}))
    verbs.start()
    assert api.call(dict, sync=1) == {"sync": 1}
    verbs.join()


WAITS = [
    lambda **late: api.call(len, "", **late),
    lambda **late: api.call_all(len, "", **late),
    lambda **late: api.wait([], **late),
    lambda **late: api.receive(**late),
    lambda **late: asyncio.run(aio.call(len, "", **late)),
    lambda **late: asyncio.run(aio.call_all(len, "", **late)),
    lambda **late: asyncio.run(aio.wait([], **late)),
    lambda **late: asyncio.run(aio.receive(**late)),
]


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("timeout", ["x", float("nan")])
def test_what_is_no_timeout_is_refused_before_anything_is_sent(hub: HubEnd, wait: Any, timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"timeout= takes a number of seconds"):
        wait(timeout=timeout)
    assert hub.client.tasks == {}


@pytest.mark.parametrize("on", [3, b"n2", ["n2", 3]])
def test_what_is_no_node_is_refused_with_what_on_takes(hub: HubEnd, on: Any) -> None:
    for verb in (api.call, api.task, api.spawn, api.call_all):
        with pytest.raises(TypeError, match=r"on= takes a node, its name, several of those or all_nodes, not"):
            verb(len, "", on=on)
    assert hub.client.tasks == {}


@pytest.mark.parametrize("limit", ["x", -1, float("nan"), [1]])
def test_what_is_no_limit_is_refused_before_anything_is_sent(hub: HubEnd, limit: Any) -> None:
    for verb in (api.task, api.task_all):
        with pytest.raises((TypeError, ValueError), match=r"limit= takes a number of seconds.* nothing was sent"):
            verb(len, "", limit=limit)
    assert hub.client.tasks == {}


def test_of_several_nodes_the_tasks_are_spread_over_the_least_loaded(hub: HubEnd) -> None:
    tasks = [api.task(len, "", on=pysh.all_nodes) for _ in range(4)]
    dests = [hub.expect(Kind.SPAWN).dest.incarnation for _ in tasks]
    assert dests == [HERE, THERE, HERE, THERE]


def test_call_all_runs_once_on_each_node(hub: HubEnd) -> None:
    hub.serve()
    results = api.call_all(len, "abc")
    assert results == {Node("n1@here"): 3, Node("n2@there"): 3}
    assert repr(results) == "n[1-2]: 3"
    failed = api.call_all(fail, "bad").failed
    assert [str(error) for error in failed.values()] == ["bad", "bad"]


def test_call_all_tells_of_each_node_that_could_not(hub: HubEnd) -> None:
    hub.tell_nodes(N1, N2 | {"python": "3.99"})
    hub.serve()
    assert api.call(len, "") == 0  # so the view has come as well
    results = api.call_all(eval("lambda: 5"))
    assert results[Node("n1@here")] == 5 and isinstance(results[Node("n2@there")], VersionSkew)


def test_call_all_does_not_wait_longer_than_told(hub: HubEnd) -> None:
    results = api.call_all(len, "", timeout=0.01)
    assert all(isinstance(error, TaskTimeout) for error in results.values())


def test_task_all_gives_tasks_and_spawn_all_processes(hub: HubEnd) -> None:
    hub.serve()
    tasks = api.task_all(len, "ab", limit=3)
    assert api.wait(tasks, DEADLINE).done == list(tasks.values())
    assert [task.result() for task in tasks.values()] == [2, 2]
    assert [process.pid.incarnation for process in api.spawn_all(print).values()] == [HERE, THERE]


def test_wait_tells_which_have_ended(hub: HubEnd) -> None:
    first, second = api.task(len, ""), api.task(len, "")
    hub.result(hub.expect(Kind.SPAWN), 0)
    first.result(DEADLINE)
    assert api.wait([first, second], 0.01) == ([first], [second])


def test_tasks_come_in_the_order_they_end(hub: HubEnd) -> None:
    tasks = [api.task(len, "x" * n) for n in range(3)]
    spawns = [hub.expect(Kind.SPAWN) for _ in tasks]
    seen = api.as_completed(tasks)
    for number in (2, 0, 1):
        hub.result(spawns[number], number)
        assert next(seen) is tasks[number]
    assert list(seen) == []


def test_tasks_lists_what_the_nodes_run(hub: HubEnd) -> None:
    hub.serve(tasks=lambda _: [{"number": 3, "label": "f", "node": "n2@there", "status": "running", "age": 1.0}])
    rows = api.tasks(on=["n1", "n2"])
    assert [row["label"] for row in rows] == ["f", "f"] and "running" in repr(rows)


def test_a_row_of_tasks_shows_processes_as_they_are_printed_elsewhere(hub: HubEnd) -> None:
    hub.serve(tasks=lambda _: [{"number": 3, "requester": [HERE, 5], "owner_pid": [THERE, 9]}])
    assert repr(dict(api.tasks()[0])) == "{'number': 3, 'requester': <n1.5>, 'owner_pid': <n2.9>}"


def test_no_tasks_here_points_to_those_on_other_nodes(hub: HubEnd) -> None:
    hub.serve(tasks=lambda _: [])
    assert repr(api.tasks()) == "no tasks on n1@here; a task is listed where it runs: tasks(on=all_nodes)"
    assert repr(api.tasks(on=pysh.all_nodes)) == "no tasks on n1@here, n2@there"


def test_tasks_of_a_busy_node_come_a_part_at_a_time(hub: HubEnd) -> None:
    hub.serve(tasks=lambda asked: [{"number": n} for n in range(asked.get("after", 0) + 1, 1001)][:300])
    assert [row["number"] for row in api.tasks(on="n2")] == list(range(1, 1001))


def test_a_job_of_a_worker_passes_its_owner_on() -> None:
    with hub_end("worker", thread=False) as hub:
        hub.client.owner = hub.client.pid._replace(number=99)
        api.task(len, "")
        assert hub.expect(Kind.SPAWN).options()["owner"] == [HERE, 99]


def test_twenty_thousand_tiny_tasks_all_come_back(hub: HubEnd) -> None:
    hub.serve()
    tasks = [api.task(int, number) for number in range(20_000)]
    assert [task.result(DEADLINE) for task in tasks] == list(range(20_000))
    assert hub.client.tasks == {} and hub.client.flush(DEADLINE)


def test_many_threads_call_at_once(hub: HubEnd) -> None:
    hub.serve()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: api.call(int, n), range(400))) == list(range(400))


# messages


def test_receive_takes_what_matches_and_leaves_the_rest(hub: HubEnd) -> None:
    for message in ("a", 1, ("done", 5)):
        hub.message(message)
    assert api.receive(("done", int), timeout=DEADLINE) == ("done", 5)
    assert api.receive(int) == 1
    assert api.receive() == "a"


def test_receive_waits_for_what_has_not_come_yet(hub: HubEnd) -> None:
    hub.message("other")
    threading.Timer(0.01, hub.message, ["wanted"]).start()
    assert api.receive("wanted", timeout=DEADLINE) == "wanted"


def test_receive_that_waits_in_vain_raises_timeout(hub: HubEnd) -> None:
    hub.message("other")
    with pytest.raises(TimeoutError):
        api.receive(int, timeout=0.01)
    assert api.receive(timeout=DEADLINE) == "other"


def test_receive_ends_when_the_hub_does(hub: HubEnd) -> None:
    threading.Timer(0.01, hub.hang_up).start()
    with pytest.raises(NodeDown):
        api.receive(timeout=DEADLINE)
    with pytest.raises(NodeDown):
        api.receive(timeout=DEADLINE)


# where blocking is allowed


@pytest.mark.parametrize(
    "verb",
    [api.nodes, api.leave, api.receive, lambda: api.call(len, ""), lambda: api.spawn(len), lambda: api.wait([])],
)
async def test_an_async_function_may_not_block(hub: HubEnd, verb: Any) -> None:
    with pytest.raises(BlockingCall):
        verb()
    assert hub.client.tasks == {}


def test_a_cell_that_awaits_may_block() -> None:
    source = "import asyncio\nfrom pysh.runtime import api\nvalue = api.call(len, 'abc')\nawait asyncio.sleep(0)"
    code = compile(source, "<cell>", "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    names: dict[str, Any] = {}

    async def main() -> None:
        await eval(code, names)

    with hub_end() as hub:
        hub.serve()
        asyncio.run(main())
    assert names["value"] == 3


# Ctrl-C

INTERRUPTED = """
import os, signal, threading
from pysh.runtime import aio, api
from pysh.runtime.protocol.frames import Kind
from tests.runtime.hub_end import hub_end
with hub_end() as hub:
    task = api.task(len, "")
    spawns = [hub.expect(Kind.SPAWN)]
    def press():
        spawns.append(hub.expect(Kind.SPAWN))
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press).start()
    try:
        api.call(len, "")
    except KeyboardInterrupt as interrupt:
        assert hub.expect(Kind.CANCEL).ref == spawns[1].ref
        assert interrupt.__notes__ == ["cancelled: <Task len on n1>"], interrupt.__notes__
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        task.result()
    except KeyboardInterrupt:
        hub.result(spawns[0], 5)
        assert task.result(10) == 5
        print(all(frame.kind != Kind.CANCEL for frame in hub.frames))
"""


def test_ctrl_c_cancels_a_call_and_only_ends_other_waits() -> None:
    told = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30)
    assert told.stdout == "True\n", told.stderr


# the public names


def test_every_public_name_is_there_and_listed() -> None:
    for name in pysh.__all__:
        assert getattr(pysh, name) is not None
    assert set(pysh.__all__) <= set(dir(pysh))
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        getattr(pysh, "no_such")  # noqa: B009


def test_the_design_marks_those_of_its_names_that_are_not_there_yet() -> None:
    design = (Path(__file__).parents[2] / "docs/design.md").read_text().partition("## 6. Public names")[2]
    lines = [line for line in design.split("```")[1].splitlines() if line[:1].isalpha() and line != "python"]
    assert len(lines) > 20
    for line in lines:
        text, _, comment = line.partition("#")
        while (less := re.sub(r"\([^()]*\)", "", text)) != text:  # the parameters
            text = less
        for name in re.findall(r"\w+", text.partition("->")[0]):
            assert hasattr(pysh, name) != comment.strip().startswith("later"), name


def test_importing_pysh_imports_next_to_nothing() -> None:
    source = "import sys; before = {*sys.modules}; import pysh; print(sorted({*sys.modules} - before))"
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=30)
    assert told.stdout == "['pysh']\n", told.stderr


class Account:
    def __init__(self, amount: int = 0) -> None:
        self.amount = amount


@pytest.mark.parametrize(
    ("start", "option", "told"),
    [
        (api.spawn, "limit", r"limit= is an option of task\(\): task\(plain, \.\.\., limit=\.\.\.\)"),
        (api.spawn_all, "detach", r"detach= is an option of task\(\)"),
        (api.spawn, "timeout", r"timeout= is an option of call\(\): call\(plain, "),
        (api.actor, "name", r"name= is an option of spawn\(\): an actor m is named by register\(name, m\); nothing"),
        (api.actor, "memory", r"memory= is an option of spawn\(\) and task\(\), which actors have not; nothing was"),
        (api.actor, "limit", r"limit= is an option of task\(\): task\(Account, "),
    ],
)
def test_an_option_of_another_verb_is_no_argument_of_what_is_started(
    hub: HubEnd, start: Any, option: str, told: str
) -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match=told):
        start(Account if start is api.actor else plain, on="n2", **{option: 1})
    hub.ping()
    assert [frame.kind for frame in hub.frames] == []


def test_what_is_no_task_is_not_waited_for(hub: HubEnd) -> None:
    process = Process(WORKER, "n2@there")
    for wait, verb in ((api.wait, "wait"), (lambda ts: list(api.as_completed(ts)), "as_completed")):
        with pytest.raises(TypeError, match=rf"^{verb}\(\) takes tasks, not 5$"):
            wait([api.task(len, "", on="n2"), 5])
        with pytest.raises(TypeError, match=rf"^{verb}\(\) takes tasks, not <n2\.30>$"):
            wait([process])
        for one in (api.task(len, "", on="n2"), 5, "text"):
            with pytest.raises(TypeError, match=rf"^{verb}\(\) takes tasks, in a list or the like, not "):
                wait(one)  # type: ignore[arg-type]


def test_the_row_of_a_process_has_no_result(hub: HubEnd) -> None:
    row = Listed({"node": "n2@there", "number": 45, "kind": "process", "label": "f"}, hub.client, hub_of(THERE))
    for wait in (row.result, row.exception, lambda: api.wait([row])):  # type: ignore[list-item]
        with pytest.raises(PyshError, match=r"^<n2\.45> is a process, which has no result: .* monitor\("):
            wait()


def test_no_processes_are_told_with_the_nodes_that_were_asked(hub: HubEnd) -> None:
    hub.serve(processes=lambda _: [])
    assert repr(api.processes(on="n2")) == "no processes on n2@there"


def test_where_nothing_may_wait_a_full_mailbox_is_told_with_what_waits(hub: HubEnd) -> None:
    hub.send(Kind.FULL, meta={"full": True, "to": ""})
    hub.ping()

    async def sends() -> None:
        api.send(Process(WORKER, "n2@there"), "hello")

    with pytest.raises(MailboxFull, match=r"nothing may wait in an async def; write: await pysh\.aio\.send\("):
        asyncio.run(sends())
