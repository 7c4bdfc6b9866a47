"""Every verb as async, under the name and with the arguments of the blocking one in `api`.

Ending a wait ends no task, except that of a `call` or `call_all` that is cancelled: nobody else has it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pysh.runtime import api, messages, verbs
from pysh.runtime.calls import Fn, apart, check_timeout, synced
from pysh.runtime.command import Command, calling
from pysh.runtime.errors import TaskTimeout
from pysh.runtime.messages import Dest, Full
from pysh.runtime.node import Node, On, Shown, all_nodes
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.results import Nodes, Results, Rows
from pysh.runtime.runner.waiting import Steps, drive
from pysh.runtime.task import Task
from pysh.runtime.verbs import CALL_OPTIONS, Arrivals, Via, Waited

if TYPE_CHECKING:
    from pysh.runtime.looking import Looked, Trace
    from pysh.runtime.push import What
    from pysh.runtime.supervisor import Child


node = api.node
me = api.me


async def nodes() -> Nodes:
    """This node first, then the others it is connected to."""
    return await drive(verbs.nodes())


async def connect(
    *addrs: str, via: Via = None, hostkey: str | None = None, transport: str = "auto", trace: bool = False
) -> Any:  # fmt: skip
    """Connect to one node, or to several."""
    return await drive(verbs.connect(addrs, via, hostkey, transport, trace))


async def start_node(
    name: str | None = None, host: str | None = None, python: str | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, setup: str | None = None, persist: bool = False, hostkey: str | None = None,
) -> Node:  # fmt: skip
    """Start a headless node, here or on the SSH destination `host`, and connect to it."""
    options = verbs.start_options(python, cwd, env, setup, persist, hostkey)
    return await drive(verbs.start_node(name, host, options))


async def start_nodes(
    hosts: str | Iterable[str], name: str | None = None, python: str | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, setup: str | None = None, persist: bool = False, hostkey: str | None = None,
) -> Results:  # fmt: skip
    """Start a node on each of `hosts`, side by side."""
    options = verbs.start_options(python, cwd, env, setup, persist, hostkey)
    return await drive(verbs.start_nodes(hosts, name, options))


async def stop_node(n: str | Node, drain: float | None = None) -> None:
    """End node `n`, after its tasks had `drain` seconds to finish."""
    await drive(verbs.stop_node(n, drain))


async def disconnect(n: str | Node) -> None:
    """End the connection to node `n`."""
    await drive(verbs.disconnect(n))


async def leave() -> None:
    """End the connections of this node to all others."""
    await drive(verbs.leave())


async def monitor_nodes(on: bool = True) -> None:
    """Put a `NodeEvent` into this process's mailbox for each node that comes or goes."""
    verbs.monitor_nodes(on)


async def ping(n: str | Node) -> float:
    """The seconds of a round trip from here to the hub of node `n`."""
    return await drive(verbs.ping(n))


async def evaluate(n: Node, source: str) -> Shown:
    """Run `source` in the shell of `n`; its value as text."""
    return await drive(verbs.evaluate(n, source))


async def why(t: "Looked") -> Shown:
    """Why a task or process is where it is."""
    from pysh.runtime import looking

    return await drive(looking.reason(t))


async def trace(t: "Looked") -> "Trace":
    """Where the time of a task went, stage by stage."""
    from pysh.runtime import looking

    return await drive(looking.traced(t))


async def stack(t: "Looked") -> str:
    """Where the code of a task or process is right now."""
    from pysh.runtime import looking

    return await drive(looking.stacked(t))


async def task(
    fn: Fn, /, *args: Any, on: On = None, limit: float | None = None, detach: bool = False, isolate: bool = False,
    memory: int | None = None, cpu: float | None = None, where: str | None = None, sync: str = "auto",
    **kwargs: Any,
) -> Task:  # fmt: skip
    """Start `fn(*args, **kwargs)` on a node."""
    own = apart(isolate, memory, cpu, where, sync)
    return api.task(fn, *args, on=on, limit=limit, detach=detach, **own._asdict(), **kwargs)


async def call(fn: Fn, /, *args: Any, on: On = None, timeout: float | None = None, **kwargs: Any) -> Any:
    """The value of `fn(*args, **kwargs)`, run on a node; cancelling this cancels that."""
    check_timeout(timeout)
    made, meta, payload = verbs.prepare(fn, args, kwargs, CALL_OPTIONS, on)
    made.submit(meta, payload)
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            await made.waiter
        return made.result()
    except asyncio.CancelledError:
        made.give_up()
        raise
    except TimeoutError:
        if limit.expired():
            raise TaskTimeout(task=made, seconds=timeout, executed=made.executed) from None
        raise


