"""A program that uses pysh: it starts a hub as its child, and becomes a runner of that node."""

import atexit
import os
import sys
from codecs import getincrementaldecoder
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from pysh.runtime import config
from pysh.runtime.errors import STAGES, ConnectError, NodeDown, PyshError
from pysh.runtime.launch import HubFailed, start_hub, status, wait
from pysh.runtime.node import Node
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import Cookie, Pid, check_node, split_name
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.guest import wake_on_signals
from pysh.runtime.task import Task

if TYPE_CHECKING:
    from pysh.runtime.live.notebook import Bar

LAST_SECONDS = 5.0
"""How long the end of a program waits for its node to end, too."""
ANSWER_SECONDS = 10.0
"""How long its node may take to say that some of it is, or that nothing gets on."""
FAR_SECONDS = 2.0
"""How long it waits for the last of what the other nodes count for it."""
LONGEST = 64 * 1024
"""Characters of a line that somebody prints without an end."""
_starting = Lock()
_printers: "dict[Client, Printer]" = {}
_settings: dict[str, str | None] = {"name": None, "cookie": None, "cookie_file": None, "listen": None}


class Here(Node):
    """This program's own node; as a context manager it stops at the end, if this program started it."""

    __slots__ = ("_printer",)

    def __init__(self, name: str, printer: "Printer | None" = None) -> None:
        super().__init__(name)
        self._printer = printer

    def stop(self) -> None:
        """End the node: what it owns is cancelled, unless detached."""
        if self._printer is not None:
            _leave(self._printer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


def start(name: str | None = None, cookie: str | None = None, listen: str | None = None) -> Here:
    """Start this program's node, which the first verb does by itself; the node.

    `name` is `n1` or `n1@host`, `cookie` the secret that nodes share (default: the cookie file), `listen`
    is `[HOST:]PORT`, where nodes of other machines may come in (default: nowhere). In a shell, or where it
    was started before, it is the node there is. Raises `ConnectError`.
    """
    with _starting:
        client = Client.current
        if client is not None and not (client.role == "program" and client.lost):
            if name is not None and name not in (client.name, client.name.partition("@")[0]):
                raise PyshError(f"this is {client.name} already, and cannot be {name} too", executed="no")
            return Here(client.name)
        if cookie:
            secret = config.read_cookie(cookie, option="start(cookie=)")
        else:
            secret = config.read_cookie(_settings["cookie"], _settings["cookie_file"])
        printer = _started(_full_name(name or _settings["name"]), secret, listen or _settings["listen"])
        return Here(printer.client.name, printer)


def configure(*, name: str | None, cookie: str | None, cookie_file: str | None, listen: str | None) -> None:
    """Say what this program's node is called, which cookie it has and where it listens, unless `start` does."""
    _settings.update(name=name, cookie=cookie, cookie_file=cookie_file, listen=listen)


def _full_name(name: str | None) -> str:
    if name is not None and "@" in name:
        return "@".join(split_name(name))
    return f"{check_node(name or config.generated_name())}@{config.default_node_host()}"


def _started(name: str, cookie: Cookie, listen: str | None) -> "Printer":
    secret, python = os.urandom(32), f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = {
        "role": "program",
        "name": name,
        "cookie": cookie.hex(),
        "cookie_source": cookie.source,
        "secret": secret.hex(),
        "python": sys.executable,
        "python_version": python,
        "cwd": os.getcwd(),  # noqa: PTH109
        "listen": listen,
        **config.grace(),
    }
    sock = start_hub(asked)
    try:
        status(sock)
    except BaseException as error:
        # Also one whose time was up while the hub started leaves none behind.
        sock.close()
        wait(LAST_SECONDS)
        if not isinstance(error, HubFailed):
            raise
        stage = {"NameTaken": "name"}.get(error.kind, error.kind if error.kind in STAGES else "launch")
        raise ConnectError(stage, name, text=str(error)) from None
    hello = Hello("program", name, os.urandom(16), os.urandom(32), python, pid=os.getpid())
    client = Client(sock, hello, secret)
    printer = Printer(client)
    client.handlers[Kind.OUTPUT] = printer.show
    client.handlers[Kind.NOTICE] = printer.notice
    client.start_thread()
    # Workers import from where this program does.
    client.ask_later("paths", cwd=asked["cwd"], sys_path=[os.path.abspath(place) for place in sys.path])  # noqa: PTH100
    wake_on_signals()
    os.register_at_fork(after_in_child=client.close)
    atexit.register(_leave, printer)
    _printers[client] = printer
    return printer


def finish() -> tuple[list[Task], list[str], list[str]]:
    """End the node at the end of a script.

    The tasks that failed unseen, those that it cancelled, as they were before, and what may not have arrived.
    """
    client = Client.current
    if client is None or client.role != "program" or client.lost:
        return [], [], []
    failed: list[Task] = list(client.unseen.values())
    unfinished = [str(task) for task in list(client.tasks.values()) if isinstance(task, Task) and not task.detached]
    return failed, unfinished, _leave(_printers[client])


def _leave(printer: "Printer") -> list[str]:
    """End the node once all that was sent has arrived, or no more of it does; what may not have, which is told."""
    client, unsent = printer.client, list[str]()
    try:
        if not client.lost:
            with suppress(NodeDown, TimeoutError):  # a node that is gone, or stuck, was told of, or will be
                unsent = _sent(client)
                _settle(client)
    except KeyboardInterrupt:
        unsent = ["interrupted: what was sent last may not have arrived"]
        raise
    finally:
        for text in unsent:
            printer.say(text)
        if not client.lost:
            client.close()
            wait(LAST_SECONDS)
        printer.finish()
        _printers.pop(client, None)
        if Client.current is client:
            Client.current = None
    return unsent


def _sent(client: Client) -> list[str]:
    """Wait as long as what was sent still gets to the other nodes; what may not have, in words."""
    told: dict[str, Any] = {"sending": True}
    while told["sending"]:
        told = client.ask("sent", timeout=ANSWER_SECONDS)
    return [str(text) for text in told["unsent"]]


def _settle(client: Client) -> None:
    """Have told what was counted of messages that were not delivered: first elsewhere, as that is counted here too."""
    others = [info.hub for info in client.view.nodes if info.state == "up"]
    asked = [client.ask_later("settle", dest=hub) for hub in others]
    until = monotonic() + FAR_SECONDS
    for answer in asked:
        client.pump(answer, max(0.0, until - monotonic()))
    client.pump(client.ask_later("settle"), LAST_SECONDS)


class Printer:
    """Prints what tasks of `client` print, line by line, tagged with the node: `n2 | text`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._streams: dict[Pid, _Stream] = {}

    def show(self, frame: Frame) -> None:
        """Print an OUTPUT, and grant its sender as much again; the last one ends the line it is in."""
        told, size = frame.options(), len(frame.payload)
        if (stream := self._streams.get(frame.source)) is None:
            stream = self._streams[frame.source] = _Stream(told.get("label", "?"))
        text = stream.feed(bytes(frame.payload))
        if told.get("end") and not stream.at_rest:
            text += stream.feed(b"\n")
        _write(text)
        if stream.at_rest:
            del self._streams[frame.source]
        if size:
            meta = pack(Kind.OUTPUT)
            self.client.post(Kind.CREDIT, frame.source, ref=frame.ref, meta=meta, credit=size, source=frame.dest)

    def notice(self, frame: Frame) -> None:
        """Print what the node has to say, on stderr."""
        self.say(frame.options().get("text", ""))

    def say(self, text: object) -> None:
        """Print one line of the node's, on stderr."""
        with suppress(OSError, ValueError):
            print(f"pysh: {_plain(text)}", file=sys.stderr)

    def finish(self) -> None:
        """Print the lines that nobody ended."""
        _write("".join(stream.feed(b"\n") for stream in self._streams.values()))
        self._streams.clear()


class _Stream:
    """The output of one process, as it comes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._bar: Bar | None = None  # in a notebook, the line that is written over and over

    @property
    def at_rest(self) -> bool:
        """Whether it ended with the end of a line."""
        return not self._line and not self._decoder.getstate()[0]

    def feed(self, data: bytes) -> str:
        """The tagged lines that `data` completes; of one that was written over, what is to be seen."""
        *lines, self._line = (self._line + self._decoder.decode(data)).split("\n")
        if len(self._line) > LONGEST:
            lines += self._folded()
        shown = "".join(f"{self._label} | {seen}\n" for line in lines if not self._is_of_bar(seen := _seen(line)))
        if "\r" in self._line:
            self._live()
        return shown

    def _live(self) -> None:
        if self._bar is None:
            from pysh.runtime.live.notebook import bar_on

            self._bar = bar_on(sys.stdout)
        if self._bar is not None:
            self._bar.show(f"{self._label} | {_seen(self._line)}")

    def _is_of_bar(self, line: str) -> bool:
        """Whether `line` is what stays of a bar, which is shown in its place."""
        bar, self._bar = self._bar, None
        if bar is None or not bar.shown:
            return False
        bar.end(f"{self._label} | {line}")
        return True

    def _folded(self) -> list[str]:
        """Keep what is to be seen of a line without an end; if that is too long, it goes on in the next line."""
        seen = self._line.rstrip("\r")
        end = self._line[len(seen) :][:1]
        seen = seen.rpartition("\r")[2]
        self._line = "" if len(seen) > LONGEST else seen + end
        return [] if self._line else [seen]


def _seen(line: str) -> str:
    """What is to be seen of a line that was written over."""
    return line.rstrip("\r").rpartition("\r")[2]


def _plain(text: object) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError):
        pass  # nobody looks any more
