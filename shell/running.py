"""Runs a script within its limits, in whichever Python it is to run."""

import json
import os
import sys
from typing import Any

from pysh.shell import codes


def main() -> None:
    """`pysh` became the user's Python to run a script: its settings are in a pipe."""
    _, _, fd, *script = sys.argv
    with open(int(fd), encoding="utf-8") as pipe:
        settings = json.load(pipe)
    sys.exit(execute(settings, script))


def execute(settings: dict[str, Any], script: list[str]) -> int:
    """Run `script` in this process, its node configured, for as long as `timeout` allows."""
    from pysh.shell import script as scripts

    if any(settings[key] for key in ("name", "cookie", "cookie_file", "listen", "connect")):
        try:
            _prepare(settings)
        except Exception as error:
            from pysh.shell.cli import explain

            return explain(error, as_json=settings["json"])
    with Limits(settings["timeout"]) as limits:
        code = scripts.run(script, as_json=settings["json"])
    code = scripts.finish(limits.code or code)
    limits.rearm()
    return code


def _prepare(settings: dict[str, Any]) -> None:
    """Tell the node that the script may start what it is; with `--connect`, start and connect it now."""
    from pysh.runtime import program

    program.configure(**{key: settings[key] for key in ("name", "cookie", "cookie_file", "listen")})
    if settings["connect"]:
        from pysh.runtime import api

        for address in settings["connect"]:
            api.connect(address, hostkey=settings["hostkey"])


class Ended(SystemExit):
    """The script's time is up, or it was told to end: nobody's error, and no traceback."""


class Limits:
    """Ends the script after `timeout` seconds (exit code 124) and at SIGTERM (143).

    Its tasks are cancelled then as at any end. Code that catches even that is ended a second later, and so
    are threads that go on once the node has ended; the node's own end, which has its bounds, is not cut short.
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
        self.code = codes.TERMINATED if number == signal.SIGTERM else codes.TIMED_OUT
        signal.setitimer(signal.ITIMER_REAL, self.PATIENCE)
        if self.code == codes.TIMED_OUT:
            print(f"pysh: {self._timeout:g} s are over; what ran is cancelled", file=sys.stderr)
        raise Ended(self.code)

    def __exit__(self, *_: object) -> None:
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)

    def rearm(self) -> None:
        """Let what is left of a script whose time is up have a second more, and no longer."""
        import signal

        if self.code:
            signal.setitimer(signal.ITIMER_REAL, self.PATIENCE)
