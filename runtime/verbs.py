"""The verbs that wait for an answer, written once: `api` runs them in a thread, `aio` in a loop."""

import sys
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from pysh.runtime.calls import Args, Call, Fn, Kwargs, owner_of
from pysh.runtime.errors import TaskTimeout
from pysh.runtime.node import Node, NodeEvent, On, Shown, choose, here, hub_of, resolve
from pysh.runtime.process import Process, Spawning
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.results import Nodes, Results, Rows
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.mailbox import MISSING, matcher
from pysh.runtime.runner.waiting import Steps, Waiter
from pysh.runtime.task import Task

TASK_OPTIONS = frozenset(("on", "limit", "detach"))
CALL_OPTIONS = frozenset(("on", "timeout"))
SPAWN_OPTIONS = frozenset(("on",))
TASK_COLUMNS = ("node", "number", "label", "kind", "status", "age")


class Waited(NamedTuple):
    """What `wait` returns."""

    done: list[Task]
    pending: list[Task]


def current() -> Client:
    """This process's connection to its node; a program that has none yet starts one."""
    client = Client.current
    if client is not None:
        return client
    from pysh.runtime.program import start

    start()
    assert Client.current is not None
    return Client.current


# nodes


def connect(addresses: tuple[str, ...]) -> Steps[Any]:
    """One address: its node, or the error raised; several: `Results`."""
    if not addresses:
        raise TypeError("connect() takes the address of a node, such as n2@host")
    client = current()
    asked = {address: client.ask_later("connect", addr=address) for address in addresses}
    if len(asked) == 1:
        return (yield from _connected(*asked.values()))
    results = Results()
    for address, waiter in asked.items():
        try:
            node = yield from _connected(waiter)
            results[node] = node
        except Exception as error:
            results[Node(address)] = error
    return results


def _connected(waiter: Waiter) -> Steps[Node]:
    entry = yield waiter
    node = Node(entry["name"])
    if node.info is not None:
        yield from ping(node)  # which its line shows
    return node


def disconnect(node: str | Node) -> Steps[None]:
    """End the connection to one node."""
    yield current().ask_later("disconnect", name=str(node))


def leave() -> Steps[None]:
    """End the connections to all others."""
    client = current()
    others = [info for info in client.view.nodes if info.incarnation != client.incarnation]
    asked = [client.ask_later("disconnect", name=info.name) for info in others]
    for waiter in asked:  # noqa: UP028 (a list takes no values)
        yield waiter


def monitor_nodes(on: bool) -> None:
    """A `NodeEvent` in the mailbox of the process that runs here for each node that goes up or down."""
    client = current()
    mailbox = client.mailbox

    def told(name: str, state: str, reason: str) -> None:
        mailbox.put_record(NodeEvent(Node(name), state, reason))

    client.watch_nodes(told if on else None)


def ping(node: str | Node) -> Steps[float]:
    """Seconds of a round trip from here to the hub of `node`."""
    client = current()
    dest = hub_of(client, node)
    started = perf_counter()
    yield client.ask_later("ping", dest=dest, name=str(node))
    took = client.view.rtts[dest.incarnation] = perf_counter() - started
    return took


def nodes() -> Steps[Nodes]:
    """All nodes, with what the hub knows of them now."""
    rows = yield current().ask_later("nodes")
    return Nodes(rows)


def node() -> Node:
    """This node."""
    return Node(here(current()).name)


def evaluate(node: Node, source: str) -> Steps[Shown]:
    """Run `source` in the shell of `node`, and print what it printed there."""
    client = current()
    told = yield client.ask_later("eval", dest=hub_of(client, node), source=source)
    if told.get("output"):
        sys.stdout.write(told["output"])
    return Shown(told.get("text", ""))


def tasks(on: On) -> Steps[Rows]:
    """What the nodes run and keep, their hubs asked all at once."""
    client = current()
    rows = Rows(TASK_COLUMNS)
    for waiter in [client.ask_later("tasks", dest=info.hub) for info in resolve(client, on)]:
        rows += yield waiter
    return rows


# running code


def prepare(
    fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], on: On,
    limit: float | None = None, detach: bool = False,
) -> tuple[Task, bytes, bytes]:  # fmt: skip
    """A task that was not sent yet, and what to send."""
    client = current()
    info = choose(client, on)
    call = Call(fn, args, kwargs, options)
    call.check(info)
    task = Task(client, info.hub, call.label, detach)
    return task, call.meta(owner_of(client), "", limit, detach), call.payload


