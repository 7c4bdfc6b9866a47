"""A program that uses pysh: it starts a hub as its child, and becomes a runner of that node."""

import atexit
import os
import sys
from codecs import getincrementaldecoder
from threading import Lock
from typing import Any, Self

from pysh.runtime import config
from pysh.runtime.errors import ConnectError, PyshError
from pysh.runtime.launch import HubFailed, start_hub, status, wait
from pysh.runtime.node import Node
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import check_node, split_name
from pysh.runtime.runner.client import Client
from pysh.runtime.task import Task

LAST_SECONDS = 5.0
"""How long the end of a program waits until what it sent is on its way."""
_starting = Lock()
_settings: dict[str, str | None] = {"name": None, "cookie": None, "cookie_file": None}


class Here(Node):
    """This program's own node; as a context manager it stops at the end, if this program started it."""

    __slots__ = ("_client",)

    def __init__(self, name: str, client: Client | None = None) -> None:
        super().__init__(name)
        self._client = client

    def stop(self) -> None:
        """End the node: what it owns is cancelled, unless detached."""
        if self._client is not None:
            _leave(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


def start(name: str | None = None, cookie: str | None = None) -> Here:
    """Start this program's node, which the first verb does by itself; the node.

    `name` is `n1` or `n1@host`, `cookie` the secret that nodes share (default: the cookie file). In a
    shell, or where it was started before, it is the node there is. Raises `ConnectError`.
    """
    with _starting:
        client = Client.current
        if client is not None and not (client.role == "program" and client.lost):
            if name is not None and name not in (client.name, client.name.partition("@")[0]):
                raise PyshError(f"this is {client.name} already, and cannot be {name} too", executed="no")
            return Here(client.name)
        secret = config.read_cookie(cookie or _settings["cookie"], None if cookie else _settings["cookie_file"])
        client = _started(_full_name(name or _settings["name"]), secret)
        return Here(client.name, client)


def configure(*, name: str | None, cookie: str | None, cookie_file: str | None) -> None:
    """Say what this program's node is called and which cookie it has, unless `start` says otherwise."""
    _settings.update(name=name, cookie=cookie, cookie_file=cookie_file)


def _full_name(name: str | None) -> str:
    if name is not None and "@" in name:
        return "@".join(split_name(name))
    return f"{check_node(name or config.generated_name())}@{config.default_node_host()}"


def _started(name: str, cookie: bytes) -> Client:
    secret, python = os.urandom(32), f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = {
        "role": "program",
        "name": name,
        "cookie": cookie.hex(),
        "secret": secret.hex(),
        "python": sys.executable,
        "python_version": python,
        "cwd": os.getcwd(),  # noqa: PTH109
    }
    sock = start_hub(asked)
    try:
        status(sock)
    except HubFailed as failed:
        sock.close()
        stage = "name" if failed.kind == "NameTaken" else "launch"
        raise ConnectError(stage, name, text=str(failed)) from None
    hello = Hello("program", name, os.urandom(16), os.urandom(32), python, pid=os.getpid())
    client = Client(sock, hello, secret)
    printer = Printer(client)
    client.handlers[Kind.OUTPUT] = printer.show
    client.start_thread()
    # Workers import from where this program does.
    client.ask_later("paths", cwd=asked["cwd"], sys_path=[os.path.abspath(place) for place in sys.path])  # noqa: PTH100
    os.register_at_fork(after_in_child=client.close)
    atexit.register(_leave, client)
    return client


def finish() -> tuple[list[Task], list[Task]]:
    """End the node at the end of a script: the tasks that failed unseen, and those it cancels by ending."""
    client = Client.current
    if client is None or client.role != "program" or client.lost:
        return [], []
    failed: list[Task] = list(client.unseen.values())
    unfinished = [task for task in client.tasks.values() if isinstance(task, Task) and not task.detached]
    _leave(client)
    return failed, unfinished


def _leave(client: Client) -> None:
    if not client.lost:
        client.flush(LAST_SECONDS)
        client.close()
        wait(LAST_SECONDS)
    if Client.current is client:
        Client.current = None


class Printer:
    """Prints what tasks print, line by line, tagged with the node: `n2 | text`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._decoders: dict[Any, Any] = {}
        self._lines: dict[Any, str] = {}

    def show(self, frame: Frame) -> None:
        """Print an OUTPUT, and grant its sender as much again."""
        source = frame.source
        decoder = self._decoders.get(source) or self._decoders.setdefault(
            source, getincrementaldecoder("utf-8")("replace")
        )
        text = self._lines.pop(source, "") + decoder.decode(bytes(frame.payload))
        *lines, rest = text.split("\n")
        if rest:
            self._lines[source] = rest
        else:
            del self._decoders[source]
        label = frame.options().get("label", "?")
        _write("".join(f"{label} | {line.rpartition(chr(13))[2] or line}\n" for line in lines))
        size = len(frame.payload)
        self._client.post(Kind.CREDIT, source, ref=frame.ref, meta=pack(Kind.OUTPUT), credit=size, source=frame.dest)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError):
        pass  # nobody looks any more
