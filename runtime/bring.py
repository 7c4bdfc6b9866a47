"""Large values brought to a node, once, for whatever runs there and refers to them by hash."""

from pysh.runtime import values
from pysh.runtime.calls import Apart, Call, called, owner_of
from pysh.runtime.copying import converse, receive_tree, send_tree
from pysh.runtime.errors import NotSendable
from pysh.runtime.node import Node
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps
from pysh.runtime.task import Task


def bring(client: Client, digest: str, path: str, source: Pid) -> Steps[None]:
    """Have the value with that hash here: it lies at `path` on the node of `source`.

    It comes into a worker of its own, which waits for whoever brings the same. Raises `NodeDown`, or `NotSendable`
    where it is not there any more.
    """
    node = Node(client.view.name_of(source.incarnation))
    call = called(Call(brought, (digest, path, node), {}, frozenset(), Apart(isolate=True)), f"bring {digest[:12]}")
    task = Task(client, Pid(client.incarnation, HUB), call.label)
    task.submit(call.meta(owner_of(client), ""), call.payload)
    if not task.done():
        yield task.waiter
    if (error := task.outcome()) is not None:
        raise error


def brought(digest: str, path: str, node: Node) -> None:
    """What runs in that worker."""
    with values.bringing(digest):
        if values.find(digest) is not None:
            return
        try:
            converse(receive_tree, (values.file(digest), False, False), node, send_tree, (path, False))
        except FileNotFoundError:
            text = f"the value (SHA-256 {digest[:12]}…) that this refers to has gone from {node.name}"
            raise NotSendable("a value", text=text) from None
        if values.find(digest) is None:
            raise NotSendable("a value", text=f"what {node.name} keeps as {path} is not what was sent")
