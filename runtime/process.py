"""Processes: what `spawn` makes, what `me()` is, and what messages go to; and actors, which are such."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import NodeDown, rebuild
from pysh.runtime.node import Node
from pysh.runtime.protocol.frames import CHUNK, Frame, Kind
from pysh.runtime.protocol.terms import HUB, Payload, Pid, shown
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import View
from pysh.runtime.runner.waiting import Waiter

if TYPE_CHECKING:
    from pysh.runtime.actor import Reply
    from pysh.runtime.messages import Full


class Process:
    """One process on one incarnation of a node; it can be sent anywhere, and messages to it from anywhere."""

    __slots__ = ("_node", "pid", "ref")

    def __init__(self, pid: Pid, node: str, ref: int = 0) -> None:
        self.pid = pid
        self._node = node
        self.ref = ref
        """That of its monitor, where `spawn(..., monitor=True)` made it; else 0."""

    @property
    def node(self) -> Node:
        """Where it runs."""
        return Node(self._node)

    def send(self, message: Any, *, full: "Full" = "wait") -> None:
        """Put `message` into its mailbox."""
        from pysh.runtime.api import send

        send(self, message, full=full)

    def info(self) -> dict[str, Any]:
        """What its node knows of it: the columns of `processes()`, and more.

        `os_pid` is that of its runner, and `mates` how many other processes live there; `links` are processes,
        `monitors` and `monitored_by` are counts. Raises `NoProcess` if it has ended, and `NodeDown`.
        """
        from pysh.runtime.api import process_info

        return process_info(self)

    def __repr__(self) -> str:
        return shown(self._node, self.pid.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and other.pid == self.pid

    def __hash__(self) -> int:
        return hash(self.pid)

    def __reduce__(self) -> Any:
        return _process, (*self.pid, self._node)


def _process(incarnation: bytes, number: int, node: str) -> Process:
    return Process(Pid(incarnation, number), node)


class Actor:
    """An object that lives in a process of its own, `process`; this can be sent anywhere.

    Each of its methods, called here, returns a `Reply` at once: `await m.predict(x)`, or
    `m.predict(x).result(timeout=5)`. Names that begin with an underscore are not called from outside.
    Its repr says that it has ended once this runner was told so, by a refused call, a `Down` or an `Exit`.
    """

    __slots__ = ("_label", "process")

    def __init__(self, process: Process, label: str = "") -> None:
        self.process = process
        self._label = label

    def __getattr__(self, name: str) -> "_Method":
        if name.startswith("_"):
            raise AttributeError(f"{name} of an actor cannot be called from outside")
        return _Method(self, name)

    def __repr__(self) -> str:
        client = Client.current
        fate = client.fate(self.process.pid) if client is not None else ""
        return f"<{' '.join(filter(None, ('Actor', self._label, repr(self.process), fate)))}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and other.process == self.process

    def __hash__(self) -> int:
        return hash(self.process)

    def __reduce__(self) -> Any:
        return Actor, (self.process, self._label)


class _Method:
    """One method of an actor."""

    __slots__ = ("_actor", "_name")

    def __init__(self, actor: Actor, name: str) -> None:
        self._actor = actor
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> "Reply":
        from pysh.runtime.actor import ask

        return ask(self._actor, self._name, args, kwargs)

    def __repr__(self) -> str:
        return f"<{self._name} of {self._actor!r}>"


class Down(NamedTuple):
    """The message that a monitor ends with: `pid` is gone, for `reason`."""

    ref: int
    pid: Process
    reason: str


class Exit(NamedTuple):
    """An exit signal of `pid`, as a message for a process that traps them."""

    pid: Process
    reason: str


def record(frame: Frame, view: View) -> Down | Exit:
    """The message that a DOWN or an EXIT stands for."""
    source, reason = frame.source, str(frame.options().get("reason", ""))
    process = Process(source, view.name_of(source.incarnation))
    return Down(frame.ref, process, reason) if frame.kind == Kind.DOWN else Exit(process, reason)


def spawned_at_once(client: Client, meta: bytes, payload: Payload, *, monitored: bool) -> Process | None:
    """A process of this node that need not be waited for, as its number is granted; None where that cannot be."""
    if type(payload) is not bytes or len(payload) > CHUNK or not (number := client.numbers.take()):
        return None
    pid, ref = Pid(client.incarnation, number), client.next_ref()
    client.post(Kind.SPAWN, pid, ref=ref, meta=meta, payload=payload, in_a_row=True)
    return Process(pid, client.name, ref if monitored else 0)


class Spawning:
    """A process on its way: `waiter` gets it once its node has accepted it, or why it has not."""

    def __init__(self, client: Client, dest: Pid, *, monitored: bool = False) -> None:
        self.dest = dest
        self._monitored = monitored
        self.waiter = Waiter(client)
        self._client = client
        self._ref = client.next_ref()

    def submit(self, meta: bytes, payload: Payload) -> None:
        """Send it; once."""
        self._client.track(self._ref, self)
        try:
            self._client.post(Kind.SPAWN, self.dest, ref=self._ref, meta=meta, payload=payload)
        except BaseException:  # Ctrl-C too: nobody has a handle on it
            self._client.forget(self._ref)
            raise

    def progressed(self, frame: Frame) -> None:
        """It was accepted, and lives from now on."""
        pid = Pid(self.dest.incarnation, frame.options().get("pid", HUB))
        self._client.forget(self._ref)
        ref = self._ref if self._monitored else 0
        self.waiter.set(Process(pid, self._client.view.name_of(pid.incarnation), ref))

    def arrived(self, frame: Frame) -> None:
        """It was refused."""
        self.waiter.set(error=rebuild(frame.options()))

    def lost(self, reason: str) -> None:
        """Its node is gone."""
        name = self._client.view.name_of(self.dest.incarnation)
        self.waiter.set(error=NodeDown(name, reason, executed="maybe"))
