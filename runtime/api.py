"""The public names that block: at a prompt, in scripts and in synchronous functions.

Each is its twin in `aio`, run to its end in this thread.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pysh.runtime import messages, verbs
from pysh.runtime.calls import Fn, Ties
from pysh.runtime.messages import Dest
from pysh.runtime.node import Node, On, Shown, all_nodes
from pysh.runtime.process import Process
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.results import Nodes, Results, Rows
from pysh.runtime.runner.waiting import Steps, T, block, may_block, refuse_to_block
from pysh.runtime.task import Task
from pysh.runtime.verbs import CALL_OPTIONS, TASK_OPTIONS, Arrivals, Via, Waited


def _run(verb: str, steps: Steps[T], timeout: float | None = None) -> T:
    refuse_to_block(verb)
    return block(steps, timeout)


def node() -> Node:
    """This node."""
    return verbs.node()


def nodes() -> Nodes:
    """This node first, then the others it is connected to; a table at the prompt."""
    return _run("nodes", verbs.nodes())


def connect(
    *addrs: str, via: Via = None, hostkey: str | None = None, transport: str = "auto", trace: bool = False
) -> Any:  # fmt: skip
    """Connect to the nodes at `addrs` (`n2@[user@]host[:port]` by SSH, `n2@localhost`, `n2`, `unix:/path`).

    One address: its `Node`, or `ConnectError` raised; several: `Results`. `via` names the hosts to go
    through; `hostkey="accept-new"` writes the key of an unknown host down; `transport` is `asyncssh`,
    `openssh` (the ssh binary) or `auto`; `trace` prints each stage with its milliseconds.
    """
    return _run("connect", verbs.connect(addrs, via, hostkey, transport, trace))


def start_node(
    name: str | None = None, host: str | None = None, python: str | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, setup: str | None = None, persist: bool = False, hostkey: str | None = None,
) -> Node:  # fmt: skip
    """Start a headless node and connect to it: on the SSH destination `host`, else on this machine.

    Nothing needs to be installed there but Python 3.11 or newer: `python` (a path, a name on the PATH, a
    virtual environment), else the best there is for this one's version. `cwd` and `env` are its folder and
    what its environment has besides; `setup` is a line of shell to run before, such as `module load gcc`.
    The node ends with this one unless `persist`. `hostkey="accept-new"` writes an unknown host key down.
    Raises `ConnectError` with the stage that was not reached; nothing is left there then.
    """
    options = verbs.start_options(python, cwd, env, setup, persist, hostkey)
    return _run("start_node", verbs.start_node(name, host, options))


def start_nodes(
    hosts: str | Iterable[str], name: str | None = None, python: str | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, setup: str | None = None, persist: bool = False, hostkey: str | None = None,
) -> Results:  # fmt: skip
    """Start a node on each of `hosts` (`"web[1-12]"`, `"db1,db2"` or a list), as `start_node`, side by side.

    They share one name: `w@web1`, `w@web2`. The `Results` have a node, or why there is none.
    """
    options = verbs.start_options(python, cwd, env, setup, persist, hostkey)
    return _run("start_nodes", verbs.start_nodes(hosts, name, options))


def stop_node(n: str | Node, drain: float | None = None) -> None:
    """End node `n`. With `drain` it takes no new task, and those that it has may finish for so many seconds.

    What has not begun by then raises with `.executed == "no"`. Raises `ConnectError` if it is not connected.
    """
    _run("stop_node", verbs.stop_node(n, drain))


def disconnect(n: str | Node) -> None:
    """End the connection to node `n`. Raises `NodeDown` if there is none."""
    _run("disconnect", verbs.disconnect(n))


def leave() -> None:
    """End the connections of this node to all others."""
    _run("leave", verbs.leave())


def monitor_nodes(on: bool = True) -> None:
    """Put a `NodeEvent(node, "up" or "down", reason)` into this process's mailbox for each node that comes or goes.

    There is one `down` for each session that is lost, after the last message from that node; `on=False`
    ends it.
    """
    verbs.monitor_nodes(on)


def ping(n: str | Node) -> float:
    """The seconds of a round trip from here to the hub of node `n`. Raises `ConnectError`, `NodeDown`."""
    return _run("ping", verbs.ping(n))


def evaluate(n: Node, source: str) -> Shown:
    """Run `source` in the shell of `n`; its value as text. `Node.eval` and `Node.run`."""
    return _run("eval", verbs.evaluate(n, source))


def task(fn: Fn, /, *args: Any, on: On = None, limit: float | None = None, detach: bool = False, **kwargs: Any) -> Task:
    """Start `fn(*args, **kwargs)` on a node, on the least loaded of several; does not wait.

    `fn` may be named by text: `"pkg.mod:fn"` is importable there, `"fn"` was defined in the shell there.
    It is cancelled after `limit` seconds of running, and when its owner stops, unless `detach`. Raises
    `ConnectError`, `NotSendable`, `VersionSkew` and `NodeDown` where nothing was sent.
    """
    made, meta, payload = verbs.prepare(fn, args, kwargs, TASK_OPTIONS, on, limit, detach)
    made.submit(meta, payload)
    return made


def call(fn: Fn, /, *args: Any, on: On = None, timeout: float | None = None, **kwargs: Any) -> Any:
    """The value of `fn(*args, **kwargs)`, run on a node as by `task`; or what it raised.

    `TaskTimeout` after `timeout` seconds, with the task, which goes on. Ctrl-C cancels it.
    """
    refuse_to_block("call")
    made, meta, payload = verbs.prepare(fn, args, kwargs, CALL_OPTIONS, on)
    try:
        made.submit(meta, payload)
        return made.result(timeout)
    except KeyboardInterrupt:
        made.give_up()
        raise


def task_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, limit: float | None = None, detach: bool = False, **kwargs: Any
) -> Results:
    """Like `task`, once on each node: node to `Task`, or to why none was started."""
    return verbs.task_all(fn, args, kwargs, TASK_OPTIONS, on, limit, detach)


def call_all(fn: Fn, /, *args: Any, on: On = all_nodes, timeout: float | None = None, **kwargs: Any) -> Results:
    """Like `call`, once on each node, all at the same time: node to value or exception.

    After `timeout` seconds those that are not done have a `TaskTimeout`. Ctrl-C cancels them.
    """
    refuse_to_block("call_all")
    tasks = verbs.task_all(fn, args, kwargs, CALL_OPTIONS, on)
    try:
        wait(tasks, timeout)
        return verbs.gathered(tasks, timeout)
    except KeyboardInterrupt:
        for each in verbs.listed(tasks):
            each.give_up()
        raise


def spawn(
    fn: Fn, /, *args: Any, on: On = None, name: str | None = None, link: bool = False, monitor: bool = False,
    **kwargs: Any,
) -> Process:  # fmt: skip
    """Start `fn(*args, **kwargs)` as a process with a mailbox; returns once its node has accepted it.

    It is registered there as `name`, linked to the process that runs here with `link`, and watched with
    `monitor`: `p.ref` is the ref of the `Down` that comes when it ends. What it raises is shown on the
    terminal of its owner. Raises `PyshError` where the name is taken; nothing runs then.
    """
    return _run("spawn", verbs.spawn(fn, args, kwargs, on, ties(name, link, monitor)))


def spawn_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, name: str | None = None, link: bool = False, monitor: bool = False,
    **kwargs: Any,
) -> Results:  # fmt: skip
    """Like `spawn`, once on each node: node to `Process`, or to why there is none."""
    return _run("spawn_all", verbs.spawn_all(fn, args, kwargs, on, ties(name, link, monitor)))


def ties(name: str | None, link: bool, monitor: bool) -> Ties:
    """What `spawn` says of a process besides what it runs. Raises `TypeError` or `ValueError`."""
    return Ties("" if name is None else messages.check_registered(name), bool(link), bool(monitor))


def tasks(on: On = None) -> Rows:
    """What the nodes `on` (default: this one) run, wait to run, or have a result of, whoever asked for it.

    A table at the prompt; its rows are handles: `tasks(on="w1")[0].result()` fetches what a lost shell left.
    """
    return _run("tasks", verbs.tasks(on))


def wait(ts: Iterable[Task] | Results, timeout: float | None = None) -> Waited:
    """Wait until all of `ts` have ended, or for `timeout` seconds: `(done, pending)`."""
    waited = verbs.listed(ts)
    try:
        _run("wait", verbs.all_of(waited), timeout)
    except TimeoutError:
        pass
    return verbs.parted(waited)


def as_completed(ts: Iterable[Task] | Results) -> Iterator[Task]:
    """The tasks `ts` in the order they end."""
    refuse_to_block("as_completed")
    arrivals = Arrivals(verbs.listed(ts))
    while (ended := block(arrivals.next())) is not None:
        yield ended


def me() -> Process:
    """The process that runs this code: what others can `send` to."""
    return messages.me()


def send(dest: Dest, message: Any) -> None:
    """Put `message` into the mailbox of a process; does not wait for it to be received.

    `dest` is a process, the name of one here, or `(name, node)`. Messages from one process to another
    arrive in the order sent; one that nobody is there for is told on this one's terminal. Raises `NodeDown`
    if its node is not connected, and `NotSendable`, also for more than 256 KiB to a name. Where 10,000
    messages or 64 MiB wait there already it waits, and raises `MailboxFull` once none was received for 5 s;
    in an `async def`, where it must not wait, at once.
    """
    steps = messages.send(dest, message)
    for room in steps:
        if not may_block():
            raise messages.full(dest, 0)
        if not room.wait(messages.ROOM_SECONDS):
            raise messages.full(dest)


def receive(match: Any = None, timeout: float | None = None) -> Any:
    """The first message that matches, those not yet received first; others keep their places.

    `match` is a type, a predicate, a value, or a tuple of such and `...` held against a tuple part by
    part; None takes any. Raises `TimeoutError` after `timeout` seconds.
    """
    return _run("receive", messages.receive(match), timeout)


def flush() -> list[Any]:
    """The messages that have come and were not received; the mailbox is empty then."""
    return messages.flush()


def link(p: Process) -> None:
    """Tie the process that runs here to `p`: each gets an exit signal when the other ends.

    One with another reason than `normal` ends a process that does not `trap_exits`; at a prompt it is
    shown. The end of one that is gone already comes as `noproc`, that of an unreachable node as
    `noconnection`. Two processes have one link at most.
    """
    _run("link", messages.link(p))


def unlink(p: Process) -> None:
    """Undo `link`: nothing of the end of `p` reaches the process that runs here from now on."""
    _run("unlink", messages.unlink(p))


def monitor(p: Process) -> int:
    """Watch `p`: a `Down(ref, pid, reason)` comes into this mailbox when it ends, once; the ref.

    `reason` is `normal`, `shutdown`, `killed`, `runner_killed`, what it raised as text, `noproc` if it was
    gone already, or `noconnection`.
    """
    return _run("monitor", messages.monitor(p))


def demonitor(ref: int) -> None:
    """Undo `monitor`: no `Down` with `ref` comes from now on, nor is one left in the mailbox."""
    _run("demonitor", messages.demonitor(ref))


def trap_exits(on: bool = True) -> None:
    """Let exit signals come as messages `Exit(pid, reason)` to the process that runs here; `kill` does not."""
    _run("trap_exits", messages.trap_exits(on))


def stop(p: Process, reason: str = "shutdown") -> None:
    """Send `p` an exit signal: it ends with `reason`, unless it traps exits or `reason` is `normal`.

    Synchronous code has 2 s from its Ctrl-C on. Does not wait for the end: `monitor` tells of that. Raises
    `NodeDown` if its node is not connected.
    """
    messages.exit_signal(p, reason)


def kill(p: Process) -> None:
    """End `p` whatever it does, within a second; those who watch it are told `killed`."""
    messages.exit_signal(p, KILL)


def register(name: str, p: Process | None = None) -> None:
    """Call `p`, or the process that runs here, `name` on its node until it ends.

    Raises `PyshError` if another one there is called so, and `NoProcess` if it is gone.
    """
    _run("register", messages.register(name, p))


def whereis(name: str, on: On = None) -> Process | None:
    """The process that is registered as `name` on a node (default: this one); the first found on several."""
    return _run("whereis", messages.whereis(name, on))


def pid(text: str) -> Process:
    """The process that is printed as `text`: `pid("n2.17")`. Raises `ValueError` and `ConnectError`."""
    return messages.process_of(text)
