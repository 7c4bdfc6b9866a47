"""The verbs that wait for an answer, written once: `api` runs them in a thread, `aio` in a loop."""

import sys
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from pysh.runtime import tracebacks
from pysh.runtime.calls import SHARED, Apart, Args, Call, Fn, Kwargs, Ties, owner_of, refuse_unmeant
from pysh.runtime.config import default_node_host, generated_name
from pysh.runtime.errors import ConnectError, NodeDown, RemoteError, RemoteTraceback, TaskTimeout, traced
from pysh.runtime.listed import Listed
from pysh.runtime.node import Node, NodeEvent, On, RoundTrip, Shown, choose, here, hub_of, resolve, select
from pysh.runtime.process import Process, Spawning, spawned_at_once
from pysh.runtime.protocol.addresses import read_way
from pysh.runtime.protocol.hosts import node_host
from pysh.runtime.protocol.hostsets import expand, is_set
from pysh.runtime.protocol.terms import HUB, BadName, Payload, Pid, check_node, split_name
from pysh.runtime.results import Nodes, Results, Rows, Unattended, fold
from pysh.runtime.runner import asking
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps, Waiter, may_block
from pysh.runtime.started import current
from pysh.runtime.survey import matrix
from pysh.runtime.task import Task

T = TypeVar("T")

TASK_OPTIONS = frozenset(("on", "limit", "detach", "isolate", "memory", "cpu", "where", "sync"))
CALL_OPTIONS = frozenset(("on", "timeout"))
SPAWN_OPTIONS = frozenset(("on", "name", "link", "monitor", "isolate", "memory", "cpu", "where", "sync"))
NOT_OF_CALL = {name: f"task(): task(FN, ..., {name}=...).result()" for name in TASK_OPTIONS - CALL_OPTIONS}
NOT_OF_TASK = {"timeout": "call() and result(), and limit= ends a task: task(FN, ..., limit=...)"}
NOT_OF_SPAWN = {
    **{name: f"task(): task(FN, ..., {name}=...)" for name in TASK_OPTIONS - SPAWN_OPTIONS},
    "timeout": "call(): call(FN, ..., timeout=...)",
}
"""What goes to no function for which it is not meant, each with what to write."""
Via = str | Iterable[str] | None
"""Hops on the way to a machine: one, or several in their order."""
TASK_COLUMNS = ("node", "number", "label", "kind", "status", "owner", "age")
PROCESS_COLUMNS = ("process", "name", "label", "kind", "state", "age", "queue", "memory")


class Waited(NamedTuple):
    """What `wait` returns."""

    done: list[Task]
    pending: list[Task]


# nodes


def connect(
    addresses: tuple[str, ...], via: Via, hostkey: str | None, transport: str, trace: bool
) -> Steps[Any]:  # fmt: skip
    """One address: its node, or the error raised; several, or a set of them: `Results`."""
    if not addresses:
        raise TypeError("connect() takes the address of a node, such as n2@host")
    for address in addresses:
        if not isinstance(address, str | Node):
            raise TypeError(f"connect() takes addresses as text, such as n2@host, not {address!r}; nothing was dialled")
    several = len(addresses) > 1 or is_set(str(addresses[0]))
    addresses = tuple(each for address in map(str, addresses) for each in _meant(address))
    way = read_way({"via": via, "hostkey": hostkey, "transport": transport})._asdict()
    client = current()
    asks = asking.somebody_here(client.role)
    asked = {address: client.ask_later("connect", addr=address, asks=asks, **way) for address in addresses}
    if not several:
        return (yield from _connected(asked[addresses[0]], trace))
    results = Results()
    for address, waiter in asked.items():
        try:
            node = yield from _connected(waiter, trace)
            results[node] = node
        except Exception as error:
            results[Node(address)] = error
    return results


def _meant(address: str) -> list[str]:
    """The addresses that one says: several where it is a set, `w1@web[1-12]`."""
    from pysh.runtime.groups import group

    return expand(address, group) if is_set(address) and not address.startswith("unix:") else [address]


