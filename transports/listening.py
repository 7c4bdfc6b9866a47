"""The text that says where a node listens, the socket that does, and what is there for people."""

import errno
import os
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

from pysh.transports.base import TransportError, cleaned

LOOPBACK = "127.0.0.1"
BACKLOG = 64
_PLACE = re.compile(
    r"(?:(?:\[(?P<address>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?)\]"
    r"|(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*)):)?(?P<port>[0-9]{1,5})"
)


class Offers(NamedTuple):
    """The commands that a person with an authorized key is given; an empty one is for nobody."""

    terminal: Sequence[str] = ()  # with a terminal
    plain: Sequence[str] = ()  # without
    run: Sequence[str] = ()  # with what is to be run behind its last word
    watch: Sequence[str] = ()  # the first two, for a key that may only watch
    watch_plain: Sequence[str] = ()
    watching: Sequence[str] = ()
    """Such a key has one of these as its `command=` in the file of keys."""

    @property
    def any(self) -> bool:
        """Whether there is anything for anybody."""
        return any(self)


NOTHING = Offers()


def parse(text: str) -> tuple[str, int]:
    """The host and the port of `[HOST:]PORT`, loopback unless it says otherwise; port 0 is any free one.

    Raises `TransportError` with the stage `resolve`.
    """
    found = _PLACE.fullmatch(text)
    if not found or int(found["port"]) > 65535:
        evidence, hint = repr(cleaned(text, 80)), "write --listen 2022, or --listen 192.0.2.1:2022, or [::]:2022"
        raise TransportError("resolve", "this is no place to listen at", evidence, hint)
    return found["address"] or found["host"] or LOOPBACK, int(found["port"])


def bind(host: str, port: int) -> socket.socket:
    """A non-blocking socket that listens there. Raises `TransportError`: `resolve` or `tcp`."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        hint = "give an address of this machine: ip addr"
        raise TransportError(
            "resolve", "the host to listen at is not known", f"{place}: {error.strerror}", hint
        ) from error
    except OSError as error:
        hint = f"see who does: ss -tlnp sport = :{port}" if error.errno == errno.EADDRINUSE else "see: ip addr"
        raise TransportError(
            "tcp", "nobody can listen there", f"{place}: {os.strerror(error.errno or 0)}", hint
        ) from error
    sock.setblocking(False)
    return sock
