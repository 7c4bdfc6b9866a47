"""What a command goes to other machines by: a carrier of its own, or the one of all that are gone to side by side."""

import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pysh.runtime.runner import asking

if TYPE_CHECKING:
    from pysh.shell.abreast import Abreast
    from pysh.transports.asking import Question
    from pysh.transports.tunnels import Carrier, Connection


class Way:
    """A carrier of our own for one machine, and the loop in which it is spoken to."""

    def __init__(self) -> None:
        import asyncio  # only who goes to another machine pays for it

        self._runner = asyncio.Runner()
        self.carrier = self._runner.run(start_carrier())

    def run(self, steps: "Coroutine[Any, Any, Any]") -> Any:
        """What comes of `steps`."""
        return self._runner.run(steps)

    async def ask(self, destination: str, question: "Question") -> str | None:
        """Ask whoever sits here; the loop has nothing else to do meanwhile."""
        return ask_here(destination, question)

    def release(self, _connection: "Connection | None") -> None:
        """End the carrier, and every connection with it."""
        self._runner.run(self.carrier.close())
        self._runner.close()


async def start_carrier() -> "Carrier":
    """A carrier that keeps host keys where nodes do."""
    import os

    from pysh.runtime.places import state_dir
    from pysh.transports.tunnels import Carrier

    return await Carrier.start(os.path.join(state_dir(), "known_hosts"))  # noqa: PTH118


def ask_here(destination: str, question: "Question") -> str | None:
    """Ask whoever sits here; Ctrl-C ends the command."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return asking.ask(f"{destination}: {question.text}", wanted=question.wanted)
    finally:
        signal.signal(signal.SIGINT, before)


class Mine(threading.local):
    """What a thread has that is one of many."""

    way: "Abreast | None" = None
    printed: list[tuple[bool, str]] | None = None
    """What it printed, and whether that was an error."""


mine = Mine()


def own_way() -> "Way | Abreast":
    """What the machines that this thread goes to are reached by."""
    return mine.way or Way()


@contextmanager
def interrupted_by(tell: Callable[[], object]) -> Iterator[None]:
    """Have a Ctrl-C call `tell` while this runs, if it is one of many."""
    if (way := mine.way) is None:
        yield
        return
    way.interrupts[threading.get_ident()] = tell
    try:
        yield
    finally:
        del way.interrupts[threading.get_ident()]
