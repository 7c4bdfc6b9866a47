"""What a user may write to name a node, taken apart and checked before any of it is used.

    X                a node that is known, or that runs on this machine
                     (so may be any of these that is the full name of such a node)
    X@localhost      node X on this machine; its own names mean the same
    X@H              node X at the SSH destination H
    unix:/path       whoever listens there

H is `[user@]host[:port]`, an address of IP version 6 in brackets; the host may be an alias of an ssh
configuration. The first `@` splits. An alias that leads back to this machine is SSH all the same.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from pysh.runtime.protocol.terms import BadName, check_node, printable

_DESTINATION = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,62}\$?)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f.]{0,4}:[0-9A-Fa-f:.]{1,40}(?:%[A-Za-z0-9_.-]{1,32})?)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


class Socket(NamedTuple):
    """A Unix socket by its path."""

    path: str


class Here(NamedTuple):
    """A node of this machine: its name before the `@`, and the full name where one was written."""

    node: str
    written: str


class There(NamedTuple):
    """A node at an SSH destination: its name before the `@`, and where."""

    node: str
    destination: str
    host: str


Address = Socket | Here | There


class Way(NamedTuple):
    """How to go to an SSH destination: hops before it, what an unknown host key may do, and by what means."""

    via: tuple[str, ...] = ()
    hostkey: Literal["accept-new"] | None = None
    transport: Literal["auto", "asyncssh", "openssh"] = "auto"


def parse(text: str, machine: Collection[str]) -> Address:
    """What `text` means on a machine that answers to the names `machine` (in lower case).

    Raises `BadName`.
    """
    if text.startswith("unix:"):
        return Socket(_checked_path(text))
    node, at, where = text.partition("@")
    check_node(node)
    if not at or where.lower() in machine:
        return Here(node, text)
    return There(node, where, check_destination(where))


def read_way(asked: Mapping[str, Any]) -> Way:
    """The `Way` that the options of a `connect` say. Raises `BadName` for a hop, `ValueError` for the rest."""
    via, hostkey = asked.get("via") or (), asked.get("hostkey")
    transport: Any = asked.get("transport") or "auto"
    hops = tuple(via.split(",") if isinstance(via, str) else map(str, via))
    for hop in hops:
        check_destination(hop)
    if hostkey not in (None, "accept-new"):
        raise ValueError(f'hostkey= takes "accept-new", not {printable(hostkey)}')
    if transport not in ("auto", "asyncssh", "openssh"):
        raise ValueError(f'transport= takes "auto", "asyncssh" or "openssh", not {printable(transport)}')
    return Way(hops, hostkey, transport)


def check_destination(text: str) -> str:
    """The host of the SSH destination `text`, whose every part is checked. Raises `BadName`."""
    found = _DESTINATION.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) < 65536:
        how = "write [user@]host[:port], an IPv6 address in brackets"
        raise BadName(f"{printable(text)} is no machine to go to: {how}")
    return found["address"] or found["host"]


def _checked_path(text: str) -> str:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or not path.isprintable():
        raise BadName(f"{printable(text)} is no socket: write unix:/path, the whole of it")
    return path
