"""`info`: what a node is made of at the moment."""

import os
import platform
import sys
import threading
from collections.abc import Iterator
from typing import Any

from pysh.runtime.helpers.linking import link_file
from pysh.runtime.helpers.sizes import readable
from pysh.runtime.node import Node, hub_of
from pysh.runtime.protocol.durations import lasting
from pysh.runtime.runner import inside
from pysh.runtime.runner.waiting import refuse_to_block
from pysh.runtime.started import current
from pysh.runtime.system import memory_of


def info(n: str | Node | None = None) -> None:
    """Print what a node (default: this one) is made of: Python, uptime, processes with their memory, counts.

    Of this one also what the shell or script itself is. Raises `ConnectError` and `NodeDown`.
    """
    refuse_to_block("info")
    client = current()
    dest = client.hub if n is None else hub_of(client, n)
    lines = [*of_node(client.ask("info", dest=dest, memory=True)), *(of_process() if dest == client.hub else ())]
    print(*(f"{label:<10} {text}" for label, text in lines), sep="\n")


def of_node(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What its hub says of a node."""
    yield "node", f"{told['name']}, up {lasting(told.get('up', 0.0))}"
    yield "hub", f"pid {told['pid']}, Python {told['python']}{_memory(told, 'hub')}"
    runners = told.get("runners", {})
    for label, name in (("evaluator", "shell"), ("fork_server", "forks")):
        if runners.get(label):
            yield name, f"pid {runners[label]}{_memory(told, label)}"
    if own := told.get("shells"):
        yield "shells", f"beside it: {', '.join(map(_shell, own))}{_memory(told, 'own_evaluators')}"
    workers = [pid for pid in runners.get("workers", []) if pid]
    yield "workers", f"{len(workers)}{_memory(told, 'workers')}"
    yield "tasks", f"{told['jobs']} run, wait or are kept; {told['waiting']} wait for a worker"
    others = [role for role in told.get("links", []) if role == "node"]
    yield "nodes", f"{len(others)} connected"


def _shell(shell: dict[str, Any]) -> str:
    states = ["busy"] * bool(shell["busy"]) + ["nobody there"] * (not shell["attached"])
    return f"{shell['number']} ({', '.join(states)})" if states else str(shell["number"])


def _memory(told: dict[str, Any], label: str) -> str:
    size = told.get("memory", {}).get(label)
    return f", {readable(size)}" if size else ""


def of_process() -> Iterator[tuple[str, str]]:
    """What the process is that runs this code."""
    kind = "shell" if inside.here is not None else "script or worker"
    yield "this", f"the {kind}, pid {os.getpid()}, {readable(memory_of(os.getpid()))}"
    yield "python", f"{platform.python_version()} {link_file(sys.executable, sys.executable)}"
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores{_load()}"
    yield "threads", f"{threading.active_count()}, {_background()} async tasks"
    if inside.here is not None:
        past = inside.here.past
        bad = sum(cell.good is False for cell in past.cells)
        yield "cells", f"{len(past.cells) + past.forgotten}, {bad} of which raised"


def _load() -> str:
    try:
        return ", load {:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    except OSError:
        return ""


def _background() -> int:
    asyncio = sys.modules.get("asyncio")
    try:
        return max(0, len(asyncio.all_tasks()) - 1) if asyncio is not None else 0  # this cell is one
    except RuntimeError:
        return 0  # no loop runs here
