"""Large values brought to a node, once, for whatever runs there and refers to them by hash."""

from weakref import WeakKeyDictionary

from pysh.runtime import values
from pysh.runtime.calls import Apart, Call, called, owner_of
from pysh.runtime.copying import converse, receive_tree, send_tree
from pysh.runtime.errors import NotSendable, PyshError
from pysh.runtime.node import Node, here
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps
from pysh.runtime.task import Task

_under_way: dict[tuple[str, bytes], Task] = {}
"""What this process has brought at the moment, and from which node: others in it wait for the same."""


def bring(client: Client, digest: str, path: str, size: int, source: Pid) -> Steps[None]:
    """Have the value with that hash here: it lies at `path` on the node of `source`.

    It comes into a worker of its own, which waits for whoever brings the same. Raises `NodeDown`, or `NotSendable`
    where it is not there any more, or cannot be kept here.
    """
    key = digest, source.incarnation
    task = _under_way.get(key)
    if task is None or task.done():
        node = Node(client.view.name_of(source.incarnation))
        fixed = Call(brought, (digest, path, size, node), {}, frozenset(), Apart(isolate=True))
        call = called(fixed, f"bring {digest[:12]}")
        task = _under_way[key] = Task(client, Pid(client.incarnation, HUB), call.label)
        # Not of the owner of what runs here: others here may wait for it when he has ended.
        task.submit(call.meta(client.pid, ""), call.payload)
    try:
        if not task.done():
            yield task.waiter
        if (error := task.outcome()) is not None:
            if isinstance(error, PyshError):
                error.executed = "no"  # what waits for the value has not begun
            raise error
    finally:
        if task.done():
            _under_way.pop(key, None)


_there: "WeakKeyDictionary[Client, set[tuple[bytes, str]]]" = WeakKeyDictionary()
"""The values that were brought from here, by node and hash."""


def beforehand(client: Client, info: NodeInfo, call: Call) -> Steps[None]:
    """Have the large values that `call` refers to on a node before it is sent, once: it may ask when we have ended.

    Raises as `bring`; nothing has run then.
    """
    there = _there.setdefault(client, set())
    wanted = [(digest, *where) for digest, where in call.values.items() if (info.incarnation, digest) not in there]
    if not wanted or info.incarnation == client.incarnation:
        return
    bringing = called(
        Call(all_brought, (wanted, Node(here(client).name)), {}, frozenset(), Apart(isolate=True)),
        f"bring {call.label}",
    )
    task = Task(client, info.hub, bringing.label)
    task.submit(bringing.meta(owner_of(client), ""), bringing.payload)
    if not task.done():
        yield task.waiter
    if (error := task.outcome()) is not None:
        if isinstance(error, PyshError):
            error.executed = "no"
        raise error
    there.update((info.incarnation, digest) for digest, _, _ in wanted)


def all_brought(wanted: list[tuple[str, str, int]], node: Node) -> None:
    """What runs there, in a worker of its own."""
    for digest, path, size in wanted:
        brought(digest, path, size, node)


def brought(digest: str, path: str, size: int, node: Node) -> None:
    """What runs in that worker."""
    try:
        with values.bringing(digest, size):
            if values.find(digest) is None:
                converse(receive_tree, (values.file(digest), False, False), node, send_tree, (path, False))
    except OSError as error:
        here = isinstance(error.filename, str) and error.filename != path
        where = "cannot be kept here" if here else f"cannot be had from {node.name} any more"
        text = f"a value (SHA-256 {digest[:12]}…) that this refers to {where}: {error}"
        raise NotSendable("a value", text=text) from None
    if values.find(digest) is None:
        raise NotSendable("a value", text=f"what {node.name} keeps as {path} is not what was sent")
