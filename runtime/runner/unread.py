"""Tells whoever sits at a shell how many messages wait in its mailbox."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pysh.runtime.errors import NodeDown
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.waiting import Waiter

if TYPE_CHECKING:
    import asyncio

    from pysh.runtime.runner.client import Client

GATHER = 0.2
"""Seconds in which what comes one after the other is told at once, and a background task may receive it."""
AGAIN = 1.0
"""Seconds after which it is looked whether a background task has received what was told of."""
SELDOM = 30.0
"""The same where nothing has changed for long: each time nothing has, it is twice as long until the next."""


class Unread:
    """Hears of the first message in the thread that reads; all else happens in the main thread, under `loop`.

    Nothing is told while a cell runs, which is as long as `busy()` says so: its end tells.
    """

    def __init__(self, client: "Client", loop: "asyncio.AbstractEventLoop", busy: Callable[[], bool]) -> None:
        self._client = client
        self._loop = loop
        self._busy = busy
        self._told = 0
        self._pause = AGAIN
        self._waiter: Waiter | None = None
        self._timer: asyncio.TimerHandle | None = None

    def count(self) -> dict[str, int]:
        """What the end of a cell tells of it: nothing if none waits."""
        self._pause = AGAIN
        return self._count()

    def _count(self) -> dict[str, int]:
        self._watch()
        self._told = len(self._client.mailbox)
        self._arm(self._pause if self._told else None)
        return {"unread": self._told} if self._told else {}

    def _watch(self) -> None:
        """Hear of the next message."""
        if self._waiter is None or self._waiter.done:
            self._waiter = Waiter(self._client)
            self._waiter.add_callback(lambda _: self._loop.call_soon_threadsafe(self._arm, GATHER))
            self._client.mailbox.announce(self._waiter)

    def _arm(self, seconds: float | None) -> None:
        """Look again in so many seconds, or not at all."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._busy():
            return
        before = self._told
        self._pause = min(self._pause * 2, SELDOM) if len(self._client.mailbox) == before else AGAIN
        self._count()
        if self._told != before:
            try:
                self._client.post(Kind.NOTICE, self._client.hub, meta={"unread": self._told})
            except NodeDown:
                self._arm(None)
