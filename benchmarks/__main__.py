"""`python -m benchmarks`: every row of the table, interleaved with the peers, to stdout and results.json."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.starts import MEASURES

ROUNDS = 5
PEERS = {
    "call": ("rpyc", "execnet", "dask"),
    "tasks": ("rpyc", "execnet", "dask"),
    "bulk": ("execnet", "dask"),
}
UNITS = {"call": "us", "tasks": "/s", "bulk": "MB/s"}
TITLES = {
    "call": "one call: a fresh lambda each time, two nodes on one machine",
    "tasks": "5,000 tiny tasks, one by one",
    "bulk": "64 MiB of random bytes as an argument",
}
GOALS = {"call": "<= 2.5x rpyc", "tasks": ">= 20,000/s", "bulk": ">= 300 MB/s"}


class Contestant:
    """One contestant's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = [sys.executable, "-m", "benchmarks.contestants", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the benchmark of {self.name} ended early")
        return line.strip()

    def sample(self, work: str) -> float:
        """One sample."""
        assert self.process.stdin is not None
        print(work, file=self.process.stdin, flush=True)
        return float(self._line())

    def close(self) -> None:
        """End it and wait."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def throughput() -> list[dict[str, Any]]:
    """The rows that every contestant can run."""
    names = [
        name
        for name in CONTESTANTS
        if name == "pysh" or importlib.util.find_spec({"dask": "distributed"}.get(name, name))
    ]
    running = [Contestant(name) for name in names]
    rows = []
    for work in TITLES:
        samples: dict[str, list[float]] = {name: [] for name in names}
        for index in range(ROUNDS + 1):
            for contestant in running:
                if contestant.name not in ("pysh", *PEERS[work]):
                    continue
                value = contestant.sample(work)
                if index:  # the first warms up
                    samples[contestant.name].append(value)
        rows.append(
            {
                "work": work,
                "title": TITLES[work],
                "unit": UNITS[work],
                "goal": GOALS[work],
                "samples": {name: taken for name, taken in samples.items() if taken},
            }
        )
    for contestant in running:
        contestant.close()
    return rows


def starts() -> list[dict[str, Any]]:
    """The rows that start processes anew each time."""
    rows = []
    for measure in MEASURES:
        contestants = {name: do for name, do in measure.contestants.items() if name == "pysh" or shutil.which(name)}
        samples: dict[str, list[float]] = {name: [] for name in contestants}
        for index in range(ROUNDS + 1):
            for name, do in contestants.items():
                value = do()
                if index:
                    samples[name].append(value)
        rows.append(
            {
                "work": measure.work,
                "title": measure.title,
                "unit": "ms",
                "goal": measure.goal,
                "samples": samples,
            }
        )
    return rows


def shown(values: list[float], unit: str) -> str:
    """Median, with min and max."""
    low, middle, high = (f"{value:,.0f}" for value in (min(values), median(values), max(values)))
    return f"{middle} {unit} ({low}-{high})"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a row a piece of work."""
    lines = ["| work | pysh | peers | goal |", "|---|---|---|---|"]
    for row in rows:
        samples, unit = row["samples"], row["unit"]
        mine = median(samples["pysh"])
        peers = [
            f"{name} {shown(values, unit)}, pysh is {mine / median(values):.2f}x"
            for name, values in samples.items()
            if name != "pysh"
        ]
        lines.append(f"| {row['title']} | {shown(samples['pysh'], unit)} | {'; '.join(peers) or '-'} | {row['goal']} |")
    return "\n".join(lines)


def main() -> None:
    """Run everything, print the table, write the figures."""
    rows = [*starts(), *throughput()]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    Path("benchmarks/results.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    print(f"\n{machine}; medians of {ROUNDS} interleaved runs (min-max)\n\n{table(rows)}")


if __name__ == "__main__":
    main()
