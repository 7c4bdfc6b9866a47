"""The client that sends the hostile programs: a program with a node of its own, n1, that knows n2.

It reads the names of programs on stdin, and writes what became of each as a line of JSON on a
descriptor of its own: its stdout shows what the programs print.
"""

import itertools
import json
import os
import sys
import time
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from pysh import (
    NodeEvent,
    Process,
    PyshError,
    Task,
    connect,
    me,
    monitor_nodes,
    receive,
    send,
    spawn,
    start,
    task,
)
from pysh.runtime import system
from pysh.runtime.node import find, hub_of
from pysh.runtime.runner.client import Client
from tests.hostile.program import GRACE, Program
from tests.hostile.programs import PROGRAMS

LOAD = 0.08
"""Seconds that every program is left alone, or that pass at least until the next."""
DEADLINE = 25.0
MINE, OTHER = "n1@localhost", "n2@localhost"
_tokens = itertools.count(1)


def begin(file: str, program: Program) -> Any:
    """Leave a sign that the code has come, and run it."""
    Path(file).touch()
    return program.run(*program.args)


async def begin_async(file: str, program: Program) -> Any:
    """The same for a coroutine."""
    Path(file).touch()
    return await program.run(*program.args)


def count_until(file: str) -> int:
    """A bystander: it counts, until there is `file`."""
    counted = 0
    while not os.path.exists(file):  # noqa: PTH110
        time.sleep(0.005)
        counted += 1
    return counted


def work() -> str:
    """What any job may want: time, memory, files, modules, a child, its output, and to be who it was."""
    import colorsys

    time.sleep(0.02)
    with open(os.devnull, "wb") as null:
        null.write(bytes(32 << 20))
    assert os.stat("/etc").st_uid == 0 and colorsys  # noqa: PTH116
    end = time.process_time() + 0.01
    while time.process_time() < end:
        pass
    print("well", flush=True)
    return f"well {os.getuid()}"


def send_back() -> None:
    """Another one: a process that returns every message."""
    while True:
        who, what = receive()
        send(who, what)


class Attacker:
    """Sends programs to n2, and looks around afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node = connect(OTHER)
        self.echo: Process = spawn(send_back, on=self.node)
        self.client = Client.current
        assert self.client is not None
        self.hub = hub_of(self.client, OTHER)
        monitor_nodes()

    def attack(self, program: Program) -> dict[str, Any]:
        """Run `program` beside a bystander; what became of both, and what is left."""
        begun = time.monotonic()
        told, under_way = (self.folder / f"{what}{next(_tokens)}" for what in ("told", "begun"))
        bystander = task(count_until, str(told), on=self.node)
        until(lambda: bystander.started)
        one = task(begin_async if iscoroutinefunction(program.run) else begin, str(under_way), program, on=self.node)
        asked = 0.0
        if program.killed:
            until(lambda: under_way.exists() or not program.begins)
            wait(one, LOAD)
            asked = time.monotonic()
            one.cancel(GRACE)
        report = outcome(one)
        report["kill"] = time.monotonic() - asked - GRACE if program.killed else None
        report["left"] = self.left()
        time.sleep(max(0.0, LOAD - (time.monotonic() - begun)))
        told.touch()
        report["bystander"] = outcome(bystander)
        told.unlink()
        under_way.unlink(missing_ok=True)
        workers = [task(work, on=self.node) for _ in range(2)]
        report["fresh"] = [outcome(worker)["attributes"] for worker in workers]
        report["echo"] = self.echoed()
        report["same"] = find(self.client, OTHER).hub == self.hub  # type: ignore[arg-type]
        report["events"] = [f"{event.node} {event.state} {event.reason}" for event in events()]
        return report

    def left(self) -> list[str]:
        """What runs of n2 and is none of its runners; waits a second for it to end."""
        until = time.monotonic() + 1
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.01)
        return [described(pid) for pid in left]

    def _left(self) -> list[int]:
        assert self.client is not None
        told = self.client.ask("info", dest=self.hub)
        runners = told["runners"]
        known = {runners["evaluator"], runners["fork_server"], *runners["workers"]}
        found, layer = [], [told["pid"]]
        while layer:
            layer = system.children(*layer)
            found += layer
        return [pid for pid in found if pid not in known and not is_over(pid)]

    def echoed(self) -> bool:
        """Whether the other bystander still answers."""
        token = next(_tokens)
        send(self.echo, (me(), token))
        return bool(receive(int, timeout=DEADLINE) == token)


def until(condition: Any) -> None:
    """Wait until `condition()` is true."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what has to happen does not")
        time.sleep(0.005)


def wait(one: "Task", seconds: float) -> None:
    """Wait for a task, and do not look at its result."""
    end = time.monotonic() + seconds
    while not one.done() and time.monotonic() < end:
        time.sleep(0.005)


def outcome(one: "Task") -> dict[str, Any]:
    """How a task ended, as plain data."""
    try:
        error = one.exception(DEADLINE)
    except BaseException as raised:
        return {"kind": f"raised {type(raised).__name__}", "attributes": {"text": str(raised)[:200]}}
    if error is None:
        value = one.result()
        return {"kind": "result", "attributes": {"value": value if isinstance(value, int | str) else repr(value)[:200]}}
    if error.__cause__ is not None:
        print(error.__cause__, file=sys.stderr)
    names = ("signal", "status", "executed", "reason", "type", "errno", "path", "size", "limit")
    told = {name: getattr(error, name) for name in names if hasattr(error, name)}
    text = error.text if isinstance(error, PyshError) else str(error)
    return {"kind": type(error).__name__, "attributes": {**told, "text": text[:200]}}


def events() -> list[NodeEvent]:
    """What was heard of nodes since the last time."""
    heard = []
    while True:
        try:
            heard.append(receive(NodeEvent, timeout=0))
        except TimeoutError:
            return heard


def is_over(pid: int) -> bool:
    """Whether a process has ended, and only its parent does not know yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def described(pid: int) -> str:
    """A process as a failed test shows it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().split()
        return f"{pid} {stat[1]} {stat[2]} {Path(f'/proc/{pid}/cmdline').read_text()[:100]}"
    except OSError:
        return f"{pid} gone"


def main() -> None:
    """Attack until stdin ends."""
    with open(int(sys.argv[1]), "w", 1) as reports, start(MINE):
        attacker = Attacker(Path.cwd())
        print("ready", file=reports)
        for line in sys.stdin:
            print(json.dumps(attacker.attack(PROGRAMS[line.strip()])), file=reports)


if __name__ == "__main__":
    main()