def _connected(waiter: Waiter, trace: bool) -> Steps[Node]:
    try:
        entry = yield from _answered(waiter)
    except ConnectError as error:
        if trace:
            print(traced(error.trace))
        raise
    if trace:
        print(traced(entry["trace"]))
    node = Node(entry["name"])
    if node.info is not None:
        yield from ping(node)  # which its line shows
    return node


def _answered(waiter: Waiter) -> Steps[Any]:
    """What comes of a dial, once a person here has answered what is asked on the way."""
    told = yield waiter
    while "question" in told:
        text: str | None = None
        try:
            text = asking.ask(told["question"], wanted=told["wanted"])
        finally:  # interrupted or not: the dial waits
            waiter = current().ask_later("answer", token=told["token"], text=text)
        told = yield waiter
    return told


def start_node(name: str | None, host: str | None, options: dict[str, Any]) -> Steps[Node]:
    """A node started and connected to; without `host` on this machine."""
    client = current()
    asks = asking.somebody_here(client.role)
    waiter = client.ask_later("start", name=node_name(name, host), host=host, asks=asks, **options)
    return (yield from _connected(waiter, trace=False))


def start_nodes(hosts: str | Iterable[str], name: str | None, options: dict[str, Any]) -> Steps[Results]:
    """A node on each host, all at once."""
    from pysh.runtime.groups import group

    client, name = current(), name or generated_name()
    names = {host: node_name(name, host) for host in expand(hosts, group)}
    if len(set(names.values())) < len(names):
        raise BadName(f"several of these hosts would have a node {name}@{node_host(list(names)[-1])}: start them apart")
    options["asks"] = asking.somebody_here(client.role)
    asked = {full: client.ask_later("start", name=full, host=host, **options) for host, full in names.items()}
    results = Results()
    for full, waiter in asked.items():
        try:
            node = yield from _connected(waiter, trace=False)
            results[node] = node
        except Exception as error:
            results[Node(full)] = error
    return results


def node_name(name: str | None, host: str | None) -> str:
    """The full name of a node `name` to be started on `host`. Raises `BadName`."""
    if name is not None and "@" in name:
        return "@".join(split_name(name))
    where = (node_host(host) if host else "") or default_node_host()
    return f"{check_node(name or generated_name())}@{where}"


