"""Names that code looks up and that are nowhere else: what was pushed to the node under them."""

import builtins
from collections.abc import Collection, Iterable, Mapping
from types import CodeType
from typing import Any

from pysh.runtime.errors import NotSendable
from pysh.runtime.runner.cells import mentioned
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps

MOST = 500
"""Names that are asked for at once."""


def supplied(client: Client, names: Iterable[str]) -> Steps[dict[str, Any]]:
    """Those of the names that something was pushed under, with values that are the caller's alone.

    Raises `NotSendable` where such a value is gone.
    """
    asked = sorted(names)[:MOST]
    digests: dict[str, str] = (yield client.ask_later("placed", names=asked)) if asked else {}
    return values_of(digests, client.name) if digests else {}


def values_of(digests: Mapping[str, str], node: str) -> dict[str, Any]:
    """The values that have a name each. Raises `NotSendable` where one is gone from `node`."""
    from pysh.runtime.payload import held

    found = {}
    for name, digest in digests.items():
        try:
            found[name] = held(digest)
        except NotSendable as error:
            text = f"{name!r}, which was pushed to {node}, has gone from there: push({name}=...) once more"
            raise NotSendable(name, text=text) from error
    return found


def unknown(codes: Iterable[CodeType], namespace: Collection[str]) -> set[str]:
    """What those mention that is neither in `namespace` nor built in."""
    return {name for code in codes for name in mentioned(code) if name not in namespace and not hasattr(builtins, name)}
