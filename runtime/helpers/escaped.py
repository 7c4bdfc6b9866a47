"""What `!ls -l` calls."""

import os
import signal
import sys

from pysh.runtime.runner.output import flush

_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them, and a command is not to."""


def run(command: str) -> None:
    """Run a command with /bin/sh on the terminal, which is its own until it ends; a status other than 0 is told.

    Ctrl-C is for the command alone. Ctrl-Z stops nothing: nobody could have it go on.
    """
    flush()
    shell = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ, setsigdef=_RESET)
    status, interrupted = _ended(shell)
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by {_name(-status)}"
        # The terminal has shown ^C, and no end of that line.
        print("\n" * interrupted + how, file=sys.stderr)


def _ended(pid: int) -> tuple[int, bool]:
    """Its exit status, or that of the signal that ended it, negative; and whether Ctrl-C was pressed."""
    interrupted = False
    while True:
        try:
            # Not reaped by that: a press may come before its answer is bound, and it is asked for again.
            told = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        except KeyboardInterrupt:
            interrupted = True
            continue
        assert told is not None
        if told.si_code != os.CLD_STOPPED:
            _reap(pid)
            return told.si_status if told.si_code == os.CLD_EXITED else -told.si_status, interrupted
        os.killpg(0, signal.SIGCONT)


def _reap(pid: int) -> None:
    while True:
        try:
            os.waitpid(pid, 0)
        except KeyboardInterrupt:
            continue
        except ChildProcessError:
            pass  # it was, and a press came then
        return


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
