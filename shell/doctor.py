"""`pysh doctor [HOST]`: what pysh finds here, or on the way to another machine, stage by stage."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator

from pysh.runtime import config
from pysh.runtime.errors import traced
from pysh.runtime.hub import discovery
from pysh.runtime.hub.persistence import survival
from pysh.runtime.hub.trace import Trace
from pysh.runtime.interpreter import PythonError
from pysh.shell import codes, options
from pysh.shell.reaching import Far, OtherMachine, other_machine
from pysh.transports.base import TransportError


def doctor(asked: argparse.Namespace) -> int:
    """Print what was looked at, and how it is; the exit code of what stands in the way."""
    return _far(asked) if asked.host else _near(asked)


def _far(asked: argparse.Namespace) -> int:
    """Each stage of the way to another machine, and to every node there."""
    trace = Trace()
    try:
        with other_machine(asked.host, asked.hostkey, trace=trace) as other:
            machine = other.survey()
            trace.lap("find", f"{machine.host}: {len(machine.nodes)} nodes; Python {machine.python} answered")
            trace.lap("logout", _lasting(other.logout()))
            refused = [_greet(other, entry, asked, trace) for entry in machine.nodes]
    finally:
        if asked.json:
            print(
                json.dumps([{"stage": stage, "ms": round(took, 1), "told": told} for stage, took, told in trace.rows])
            )
        elif trace.rows:
            print(traced(trace.rows))
    return codes.REFUSED if any(refused) else codes.OK


def _greet(other: OtherMachine, entry: discovery.Entry, asked: argparse.Namespace, trace: Trace) -> bool:
    """Prove the cookie to one node there; whether that failed."""
    from pysh.shell.commands import ask, cookie_of

    try:
        ask(Far(entry, other), cookie_of(asked)).close()
        trace.lap("cookie", f"{entry.name} (pid {entry.pid}) takes ours")
        return False
    except Exception as error:
        trace.lap("cookie", f"{entry.name} (pid {entry.pid}): {error}")
        return True


def _lasting(warning: str) -> str:
    """What becomes of a node that is started in this way, once whoever did it is logged out."""
    return f"a node in the background: {warning or 'it outlives the logout'}"


def _near(asked: argparse.Namespace) -> int:
    """What a node of this machine would be made of."""
    looked = []
    for name, look in _looks(asked):
        try:
            told, good = look(), True
        except (config.ConfigError, PythonError, TransportError, OSError) as error:
            told, good = options.spoken(str(error)), False
        looked.append({"about": name, "told": told, "ok": good})
        if not asked.json:
            print(f"{name:8} {told}")
    if asked.json:
        print(json.dumps(looked))
    return codes.OK if all(row["ok"] for row in looked) else codes.FAILED


def _looks(asked: argparse.Namespace) -> Iterator[tuple[str, Callable[[], str]]]:
    def python() -> str:
        version, executable = config.check_python(config.user_python(asked.python, os.getcwd()))  # noqa: PTH109
        return f"your code runs in {executable}, Python {version}"

    def cookie() -> str:
        config.read_cookie(asked.cookie, asked.cookie_file)
        return asked.cookie_file or ("the one given" if asked.cookie else config.cookie_file())

    yield "pysh", lambda: f"runs in {sys.executable}, Python {sys.version.split()[0]}"
    yield "python", python
    yield "name", lambda: f"nodes here are called N@{config.default_node_host()}"
    yield "runtime", lambda: " and ".join(config.runtime_dirs())
    yield "nodes", lambda: ", ".join(entry.name for entry in discovery.found()) or "none runs here"
    yield "cookie", cookie
    yield "logout", lambda: _lasting(survival().warning)
    yield "ssh", lambda: shutil.which("ssh") or "there is no ssh binary; asyncssh alone reads ~/.ssh/config"
