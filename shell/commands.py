"""The commands that look at running nodes, or end them: each needs no node of its own."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pysh.runtime import config
from pysh.runtime.errors import NodeDown
from pysh.runtime.hub import discovery
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner import asjson
from pysh.runtime.runner.client import Client
from pysh.shell import codes, options
from pysh.shell.cli import explaining
from pysh.shell.reaching import Reached, answering, other_machine, reached
from pysh.shell.several import each, named
from pysh.shell.way import interrupted_by

if TYPE_CHECKING:
    from pysh.runtime.hub.probe import Machine

STOP_SECONDS = 5.0


def ask(node: Reached, cookie: bytes) -> Client:
    """A connection to a node, with its answers read in a thread."""
    hello = Hello("terminal", "", os.urandom(16), os.urandom(32), pid=os.getpid())
    client = Client(node.connect(), hello, cookie, **node.proof())
    client.start_thread()
    return client


def cookie_of(asked: argparse.Namespace) -> bytes:
    return config.read_cookie(asked.cookie, asked.cookie_file)


def ls(asked: argparse.Namespace) -> int:
    """The nodes of this machine, from its runtime directory; or those of others."""
    machines: dict[str, Machine] = {}

    def look(host: str) -> int:
        with other_machine(host, asked.hostkey) as other:
            machines[host] = other.survey()
        return codes.OK

    if asked.host:
        code = each(asked.host, look, explaining(asked))
        hosts = [host for host in named(asked.host) if host in machines]
        entries = [entry for host in hosts for entry in machines[host].nodes]
        looked = {host: " and ".join(machines[host].looked) for host in hosts}
    else:
        entries, looked, code = discovery.found(), {"": config.runtime_dir()}, codes.OK
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
    elif rows:
        _table(rows)
    else:
        for host, places in looked.items():
            where, start = (f"on {host}", "") if host else ("here", "; start one: pysh --name n1")
            print(f"no node runs {where} (looked in {places}){start}")
    return code


def tasks(asked: argparse.Namespace) -> int:
    """The tasks that the nodes here, or one node anywhere, run or keep results of; or the result of one."""
    if asked.result is not None:
        return _result(asked)
    cookie = cookie_of(asked)
    if asked.node:
        told: dict[str, list[dict[str, Any]]] = {}

        def look(node: str) -> int:
            with reached(node, cookie, asked.hostkey) as there:
                told[node] = _tasks_of(there, cookie)
            return codes.OK

        code = each(asked.node, look, explaining(asked))
        rows = [row for node in named(asked.node) for row in told.get(node, ())]
    else:
        rows, code = _tasks_here(asked, cookie)
    if asked.json:
        print(json.dumps(rows))
    elif rows:
        _table(rows)
    elif code == codes.OK:
        print("no tasks")
    return code


FETCH = """\
_found = [_row for _row in tasks(on={node!r}) if _row["number"] == {number}]
if not _found:
    raise SystemExit("pysh: {node} has no task {number}: see which it has: pysh tasks {node}")
if (_error := _found[0].exception()) is not None:
    from pysh.shell.script import tell

    raise SystemExit(tell(_error, as_json={json}))
_value = _found[0].result()
"""
SHOW = "if _value is not None: print(repr(_value))"


def complain(asked: argparse.Namespace, error: Exception, of: str = "") -> None:
    """Tell what went wrong, of a node or host perhaps, on stderr."""
    if asked.json:
        print(asjson.failed(error, **({"of": of} if of else {})), file=sys.stderr)
    else:
        print(f"pysh: {of}: " if of else "pysh: ", error, sep="", file=sys.stderr)


def _result(asked: argparse.Namespace) -> int:
    """Fetch and print a result, as a script does: it may need modules of the user's Python."""
    if not asked.node:
        options.parser("tasks").error("--result needs the node that has it: pysh tasks N --result TASK")
    from pysh.shell import scripting

    asked.connect = asked.node
    shown = "_value" if asked.json else SHOW
    return scripting.run(asked, ["-c", FETCH.format(node=asked.node, number=asked.result, json=asked.json) + shown])


def _tasks_here(asked: argparse.Namespace, cookie: bytes) -> tuple[list[dict[str, Any]], int]:
    """The tasks of every node here that answers; those that do not are named. The code is theirs if none does."""
    rows: list[dict[str, Any]] = []
    answered, code = False, codes.OK
    for entry in discovery.found():
        try:
            with answering(entry.name, entry.pid):
                rows += _tasks_of(Reached(entry), cookie)
            answered = True
        except Exception as error:
            complain(asked, error, entry.name)
            code = code or codes.of(error)
    return rows, codes.OK if answered else code


def _tasks_of(node: Reached, cookie: bytes) -> list[dict[str, Any]]:
    return [
        {
            "node": node.entry.name,
            "task": task["number"],
            "status": task["status"],
            "what": task["label"],
            "owner": _owner(task),
            "age": _age(task["age"]),
        }
        for task in _pages(ask(node, cookie))
    ]


def _owner(task: dict[str, Any]) -> str:
    """On which node its owner is, or was; a node of another version may not tell."""
    name = task["owner"] if isinstance(task.get("owner"), str) else ""
    return f"{name} (lost)" if task.get("lost") else name


def _pages(client: Client) -> Iterator[dict[str, Any]]:
    """What a node runs and keeps; it tells a part at a time."""
    last = 0
    while (page := client.ask("tasks", timeout=STOP_SECONDS, after=last)) and page[-1]["number"] > last:
        yield from page
        last = page[-1]["number"]


