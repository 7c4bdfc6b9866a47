"""One contestant a process: `python -m benchmarks.contestants NAME` reads the name of a piece of work
a line from stdin, takes a sample of it and answers with a line of numbers: one, or several samples of a kind.

call: microseconds of one call, the median of a few hundred.  busy call: milliseconds of one beside much
else.  tasks: tasks a second.  bulk: MB a second.  spawn, send: processes and messages a second.  killed:
milliseconds of one death, twenty of them.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks import deaths, many
from benchmarks.peers import PEERS
from benchmarks.processes import Crowd, messages
from benchmarks.work import BIG, Work, busy_calls, calls, inc, megabytes, tasks_a_second

PYSH = [sys.executable, "-m", "pysh"]


@contextlib.contextmanager
def pysh_() -> Iterator[Work]:
    """Two nodes on this machine, connected through their Unix sockets; checked before anything is timed."""
    import pysh

    with tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        os.environ["PYSH_RUNTIME_DIR"] = folder
        started = [*PYSH, "node", "--name", "there@localhost", "--cookie", "bench", "--detach"]
        subprocess.run(started, check=True, stdout=sys.stderr)
        try:
            with pysh.start(name="here@localhost", cookie="bench"):
                there = pysh.connect("there@localhost")
                many.check(pysh, there)
                digest = pysh.call(lambda data: hashlib.sha256(data).hexdigest(), BIG, on=there)
                assert digest == hashlib.sha256(BIG).hexdigest()

                def tasks(count: int) -> list[int]:
                    asked = [pysh.task(inc, i, on=there) for i in range(count)]
                    return [t.result() for t in asked]

                def one(i: int) -> object:
                    return pysh.call(lambda: i, on=there)

                def move() -> object:
                    return pysh.call(lambda data: len(data), BIG, on=there)

                crowd = Crowd()
                yield {
                    "call": lambda: calls(one),
                    "spawn": crowd.spawned,
                    "spawn memory": lambda: crowd.kibibytes,
                    "send mates": lambda: messages(mates=True),
                    "send runners": lambda: messages(mates=False),
                    "send nodes": lambda: messages(there),
                    "worker killed": lambda: deaths.workers(there),
                    "hub killed": deaths.hubs,
                    "busy call": lambda: busy_calls(one, move),
                    "tasks": lambda: tasks_a_second(tasks),
                    "bulk": lambda: megabytes(move),
                }
        finally:
            subprocess.run([*PYSH, "stop", "there@localhost", "--cookie", "bench"], check=True, stdout=sys.stderr)


CONTESTANTS = {"pysh": pysh_, **PEERS}


def main() -> None:
    """Answer until stdin ends."""
    with CONTESTANTS[sys.argv[1]]() as work:
        for line in sys.stdin:
            taken = work[line.strip()]()
            print(*(taken if isinstance(taken, list) else [taken]), flush=True)


if __name__ == "__main__":
    main()
