"""What it costs that code follows: the first call of a closure that uses a package, and each after that."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.alone import PYSH, alone

FILES = 20
FUNCTIONS = 40
"""Of each file, some 300 lines."""
SCRIPT = """
import statistics, sys, time
import pysh
import package

def taken(function):
    begun = time.perf_counter()
    pysh.call(function, on="there@localhost")
    return time.perf_counter() - begun

with pysh.start(cookie="bench"):
    pysh.connect("there@localhost")
    plain, uses = (lambda: 1), (lambda: package.part1.function1(1))
    for _ in range(100):
        taken(plain)
    if sys.argv[1] == "first":
        other = taken(lambda: 2)
        print((taken(uses) - other) * 1000)
    else:
        for _ in range(300):
            taken(uses)
        pairs = [(taken(plain), taken(uses)) for _ in range(2000)]
        print(statistics.median(two for _, two in pairs) / statistics.median(one for one, _ in pairs))
"""


def first() -> float:
    """Milliseconds beyond a plain first call, on one machine where the package is not there yet."""
    return _measured("first")


def again() -> float:
    """How many plain calls it takes."""
    return _measured("again")


def _measured(what: str) -> float:
    with alone() as environ, tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        project, elsewhere = Path(folder, "project"), Path(folder, "elsewhere")
        _write(project / "package")
        elsewhere.mkdir()
        environ["XDG_CACHE_HOME"] = str(elsewhere / "cache")
        run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
        node = [PYSH, "node", "--name", "there@localhost", "--cookie", "bench", "--detach"]
        run(node, check=True, env=environ, cwd=elsewhere, stdout=subprocess.DEVNULL)
        try:
            command = [sys.executable, "-c", SCRIPT, what]
            path = {**environ, "PYTHONPATH": os.pathsep.join([str(project), environ.get("PYTHONPATH", "")])}
            return float(run(command, check=True, env=path, cwd=project, stdout=subprocess.PIPE, text=True).stdout)
        finally:
            run([PYSH, "stop", "there@localhost", "--cookie", "bench"], check=True, env=environ)


def _write(folder: Path) -> None:
    """A package whose modules are all imported with it."""
    folder.mkdir(parents=True)
    parts = range(1, FILES)
    (folder / "__init__.py").write_text("".join(f"from package import part{part}\n" for part in parts))
    lines = (
        f"def function{number}(value):\n    '''Number {number}.'''\n    total = value + {number}\n    if total > 3:\n"
        "        return total * 2\n    return [each for each in range(total)]\n\n\n"
        for number in range(FUNCTIONS)
    )
    source = "import json, os, sys\n\n\n" + "".join(lines)
    for part in parts:
        (folder / f"part{part}.py").write_text(source)
