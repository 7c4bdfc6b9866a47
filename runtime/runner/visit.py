"""One task or process on its way through a shell, and what surrounds its code there."""

import builtins
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from time import perf_counter
from types import CodeType, FrameType
from typing import Any, NoReturn

from pysh.runtime.lent import BEHIND
from pysh.runtime.protocol.frames import cut
from pysh.runtime.protocol.terms import Buffer
from pysh.runtime.runner.mates import Tenant


class Visit:
    """What is known of it. `streams` are its stdin, stdout and stderr, which it may replace for itself.

    Its global names are those of the shell, `live`.
    """

    def __init__(
        self, tenant: Tenant, payload: Buffer, options: Mapping[str, Any], streams: tuple[Any, Any, Any],
        live: dict[str, Any],
    ) -> None:  # fmt: skip
        self.tenant = tenant
        self.payload = payload
        self.options = options
        self.streams = streams
        self.started = 0.0
        self.since = 0.0  # when it took the main thread last
        self.presses = 0  # of Ctrl-C, since then
        self.began = self.ended = False  # code of it
        self.live = live
        self.lent: dict[str, Any] | None = None  # what came with it, and what is built in
        self.coroutine: Any = None

    @property
    def label(self) -> str:
        """What it is called where tasks are listed."""
        return str(self.options.get("label", "?"))

    @property
    def executed(self) -> str:
        """Whether code of it ran."""
        return "yes" if self.began else "no"

    def step(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function` with what came with this visit behind the names of the shell.

        Until its end it has streams of its own, too, and keeps what becomes of them meanwhile.
        """
        self.since, self.presses = perf_counter(), 0
        before = sys.stdin, sys.stdout, sys.stderr
        behind = self.live.get(BEHIND, builtins)
        if self.lent is not None:
            self.live[BEHIND] = self.lent
        if not self.ended:
            sys.stdin, sys.stdout, sys.stderr = self.streams
        try:
            return function(*args)
        finally:
            self.live[BEHIND] = behind
            if not self.ended:
                self.streams = sys.stdin, sys.stdout, sys.stderr
                sys.stdin, sys.stdout, sys.stderr = before

    def stack(self, frame: FrameType | None, ends: frozenset[CodeType]) -> str:
        """Where its code is, innermost call first: at `frame` up to one of `ends`, or in what it awaits."""
        lines = list(_calls(frame, ends)) if frame is not None else list(_awaits(self.coroutine))[::-1]
        return cut("".join(lines)) or "it is about to end\n"


class Steps(Coroutine[Any, Any, Any]):
    """A coroutine each of whose steps is made by `step`."""

    def __init__(self, step: Callable[..., Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        self._step = step
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        self._step(self._coroutine.close)

    def __await__(self) -> Generator[Any, None, Any]:
        raise TypeError("only its task takes these steps")


class Nobody:
    """What stands for stdin: whoever sits at the shell is not to be asked by others."""

    encoding = "utf-8"

    def read(self, _size: int | None = -1, /) -> NoReturn:
        """Say what to do instead."""
        raise EOFError("a task has no terminal, in a shell neither: ask before you start it and pass the answer")

    readline = read  # which input() calls


def _calls(frame: FrameType | None, ends: frozenset[CodeType]) -> Iterator[str]:
    while frame is not None and frame.f_code not in ends:
        yield _line(frame)
        frame = frame.f_back


def _awaits(coroutine: Any) -> Iterator[str]:
    while (frame := getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)) is not None:
        yield _line(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _line(frame: FrameType) -> str:
    """As faulthandler writes it for those in workers."""
    return f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n'
