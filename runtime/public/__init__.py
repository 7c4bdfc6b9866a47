"""One Python prompt over all your machines: nodes, tasks, processes and messages.

Everything here is defined in `pysh.runtime` and imported when it is first used: `import pysh` alone
costs next to nothing. `pysh.aio` has the same verbs as async.
"""

TYPE_CHECKING = False  # as type checkers know it; importing typing takes longer than all else here
if TYPE_CHECKING:
    from pysh import aio as aio
    from pysh.runtime.api import (
        actor,
        as_completed,
        call,
        call_all,
        connect,
        demonitor,
        disconnect,
        doctor,
        flush,
        get,
        kill,
        leave,
        link,
        me,
        monitor,
        monitor_nodes,
        node,
        nodes,
        pid,
        ping,
        processes,
        push,
        put,
        receive,
        register,
        reload,
        send,
        sh,
        spawn,
        spawn_all,
        start_node,
        start_nodes,
        stop,
        stop_node,
        supervise,
        task,
        task_all,
        tasks,
        trap_exits,
        unlink,
        upgrade,
        wait,
        whereis,
    )
    from pysh.runtime.attaching import attach
    from pysh.runtime.command import Completed
    from pysh.runtime.copying import Copied
    from pysh.runtime.errors import (
        BlockingCall,
        CodeSkew,
        ConnectError,
        LargeCapture,
        MailboxFull,
        NodeDown,
        NoFunction,
        NoModule,
        NoProcess,
        NotSendable,
        PyshError,
        RemoteError,
        TaskCancelled,
        TaskTimeout,
        UpgradeFailed,
        VersionSkew,
        WorkerDied,
    )
    from pysh.runtime.executor import Executor
    from pysh.runtime.node import Node, NodeEvent, all_nodes
    from pysh.runtime.process import Actor, Down, Exit, Process
    from pysh.runtime.program import start
    from pysh.runtime.results import Results
    from pysh.runtime.supervisor import Child
    from pysh.runtime.task import Task

__all__ = [
    "Actor", "BlockingCall", "Child", "CodeSkew", "Completed", "ConnectError", "Copied", "Down", "Executor", "Exit",
    "LargeCapture", "MailboxFull", "NoFunction", "NoModule", "NoProcess", "Node", "NodeDown", "NodeEvent",
    "NotSendable", "Process", "PyshError", "RemoteError", "Results", "Task", "TaskCancelled", "TaskTimeout",
    "UpgradeFailed", "VersionSkew", "WorkerDied", "actor", "aio", "all_nodes", "as_completed", "attach", "call",
    "call_all", "connect", "demonitor", "disconnect", "doctor", "flush", "get", "kill", "leave", "link", "me",
    "monitor", "monitor_nodes", "node", "nodes", "pid", "ping", "processes", "push", "put", "receive", "register",
    "reload", "send", "sh", "spawn", "spawn_all", "start", "start_node", "start_nodes", "stop", "stop_node",
    "supervise", "task", "task_all", "tasks", "trap_exits", "unlink", "upgrade", "wait", "whereis",
]  # fmt: skip

_ELSEWHERE = {
    "Completed": "command", "Copied": "copying", "attach": "attaching",
    "Node": "node", "NodeEvent": "node", "all_nodes": "node", "Process": "process", "Actor": "process",
    "Down": "process", "Exit": "process", "Results": "results", "Child": "supervisor", "Executor": "executor",
    "Task": "task", "start": "program", "aio": "",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'pysh' has no attribute {name!r}")
    from importlib import import_module

    if name == "aio":
        return import_module("pysh.aio")
    place = _ELSEWHERE.get(name) or ("errors" if name[0].isupper() else "api")
    value = globals()[name] = getattr(import_module(f"pysh.runtime.{place}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "load_ipython_extension"]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext pysh`: the names of the prompt, in IPython and Jupyter."""
    from pysh.shell.prelude import load_ipython_extension

    load_ipython_extension(shell)