def task_all(
    fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], on: On,
    limit: float | None = None, detach: bool = False,
) -> Results:  # fmt: skip
    """A task on each node, pickled once."""
    client = current()
    infos = resolve(client, on)
    call = Call(fn, args, kwargs, options)
    meta = call.meta(owner_of(client), "", limit, detach)
    results = Results()
    for info in infos:
        try:
            call.check(info)
            task = Task(client, info.hub, call.label, detach)
            task.submit(meta, call.payload)
            results[Node(info.name)] = task
        except Exception as error:
            results[Node(info.name)] = error
    return results


def gathered(tasks: Results, timeout: float | None) -> Results:
    """What became of each task, now that they were waited for as long as `timeout`."""
    results = Results()
    for node, task in tasks.items():
        if not isinstance(task, Task):
            results[node] = task
        elif not task.done():
            results[node] = TaskTimeout(task=task, seconds=timeout, executed=task.executed)
        else:
            error = task.outcome()
            results[node] = task.value if error is None else error
    return results


def spawn(fn: Fn, args: Args, kwargs: Kwargs, on: On) -> Steps[Process]:
    """A process on one node, once it is accepted there."""
    client = current()
    info = choose(client, on)
    call = Call(fn, args, kwargs, SPAWN_OPTIONS)
    call.check(info)
    spawning = Spawning(client, info.hub)
    spawning.submit(call.meta(owner_of(client), "process"), call.payload)
    process: Process = yield spawning.waiter
    return process


def spawn_all(fn: Fn, args: Args, kwargs: Kwargs, on: On) -> Steps[Results]:
    """A process on each node, pickled once."""
    client = current()
    infos = resolve(client, on)
    call = Call(fn, args, kwargs, SPAWN_OPTIONS)
    results, started = Results(), {}
    for info in infos:
        try:
            call.check(info)
            spawning = started[info.name] = Spawning(client, info.hub)
            spawning.submit(call.meta(owner_of(client), "process"), call.payload)
        except Exception as error:
            started.pop(info.name, None)
            results[Node(info.name)] = error
    for name, spawning in started.items():
        try:
            results[Node(name)] = yield spawning.waiter
        except Exception as error:
            results[Node(name)] = error
    return results


def listed(ts: Iterable[Any]) -> list[Task]:
    """The tasks among `ts`, which may be `Results` of `task_all`."""
    return [task for task in (ts.values() if isinstance(ts, Mapping) else ts) if isinstance(task, Task)]


def all_of(tasks: list[Task]) -> Steps[None]:
    """Wait for every one."""
    for task in tasks:
        if not task.done():
            yield task.waiter


def parted(tasks: list[Task]) -> Waited:
    """Those that have ended, and the others."""
    done = [task.done() for task in tasks]
    return Waited(
        [task for task, ended in zip(tasks, done, strict=True) if ended],
        [task for task, ended in zip(tasks, done, strict=True) if not ended],
    )


class Arrivals:
    """Tasks in the order they end."""

    def __init__(self, tasks: list[Task]) -> None:
        self._left = len(tasks)
        self._ended: list[Task] = []
        self._bell: Waiter | None = None
        for task in tasks:
            task.waiter.add_callback(lambda _, task=task: self._end(task))  # type: ignore[misc]

    def _end(self, task: Task) -> None:
        self._ended.append(task)
        if self._bell is not None:
            self._bell.set()

    def next(self) -> Steps[Task | None]:
        """The next task that ended, once there is one; None after the last."""
        if not self._left:
            return None
        while not self._ended:
            bell = self._bell = Waiter(current())
            if not self._ended:
                yield bell
        self._left -= 1
        return self._ended.pop(0)


# messages


def send(dest: Process | Pid, message: Any) -> None:
    """Post `message` to a process."""
    from pysh.runtime.payload import dumps
    from pysh.runtime.protocol.frames import Kind

    pid = dest.pid if isinstance(dest, Process) else dest
    if not isinstance(pid, Pid) or pid.number == HUB:
        raise TypeError(f"send() takes a process, as spawn() and me() return, not {dest!r}")
    client = current()
    client.check_known(pid.incarnation)
    client.post(Kind.SEND, pid, ref=client.next_ref(), payload=dumps(message))


def receive(match: Any) -> Steps[Any]:
    """The next message that matches, once there is one."""
    client = current()
    mailbox, matches, start = client.mailbox, matcher(match), 0
    while True:
        waiter = Waiter(client)
        # Announced before the look, so that no message comes unseen between the two.
        mailbox.announce(waiter)
        try:
            message, start = mailbox.take(matches, start)
            if message is not MISSING:
                return message
            client.check_open()
            yield waiter
        finally:
            mailbox.renounce(waiter)


def me() -> Process:
    """The process that runs this code."""
    client = current()
    return Process(client.pid, client.name)