def stop(asked: argparse.Namespace) -> int:
    """End a node, and wait until it is gone."""
    cookie = cookie_of(asked)
    with reached(asked.node, cookie, asked.hostkey) as node:
        name, pid = node.entry.name, node.entry.pid
        ask(node, cookie).ask("stop", timeout=STOP_SECONDS, drain=asked.drain)
        seconds = STOP_SECONDS + (asked.drain or 0.0)
        until = time.monotonic() + seconds
        while node.is_alive():
            if time.monotonic() > until:
                still = f"was told to stop {seconds:.0f} s ago and still runs; its pid is {pid}"
                print(f"pysh: {name} {still}", file=sys.stderr)
                return codes.FAILED
            time.sleep(0.01)
    return codes.OK


def rpc(asked: argparse.Namespace) -> int:
    """Run code in the shell of a node: what it prints and its value here, 1 if it raised.

    Ctrl-C ends the code there too, as far as it is what runs.
    """
    cookie = cookie_of(asked)
    with reached(asked.node, cookie, asked.hostkey) as node:
        return _rpc(asked, node.entry.name, ask(node, cookie))


def _rpc(asked: argparse.Namespace, name: str, client: Client) -> int:
    try:
        with interrupted_by(lambda: client.ask("interrupt", timeout=STOP_SECONDS)):
            told = client.ask("eval", timeout=asked.timeout, source="\n".join(asked.code), by="rpc", json=asked.json)
    except TimeoutError:
        late = f"{name} gave no answer within {asked.timeout:g} s; the code may still run there"
        complain(asked, TimeoutError(late))
        return codes.TIMED_OUT
    except KeyboardInterrupt:
        with suppress(Exception):  # the node is gone, or too old to know of it
            client.ask("interrupt", timeout=STOP_SECONDS)
        return codes.INTERRUPTED
    except Exception as error:
        complain(asked, error)
        return codes.NODE_LOST if isinstance(error, NodeDown) else codes.FAILED
    return _show_json(asked, name, told) if asked.json else _show(told)


def _show(told: dict[str, Any]) -> int:
    print(told.get("output", ""), end="")
    if told.get("kind") == "error":
        print(told["text"], end="", file=sys.stderr)
        return codes.FAILED
    if text := told.get("text", ""):
        print(text)
    return int(told.get("exit", codes.OK))


def _show_json(asked: argparse.Namespace, name: str, told: dict[str, Any]) -> int:
    """The value on stdout, alone; of several nodes with the name of its own. All else is for stderr."""
    print(told.get("output", ""), end="", file=sys.stderr)
    if told.get("kind") == "error":
        failed = {"error": told["error"], "text": told["text"], "of": name}
        print(json.dumps(failed), file=sys.stderr)
        return codes.FAILED
    if "exit" not in told:
        text = told.get("text") or "null"
        print(f'{{"node": {json.dumps(name)}, "value": {text}}}' if asked.several else text)
    return int(told.get("exit", codes.OK))


def attach(asked: argparse.Namespace) -> int:
    """This terminal on the shell of a running node."""
    from pysh.shell import starting

    return starting.attach(asked)


def node(asked: argparse.Namespace) -> int:
    """A node without a terminal."""
    from pysh.shell import starting

    return starting.node(asked)


def doctor(asked: argparse.Namespace) -> int:
    """What stands in the way, here or to another machine."""
    from pysh.shell import doctor

    return doctor.doctor(asked)


def completion(asked: argparse.Namespace) -> int:
    """Print the script that completes our command line in another shell."""
    from pysh.shell import outside

    print(outside.script(asked.shell), end="")
    return codes.OK


def settings(asked: argparse.Namespace) -> int:
    """The settings of the prompt; 1 if something in their file cannot be used."""
    from pysh.shell import configured

    rows, wrong = configured.rows()
    if asked.json:
        print(json.dumps(rows))
    else:
        _table(rows)
        print(f"\n{configured.source()}")
    for line in wrong:
        print(f"pysh: {line}", file=sys.stderr)
    return codes.FAILED if wrong else codes.OK


def cookie(asked: argparse.Namespace) -> int:
    """Make a new cookie file, print the cookie, or give it to another machine."""
    if (asked.what == "copy") != bool(asked.host):
        options.parser("cookie").error("write: pysh cookie new, pysh cookie show, or pysh cookie copy HOST")
    if asked.what == "copy":
        from pysh.shell import elsewhere

        return elsewhere.copy_cookie(asked, cookie_of(asked))
    if asked.what == "new":
        try:
            print(config.new_cookie(replace=asked.force))
        except FileExistsError:
            hint = "what runs with it keeps it, and is out of reach then; replace it: pysh cookie new --force"
            print(f"pysh: there is a cookie in {config.cookie_file()}; nothing was done\n      {hint}", file=sys.stderr)
            return codes.USAGE
        _tell_who_keeps_the_old_one()
    else:
        print(cookie_of(asked).decode())
    return codes.OK


def logs(asked: argparse.Namespace) -> int:
    """What a node printed of itself, also one that is gone."""
    from pysh.shell import elsewhere

    log = elsewhere.log_of(asked.node, asked.hostkey)
    print(log, end="")
    if not log:
        print(f"pysh: {asked.node} has printed nothing of itself", file=sys.stderr)
    return codes.OK


def _tell_who_keeps_the_old_one() -> None:
    """What runs keeps the cookie that it was started with, and the old file is gone."""
    if running := [entry.name for entry in discovery.found()]:
        text = f"""\
pysh: what runs here keeps the cookie it was started with: {", ".join(running)}
      With that in a file: pysh attach|stop N --cookie-file FILE. Without it: pysh ls shows their pids.
      The next time, stop them first: pysh stop N"""
        print(text, file=sys.stderr)


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
