"""The commands that look at running nodes, or end them: each needs no node of its own."""

import argparse
import json
import os
import sys
import time
from typing import Any

from pysh.runtime import config
from pysh.runtime.hub import discovery
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner.client import Client
from pysh.shell import codes
from pysh.transports import unix

STOP_SECONDS = 5.0


def reach(entry: discovery.Entry, cookie: bytes) -> Client:
    """A connection to the node of `entry`, with its answers read in a thread."""
    sock = unix.connected_socket(str(entry.socket))
    client = Client(sock, Hello("terminal", "", os.urandom(16), os.urandom(32), pid=os.getpid()), cookie)
    client.start_thread()
    return client


def _cookie_of(asked: argparse.Namespace) -> bytes:
    return config.read_cookie(asked.cookie, asked.cookie_file)


def ls(asked: argparse.Namespace) -> int:
    """The nodes of this machine, from its runtime directory."""
    entries = list(discovery.found())
    listening = any(entry.listen for entry in entries)
    rows = [
        {
            "node": entry.name,
            "pid": entry.pid,
            "python": entry.python,
            "up": _age(time.time() - entry.started),
            **({"listens": entry.listen} if listening else {}),
        }
        for entry in entries
    ]
    if asked.json:
        print(json.dumps(rows))
    elif not rows:
        print(f"no node runs here (looked in {config.runtime_dir()}); start one: pysh --name n1")
    else:
        _table(rows)
    return codes.OK


def tasks(asked: argparse.Namespace) -> int:
    """The tasks that the nodes here run or keep results of."""
    entries = [discovery.find(asked.node)] if asked.node else discovery.found()
    cookie = _cookie_of(asked)
    rows = [
        {
            "node": entry.name,
            "task": task["number"],
            "status": task["status"],
            "what": task["label"],
            "age": _age(task["age"]),
        }
        for entry in entries
        for task in reach(entry, cookie).ask("tasks", timeout=STOP_SECONDS)
    ]
    if asked.json:
        print(json.dumps(rows))
    elif rows:
        _table(rows)
    else:
        print("no tasks")
    return codes.OK


def stop(asked: argparse.Namespace) -> int:
    """End a node, and wait until it is gone."""
    entry = discovery.find(asked.node)
    reach(entry, _cookie_of(asked)).ask("stop", timeout=STOP_SECONDS)
    until = time.monotonic() + STOP_SECONDS
    while discovery.alive(entry.name):
        if time.monotonic() > until:
            pid = f"its pid is {entry.pid}"
            print(
                f"pysh: {entry.name} was told to stop {STOP_SECONDS:.0f} s ago and still runs; {pid}", file=sys.stderr
            )
            return codes.FAILED
        time.sleep(0.01)
    return codes.OK


def rpc(asked: argparse.Namespace) -> int:
    """Run code in the shell of a node: what it prints and its value here, 1 if it raised."""
    entry = discovery.find(asked.node)
    client = reach(entry, _cookie_of(asked))
    error: Any = None
    try:
        told = client.ask("eval", timeout=asked.timeout, source=asked.code)
    except TimeoutError:
        print(
            f"pysh: {entry.name} gave no answer within {asked.timeout:g} s; the code may still run there",
            file=sys.stderr,
        )
        return codes.TIMED_OUT
    except Exception as raised:
        error = raised
        told = {"output": getattr(raised, "output", ""), "text": ""}
    print(told.get("output", ""), end="")
    if error is not None:
        print(str(error).rstrip("\n"), file=sys.stderr)
        return codes.FAILED
    if text := told.get("text", ""):
        print(text)
    return codes.OK


def attach(asked: argparse.Namespace) -> int:
    """This terminal on the shell of a running node."""
    from pysh.shell import starting

    return starting.attach(asked)


def node(asked: argparse.Namespace) -> int:
    """A node without a terminal."""
    from pysh.shell import starting

    return starting.node(asked)


def cookie(asked: argparse.Namespace) -> int:
    """Make a new cookie file, or print the cookie."""
    if asked.what == "new":
        print(config.new_cookie())
    else:
        print(_cookie_of(asked).decode())
    return codes.OK


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    cells = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
