"""What a hub, or the command line, learns of another machine through an SSH connection: who runs there."""

import asyncio
import json
import os
import pkgutil
import socket
from typing import Any, NamedTuple

from pysh.runtime.hub import bootstrap
from pysh.runtime.hub.discovery import Entry, NoSuchNode, SeveralNodes
from pysh.runtime.protocol.terms import printable, split_name
from pysh.transports.base import TransportError, cleaned
from pysh.transports.control import Ran
from pysh.transports.means import Passage
from pysh.transports.tunnels import Connection

SECONDS = 20.0
"""How long a login shell may take for its start-up files and for us."""
NOISE = 64 * 1024
"""Bytes that start-up files may print before our answer."""
LIMIT = 1 << 20
"""Bytes that a machine may tell of the nodes there."""


class Machine(NamedTuple):
    """Another machine, as it describes itself under one user."""

    host: str
    python: str  # the version of the Python that answered
    executable: str
    looked: tuple[str, ...]  # the directories where nodes would be
    nodes: tuple[Entry, ...]

    def find(self, node: str, host: str) -> Entry:
        """The node whose name before the `@` is `node`; of several the one that has `host` behind it.

        Raises `NoSuchNode`, which lists who runs there.
        """
        matching = [entry for entry in self.nodes if entry.name.partition("@")[0] == node]
        if len(matching) > 1:
            matching = [entry for entry in matching if entry.name == f"{node}@{host}"] or matching
        if len(matching) == 1:
            return matching[0]
        if matching:
            names = ", ".join(entry.name for entry in matching)
            raise SeveralNodes("find", f"{node} may mean several nodes on {host}", names, "stop or rename one of them")
        running = ", ".join(f"{entry.name} (pid {entry.pid})" for entry in self.nodes)
        evidence = f"there runs {running}" if running else f"no node runs there; looked in {' and '.join(self.looked)}"
        raise NoSuchNode("find", f"no node {node} runs on {host}", evidence, f"see who runs there: pysh ls {host}")


def by_hand(destination: str) -> str:
    """How people type what we do: `ssh db1`, `ssh ssh://db1:2222`."""
    return f"ssh ssh://{destination}" if ":" in destination else f"ssh {destination}"


async def survey(connection: Connection, destination: str) -> Machine:
    """Ask the machine at the other end who runs there. Raises `TransportError` (`find`, `cut`).

    `destination` is how the user wrote it.
    """
    return _machine(_answer(await _printed(connection, destination, *_call("there.py"))))


async def logout(connection: Connection, destination: str) -> str:
    """Why a node that is started there ends with a logout, or nothing if it does not. Raises `TransportError`."""
    return cleaned((await _printed(connection, destination, *_call("persistence.py"))).decode(errors="replace"))


async def _printed(connection: Connection, destination: str, marker: bytes, command: str) -> bytes:
    """What `command` prints behind the marker, in the same line."""
    try:
        async with asyncio.timeout(SECONDS):
            ran = await connection.run(command, limit=NOISE + LIMIT)
    except TimeoutError as error:
        raise _silent(destination) from error
    at = ran.stdout.find(marker, 0, NOISE + len(marker))
    if at < 0:
        raise _unanswered(destination, ran)
    return ran.stdout[at + len(marker) :].partition(b"\n")[0]


async def stream(connection: Connection, path: str, destination: str) -> Passage:
    """A stream to the socket `path` there; through a process that relays where sshd does not lead to it.

    Raises `TransportError` (`find`, `cut`).
    """
    try:
        return await connection.stream(path=path)
    except TransportError as error:
        if error.stage != "refused":
            raise
        return await relay(connection, path, destination)


async def relay(connection: Connection, path: str, destination: str) -> Passage:
    """A stream to the socket `path` there, through a process that passes the bytes on.

    Raises `TransportError` (`find`, `cut`).
    """
    marker, command = _call("there.py", path)
    passage = await connection.stream(command=command)
    try:
        async with asyncio.timeout(SECONDS):
            line = await _first_line(passage.sock, marker)
            if line is None:
                ended = await passage.ended
                raise _unanswered(destination, Ran(ended.status or 0, b"", ended.stderr.encode()))
        _answer(line)
    except TimeoutError as error:
        passage.sock.close()
        raise _silent(destination) from error
    except BaseException:
        passage.sock.close()
        raise
    return passage


