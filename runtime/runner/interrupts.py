"""What Ctrl-C does while code runs under a loop, and that it does nothing else.

SIGINT finds the main thread between any two of its bytecodes: in the user's code, in the loop, in
a background task, in ours. The handler looks where it landed and does one of four things:

1. The running cell is on the stack: `KeyboardInterrupt` is raised right there, as in any program.
2. The same, but inside a section of ours that must not be torn: the signal is raised again at its end.
3. A cell runs but waits in an `await` (the loop sleeps, or another task has its turn): the task of
   the cell is cancelled, again at each press. The loop and the other tasks notice nothing. At the third press
   and after it `stubborn` is told, too.
4. No cell runs: one that has arrived meanwhile is cancelled as it begins; else nothing.

Code that others run in this shell is interrupted when it is cancelled, and by the second press: it may keep a cell
waiting. So may a job in a step that lasts, which is named, and interrupted by the next press.
"""

import os
import signal
import sys
from _thread import interrupt_main, start_new_thread
from collections.abc import Callable
from time import sleep
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from pysh.runtime.protocol import presses

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
T = TypeVar("T")


class Cancelled(KeyboardInterrupt):
    """Raised in code that is to end; what catches `Exception` lets it pass."""


TWICE = "Ctrl-C at the terminal of this shell, twice"
AGAIN = 0.005
"""Seconds after which a press is repeated that came at a bad moment."""


class Shield(Protocol):
    """Says whether a section that must not be torn runs in the main thread; a press is left to its end."""

    interrupt_pending: bool

    @property
    def shielded(self) -> bool: ...


class Others(Protocol):
    """What others run in this shell."""

    def is_unwanted(self) -> bool: ...

    def pressed(self) -> int: ...

    def holds(self, least: float = 0.0) -> str: ...


class Jobs(Protocol):
    """Cells that run beside the one in the foreground."""

    def pressed(self, frame: FrameType | None) -> bool: ...


