"""Code that waits in a debugger, in a worker, for somebody at the shell that owns it.

`breakpoint()` there parks the process: it stays where it is, its place in the pool is given back, and a line on the
owner's terminal says how to get to it. Whoever wants to look calls the process, as one calls an actor, so that no
`receive` of the code sees anything of it: with a line that was typed, or with None to be told where it is. Each call is
answered with what `pdb` says until it wants the next line, and whether it is over. Whoever leaves while the code runs
calls with `LEFT`, so that the next stop is said again.

It ends with its owner, and at a cancel. Where nobody sits at the owner's shell nothing waits.
"""

import os
import pdb
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.messages import taken
from pysh.runtime.payload import dumps, loads
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.terms import HUB, Pid, shown
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.mailbox import MISSING
from pysh.runtime.runner.waiting import block
from pysh.runtime.tracebacks import is_ours

METHOD = "<debug>"
"""What is called."""
LEFT = False
"""In place of a line: nobody waits any more for what is said."""
KEPT = 32 * 1024
"""Characters of what was said since the last line that was typed."""
ENTRIES = ("/runner/execution.py", "/runner/cells.py", "/runtime/actor.py")
"""The files from which code of the user's is called."""
PATIENCE = 2.0
"""Seconds that the owner's node has to say whether somebody sits there."""


class UsersFrames:
    """A `pdb` that shows the frames from the first of the user's on, and begins at the last of them."""

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> Any:
        """As `bdb` has it: frames with their lines, and at which to begin."""
        stack, at = super().get_stack(f, t)  # type: ignore[misc]  # that of bdb
        files = [frame.f_code.co_filename for frame, _ in stack]
        entered = max((n for n, file in enumerate(files) if is_ours(file) and file.endswith(ENTRIES)), default=-1)
        users = [n for n, file in enumerate(files) if n > entered and not is_ours(file)]
        if not users:
            return stack, at
        first = users[0]
        return stack[first:], max(n for n in users if n <= max(at, first)) - first


class Talk:
    """The streams of a debugger that somebody talks to from elsewhere, or nobody yet."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pid = client.pid
        self._owner = client.owner or client.pid
        self._said = self._stop = ""
        self.expected = False  # whoever asked for it is about to call
        self._call: Frame | None = None  # that waits for its answer

    def attended(self) -> bool:
        """Whether somebody sits at the owner's shell."""
        hub = Pid(self._owner.incarnation, HUB)
        try:
            return bool(self._client.ask("attended", dest=hub, timeout=PATIENCE, number=self._owner.number))
        except (PyshError, TimeoutError):
            return False

    def parks(self, at: str, what: str) -> None:
        """Let be known that it waits."""
        self._client.ask("park", at=at)
        name = shown(self._client.name, self._pid.number)[1:-1]
        self._stop = f'{what} at {at} waits: debug("{name}")  (where a cell waits for it: Ctrl-C, then debug())'
        self._hear_who_left()
        if self._call is None and not self.expected:
            self._tell()
        self.expected = False

    def _tell(self) -> None:
        print(self._stop, file=sys.stderr, flush=True)

    def goes_on(self, over: bool) -> None:
        """It waits no more; it may stop again unless that is `over`."""
        self._client.ask("park", at="")
        if over:
            self.ends()

    def ends(self) -> None:
        """Nothing will stop any more."""
        self._hear_who_left()
        if self._call is not None:
            self._answer(over=True)

    def is_late(self, call: Frame) -> bool:
        """Answer `call`, if it is for a debugger that has ended meanwhile; whether it is."""
        if not _is_meant(call):
            return False
        self._call = call
        self._answer(over=True)
        return True

    def job_ended(self) -> None:
        """The job is over: nothing of it is traced any more, and who looks is told."""
        sys.settrace(None)
        self._client.talk = None
        self.ends()

    def write(self, text: str) -> int:
        """Of the debugger."""
        self._said = (self._said + text)[-KEPT:]
        return len(text)

    def flush(self) -> None:
        """It is told with the next prompt."""

    def readline(self) -> str:
        """What somebody types, as soon as somebody does."""
        if self._call is not None:
            self._answer(over=False)
        while True:
            call: Frame = block(taken(self._client, self._client.mailbox.calls, _is_meant))
            self._call, line = call, _line(call)
            if line is LEFT:
                self._tell()
            elif line is not None:
                self._said = ""
                return f"{line}\n"
            self._answer(over=False)

    def _hear_who_left(self) -> None:
        """Owe nobody an answer who has left since."""
        while (call := self._client.mailbox.calls.take(_has_left)[0]) is not MISSING:
            if self._call is not None:
                self._answer(over=False)
            self._call = call
            self._answer(over=False)

    def _answer(self, *, over: bool) -> None:
        assert self._call is not None
        call, self._call = self._call, None
        self._client.post(
            Kind.ANSWER, call.source, ref=call.ref, source=self._pid, payload=dumps((self._said, over))
        )  # fmt: skip


