"""`pysh FILE`, `-c` and `-`: become the user's Python, and run the script there."""

import argparse
import json
import os
import sys

from pysh.runtime import interpreter, launch
from pysh.shell import codes, starting
from pysh.shell.running import execute
from pysh.shell.several import addresses

STAGE0 = "import sys; sys.path.insert(0, sys.argv[1]); from pysh.shell.running import main; main()"


def run(asked: argparse.Namespace, script: list[str]) -> int:
    """Run `script` (a file, `-c CODE` or `-`, with its arguments); the exit code, if this process stays."""
    settings = {
        "name": starting.full_name(asked.name) if asked.name else None, "cookie": asked.cookie,
        "cookie_file": asked.cookie_file, "connect": addresses(asked.connect),
        "hostkey": asked.hostkey, "timeout": asked.timeout, "listen": asked.listen, "json": asked.json,
    }  # fmt: skip
    python = interpreter.user_python(asked.python, os.getcwd())
    if os.path.realpath(python) == os.path.realpath(sys.executable) and os.path.dirname(python) == os.path.dirname(
        sys.executable
    ):
        return execute(settings, script)
    _, executable = interpreter.check_python(python)
    become(executable, settings, script)
    return codes.FAILED


def become(python: str, settings: dict[str, object], script: list[str]) -> None:
    """Replace this process by `python`, which finds the core in a zip and its settings in a pipe."""
    from pysh.runtime.hub.core_zip import core_zip

    read, write = os.pipe()
    os.write(write, json.dumps(settings).encode())
    os.close(write)
    os.set_inheritable(read, True)
    environ = {**os.environ, launch.HUB_PYTHON: sys.executable}
    # -P: a json.py in the current folder is the script's to import, and not ours.
    os.execve(python, [python, "-P", "-c", STAGE0, str(core_zip()), str(read), *script], environ)
