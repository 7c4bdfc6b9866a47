"""Tells whoever sits at a shell of its tasks that ended while nobody looked."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from pysh.runtime.errors import NodeDown
from pysh.runtime.protocol.notices import LONG, Endings

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.client import Client


class Attention:
    """Hears of the ends in the thread that reads; all else happens in the main thread, under `loop`.

    Nothing is told while a cell runs, which is as long as `busy()` says so.
    """

    def __init__(self, client: "Client", loop: "asyncio.AbstractEventLoop", busy: Callable[[], bool]) -> None:
        self._client = client
        self._loop = loop
        self._endings = Endings()
        client.unseen = self._endings.unseen
        self._busy = busy
        self._timer: asyncio.TimerHandle | None = None

    def ended(self, task: Any) -> None:
        """A task ended, and how is known."""
        if (one := task.ending(LONG)) is not None:
            self._endings.ended(task.ref, one, monotonic())
            self._loop.call_soon_threadsafe(self._arm)

    def calm(self) -> None:
        """A cell is over, which might have looked at what ended."""
        self._endings.calm_from(monotonic())
        self._arm()

    def _arm(self) -> None:
        due = self._endings.due()
        if self._timer is None and not self._busy() and due is not None:
            self._timer = self._loop.call_later(max(0.0, due - monotonic()), self._tell)

    def _tell(self) -> None:
        self._timer = None
        if self._busy():
            return
        if told := self._endings.take(monotonic()):
            try:
                self._client.ask_later("notice", notices=[list(one) for one in told])
            except NodeDown:
                return
        self._arm()
