"""Large values brought to a node, once, for whatever runs there and refers to them by hash."""

from pysh.runtime import values
from pysh.runtime.calls import Apart, Call, called
from pysh.runtime.copying import converse, receive_tree, send_tree
from pysh.runtime.errors import NotSendable
from pysh.runtime.node import Node
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
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
            raise error
    finally:
        if task.done():
            _under_way.pop(key, None)


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