async def task_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, limit: float | None = None, detach: bool = False, isolate: bool = False,
    memory: int | None = None, cpu: float | None = None, where: str | None = None, sync: str = "auto",
    **kwargs: Any,
) -> Results:  # fmt: skip
    """Like `task`, once on each node."""
    own = apart(isolate, memory, cpu, where, sync)
    return api.task_all(fn, *args, on=on, limit=limit, detach=detach, **own._asdict(), **kwargs)


async def call_all(fn: Fn, /, *args: Any, on: On = all_nodes, timeout: float | None = None, **kwargs: Any) -> Results:
    """Like `call`, once on each node, all at the same time; cancelling this cancels those."""
    check_timeout(timeout)
    return await _all_ended("call_all", verbs.task_all(fn, args, kwargs, CALL_OPTIONS, on), timeout)


async def _all_ended(verb: str, tasks: Results, timeout: float | None = None) -> Results:
    try:
        await wait(tasks, timeout)
    except asyncio.CancelledError:
        for each in verbs.listed(tasks):
            each.give_up()
        raise
    return verbs.attended(verb, verbs.gathered(tasks, timeout))


async def sh(
    cmd: Command, on: On = None, *, limit: float | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, check: bool = False, stream: bool = True,
) -> Results:  # fmt: skip
    """Run a command on each node at the same time; cancelling this ends it there."""
    ended = await _all_ended("sh", verbs.task_all_of(calling(cmd, cwd, env, check, stream), on, limit))
    return ended.raise_first() if check else ended


async def put(path: str | os.PathLike[str], on: On = None, to: str | os.PathLike[str] | None = None) -> Results:
    """Copy a file or folder of this node to each of the nodes; cancelling this ends it."""
    return await _copied("put", api.copying().put(path, on, to))


async def get(path: str | os.PathLike[str], on: On = None, to: str | os.PathLike[str] | None = None) -> Results:
    """Copy a file or folder of each of the nodes to this one; cancelling this ends it."""
    return await _copied("get", api.copying().get(path, on, to))


async def _copied(verb: str, steps: Steps[Results]) -> Results:
    try:
        return verbs.attended(verb, await drive(steps))
    except BaseException:
        steps.close()
        raise


async def spawn(
    fn: Fn, /, *args: Any, on: On = None, name: str | None = None, link: bool = False, monitor: bool = False,
    isolate: bool = False, memory: int | None = None, cpu: float | None = None, where: str | None = None,
    sync: str = "auto", **kwargs: Any,
) -> Process:  # fmt: skip
    """Start `fn(*args, **kwargs)` as a process with a mailbox."""
    own = apart(isolate, memory, cpu, where, sync)
    return await drive(verbs.spawn(fn, args, kwargs, on, api.ties(name, link, monitor), own))


async def spawn_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, name: str | None = None, link: bool = False, monitor: bool = False,
    isolate: bool = False, memory: int | None = None, cpu: float | None = None, where: str | None = None,
    sync: str = "auto", **kwargs: Any,
) -> Results:  # fmt: skip
    """Like `spawn`, once on each node."""
    own = apart(isolate, memory, cpu, where, sync)
    return await drive(verbs.spawn_all(fn, args, kwargs, on, api.ties(name, link, monitor), own))


async def actor(cls: Callable[..., Any], /, *args: Any, on: On = None, sync: str = "auto", **kwargs: Any) -> Actor:
    """An object `cls(*args, **kwargs)` in a process of its own on a node."""
    from pysh.runtime import actor as actors

    return await drive(actors.start(cls, args, kwargs, on, synced(sync)))


async def supervise(
    children: Iterable["Child | Callable[..., Any]"], strategy: str = "one_for_one",
    intensity: tuple[int, float] = (3, 5.0), on: On = None, sync: str = "auto",
) -> Actor:  # fmt: skip
    """A process on a node that starts `children` there, and starts again those that end."""
    from pysh.runtime import supervisor

    return await drive(supervisor.start(children, strategy, intensity, on, synced(sync)))


async def push(what: "What | None" = None, on: On = all_nodes, **values: Any) -> Results:
    """Take a module of your own, or values under names, to nodes."""
    from pysh.runtime import push as pushing

    return await drive(pushing.push(what, on, values))