def start_options(
    python: str | None, cwd: str | None, env: Mapping[str, Any] | None, setup: str | None, persist: bool,
    hostkey: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What `start_node` says besides name and host, for a frame. Raises `ValueError`."""
    if hostkey not in (None, "accept-new"):
        raise ValueError(f'hostkey= takes "accept-new", not {hostkey!r}')
    paths = {"python": str(python or ""), "cwd": str(cwd or "")}
    return {**paths, "env": dict(env or {}), "setup": setup or "", "persist": persist, "hostkey": hostkey or ""}


def stop_node(node: str | Node, drain: float | None) -> Steps[None]:
    """End a node, once it is drained if `drain` says for how long."""
    client = current()
    try:
        yield client.ask_later("stop", dest=hub_of(client, node), drain=drain)
    except NodeDown as error:
        if error.reason != "shutdown":  # which is how it says that it has stopped
            raise


def disconnect(node: str | Node) -> Steps[None]:
    """End the connection to one node."""
    hub_of(current(), node)  # which raises where it is not connected
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


def ping(node: str | Node) -> Steps[RoundTrip]:
    """Seconds of a round trip from here to the hub of `node`."""
    client = current()
    dest = hub_of(client, node)
    started = perf_counter()
    yield client.ask_later("ping", dest=dest, name=str(node))
    took = client.view.rtts[dest.incarnation] = perf_counter() - started
    return RoundTrip(took)


def nodes() -> Steps[Nodes]:
    """All nodes, with what the hub knows of them now."""
    client, last = current(), -1
    rows = page = yield client.ask_later("nodes")
    while page and page[-1].get("number", last) > last:
        last = page[-1]["number"]
        page = yield client.ask_later("nodes", after=last)
        rows += page
    return Nodes(rows)


def node() -> Node:
    """This node."""
    return Node(here(current()).name)


def evaluate(node: Node, source: str) -> Steps[Shown]:
    """Run `source` in the shell of `node`, and print what it printed there."""
    if not isinstance(source, str):
        raise TypeError(f"what a shell evaluates is source, as text, not {source!r}; nothing was sent")
    client = current()
    try:
        told = yield client.ask_later("eval", dest=hub_of(client, node), source=source)
    except RemoteError as error:
        there = tracebacks.read(error.told) if error.told else None
        error.traceback = error.traceback or str(there)
        error.__cause__ = RemoteTraceback(str(node), error.traceback, there)
        raise
    if told.get("output"):
        sys.stdout.write(told["output"])
    return Shown(told.get("text", ""))


def tasks(on: On) -> Steps[Rows]:
    """What the nodes run and keep, their hubs asked all at once."""
    client = current()
    rows = yield from _listed("tasks", on)
    empty = _no_tasks(resolve(client, on), len(client.view.nodes))
    made = [Listed(row, client, info.hub) for info, row in rows]
    return Rows(TASK_COLUMNS, made, empty=empty)


def processes(on: On) -> Steps[Rows]:
    """Which processes live on the nodes."""
    rows = yield from _listed("processes", on)
    made = (
        {**row, "process": Process(Pid(info.incarnation, row["number"]), info.name), "memory": row["memory"] / 1e6}
        for info, row in rows
    )
    return Rows(PROCESS_COLUMNS, made, empty=f"no processes on {_on(resolve(current(), on))}")


def _listed(verb: str, on: On) -> Steps[list[tuple[NodeInfo, dict[str, Any]]]]:
    """What the hubs answer to `verb`, page by page; all are asked at once."""
    client = current()
    rows: list[tuple[NodeInfo, dict[str, Any]]] = []
    for info, waiter in [(info, client.ask_later(verb, dest=info.hub)) for info in resolve(client, on)]:
        last, page = 0, (yield waiter)
        while page and page[-1]["number"] > last:
            rows += ((info, row) for row in page)
            last = page[-1]["number"]
            page = yield client.ask_later(verb, dest=info.hub, after=last)
    return rows


def process_info(process: Process) -> Steps[dict[str, Any]]:
    """What the hub of a process knows of it."""
    client = current()
    client.check_known(process.pid.incarnation)
    hub = Pid(process.pid.incarnation, HUB)
    told = yield client.ask_later("process", dest=hub, number=process.pid.number)
    links = [Process(Pid(*pid), client.view.name_of(pid[0])) for pid in told.pop("links")]
    return {"process": process, **told, "links": links}


def _no_tasks(infos: list[NodeInfo], known: int) -> str:
    others = "" if len(infos) >= known else "; a task is listed where it runs: tasks(on=all_nodes)"
    return f"no tasks on {_on(infos)}{others}"


def _on(infos: list[NodeInfo]) -> str:
    return ", ".join(fold(info.name for info in infos))


# running code


def prepare(
    fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], on: On,
    limit: float | None = None, detach: bool = False, apart: Apart = SHARED,
) -> tuple[Task, bytes, Payload]:  # fmt: skip
    """A task that was not sent yet, and what to send."""
    client, began = current(), perf_counter()
    info = choose(client, on)
    refuse_unmeant(fn, kwargs, NOT_OF_CALL if options is CALL_OPTIONS else NOT_OF_TASK)
    call = Call(fn, args, kwargs, options, apart)
    if detach:
        call.carry()
        _bring(client, info, call)
    payload = call.payload_for(info)
    task = Task(client, info.hub, call.label, detach, call.apart.where is not None)
    task.made = began
    return task, call.meta(owner_of(client), "", limit, detach), payload


def _bring(client: Client, info: NodeInfo, call: Call) -> None:
    """Have the code of what will outlive us there before it is sent, as far as that may be waited for."""
    if call.needs is not None and call.needs.code and may_block():
        from pysh.runtime import push

        push.ensure(client, info, call.needs)


def task_all(
    fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], on: On,
    limit: float | None = None, detach: bool = False, apart: Apart = SHARED,
) -> Results:  # fmt: skip
    """A task on each node, pickled once."""
    refuse_unmeant(fn, kwargs, NOT_OF_CALL if options is CALL_OPTIONS else NOT_OF_TASK)
    return task_all_of(Call(fn, args, kwargs, options, apart), on, limit, detach)


def task_all_of(call: Call, on: On, limit: float | None = None, detach: bool = False) -> Results:
    """The same of what is pickled already."""
    client = current()
    infos, absent = select(client, on)
    if detach:
        call.carry()
    meta = call.meta(owner_of(client), "", limit, detach)
    results = Results()
    for info in infos:
        try:
            payload = call.payload_for(info)
            if detach:
                _bring(client, info, call)
            task = Task(client, info.hub, call.label, detach, call.apart.where is not None)
            task.submit(meta, payload)
            results[Node(info.name)] = task
        except Exception as error:
            results[Node(info.name)] = error
    return results.and_absent(absent)


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


def attended(verb: str, told: T) -> T:
    """`told`; where those are `Results` with failures, a script that looks at none of them is told at its end."""
    client = Client.current
    if isinstance(told, Results) and client is not None and client.role == "program" and told.failed:
        client.unattended(id(told), Unattended(verb, told), told)
    return told


def spawn(fn: Fn, args: Args, kwargs: Kwargs, on: On, ties: Ties, apart: Apart = SHARED) -> Steps[Process]:
    """A process on one node, once it is accepted there, or is certain to be."""
    refuse_unmeant(fn, kwargs, NOT_OF_SPAWN)
    return (yield from spawn_call(Call(fn, args, kwargs, SPAWN_OPTIONS, apart), on, ties))


def spawn_call(call: Call, on: On, ties: Ties) -> Steps[Process]:
    """The same of what is pickled already."""
    client = current()
    info = choose(client, on)
    if info.incarnation == client.incarnation and call.shares_a_runner and not ties.name:
        meta = _meta(client, call, ties)
        if (made := spawned_at_once(client, meta, call.payload, monitored=ties.monitor)) is not None:
            return made
    if call.values:
        from pysh.runtime.bring import beforehand

        yield from beforehand(client, info, call)
    process: Process = yield _spawned(client, info, call, ties)
    return process


def spawn_all(fn: Fn, args: Args, kwargs: Kwargs, on: On, ties: Ties, apart: Apart = SHARED) -> Steps[Results]:
    """A process on each node, pickled once."""
    refuse_unmeant(fn, kwargs, NOT_OF_SPAWN)
    client = current()
    infos, absent = select(client, on)
    call = Call(fn, args, kwargs, SPAWN_OPTIONS, apart)
    results, started = Results(), {}
    for info in infos:
        try:
            if call.values:
                from pysh.runtime.bring import beforehand

                yield from beforehand(client, info, call)
            started[info.name] = _spawned(client, info, call, ties)
        except Exception as error:
            results[Node(info.name)] = error
    for name, waiter in started.items():
        try:
            results[Node(name)] = yield waiter
        except Exception as error:
            results[Node(name)] = error
    return results.and_absent(absent)


def _spawned(client: Client, info: NodeInfo, call: Call, ties: Ties) -> Waiter:
    payload = call.payload_for(info)
    spawning = Spawning(client, info.hub, monitored=ties.monitor)
    spawning.submit(_meta(client, call, ties), payload)
    return spawning.waiter


def _meta(client: Client, call: Call, ties: Ties) -> bytes:
    return call.meta(owner_of(client), "process", ties=ties)


def doctor(on: On) -> Steps[Rows]:
    """What the Pythons of the nodes have installed."""
    started = task_all("pysh.runtime.survey:installed", (), {}, TASK_OPTIONS, on)
    yield from all_of(listed(started))
    return matrix(gathered(started, None))


def listed(ts: Iterable[Any], verb: str = "wait") -> list[Task]:
    """The tasks `ts`, which may be rows of `tasks`, or `Results` of `task_all`: of these those that were sent.

    Raises `TypeError` for what is none, and `PyshError` for the row of a process.
    """
    if isinstance(ts, Mapping) and not isinstance(ts, Listed):
        return [task for task in ts.values() if isinstance(task, Task)]
    if isinstance(ts, Task | Listed | str) or not isinstance(ts, Iterable):
        raise TypeError(f"{verb}() takes tasks, in a list or the like, not {ts!r}")
    each = [one.task if isinstance(one, Listed) else one for one in ts]
    for one in each:
        if not isinstance(one, Task):
            raise TypeError(f"{verb}() takes tasks, not {one!r}")
    return each


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
