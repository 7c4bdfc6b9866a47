"""What the form of `connect()` is given at a prompt: the hosts and nodes that may be meant."""

import os
from typing import Any

from pysh.runtime.places import ConfigError, runtime_dirs
from pysh.runtime.tagged import aliases

MOST = 200
"""Of either, that are offered."""


def form() -> dict[str, Any]:
    """A form for a terminal to show, which makes of the answers a `connect(...)` at the next prompt."""
    return {"verb": "connect", "hosts": aliases()[:MOST], "nodes": _nodes()[:MOST]}


def _nodes() -> list[str]:
    """The nodes whose sockets are on this machine, some of which may be dead."""
    try:
        names = [name for folder in runtime_dirs() for name in os.listdir(folder)]  # noqa: PTH208
    except (OSError, ConfigError):
        return []
    return sorted({name.removesuffix(".sock") for name in names if name.endswith(".sock")})
