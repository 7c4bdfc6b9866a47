"""The processes of all nodes, as far as their hubs tell them in the time that somebody waits for Tab."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pysh.runtime.protocol.terms import shown
from pysh.runtime.runner.client import Client

PATIENCE = 0.1
"""Seconds that the hubs have together."""


class Living(NamedTuple):
    """A process: its pid as it is typed, what it runs, and the names it is registered under."""

    pid: str
    label: str = ""
    names: Sequence[str] = ()


def living(client: Client) -> list[Living]:
    """Some processes of this node, and of those that answer in time. Waits."""
    nodes = list(client.view.nodes)
    asked = [(info.name, client.ask_later("living", dest=info.hub, for_all=True)) for info in nodes]
    until = time.monotonic() + PATIENCE
    short = [name.partition("@")[0] for name, _ in asked]
    found: list[Living] = []
    for name, waiter in asked:
        if waiter.wait(max(0.0, until - time.monotonic())) and waiter.error is None:
            called = name.partition("@")[0]
            found += _read(waiter.value, called if short.count(called) == 1 else name)
    return found


def _read(rows: Any, node: str) -> Iterator[Living]:
    """What the hub of `node`, perhaps of another version, told."""
    for number, label, names in rows if isinstance(rows, list) else ():
        # `shown` is for a short name; another node may have the same one.
        pid = shown(node, number)[1:-1] if "@" not in node else f"{node}.{number}"
        yield Living(pid, str(label), [str(name) for name in names])
