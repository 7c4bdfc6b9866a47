"""From a host and a port to a connected TCP socket, over whichever of its addresses answers first."""

import asyncio
import errno
import os
import socket
from collections import deque

from pysh.transports import system
from pysh.transports.base import TransportError

HEAD_START = 0.25
"""Seconds that an address has for itself before the next one is tried beside it (RFC 8305)."""
SILENCE = 20.0
"""Seconds that sent bytes may stay unacknowledged before the system gives the connection up."""

Address = tuple[int, tuple[str, int]]
"""A socket family, and what `connect` takes for it."""

HINTS = {
    errno.ECONNREFUSED: "nobody listens there: is sshd running, is the port right?",
    errno.EHOSTUNREACH: "no route leads there: is the network up, is a VPN needed?",
    errno.ENETUNREACH: "no route leads there: is the network up, is a VPN needed?",
}


async def addresses(host: str, port: int, family: int) -> list[Address]:
    """The addresses of `host`, one of each family in turn. Raises `TransportError` (stage `resolve`)."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        text = error.strerror if isinstance(error, socket.gaierror) else str(error)
        hint = f"check the name, or the Host lines of ~/.ssh/config: ssh -G {host}"
        raise TransportError("resolve", "the host name is not known", f"{host}: {text}", hint) from error
    return interleaved([(one[0], one[4]) for one in found])  # type: ignore[misc]


def interleaved(found: list[Address]) -> list[Address]:
    """`found` with the families taking turns, the first one's first; twins are left out."""
    queues: dict[int, deque[Address]] = {}
    for address in dict.fromkeys(found):
        queues.setdefault(address[0], deque()).append(address)
    ordered: list[Address] = []
    while any(queues.values()):
        ordered += [queue.popleft() for queue in queues.values() if queue]
    return ordered


async def dial(found: list[Address], timeout: float) -> socket.socket:
    """A connected, non-blocking socket to the first of the addresses `found` that answers.

    Raises `TransportError` with the stage `tcp` when none does within `timeout` seconds.
    """
    attempts: list[asyncio.Task[socket.socket]] = []
    winner = None
    try:
        async with asyncio.timeout(timeout):
            winner = await _first(found, attempts)
        return winner.result()
    except TimeoutError as error:
        evidence = f"{_listed(found)} within {timeout:g} s"
        hint = "a firewall may drop it: check the address and the port"
        raise TransportError("tcp", "no answer came", evidence, hint) from error
    finally:
        for attempt in attempts:
            if attempt is not winner:
                attempt.add_done_callback(_let_go)
                attempt.cancel()


async def _first(found: list[Address], attempts: list[asyncio.Task[socket.socket]]) -> asyncio.Task[socket.socket]:
    """The first attempt that succeeds; each begins as the one before has failed or had its head start."""
    pending: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    waiting = deque(found)
    while waiting or pending:
        if waiting:
            attempts.append(asyncio.create_task(_connected(waiting.popleft())))
            pending.add(attempts[-1])
        wait = HEAD_START if waiting else None
        done, pending = await asyncio.wait(pending, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            error = attempt.exception()
            if error is None:
                return attempt
            if not isinstance(error, OSError):
                raise error
            errors.append(error)
    evidence = f"{_listed(found)}: " + ", ".join(dict.fromkeys(os.strerror(one.errno or 0) for one in errors))
    raise TransportError("tcp", "the connection failed", evidence, HINTS.get(errors[-1].errno or 0, ""))


async def _connected(address: Address) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address[1])
        system.give_up_after(sock, SILENCE)
    except BaseException:
        sock.close()
        raise
    return sock


def _let_go(attempt: asyncio.Task[socket.socket]) -> None:
    """Close what an attempt that came too late connected."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _listed(found: list[Address]) -> str:
    return ", ".join(f"{place[0]} port {place[1]}" for _, place in found)
