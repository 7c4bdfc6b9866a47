"""Every verb of `pysh` as async: `await aio.connect("n2@host")`. Tasks are awaited as they are: `await t`."""

from pysh.runtime.aio import (
    actor,
    as_completed,
    call,
    call_all,
    connect,
    disconnect,
    leave,
    me,
    monitor_nodes,
    node,
    nodes,
    ping,
    receive,
    send,
    spawn,
    spawn_all,
    start,
    start_node,
    start_nodes,
    stop_node,
    supervise,
    task,
    task_all,
    tasks,
    wait,
)

__all__ = [
    "actor", "as_completed", "call", "call_all", "connect", "disconnect", "leave", "me", "monitor_nodes", "node",
    "nodes", "ping", "receive", "send", "spawn", "spawn_all", "start", "start_node", "start_nodes", "stop_node",
    "supervise", "task", "task_all", "tasks", "wait",
]  # fmt: skip