def _call(file: str, *words: str) -> tuple[bytes, str]:
    """The marker to look for, and the command line that prints it: it runs `main` of our `file`, with `words`."""
    source = pkgutil.get_data("pysh.runtime.hub", file)
    assert source is not None
    marker = f"pysh-{os.urandom(8).hex()}:"
    call = f"main({', '.join(map(repr, (marker, *words)))})"
    return marker.encode(), bootstrap.command(f"{source.decode()}\n{call}\n", bootstrap.PYTHONS)


async def _first_line(sock: socket.socket, marker: bytes) -> bytes | None:
    """What stands behind the marker, and nothing read of what follows it; None if the stream ends before."""
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    seen = bytearray()
    while len(seen) < 2 * NOISE:
        # Who listens there speaks only when spoken to, so nothing comes behind the line.
        data = await loop.sock_recv(sock, 4096)
        if not data:
            return None
        seen += data
        at = seen.find(marker)
        if at >= 0 and seen.endswith(b"\n"):
            return bytes(seen[at + len(marker) : -1])
    return None


def _answer(line: bytes) -> dict[str, Any]:
    """What `line` says. Raises `TransportError` if it says that it could not be done."""
    try:
        told = json.loads(line)
        failure = told.get("error", "")
    except (ValueError, RecursionError, AttributeError) as error:
        raise _nonsense(error) from error
    if failure:
        raise TransportError("find", "the other machine could not do what we asked", cleaned(str(failure)))
    return told  # type: ignore[no-any-return]  # it came as JSON


def _machine(told: dict[str, Any]) -> Machine:
    """What a machine says, taken for no more than it is: text from elsewhere."""
    try:
        host, python, executable = (cleaned(str(told[name]), 250) for name in ("host", "python", "executable"))
        looked = tuple(cleaned(str(folder)) for folder in told["looked"])
        return Machine(host, python, executable, looked, tuple(map(_entry, told["nodes"])))
    except (KeyError, TypeError, ValueError) as error:
        raise _nonsense(error) from error


def _entry(told: dict[str, Any]) -> Entry:
    name, path = str(told["name"]), str(told["socket"])
    split_name(name)
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"a socket at {printable(path)}")
    version, python, incarnation = (
        cleaned(str(told.get(part, "")), 40) for part in ("version", "python", "incarnation")
    )
    started, left = (float(told.get(part, 0.0)) for part in ("started", "left"))
    return Entry(name, path, int(told["pid"]), incarnation, version, python, started, left)


def _unanswered(destination: str, ran: Ran) -> TransportError:
    """Why our answer did not come, as far as what did come tells."""
    said = cleaned((ran.stderr or ran.stdout).decode(errors="replace"))
    if ran.status == bootstrap.MISSING:
        what = f"no Python 3 runs on {destination}"
        evidence = f"tried {', '.join(bootstrap.PYTHONS)}: {said}"
        return TransportError(
            "find", what, evidence, f"install python3 there, or see: {by_hand(destination)} python3 -V"
        )
    evidence = f"exit status {ran.status}; it printed {said!r}" if said else f"exit status {ran.status}, and no word"
    hint = f"does its sshd run a forced command, or its login shell end early? See: {by_hand(destination)} echo hello"
    return TransportError("find", f"what we asked {destination} to run did not answer", evidence, hint)


def _silent(destination: str) -> TransportError:
    hint = f"does its login shell wait for something? See: {by_hand(destination)} echo hello"
    return TransportError("find", f"{destination} let us in and did not answer", f"{SECONDS:g} s", hint)


def _nonsense(error: object) -> TransportError:
    return TransportError("find", "the answer from there makes no sense", cleaned(repr(error)))