def _is_meant(call: Frame) -> bool:
    return bool(call.options()["method"] == METHOD)


def _line(call: Frame) -> Any:
    (line,), _ = loads(call.payload)
    return line


def _has_left(call: Frame) -> bool:
    return _is_meant(call) and _line(call) is LEFT


class Debugger(UsersFrames, pdb.Pdb):
    """A `pdb` that is talked to from elsewhere."""

    def __init__(self, talk: Talk, what: str) -> None:
        super().__init__(stdin=talk, stdout=talk, nosigint=True, readrc=False, skip=["pysh", "pysh.*"])  # type: ignore[arg-type]
        self._talk = talk
        self._what = what
        self.use_rawinput = False

    def interaction(self, frame: FrameType | None, traceback: Any) -> None:
        """Wait at `frame`, or at the end of `traceback`, for what somebody types."""
        stack, at = self.get_stack(frame, traceback if isinstance(traceback, TracebackType) else None)
        found, line = stack[at]
        self._talk.parks(f"{found.f_code.co_filename}:{line}", f"{self._what} in {found.f_code.co_name}")
        self.stoplineno = 0
        try:
            super().interaction(frame, traceback)
        finally:
            self._talk.goes_on(over=frame is None or self._is_over())

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        """The end of a function; that of the user's outermost one is the end of it all."""
        trace = super().dispatch_return(frame, arg)
        if frame.f_back is None or is_ours(frame.f_back.f_code.co_filename):
            self._set_stopinfo(self.botframe, None, -1)  # type: ignore[attr-defined]  # as bdb's own set_continue
            sys.settrace(None)
        return trace

    def _is_over(self) -> bool:
        return self.quitting or (self.stoplineno == -1 and not self.breaks)

    def _cmdloop(self) -> None:
        self.cmdloop()  # what cancels it is not to be taken for a Ctrl-C at its prompt

    def do_EOF(self, arg: str) -> Any:
        """Go on."""
        return self.do_continue(arg)


def hook(*args: Any, **kwargs: Any) -> Any:
    """What `breakpoint()` does in a worker."""
    if os.environ.get("PYTHONBREAKPOINT"):
        return sys.__breakpointhook__(*args, **kwargs)
    client, frame = Client.current, sys._getframe(2)  # beyond what called us
    where = f"breakpoint in {frame.f_code.co_name} at {frame.f_code.co_filename}:{frame.f_lineno}"
    if client is None or threading.current_thread() is not threading.main_thread():
        return _passed_over(where, "only the main thread of a task or process can wait")
    if client.role != "worker":
        return _passed_over(where, "an async process would hold those beside it; with isolate=True it has a worker")
    if client.talk is None:
        client.talk = Talk(client)
    if not client.talk.attended():
        return _passed_over(where, "nobody sits at the shell that owns it")
    Debugger(client.talk, "breakpoint").set_trace(frame)
    return None


def _passed_over(where: str, why: str) -> None:
    print(f"{where} is passed over: {why}", file=sys.stderr, flush=True)


def post_mortem(client: Client, error: BaseException) -> None:
    """Wait where `error` was raised, if somebody sits at the owner's shell."""
    if client.talk is None:
        client.talk = Talk(client)
    if error.__traceback__ is not None and client.talk.attended():
        _look_into(client.talk, error)


def look(number: int) -> None:
    """Have whoever asked for it look at the frames of job `number`, which failed in this worker. Raises `PyshError`."""
    client = Client.current
    assert client is not None
    kept = client.kept
    if kept is None or kept[0] != number or kept[1].__traceback__ is None:
        raise PyshError(f"task {number} failed before any code of yours ran, or its frames went just now")
    client.talk = Talk(client)
    client.talk.expected = True
    _look_into(client.talk, kept[1])


def _look_into(talk: Talk, error: BaseException) -> None:
    debugger = Debugger(talk, f"{type(error).__name__}: {error}"[:200].replace("\n", " "))
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
