"""The standard streams of a worker: it prints into its hub's pipe, and nobody is there to be asked."""

import builtins
import os
import sys
from io import TextIOWrapper
from typing import NoReturn


class Output:
    """Stdout and stderr by lines, stdin from nothing. The fork server makes it, once for all its workers."""

    def __init__(self) -> None:
        builtins.input = _nobody
        sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115 - final by typeshed
        self._streams: tuple[TextIOWrapper, ...] = ()
        self.restore()

    def print_into(self, pipe: int) -> None:
        """Print into `pipe` from now on, and take over the descriptor."""
        for fd in (1, 2):
            os.dup2(pipe, fd)
        os.close(pipe)

    def restore(self) -> None:
        """Put the streams back where a job replaced or closed them."""
        if not self._streams or any(stream.closed for stream in self._streams):
            self._streams = _printer(1), _printer(2)
            sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc]  # final by typeshed
        sys.stdout, sys.stderr = self._streams


def flush() -> None:
    """Send what was printed so far on its way; it waits if the hub does not read."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # it was closed, or replaced by something else


def _printer(fd: int) -> TextIOWrapper:
    # By lines also where no terminal is: they are shown as they come. `errors` as stderr's, because a
    # print must not fail for what a terminal cannot show.
    return open(fd, "w", 1, "utf-8", "backslashreplace", closefd=False)


def _nobody(prompt: object = "", /) -> NoReturn:
    raise EOFError(
        f"input({str(prompt)!r}): a task has no terminal. Ask before you start it and pass the answer, "
        f"or send() the answer to a process, which gets it by receive()"
    )
