"""`pysh FILE`, `-c` and `-`: become the user's Python, and run the script there."""

import argparse
import json
import os
import sys
from typing import Any

from pysh.runtime import interpreter, launch
from pysh.shell import options, starting

STAGE0 = "import sys; sys.path.insert(1, sys.argv[1]); from pysh.shell.scripting import main; main()"


def run(asked: argparse.Namespace, script: list[str]) -> int:
    """Run `script` (a file, `-c CODE` or `-`, with its arguments); the exit code, if this process stays."""
    settings = {
        "name": starting.full_name(asked.name) if asked.name else None, "cookie": asked.cookie,
        "cookie_file": asked.cookie_file, "connect": [a for a in asked.connect.split(",") if a],
        "timeout": asked.timeout,
    }  # fmt: skip
    python = interpreter.user_python(asked.python, os.getcwd())
    if os.path.realpath(python) == os.path.realpath(sys.executable) and os.path.dirname(python) == os.path.dirname(sys.executable):
        return execute(settings, script)
    _, executable = interpreter.check_python(python)
    become(executable, settings, script)
    return options.FAILED


def become(python: str, settings: dict[str, object], script: list[str]) -> None:
    """Replace this process by `python`, which finds the core in a zip and its settings in a pipe."""
    from pysh.runtime.hub.core_zip import core_zip

    read, write = os.pipe()
    os.write(write, json.dumps(settings).encode())
    os.close(write)
    os.set_inheritable(read, True)
    environ = {**os.environ, launch.HUB_PYTHON: sys.executable}
    os.execve(python, [python, "-c", STAGE0, str(core_zip()), str(read), *script], environ)


def main() -> None:
    """The other side of `become`."""
    _, _, fd, *script = sys.argv
    with open(int(fd), encoding="utf-8") as pipe:
        settings = json.load(pipe)
    sys.exit(execute(settings, script))


def execute(settings: dict[str, Any], script: list[str]) -> int:
    """Run `script` in this process, its node configured, for as long as `timeout` allows."""
    from pysh.shell.script import run as run_script

    if any(settings[key] for key in ("name", "cookie", "cookie_file", "connect")):
        _prepare(settings)
    limits = Limits(settings["timeout"])
    with limits:
        code = run_script(script)
    return limits.code or code


def _prepare(settings: dict[str, Any]) -> None:
    """Tell the node that the script may start what it is; with `--connect`, start and connect it now."""
    from pysh.runtime import program

    program.configure(**{key: settings[key] for key in ("name", "cookie", "cookie_file")})
    if settings["connect"]:
        from pysh.runtime import api

        for address in settings["connect"]:
            api.connect(address)


class Ended(SystemExit):
    """The script's time is up, or it was told to end: nobody's error, and no traceback."""


class Limits:
    """Ends the script after `timeout` seconds (exit code 124) and at SIGTERM (143).

    Its tasks are cancelled then as at any end. Code that catches even that is ended a second later.
    """

    PATIENCE = 1.0

    def __init__(self, timeout: object) -> None:
        self.code = 0
        self._timeout = float(timeout) if isinstance(timeout, int | float) else 0.0

    def __enter__(self) -> "Limits":
        import signal

        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, self._end)
        if self._timeout > 0:
            signal.setitimer(signal.ITIMER_REAL, self._timeout)
        return self

    def _end(self, number: int, frame: object) -> None:
        import signal

        if self.code:
            os._exit(self.code)
        self.code = options.TERMINATED if number == signal.SIGTERM else options.TIMED_OUT
        signal.setitimer(signal.ITIMER_REAL, self.PATIENCE)
        if self.code == options.TIMED_OUT:
            print(f"pysh: {self._timeout:g} s are over; what ran is cancelled", file=sys.stderr)
        raise Ended(self.code)

    def __exit__(self, *_: object) -> None:
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)
