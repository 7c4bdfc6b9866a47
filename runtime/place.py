"""`push(df=df)`: values taken to nodes under names, for code there that looks up a name which is nowhere else."""

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pysh.runtime import values
from pysh.runtime.bring import brought
from pysh.runtime.calls import Apart, Call, called, needed, owner_of
from pysh.runtime.errors import NotSendable
from pysh.runtime.node import Node, here
from pysh.runtime.payload import dumps_referring
from pysh.runtime.protocol.manifest import sized
from pysh.runtime.results import Results
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps
from pysh.runtime.started import current
from pysh.runtime.task import Task

if TYPE_CHECKING:
    from pysh.runtime.needs import Uses


def place(client: Client, infos: list[NodeInfo], given: Mapping[str, Any]) -> Steps[Results]:
    """Take values to each node; what they are there, or why they are not. Raises `NotSendable`."""
    results, started = Results(), []
    foreign = {info.incarnation: client.view.is_foreign(info.incarnation) for info in infos}
    # Pickled once for each kind of Python, before any of it is sent.
    calls = {portable: _placing(client, given, portable=portable) for portable in set(foreign.values())}
    for info in infos:
        call = calls[foreign[info.incarnation]]
        task = Task(client, info.hub, call.label)
        try:
            task.submit(call.meta(owner_of(client), ""), call.payload)
            started.append((info, task))
        except Exception as error:
            results[Node(info.name)] = error
    for info, task in started:
        if not task.done():
            yield task.waiter
        told = task.outcome()
        results[Node(info.name)] = task.value if told is None else told
    return results


def _placing(client: Client, given: Mapping[str, Any], *, portable: bool) -> Call:
    """The call that does so there, once the values are left here."""
    left: dict[str, tuple[str, str, int]] = {}
    for name, value in given.items():
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name that code could look up; nothing was sent")
        if hasattr(builtins, name):
            raise ValueError(f"{name!r} means something of Python's own wherever it is looked up; nothing was sent")
        try:
            payload, uses = dumps_referring(value, portable=portable)
        except NotSendable as error:
            error.path = name + error.path.removeprefix("value")
            raise
        _refuse_code(name, uses)
        digest = values.digest(payload)
        try:
            values.leave(digest, payload)
        except OSError as error:
            text = f"{name} cannot be pushed from here: {error}; nothing was sent"
            raise NotSendable(name, text=text) from None
        left[name] = digest, values.file(digest), len(payload)
    call = Call(placed, (left, Node(here(client).name)), {}, frozenset(), Apart(isolate=True))
    return called(call, f"push {', '.join(given)}")


def _refuse_code(name: str, uses: "Uses") -> None:
    """Raise `NotSendable` for a value that is nothing without code which it does not bring."""
    found = needed(uses) if uses else None
    own = [module for module, _ in found.code] if found is not None else []
    if own or uses.missing:
        what = f"the module {own[0]!r}" if own else f"the name {uses.missing[0]!r}"
        text = f"{name} needs {what}, which a pushed value cannot bring: pass it as an argument; nothing was sent"
        raise NotSendable(name, text=text)


def placed(left: Mapping[str, tuple[str, str, int]], node: Node) -> str:
    """What runs there: bring what is not there, and let its name mean it once all is there."""
    for digest, path, size in left.values():
        brought(digest, path, size, node)
    current().ask("place", values={name: digest for name, (digest, _, _) in left.items()})
    return ", ".join(f"{name} {sized(size)} {digest[:12]}" for name, (digest, _, size) in left.items())