async def reload(module: ModuleType | str) -> ModuleType:
    """Read a loaded module of yours again from its file."""
    return api.reload(module)


async def load(path: str | os.PathLike[str]) -> None:
    """Run a `.pysh` or Python file, which may await at its top level, in the shell or script that calls it."""
    from pysh.runtime.helpers.files import load_awaiting

    await load_awaiting(path)


async def upgrade(what: "What", on: On = all_nodes, drain: float = 10.0, check: Fn | None = None) -> Results:
    """Take nodes, one after the other, to other code, or all of them back; cancelling this takes them back."""
    from pysh.runtime.upgrading import Rolling

    rolling = Rolling(what, on, drain, check)
    try:
        return await drive(rolling.roll())
    except BaseException as error:
        try:
            failed = await drive(rolling.back(error))
        except BaseException as again:  # a second cancel
            rolling.let_go(again)
            raise
        if failed is None:
            raise
        raise failed from error


async def tasks(on: On = None) -> Rows:
    """What the nodes `on` run and wait to run."""
    return await drive(verbs.tasks(on))


async def quiet(level: str | bool = "warn") -> Shown:
    """Show no notices of `level` and less on the terminal of this node."""
    from pysh.runtime.live import quiet as quieting

    return await drive(quieting.steps(level))


async def processes(on: On = None) -> Rows:
    """Which processes live on nodes."""
    return await drive(verbs.processes(on))


async def doctor(on: On = all_nodes) -> Rows:
    """The Python and the packages of each node, side by side."""
    return await drive(verbs.doctor(on))


async def wait(ts: Iterable[Task] | Results, timeout: float | None = None) -> Waited:
    """Wait until all of `ts` have ended, or for `timeout` seconds."""
    check_timeout(timeout)
    waited = verbs.listed(ts)
    try:
        await drive(verbs.all_of(waited), timeout)
    except TimeoutError:
        pass
    return verbs.parted(waited)


async def as_completed(ts: Iterable[Task] | Results) -> AsyncIterator[Task]:
    """The tasks `ts` in the order they end."""
    arrivals = Arrivals(verbs.listed(ts, "as_completed"))
    while (ended := await drive(arrivals.next())) is not None:
        yield ended


async def send(dest: Dest, message: Any, *, full: Full = "wait") -> None:
    """Put `message` into the mailbox of a process."""
    for room in messages.send(dest, message, full):
        try:
            async with asyncio.timeout(messages.ROOM_SECONDS):
                await room
        except TimeoutError:
            await drive(messages.until_heard(dest))
            if not room.done:
                raise messages.in_vain(dest) from None


async def receive(match: Any = None, timeout: float | None = None) -> Any:
    """The first message that matches."""
    check_timeout(timeout)
    message, steps = messages.received(match)
    return message if steps is None else await drive(steps, timeout)


async def flush() -> list[Any]:
    """The messages that have come and were not received."""
    return messages.flush()


async def link(p: Process | Actor) -> None:
    """Tie the process that runs here to `p`."""
    await drive(messages.link(p))


async def unlink(p: Process | Actor) -> None:
    """Undo `link`."""
    await drive(messages.unlink(p))


async def monitor(p: Process | Actor) -> int:
    """Watch `p`: a `Down` comes when it ends."""
    return await drive(messages.monitor(p))


async def demonitor(ref: int) -> None:
    """Undo `monitor`."""
    await drive(messages.demonitor(ref))


async def trap_exits(on: bool = True) -> None:
    """Let exit signals come as messages."""
    await drive(messages.trap_exits(on))


async def stop(p: Process | Actor, reason: str = "shutdown") -> None:
    """Send `p` an exit signal."""
    messages.exit_signal(p, reason)


async def kill(p: Process | Actor) -> None:
    """End `p` whatever it does."""
    messages.exit_signal(p, KILL)


async def register(name: str, p: Process | Actor | None = None) -> None:
    """Call `p`, or the process that runs here, `name` on its node."""
    await drive(messages.register(name, p))


async def whereis(name: str, on: On = None) -> Process | None:
    """The process that is registered as `name` on a node."""
    return await drive(messages.whereis(name, on))


pid = api.pid


async def start(name: str | None = None, cookie: str | None = None, listen: str | None = None) -> Any:
    """Start this program's node, without stopping the loop meanwhile."""
    from pysh.runtime import program

    return await asyncio.to_thread(program.start, name, cookie, listen)
