"""The public names that block: at a prompt, in scripts and in synchronous functions.

Each is its twin in `aio`, run to its end in this thread.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pysh.runtime import messages, verbs
from pysh.runtime.calls import NO_TIES, Fn, Ties, apart, check_timeout, synced
from pysh.runtime.command import Command, calling
from pysh.runtime.messages import Dest, Full
from pysh.runtime.node import Node, On, Shown, all_nodes
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.results import Nodes, Results, Rows
from pysh.runtime.runner import inside
from pysh.runtime.runner.waiting import Steps, T, block, refuse_to_block
from pysh.runtime.task import Task
from pysh.runtime.verbs import CALL_OPTIONS, TASK_OPTIONS, Arrivals, Via, Waited

if TYPE_CHECKING:
    from pysh.runtime.push import What
    from pysh.runtime.supervisor import Child


NAMED = 10
"""So many of the tasks that a Ctrl-C cancels are named."""


def _run(verb: str, steps: Steps[T], timeout: float | None = None) -> T:
    refuse_to_block(verb)
    return verbs.attended(verb, block(steps, timeout))


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

    One address: its `Node`, or `ConnectError` raised; several, or a set (`"w@web[1-12]"`): `Results`. `via`
    names the hosts to go through; `hostkey="accept-new"` writes the key of an unknown host down; `transport`
    is `asyncssh`, `openssh` (the ssh binary) or `auto`; `trace` prints each stage with its milliseconds.

    At a prompt `connect()` alone asks a few questions, and leaves the call at the next prompt, to be looked at and run.
    """
    if not addrs and (shell := inside.here) is not None and shell.paints and (via, hostkey) == (None, None):
        from pysh.runtime.dialform import form

        return shell.fill_in(form())
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
    """Start a node on each of `hosts` (`"web[1-12]"`, `"@gpu & !web3"` or a list), as `start_node`, side by side.

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
    """End the connection to node `n`. Raises `ConnectError` if there is none."""
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


def task(
    fn: Fn, /, *args: Any, on: On = None, limit: float | None = None, detach: bool = False, isolate: bool = False,
    memory: int | None = None, cpu: float | None = None, where: str | None = None, sync: str = "auto",
    **kwargs: Any,
) -> Task:  # fmt: skip
    """Start `fn(*args, **kwargs)` on a node, on the least loaded of several; does not wait.

    `fn` may be named by text: `"pkg.mod:fn"` is importable there, `"fn"` was defined in the shell there
    (or else the task raises `NoFunction`).
    It is cancelled after `limit` seconds of running, and when its owner stops, unless `detach`. With
    `isolate` it does not queue, and has a fresh worker that runs nothing else; there it may allocate `memory`
    bytes (then: `MemoryError`) and use `cpu` seconds (then its worker dies of SIGXCPU), either of which isolates
    it. With `where="shell"` it runs in the shell there, whose names are its global names, between cells or, an
    `async def`, beside them; nothing can kill it there. Modules of your own from below the current folder go along, as
    their files are now; with `sync="off"` they have to be there, and the same.
    Raises `ConnectError`, `NotSendable`, `VersionSkew` and `NodeDown` where nothing was sent; the task raises
    `CodeSkew` and `NoModule` before it begins.
    """
    own = apart(isolate, memory, cpu, where, sync)
    made, meta, payload = verbs.prepare(fn, args, kwargs, TASK_OPTIONS, on, limit, detach, own)
    made.submit(meta, payload)
    return made


def call(fn: Fn, /, *args: Any, on: On = None, timeout: float | None = None, **kwargs: Any) -> Any:
    """The value of `fn(*args, **kwargs)`, run on a node as by `task`; or what it raised.

    `TaskTimeout` after `timeout` seconds, with the task, which goes on. Ctrl-C cancels it, and says so.
    """
    refuse_to_block("call")
    check_timeout(timeout)
    made, meta, payload = verbs.prepare(fn, args, kwargs, CALL_OPTIONS, on)
    try:
        made.submit(meta, payload)
        made.end(timeout)
        return made.result()
    except KeyboardInterrupt as interrupt:
        if made.is_parked():
            made.overlook()
            interrupt.add_note(made.goes_on())
        else:
            _give_up([made], interrupt)
        raise


def task_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, limit: float | None = None, detach: bool = False, isolate: bool = False,
    memory: int | None = None, cpu: float | None = None, where: str | None = None, sync: str = "auto",
    **kwargs: Any,
) -> Results:  # fmt: skip
    """Like `task`, once on each node: node to `Task`, or to why none was started."""
    return verbs.task_all(fn, args, kwargs, TASK_OPTIONS, on, limit, detach, apart(isolate, memory, cpu, where, sync))


def call_all(fn: Fn, /, *args: Any, on: On = all_nodes, timeout: float | None = None, **kwargs: Any) -> Results:
    """Like `call`, once on each node, all at the same time: node to value or exception.

    After `timeout` seconds those that are not done have a `TaskTimeout`. Ctrl-C cancels them, and says so.
    """
    refuse_to_block("call_all")
    check_timeout(timeout)
    return _all_ended("call_all", verbs.task_all(fn, args, kwargs, CALL_OPTIONS, on), timeout)


def _all_ended(verb: str, tasks: Results, timeout: float | None = None) -> Results:
    """What becomes of each task within `timeout` seconds; Ctrl-C cancels them."""
    try:
        wait(tasks, timeout)
        return verbs.attended(verb, verbs.gathered(tasks, timeout))
    except KeyboardInterrupt as interrupt:
        _give_up(verbs.listed(tasks), interrupt)
        raise


def _give_up(tasks: list[Task], interrupt: KeyboardInterrupt) -> None:
    """Cancel what nobody else has a handle on, and have the interrupt say which that were."""
    given_up = [task for task in tasks if task.give_up()]
    more = f", {len(given_up) - NAMED} more" if len(given_up) > NAMED else ""
    if given_up:
        interrupt.add_note(f"cancelled: {', '.join(f'<{task.called}>' for task in given_up[:NAMED])}{more}")


def sh(
    cmd: Command, on: On = None, *, limit: float | None = None, cwd: str | None = None,
    env: Mapping[str, str] | None = None, check: bool = False, stream: bool = True,
) -> Results:  # fmt: skip
    """Run a command on each node at the same time: text goes to /bin/sh, a list is a program and its arguments.

    What it prints is shown as it comes, tagged with its node; with `stream=False` it is not, and the `Results`
    show it, equal output on one line. Node to `Completed` (`status stdout stderr took`), or to why there is none;
    with `check` the first failure is raised once all have ended, a status other than 0 as a `CalledProcessError`.
    It has no input, the folder `cwd` (default: that of the node), and `env` in its environment besides. After `limit`
    seconds, at Ctrl-C and when its owner stops it is given a Ctrl-C, and killed a second later with all that it
    started; what it leaves in the background is killed at its end: `spawn` what is to stay.
    """
    refuse_to_block("sh")
    ended = _all_ended("sh", verbs.task_all_of(calling(cmd, cwd, env, check, stream), on, limit))
    return ended.raise_first() if check else ended


def put(path: str | os.PathLike[str], on: On = None, to: str | os.PathLike[str] | None = None) -> Results:
    """Copy the file or folder `path` of this node to each of the nodes `on`: node to `Copied`, or to why there is none.

    `to` is its path there, from the folder of that node: a file goes into a folder that is there, and both into one
    that ends with `/`; without it both keep their name. A folder is merged into one that is there. Modes are
    kept, and symbolic links that stay inside the folder; one that leads out of it is refused, and so is what
    is neither file nor folder. All is checked by SHA-256 and gets its name when it is whole; what was cut goes
    on, the next time, from what has arrived, and what is there already is not sent. Ctrl-C ends it.
    """
    return _copied("put", copying().put(path, on, to))


def get(path: str | os.PathLike[str], on: On = None, to: str | os.PathLike[str] | None = None) -> Results:
    """Copy the file or folder `path` of each of the nodes `on` to this one, as `put` does.

    `path` is taken from the folder of the node, `to` from that of this process. Of several nodes each copy lies
    in a folder that is called as its node: `to/web1/NAME`.
    """
    return _copied("get", copying().get(path, on, to))


def copying() -> Any:
    """The module of `put` and `get`, which nobody else pays for."""
    from pysh.runtime import copying

    return copying


def _copied(verb: str, steps: Steps[Results]) -> Results:
    try:
        return _run(verb, steps)
    except BaseException:
        steps.close()
        raise


def spawn(
    fn: Fn, /, *args: Any, on: On = None, name: str | None = None, link: bool = False, monitor: bool = False,
    isolate: bool = False, memory: int | None = None, cpu: float | None = None, where: str | None = None,
    sync: str = "auto", **kwargs: Any,
) -> Process:  # fmt: skip
    """Start `fn(*args, **kwargs)` as a process with a mailbox; returns once its node has accepted it.

    An `async def` without a name is certain to be accepted on this node, and may not have been yet. It is registered
    there as `name`, linked to the process that runs here with `link`, and watched with
    `monitor`: `p.ref` is the ref of the `Down` that comes when it ends. What it raises is shown on the
    terminal of its owner. A `def` has a worker to itself, an `async def` shares a runner with others, unless
    `isolate`, `memory` or `cpu` give it one, or `where="shell"` has it run in the shell there, and `sync="off"` has
    modules of your own stay here, all as for `task`. Raises `PyshError` where the name is taken; nothing runs then.
    """
    own = apart(isolate, memory, cpu, where, sync)
    return _run("spawn", verbs.spawn(fn, args, kwargs, on, ties(name, link, monitor), own))


def spawn_all(
    fn: Fn, /, *args: Any, on: On = all_nodes, name: str | None = None, link: bool = False, monitor: bool = False,
    isolate: bool = False, memory: int | None = None, cpu: float | None = None, where: str | None = None,
    sync: str = "auto", **kwargs: Any,
) -> Results:  # fmt: skip
    """Like `spawn`, once on each node: node to `Process`, or to why there is none."""
    own = apart(isolate, memory, cpu, where, sync)
    return _run("spawn_all", verbs.spawn_all(fn, args, kwargs, on, ties(name, link, monitor), own))


def ties(name: str | None, link: bool, monitor: bool) -> Ties:
    """What `spawn` says of a process besides what it runs. Raises `TypeError` or `ValueError`."""
    if name is None and not (link or monitor):
        return NO_TIES
    return Ties("" if name is None else messages.check_registered(name), bool(link), bool(monitor))


def actor(cls: Callable[..., Any], /, *args: Any, on: On = None, sync: str = "auto", **kwargs: Any) -> Actor:
    """An object `cls(*args, **kwargs)` in a process of its own on a node; returns once it is made there.

    Each call of a method gives a `Reply` at once, as `task` gives a `Task`: `await m.predict(x)` or
    `m.predict(x).result(timeout=5)`; what it raises is raised here. Calls run one after the other in the order
    they come, `async` methods too, and no `receive` in them takes a call for a message. It lives until it is
    stopped or killed: `link monitor stop kill send register` take it as any process, which is `m.process`. It keeps the
    code that it was made with until the module of its class is pushed, and the class there has a `code_change` (see
    `push`).
    What `cls` raises is raised here, and no process is left. `sync`, `PyshError` and its kin as for `spawn`.
    """
    from pysh.runtime import actor as actors

    return _run("actor", actors.start(cls, args, kwargs, on, synced(sync)))


def supervise(
    children: Iterable["Child | Callable[..., Any]"], strategy: str = "one_for_one",
    intensity: tuple[int, float] = (3, 5.0), on: On = None, sync: str = "auto",
) -> Actor:  # fmt: skip
    """A process on a node that starts `children` there, in order, and starts again those that end; its actor.

    A child is a `Child`, or a function or class that is one under its own name. With the strategy
    `one_for_one` the child that ended is started again, with `one_for_all` all are, with `rest_for_one` that one
    and those after it; the others are stopped before, the last first. With more than `intensity[0]` restarts
    within `intensity[1]` seconds it gives up: it stops all, and ends with why, which whoever is linked is shown.
    It is linked to the process that runs here, and stops all, the last first, when that ends or at `stop`.
    `sync="off"`, as for `task`, is for each start of a child, the later ones too.

    When a module that a child is of is pushed, a function is started anew with the new code, in its order, which counts
    as no restart, and an actor changes as `push` says.

    `await s.children()` is a table of them, `await s.child(name)` what runs as one now. Raises what kept a
    child from starting, and `ValueError`; then nothing is left.
    """
    from pysh.runtime import supervisor

    return _run("supervise", supervisor.start(children, strategy, intensity, on, synced(sync)))


def push(what: "What | None" = None, on: On = all_nodes, **values: Any) -> Results:
    """Take a module (or the path of a file or folder) of your own to nodes, with those of yours that it imports.

    `push(df=df)` takes values there instead, under names: code that runs there, or is sent there, and looks up a name
    that it does not have itself finds a copy of what was pushed under it last.

    A function that is named by text there, `"module:function"`, is of it from then on, in whatever folder the node
    runs; what runs already goes on as it is. Actors of a class of it change between two calls, if the new class has a
    `code_change(old_version, state)` that returns the state of the new object. The `Results` say where it lies on
    each node, and which actors changed or why they did not; or why it cannot be imported there: then nothing of it is
    used. Raises `SyntaxError`, `FileNotFoundError`, `TypeError`, `NotSendable`, and has sent nothing then.
    """
    from pysh.runtime import push as pushing

    return _run("push", pushing.push(what, on, values))


def reload(module: ModuleType | str) -> ModuleType:
    """Read a loaded module of yours again from its file, in the process that runs here, and return it.

    With it are loaded again the modules below it, and what of yours imports one of these, each after what it imports;
    what the shell or script has of them by `from ... import` is the new one as well. The next `task`, `call` and
    `spawn` take the new sources along; what runs already goes on as it is. Other nodes are not told: they see an edit
    in the next call of anything that uses the module, with or without `reload`.
    If a source does not compile, or raises, that is raised and all of them are as they were. Raises `TypeError` for
    what is no module, or has no source.
    """
    from pysh.runtime import reloading

    return reloading.reload(module)


def upgrade(what: "What", on: On = all_nodes, drain: float = 10.0, check: Fn | None = None) -> Results:
    """Take nodes, one after the other, to other code: a module of yours, or the path of one, and what it imports.

    A node that has its turn is passed over by tasks that may run elsewhere, and its tasks have `drain` seconds to end
    (what is left then ends on the old code). The code is brought and imported once in a fresh worker; from then on
    `"module:function"` is of it there, actors and supervised children change as for `push`, and `check()` runs there,
    as a task of at most 60 s with the new code. No task is lost or run twice by it. The `Results` say what became of
    each node.

    If the import or the `check` raises, or that returns False, or the node goes down, that node and those before it go
    back to what they had, the last first, and `UpgradeFailed` says why and, in `.table`, what became of each. Ctrl-C
    takes them back too. An actor whose old class has no `code_change` is then as it was before it changed. Raises
    `PyshError` where somebody else upgrades one of the nodes, and what `push` raises; then nothing was done.
    """
    from pysh.runtime.upgrading import Rolling

    refuse_to_block("upgrade")
    rolling = Rolling(what, on, drain, check)
    try:
        return block(rolling.roll())
    except BaseException as error:
        try:
            failed = block(rolling.back(error))
        except BaseException as again:  # a second Ctrl-C
            rolling.let_go(again)
            raise
        if failed is None:
            raise
        raise failed from error


def tasks(on: On = None) -> Rows:
    """What the nodes `on` (default: this one alone) run, wait to run, or have a result of, whoever asked for it.

    A task is listed where it runs: what this shell started on others is in `tasks(on=all_nodes)`. A table at the
    prompt; its rows are handles: `tasks(on="w1")[0].result()` fetches what a lost shell left.
    """
    return _run("tasks", verbs.tasks(on))


def processes(on: On = None) -> Rows:
    """Which processes live on the nodes `on` (default: this one): their shell, and what was spawned there.

    `kind` is `shell` (also what runs in it), `program`, `sync` (a worker to itself), `isolated` or `async` (in an
    apartment); `state` is `starting`, `running` or `waiting`, `age` is in seconds, `queue` how many messages wait,
    `memory` the megabytes of its runner, which async processes share. A runner that does not answer within 0.3 s is
    taken to be running.
    """
    return _run("processes", verbs.processes(on))


def doctor(on: On = all_nodes) -> Rows:
    """The Python and the packages of each node, side by side: a table at the prompt.

    A row that begins with `!=` is not the same everywhere, and comes first; nodes that are all alike share a
    column. `-` is for what is not there.
    """
    return _run("doctor", verbs.doctor(on))


def process_info(process: Process) -> dict[str, Any]:
    """What `Process.info` returns."""
    return _run("Process.info", verbs.process_info(process))


def wait(ts: Iterable[Task] | Results, timeout: float | None = None) -> Waited:
    """Wait until all of `ts` have ended, or for `timeout` seconds: `(done, pending)`."""
    check_timeout(timeout)
    waited = verbs.listed(ts)
    for task in waited:
        task.refuse_to_hold_up("wait")
    try:
        _run("wait", verbs.all_of(waited), timeout)
    except TimeoutError:
        pass
    return verbs.parted(waited)


def as_completed(ts: Iterable[Task] | Results) -> Iterator[Task]:
    """The tasks `ts` in the order they end."""
    refuse_to_block("as_completed")
    waited = verbs.listed(ts, "as_completed")
    for task in waited:
        task.refuse_to_hold_up("as_completed")
    arrivals = Arrivals(waited)
    while (ended := block(arrivals.next())) is not None:
        yield ended


def me() -> Process:
    """The process that runs this code: what others can `send` to."""
    return messages.me()


def send(dest: Dest, message: Any, *, full: Full = "wait") -> None:
    """Put `message` into the mailbox of a process; does not wait for it to be received.

    `dest` is a process, the name of one here, or `(name, node)`. Messages from one process to another
    arrive in the order sent; one that nobody is there for is told on this one's terminal. Raises `NodeDown`
    if its node is not connected, and `NotSendable`, also for more than 256 KiB to a name. Where 10,000
    messages or 64 MiB wait there already it waits, and raises `MailboxFull` once none was received for 5 s;
    in an `async def`, where it must not wait, at once. With `full="error"` it raises at once anywhere, and with
    `full="drop"` the message is left out, and counted in a line on this one's terminal; so too where too much is
    on its way to that node, which is waited for otherwise.
    """
    messages.while_received(messages.send(dest, message, full), dest)


def receive(match: Any = None, timeout: float | None = None) -> Any:
    """The first message that matches, those not yet received first; others keep their places.

    `match` is a type, a predicate, a value, or a tuple of such and `...` held against a tuple part by
    part; None takes any. Raises `TimeoutError` after `timeout` seconds.
    """
    check_timeout(timeout)
    return _run("receive", messages.receive(match), timeout)


def flush() -> list[Any]:
    """The messages that have come and were not received; the mailbox is empty then."""
    return messages.flush()


def link(p: Process | Actor) -> None:
    """Tie the process that runs here to `p`: each gets an exit signal when the other ends.

    One with another reason than `normal` ends a process that does not `trap_exits`; at a prompt it is
    shown. The end of one that is gone already comes as `noproc`, that of an unreachable node as
    `noconnection`. Two processes have one link at most.
    """
    _run("link", messages.link(p))


def unlink(p: Process | Actor) -> None:
    """Undo `link`: nothing of the end of `p` reaches the process that runs here from now on."""
    _run("unlink", messages.unlink(p))


def monitor(p: Process | Actor) -> int:
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


def stop(p: Process | Actor, reason: str = "shutdown") -> None:
    """Send `p` an exit signal: it ends with `reason`, unless it traps exits or `reason` is `normal`.

    Synchronous code has 2 s from its Ctrl-C on. Does not wait for the end: `monitor` tells of that. Raises
    `NodeDown` if its node is not connected.
    """
    messages.exit_signal(p, reason)


def kill(p: Process | Actor) -> None:
    """End `p` whatever it does, within a second; those who watch it are told `killed`."""
    messages.exit_signal(p, KILL)


def register(name: str, p: Process | Actor | None = None) -> None:
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
