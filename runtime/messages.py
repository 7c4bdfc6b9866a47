"""The verbs between processes: messages, links, monitors, exit signals and names."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from pysh.runtime.errors import MailboxFull, NodeDown, NotSendable
from pysh.runtime.node import Node, On, find, here, resolve
from pysh.runtime.payload import dumps
from pysh.runtime.process import Actor, Down, Exit, Process
from pysh.runtime.protocol.frames import CHUNK, Kind
from pysh.runtime.protocol.relations import REASON
from pysh.runtime.protocol.terms import HUB, Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.mailbox import MISSING, Mailbox, matcher
from pysh.runtime.runner.waiting import Steps, Waiter, block, may_block
from pysh.runtime.started import current

Dest = Process | Actor | Pid | str | tuple[str, str | Node]
"""Where a message goes: a process, or the name of one, here or `("name", node)`."""
DIGITS = 20
"""The number of a process has fewer: it takes 64 bits at most."""


def me() -> Process:
    """The process that runs this code."""
    client = current()
    return Process(client.pid, client.name)


ROOM_SECONDS = 5.0
"""How long a full mailbox is waited for whose process receives nothing, and until its node can be heard."""


Full = Literal["wait", "error", "drop"]
"""What becomes of a message that there is no room for."""
FULL = ("wait", "error", "drop")


def send(dest: Dest, message: Any, full: Full = "wait") -> Iterable[Waiter]:
    """Post `message` to a process; what to wait for before, one after the other, while its mailbox has no room.

    With another `full` there is nothing to wait for: the message is refused then, or dropped.
    """
    if full not in FULL:
        raise ValueError(f'full= takes "wait", "error" or "drop", not {full!r}; nothing was sent')
    client = current()
    pid, name = _addressed(client, dest)
    payload = dumps(message, portable=client.view.is_foreign(pid.incarnation))
    if name and len(payload) > CHUNK:
        text = f"a message of {len(payload):,} bytes goes to a process, and to no name: send(whereis({name!r}), ...)"
        raise NotSendable(size=len(payload), limit=CHUNK, text=text)
    if client.hands_over(pid, payload):
        return ()
    if full == "wait" and client.room(pid, name) is not None:
        return _posted(client, pid, name, payload)
    client.check_known(pid.incarnation)
    if full != "wait" and (why := client.no_room(pid, name)):
        if full == "error":
            raise MailboxFull(str(dest), text=f"no room for a message to {dest}: {why}; it was not sent")
        client.leave_out(pid, name, why)
    else:
        _post(client, pid, name, payload)
    return ()


def _posted(client: Client, pid: Pid, name: str, payload: Payload) -> Steps[None]:
    yield from until_room(client, pid, name)
    client.check_known(pid.incarnation)
    _post(client, pid, name, payload)


def _post(client: Client, pid: Pid, name: str, payload: Payload) -> None:
    client.post(Kind.SEND, pid, ref=client.next_ref(), meta={"to": name} if name else None, payload=payload)


def until_room(client: Client, pid: Pid, name: str = "") -> Steps[None]:
    """Wait until a mailbox has room."""
    while (room := client.room(pid, name)) is not None:
        yield room


def while_received(steps: Iterable[Waiter], dest: Dest) -> None:
    """Run `steps`, which wait for room alone, here. Raises `MailboxFull`; in a loop, which must not wait, at once."""
    for room in steps:
        if not may_block():
            instead = "" if isinstance(dest, Actor) else "; write: await pysh.aio.send(...)"
            text = (
                f"the mailbox of {dest} is full; the message was not sent, as nothing may wait in an async def{instead}"
            )
            raise MailboxFull(str(dest), text=text)
        if not room.wait(ROOM_SECONDS):
            block(until_heard(dest))
            if not room.done:
                raise in_vain(dest)


def until_heard(dest: Dest) -> Steps[None]:
    """Wait until something comes from the node of `dest`, or it is down.

    What it said of its mailbox before is here then: while there is no connection, nobody can say that he receives.
    """
    client = current()
    pid, _ = _addressed(client, dest)
    if pid.incarnation != client.incarnation:
        try:
            yield client.ask_later("ping", dest=Pid(pid.incarnation, HUB))
        except NodeDown:
            pass  # so is the mailbox


def in_vain(dest: Dest, seconds: float = ROOM_SECONDS) -> MailboxFull:
    """What is raised where no room came in time."""
    return MailboxFull(str(dest), seconds)


def _addressed(client: Client, dest: Dest) -> tuple[Pid, str]:
    """The process, or the hub that knows it by its name, and that name."""
    if isinstance(dest, Process | Actor) or (isinstance(dest, Pid) and dest.number != HUB):
        return pid_of(dest), ""
    if isinstance(dest, str):
        return client.hub, check_registered(dest)
    if isinstance(dest, tuple) and not isinstance(dest, Pid) and len(dest) == 2 and isinstance(dest[0], str):
        return find(client, str(dest[1])).hub, check_registered(dest[0])
    raise TypeError(f"send() takes a process, a name or (name, node), not {dest!r}; nothing was sent")


def pid_of(process: Any) -> Pid:
    """The pid of a process, as users have it. Raises `TypeError`."""
    if isinstance(process, Actor):
        process = process.process
    pid = process.pid if isinstance(process, Process) else process
    if not isinstance(pid, Pid) or pid.number == HUB:
        raise TypeError(f"a process is meant, as spawn() and me() return, not {process!r}; nothing was done")
    return pid


def receive(match: Any) -> Steps[Any]:
    """The next message that matches, once there is one."""
    client = current()
    return taken(client, client.mailbox, matcher(match), told=True)


def received(match: Any) -> tuple[Any, Steps[Any] | None]:
    """The next message that matches, if it has come; else `MISSING`, and what to run for it."""
    client = current()
    mailbox, matches = client.mailbox, matcher(match)
    message, start = mailbox.take(matches)
    if message is MISSING:
        return message, taken(client, mailbox, matches, start, told=True)
    client.received()
    return message, None


def taken(
    client: Client, mailbox: Mailbox, matches: Callable[[Any], bool], start: int = 0, *, told: bool = False
) -> Steps[Any]:  # fmt: skip
    """The next message in `mailbox` for which `matches` is true, once there is one; is the hub `told` of it?

    None of those below number `start` is one.
    """
    while True:
        waiter = Waiter(client)
        # Announced before the look, so that no message comes unseen between the two.
        mailbox.announce(waiter)
        try:
            message, start = mailbox.take(matches, start)
            if message is not MISSING:
                if told:
                    client.received()
                return message
            client.check_open()
            yield waiter
        finally:
            mailbox.renounce(waiter)


def flush() -> list[Any]:
    """Every message that has come and was not received."""
    client = current()
    messages = client.mailbox.take_all()
    client.received()
    return messages


def link(process: Process | Actor) -> Steps[None]:
    """Tie the process that runs here to another."""
    yield current().ask_later("link", pid=list(pid_of(process)))


def unlink(process: Process | Actor) -> Steps[None]:
    """Undo `link`; what came of it and was not received is dropped."""
    client, pid = current(), pid_of(process)
    yield client.ask_later("unlink", pid=list(pid))
    client.mailbox.drop(lambda record: isinstance(record, Exit) and record.pid.pid == pid)


def monitor(process: Process | Actor) -> Steps[int]:
    """A `Down` when the process ends; its ref."""
    client = current()
    ref = client.next_ref()
    yield client.ask_later("monitor", pid=list(pid_of(process)), ref=ref)
    return ref


def demonitor(ref: int) -> Steps[None]:
    """Undo `monitor`; a `Down` that came and was not received is dropped."""
    if not isinstance(ref, int) or isinstance(ref, bool):
        raise TypeError(f"a monitor is meant by its ref, which monitor() returns, not {ref!r}; nothing was done")
    client = current()
    yield client.ask_later("demonitor", ref=ref)
    client.mailbox.drop(lambda record: isinstance(record, Down) and record.ref == ref)


def trap_exits(on: bool) -> Steps[None]:
    """Whether exit signals come as messages to the process that runs here."""
    yield current().ask_later("trap", on=on)


def exit_signal(process: Process | Actor, reason: str) -> None:
    """Send an exit signal, behind the messages sent before. Raises `NodeDown` if its node is not connected."""
    client, pid = current(), pid_of(process)
    client.check_known(pid.incarnation)
    client.post(Kind.EXIT, pid, ref=client.next_ref(), meta={"reason": str(reason)[:REASON]})


def register(name: str, process: Process | Actor | None) -> Steps[None]:
    """Give a process a name on its node."""
    client = current()
    pid = pid_of(process) if process is not None else client.pid
    client.check_known(pid.incarnation)
    yield client.ask_later("register", dest=Pid(pid.incarnation, HUB), name=check_registered(name), number=pid.number)


def check_registered(name: object) -> str:
    """`name` if a process can be called so. Raises `TypeError` or `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"a name is text, not {name!r}; nothing was done")
    if not 0 < len(name) <= 255 or not name.isprintable():
        raise ValueError(f"{name[:80]!r} is no name: 1 to 255 characters that can be printed; nothing was done")
    return name


def whereis(name: str, on: On) -> Steps[Process | None]:
    """The process of that name, on the first of the nodes that has one."""
    client, name = current(), check_registered(name)
    infos = resolve(client, on)
    for info, waiter in [(info, client.ask_later("whereis", dest=info.hub, name=name)) for info in infos]:
        if number := (yield waiter):
            return Process(Pid(info.incarnation, number), info.name)
    return None


def process_of(text: str) -> Process:
    """The process that is printed as `text`: `<n2.17>` or `n2.17`.

    Raises `TypeError`, `ValueError`, or `ConnectError` for a node that is not connected.
    """
    if not isinstance(text, str):
        raise TypeError(f"a pid is text, as one is printed: <n2.17>, not {text!r}")
    name, _, number = text.strip().removeprefix("<").removesuffix(">").rpartition(".")
    if not (number.isdecimal() and len(number) < DIGITS) or int(number) == HUB:
        raise ValueError(f"{text[:80]!r} is no pid: one is printed as <n2.17>")
    client = current()
    info = find(client, name) if name else here(client)
    return Process(Pid(info.incarnation, int(number)), info.name)
