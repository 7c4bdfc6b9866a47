"""Nodes as users see them, and what `on=` may say."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import ConnectError
from pysh.runtime.guesses import near
from pysh.runtime.protocol.hostsets import called, is_set, match
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo

if TYPE_CHECKING:
    from pysh.runtime.command import Command, Completed
    from pysh.runtime.copying import Copied
    from pysh.runtime.process import Process
    from pysh.runtime.results import Rows
    from pysh.runtime.task import Task


class Shown(str):
    """Text from another shell, printed at a prompt as it was there: `n2.eval("1 + 1")` shows 2, not '2'."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Node:
    """One node, by its full name; also of a node that is down, and in whatever process.

    Its methods are the verbs, with `on=` this node; the verbs know nodes, and so are imported late.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def info(self) -> NodeInfo | None:
        """What is known of it here; None if it is not connected."""
        client = Client.current
        known = client.view.nodes if client is not None else []
        return next((info for info in known if info.name == self.name), None)

    @property
    def state(self) -> str:
        """`self`, `up`, `suspect`, or `down` also where it was never up."""
        info = self.info
        return "down" if info is None else info.state

    @property
    def rtt(self) -> float | None:
        """The seconds of a round trip to it, as last measured."""
        info, client = self.info, Client.current
        if info is None or client is None:
            return None
        rtt = client.view.rtts.get(info.incarnation, info.rtt)
        return None if rtt is None else RoundTrip(rtt)

    def __repr__(self) -> str:
        rtt, info = self.rtt, self.info
        way = via(self.name, info.aliases) if info is not None else ""
        return f"<Node {self.name}{way} {self.state}{'' if rtt is None else f' {milliseconds(rtt)}'}>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        return Node, (self.name,)

    def task(self, fn: Any, /, *args: Any, limit: float | None = None, detach: bool = False, **kwargs: Any) -> "Task":
        """`task` on this node."""
        from pysh.runtime import api

        return api.task(fn, *args, on=self, limit=limit, detach=detach, **kwargs)

    def call(self, fn: Any, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """`call` on this node."""
        from pysh.runtime import api

        return api.call(fn, *args, on=self, timeout=timeout, **kwargs)

    def spawn(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Process":
        """`spawn` on this node."""
        from pysh.runtime import api

        return api.spawn(fn, *args, on=self, **kwargs)

    def sh(self, cmd: "Command", **options: Any) -> "Completed":
        """`sh` on this node: how the command ended, or what kept it from running raised."""
        from pysh.runtime import api

        completed: Completed = api.sh(cmd, self, **options).raise_first()[self]
        return completed

    def put(self, path: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> "Copied":
        """`put` to this node: what the copy came to, or what kept it from being made raised."""
        from pysh.runtime import api

        copied: Copied = api.put(path, self, to).raise_first()[self]
        return copied

    def get(self, path: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> "Copied":
        """`get` from this node, in the same way."""
        from pysh.runtime import api

        copied: Copied = api.get(path, self, to).raise_first()[self]
        return copied

    def ping(self) -> float:
        """The seconds of a round trip to it."""
        from pysh.runtime import api

        return api.ping(self)

    def tasks(self) -> "Rows":
        """What runs and waits there."""
        from pysh.runtime import api

        return api.tasks(on=self)

    def disconnect(self) -> None:
        """End the connection to it."""
        from pysh.runtime import api

        api.disconnect(self)

    def eval(self, source: str) -> Shown:
        """What the expression `source` gives in its shell, as text; what it prints there is printed here."""
        from pysh.runtime import api

        return api.evaluate(self, source)

    def run(self, source: str) -> None:
        """Run `source` in its shell, where names stay; what it prints there is printed here."""
        from pysh.runtime import api

        api.evaluate(self, source)


class NodeEvent(NamedTuple):
    """A node went `up` or `down`, as `monitor_nodes` tells it; `reason` says why it is down."""

    node: Node
    state: str
    reason: str


class AllNodes:
    """`all_nodes`: every node that is known when it is used, this one first."""

    def __iter__(self) -> Iterator[Node]:
        client = Client.current
        return iter([Node(info.name) for info in client.view.nodes] if client is not None else [])

    def __repr__(self) -> str:
        return "all_nodes"

    def __reduce__(self) -> str:
        return "all_nodes"


all_nodes = AllNodes()
On = str | Node | AllNodes | Iterable[str | Node] | None
"""A node, its name, a set such as `"web[1-4]"` or `"@gpu & !web3"`, several of those, or all; None: this one."""
MOST_NAMED = 8


def find(client: Client, text: str) -> NodeInfo:
    """The node called `text`: its full name, an alias, or what stands before the @ where one only has it.

    Raises `ConnectError` for one that is not connected.
    """
    found = _called(client.view.nodes, text)
    if not found:
        raise _not_connected(client, text)
    return _only(text, found)


def _called(known: list[NodeInfo], text: str) -> list[NodeInfo]:
    """The one node with that full name, else all that are called so."""
    for info in known:
        if text == info.name:
            return [info]
    # Also where it was dialled as `n1`: what that means must not depend on which of two is there.
    return [info for info in known if text in (info.name.partition("@")[0], *info.aliases)]


def _only(text: str, found: list[NodeInfo]) -> NodeInfo:
    if len(found) > 1:
        names = ", ".join(info.name for info in found)
        raise ConnectError("find", text, text=f"several nodes are called {text}: {names}")
    return found[0]


def _not_connected(client: Client, text: str, said: str = "", *, host: bool = False) -> ConnectError:
    names = ", ".join(info.name for info in client.view.nodes)
    hint = "" if said else f'connect("{text if "@" in text or not host else f"NAME@{text}"}")'
    meant = near(text, [name for info in client.view.nodes for name in (info.name.partition("@")[0], info.name)])
    known = f"{names}. Did you mean: '{meant}'?" if meant else names
    return ConnectError("find", text, text=f"{said or f'{text} is not connected'}; known here: {known}", hint=hint)


class Selected(NamedTuple):
    """The nodes that an `on=` says, each once, and why those are missing that its sets name besides."""

    infos: list[NodeInfo]
    absent: dict[str, ConnectError]


def resolve(client: Client, on: On) -> list[NodeInfo]:
    """The nodes that `on` says, each once. Raises as `select`."""
    return select(client, on).infos


def select(client: Client, on: On) -> Selected:
    """The nodes that `on` says.

    A name is that of one node, or of the host of any; a set means those of its nodes that are connected. Raises
    `ConnectError` where a name or a whole set means none, `BadName` for what is no set, and `ConfigError`.
    """
    if on is None:
        return Selected([here(client)], {})
    if isinstance(on, Node):
        return Selected([find(client, on.name)], {})
    if isinstance(on, str):
        return _select(client, on)
    if isinstance(on, AllNodes):
        return Selected(client.view.nodes or [here(client)], {})
    if isinstance(on, bytes) or not isinstance(on, Iterable):
        raise TypeError(f"on= takes a node, its name, several of those or all_nodes, not {on!r}; nothing was sent")
    listed = list(on)
    if any(isinstance(one, str) and _means_several(client, one) for one in listed):
        # Together, so that "!web3" takes away from the others.
        return _match(client, [text for one in listed for text in _texts(client, one)])
    found = {info.incarnation: info for one in listed for info in select(client, one).infos}
    if not found:
        raise ValueError("on= names no node; nothing was sent")
    return Selected(list(found.values()), {})


def _means_several(client: Client, text: str) -> bool:
    return is_set(text) and not _called(client.view.nodes, text)


def _texts(client: Client, on: On) -> list[str]:
    """`on` in the words of a set."""
    if isinstance(on, str) and _means_several(client, on):
        return [on]
    return [info.name for info in select(client, on).infos]


def _select(client: Client, text: str) -> Selected:
    known = client.view.nodes
    if found := _called(known, text):
        return Selected([_only(text, found)], {})
    if is_set(text):
        return _match(client, [text])
    on_host = [info for info in known if text in called(info.name, info.aliases)]
    if not on_host:
        raise _not_connected(client, text)
    return Selected(on_host, {})


def _match(client: Client, texts: list[str]) -> Selected:
    from pysh.runtime.groups import group

    known = {info.incarnation: info for info in client.view.nodes}
    names = {incarnation: called(info.name, info.aliases) for incarnation, info in known.items()}
    chosen, absent = match(texts, names, group)
    if not chosen:
        text = ", ".join(texts)
        named = f" ({', '.join(absent[:MOST_NAMED])}{', ...' if len(absent) > MOST_NAMED else ''})" if absent else ""
        raise _not_connected(client, text, f"{text} means no node that is connected{named}")
    why = {name: _not_connected(client, name, host=True) for name in absent}
    return Selected([known[one] for one in chosen], why)


def here(client: Client) -> NodeInfo:
    """The node of this process."""
    if client.view.nodes and client.view.nodes[0].incarnation == client.incarnation:
        return client.view.nodes[0]
    return NodeInfo(client.name, client.incarnation, "self")


def choose(client: Client, on: On) -> NodeInfo:
    """The one node that `on` says, or the least loaded of several; a silent one only if all are."""
    candidates = resolve(client, on)
    if len(candidates) > 1:
        candidates = [info for info in candidates if info.state != "suspect"] or candidates
        least = client.view.loads.least(info.incarnation for info in candidates)
        return next(info for info in candidates if info.incarnation == least)
    return candidates[0]


def name_of(pid: Pid) -> str:
    """The name of the node that `pid` lives on, as far as it is known here."""
    client = Client.current
    return client.view.name_of(pid.incarnation) if client is not None else pid.incarnation.hex()[:8]


def hub_of(client: Client, node: str | Node) -> Pid:
    """The hub of a node. Raises `ConnectError` if it is not connected."""
    return Pid(find(client, str(node)).incarnation, HUB)


def via(name: str, aliases: Iterable[str]) -> str:
    """By what machine's name a node was reached, where that is not in its own name."""
    hosts = [host for _, at, host in (alias.partition("@") for alias in aliases) if at and host != "localhost"]
    return f" via {hosts[0]}" if hosts and not name.endswith(f"@{hosts[0]}") else ""


def milliseconds(seconds: float) -> str:
    """`seconds` as people read round trips: `0.21 ms`, `38 ms`."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


class RoundTrip(float):
    """Seconds of a round trip, shown as people read them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return milliseconds(self)
