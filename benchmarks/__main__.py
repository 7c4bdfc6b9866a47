"""`python -m benchmarks [ROW ...]`: every row, or those, interleaved with the peers, as a table to stdout.

All of them go to results.json as well.
"""

import importlib.util
import json
import os
import platform
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import code, erlang, memory, ssh, starts
from benchmarks.contestants import CONTESTANTS
from benchmarks.rows import ROWS, Measured
from benchmarks.table import table
from benchmarks.work import Taken

ROUNDS = 5
SECONDS = 100.0
"""How long a contestant may take for one sample, its own start included."""
RESULTS = Path(__file__).with_name("results.json")
IMPORTED = {"dask": "distributed"}
"""What a contestant imports, where that is not its name."""
NOTES = {("dask", "call"): "30 calls a run", ("dask", "tasks"): "1,000 tasks a run"}
TAKEN: dict[str, dict[str, Callable[[], Taken]]] = {
    "prompt": {"pysh": starts.prompt_of_pysh, "iex": starts.prompt_of_iex},
    "one-liner": {"pysh": starts.one_liner},
    "one-liner with a call": {"pysh": starts.one_liner_with_call},
    "code first": {"pysh": code.first},
    "code again": {"pysh": code.again},
    "hub": {"pysh": memory.hub},
    "node": {"pysh": memory.node, "iex": memory.iex},
}
"""The rows whose samples start processes anew each time."""
ASKED = {
    "call": ("pysh", "rpyc", "execnet", "erpc", "dask", "ray"),
    "tasks": ("pysh", "rpyc", "execnet", "erpc", "dask", "ray"),
    "bulk": ("pysh", "execnet", "erpc", "dask", "ray"),
    "busy call": ("pysh",),
    "spawn": ("pysh", "erlang"),
    "spawn memory": ("pysh", "erlang"),
    "send mates": ("pysh", "erlang"),
    "send runners": ("pysh",),
    "send nodes": ("pysh", "erlang"),
    "worker killed": ("pysh",),
    "hub killed": ("pysh",),
}
"""The rows that contestants answer, each in a process of its own that lasts."""
ERLANG = ("erpc", "erlang")
"""What Erlang is called beside pysh: its calls, and all of it."""
Sample = Callable[[], Taken]


@contextmanager
def contestant(name: str) -> Iterator[Callable[[str], Taken]]:
    """A contestant's process: give it the name of a piece of work, and it takes a sample."""
    command = erlang.ERPC if name in ERLANG else [sys.executable, "-m", "benchmarks.contestants", name]
    env = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdin is not None and process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def sample(work: str) -> Taken:
            print(work, file=asked, flush=True)
            if not select.select([answers], [], [], SECONDS)[0]:
                process.send_signal(signal.SIGABRT)  # a Python says then where it stands
                sys.exit(f"{name} did not answer {work!r} within {SECONDS:g} s")
            line = answers.readline()
            if not line:
                sys.exit(f"the benchmark of {name} ended early")
            return [*map(float, line.split())]

        yield sample
        asked.close()


def present(name: str) -> bool:
    """Whether a contestant is installed here."""
    if name in CONTESTANTS:
        return importlib.util.find_spec(IMPORTED.get(name, name)) is not None
    return erlang.there()


def interleaved(work: str, takes: dict[str, Sample]) -> Measured:
    """`ROUNDS` samples of each, in turn, after one each that warms up."""
    measured = Measured(ROWS[work], notes={name: NOTES[name, work] for name in takes if (name, work) in NOTES})
    for index in range(ROUNDS + 1):
        for name, take in takes.items():
            value = take()
            if index:
                measured.add(name, value)
    print(f"{work}: done", file=sys.stderr)
    return measured


def measure(chosen: Collection[str]) -> Iterator[Measured]:
    """Every row that is `chosen`."""
    with erlang.names():
        for work, takes in TAKEN.items():
            if work in chosen:
                yield interleaved(work, {name: take for name, take in takes.items() if present(name)})
        with ExitStack() as stack:
            asked = {work: names for work, names in ASKED.items() if work in chosen}
            names = dict.fromkeys(name for names in asked.values() for name in names if present(name))
            running: dict[str, Callable[[str], Taken]] = {}
            for name in names:
                # Erlang is one process, whatever it is called.
                same = [running[other] for other in ERLANG if name in ERLANG and other in running]
                running[name] = same[0] if same else stack.enter_context(contestant(name))
            for work, wanted in asked.items():
                yield interleaved(work, {name: partial(running[name], work) for name in wanted if name in names})
    if any(work.startswith("ssh") for work in chosen) and ssh.there():
        with ssh.takes() as rows:
            for work, takes in rows.items():
                if work in chosen:
                    yield interleaved(work, takes)


def main() -> None:
    """Measure everything, or the rows that are named, print the table, and write the figures of all."""
    chosen = sys.argv[1:] or list(ROWS)
    if unknown := [work for work in chosen if work not in ROWS]:
        sys.exit(f"there is no row {unknown[0]!r}; there are: {', '.join(ROWS)}")
    measured = list(measure(chosen))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    record = {"machine": machine, "runs": ROUNDS, "rows": [each.record() for each in measured]}
    if not sys.argv[1:]:
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{machine}; medians of {ROUNDS} interleaved runs (min-max)\n\n{table(measured)}")


if __name__ == "__main__":
    main()