class Interrupts:
    """The SIGINT handler of the main thread.

    A cell is on the stack if the frame of its coroutine is: other cells may run beside it, as jobs.
    """

    def __init__(self) -> None:
        self.stubborn: Callable[[asyncio.Task[Any]], None] | None = None
        """Told the cell that outlives its third interruption, and each one after that."""
        self._visits: CodeType | None = None
        self._visitors: Others | None = None
        self._turning_out = False
        self._jobs: Jobs | None = None
        self.shield: Shield | None = None
        self._task: asyncio.Task[Any] | None = None
        self._early = False  # pressed while no cell ran
        self.pressed = 0
        """How often Ctrl-C was pressed since the cell arrived."""

    def install(self) -> None:
        """Take SIGINT, also from code of the user's that took it meanwhile."""
        if signal.getsignal(signal.SIGINT) != self._handle:
            signal.signal(signal.SIGINT, self._handle)
            self._turning_out = False

    def expect(self) -> None:
        """A cell has arrived: presses from now on are for it. Called in any thread, while none runs."""
        self._early = False

    def heed_visitors(self, step: CodeType, visitors: Others) -> None:
        """Code that others run here has `step` on the stack, itself not to be torn, and is one of `visitors`."""
        self._visits, self._visitors = step, visitors

    def heed_jobs(self, jobs: Jobs) -> None:
        """One of `jobs` may have the main thread."""
        self._jobs = jobs

    def turn_out(self) -> None:
        """Interrupt what others run in the main thread, if it is unwanted. Called in any thread."""
        self._turning_out = True
        os.kill(os.getpid(), signal.SIGINT)

    def heed_finalizers(self) -> None:
        """Let no press be lost that lands in a finalizer or a weak reference's callback, where Python drops it."""
        sys.unraisablehook = self._dropped

    def _dropped(self, told: "sys.UnraisableHookArgs") -> object:
        turned_out = told.exc_type is Cancelled and self._visitors is not None and self._visitors.is_unwanted()
        if turned_out or (told.exc_type is KeyboardInterrupt and self._task is not None):
            self._turning_out = self._turning_out or turned_out
            return PRESS.now
        sys.__unraisablehook__(told)
        return None

    def begin(self, task: "asyncio.Task[Any]") -> None:
        """A cell runs from now on, as `task`."""
        self.install()
        self._task, self.pressed = task, 0
        early, self._early = self._early, False
        if early:
            self.pressed = 1
            task.cancel()

    def end(self) -> None:
        """No cell runs any more: presses do nothing."""
        self._task = None

    def within(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call code of the user's as part of the cell, so that Ctrl-C raises inside it."""
        return function(*args, **kwargs)

    def _is_delicate(self, frame: FrameType | None) -> bool:
        """Whether what is raised at `frame` would be lost, or tear a step of others."""
        if frame is None or frame.f_code is self._visits:
            return frame is not None
        return among(_DROPPED, frame) or (among(_HANDLED, frame) and among((self._visits,), frame))

    def _is_meant(self, task: "asyncio.Task[Any] | None") -> bool:
        """Whether a press that came while `task` was the cell is to be repeated."""
        return self._turning_out or self._task is task

    def _handle(self, _signum: int, frame: FrameType | None) -> None:
        if self.shield is not None and self.shield.shielded:
            self.shield.interrupt_pending = True
            return
        visitors = self._visitors if among((self._visits,), frame) else None
        if self._is_delicate(frame):
            again(self._is_meant, self._task)
            return
        if self._turning_out:
            self._turning_out = False
            if visitors is not None and visitors.is_unwanted():
                raise Cancelled
            return
        if self._task is None:
            self._early = True
        else:
            self.pressed += 1
        if visitors is not None:
            if visitors.pressed() > 1:
                raise KeyboardInterrupt(TWICE)
            os.write(2, f"busy for {visitors.holds()}; Ctrl-C again interrupts that\n".encode())
        on_stack = self.is_on_stack(frame)
        if self._jobs is not None and not on_stack and self._jobs.pressed(frame):
            raise KeyboardInterrupt(TWICE)
        if self._task is None:
            return
        does = presses.interrupt(self.pressed, on_stack=on_stack)
        if presses.RAISE in does:
            raise KeyboardInterrupt
        waiter = getattr(self._task, "_fut_waiter", None)
        if waiter is None or waiter.done():
            # Its turn comes before any callback from here, and may never end: this only marks that turn.
            self._task.cancel()
        else:
            # Not cancelled here: others may be about to settle what it waits for, or the loop asleep.
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        if presses.LET_GO in does and self.stubborn is not None:
            self.stubborn(self._task)

    def is_on_stack(self, frame: FrameType | None) -> bool:
        """Whether the cell, or what is shown of it, led to `frame`."""
        own = getattr(self._task.get_coro(), "cr_frame", None) if self._task is not None else None
        while frame is not None:
            if frame is own or frame.f_code is _WITHIN:
                return True
            frame = frame.f_back
        return False


_DROPPED, _HANDLED = (Interrupts._dropped.__code__,), (Interrupts._handle.__code__,)
_WITHIN = Interrupts.within.__code__


class _Press(int):
    """A signal that comes when `now` is asked for.

    As that is no call, after which Python would look for signals, a function that returns it is left before that: the
    code that a finalizer has interrupted gets it, and not the next finalizer, where nearly all the time may be spent.
    """

    now = property(interrupt_main)


PRESS = _Press(signal.SIGINT)


def again(is_meant: Callable[..., bool], *args: Any) -> None:
    """Repeat a press that came where nothing may be raised, if `is_meant(*args)` by then."""
    # Not by a Timer, whose start waits for its thread: that may press before this returns, and again, and again.
    start_new_thread(_press_later, (is_meant, args))


def _press_later(is_meant: Callable[..., bool], args: tuple[Any, ...]) -> None:
    sleep(AGAIN)
    if is_meant(*args):
        os.kill(os.getpid(), signal.SIGINT)


def among(codes: tuple[CodeType | None, ...], frame: FrameType | None) -> bool:
    """Whether `frame`, or one that led to it, runs one of `codes`."""
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False
