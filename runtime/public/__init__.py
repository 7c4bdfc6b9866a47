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
    from pysh.runtime.debugging import debug
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
    from pysh.runtime.foreground import cancel, fg, jobs
    from pysh.runtime.helpers.about import info
    from pysh.runtime.helpers.docs import h
    from pysh.runtime.helpers.edit import edit
    from pysh.runtime.helpers.facts import i
    from pysh.runtime.helpers.files import cd, load, ls, pwd
    from pysh.runtime.helpers.keep import save, transcript
    from pysh.runtime.helpers.names import exports, whos
    from pysh.runtime.helpers.origin import source
    from pysh.runtime.helpers.pager import page
    from pysh.runtime.helpers.recall import e, full, v
    from pysh.runtime.helpers.running import run
    from pysh.runtime.helpers.timing import timeit
    from pysh.runtime.helpers.tour import tour
    from pysh.runtime.live.progress import progress
    from pysh.runtime.live.quiet import quiet
    from pysh.runtime.live.spark import spark
    from pysh.runtime.live.top import top
    from pysh.runtime.looking import stack, trace, why
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
    "call_all", "cancel", "cd", "connect", "debug", "demonitor", "disconnect", "doctor", "e", "edit", "exports", "fg",
    "flush", "full", "get", "h", "i", "info", "jobs", "kill", "leave", "link", "load", "ls", "me", "monitor",
    "monitor_nodes", "node", "nodes", "page", "pid", "ping", "processes", "progress", "push", "put", "pwd", "quiet",
    "receive", "register", "reload", "run", "save", "send", "sh", "source", "spark", "spawn", "spawn_all", "stack",
    "start", "start_node", "start_nodes", "stop", "stop_node", "supervise", "task", "task_all", "tasks", "timeit",
    "top", "tour", "trace", "transcript", "trap_exits", "unlink", "upgrade", "v", "wait", "whereis", "whos", "why",
]  # fmt: skip

_ELSEWHERE = {
    "Completed": "command", "Copied": "copying", "attach": "attaching",
    "Node": "node", "NodeEvent": "node", "all_nodes": "node", "Process": "process", "Actor": "process",
    "Down": "process", "Exit": "process", "Results": "results", "Child": "supervisor", "Executor": "executor",
    "Task": "task", "start": "program", "aio": "", "debug": "debugging",
    "e": "helpers.recall", "full": "helpers.recall", "v": "helpers.recall",
    "page": "helpers.pager",
    "h": "helpers.docs",
    "source": "helpers.origin",
    "i": "helpers.facts",
    "cd": "helpers.files", "load": "helpers.files", "ls": "helpers.files", "pwd": "helpers.files",
    "exports": "helpers.names", "whos": "helpers.names",
    "info": "helpers.about",
    "save": "helpers.keep",
    "edit": "helpers.edit",
    "transcript": "helpers.keep",
    "tour": "helpers.tour", "run": "helpers.running", "timeit": "helpers.timing",
    "progress": "live.progress", "quiet": "live.quiet", "spark": "live.spark", "top": "live.top",
    "stack": "looking", "trace": "looking", "why": "looking",
    "cancel": "foreground", "fg": "foreground", "jobs": "foreground",
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
