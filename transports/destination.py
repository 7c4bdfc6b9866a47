"""The text that names a machine to go to, checked before anybody uses it.

`[user@]host[:port]`, an address of IP version 6 in brackets; the host may be an alias of an ssh
configuration. What is not in the tables below is refused: these words reach command lines, and a
`ProxyCommand` hands them to a shell.
"""

import re
from typing import NamedTuple

from pysh.transports.base import TransportError, cleaned

GRAMMAR = {
    "user": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,62}\$?"), "letters, digits, . _ + - @, no - first"),
    "host": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"), "letters, digits, . _ -, no - first"),
    "address": (
        re.compile(r"(?=.*:)[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9_.-]{1,32})?"),
        "an IPv6 address, as [fe80::1%eth0]",
    ),
    "port": (re.compile(r"[0-9]{1,5}"), "a number from 1 to 65535"),
}
"""What each part may look like, and how to say so."""

_PARTS = re.compile(r"(?s)(?:(?P<user>.*)@)?(?:\[(?P<address>[^]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?")


class Destination(NamedTuple):
    """Where to go; what the text leaves open is None, and the ssh configuration says it."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


def parse(text: str) -> Destination:
    """The destination that `text` names. Raises `TransportError` with the stage `resolve`."""
    found = _PARTS.fullmatch(text)
    if not found:
        raise _refused(text, "write [user@]host[:port], an IPv6 address in brackets")
    parts = {part: found[part] for part in GRAMMAR if found[part] is not None}
    for part, value in parts.items():
        pattern, rule = GRAMMAR[part]
        if not pattern.fullmatch(value):
            raise _refused(text, f"its {part} is to be {rule}")
    port = int(parts.get("port", 1))
    if not 0 < port < 65536:
        raise _refused(text, f"its port is to be {GRAMMAR['port'][1]}")
    return Destination(
        parts.get("address", parts.get("host", "")), parts.get("user"), port if "port" in parts else None
    )


def _refused(text: str, rule: str) -> TransportError:
    return TransportError("resolve", "this is no SSH destination", repr(cleaned(text, 80)), rule)
