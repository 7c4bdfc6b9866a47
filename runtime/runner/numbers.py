"""The process numbers that a runner holds in advance, so that it need not wait for the processes it spawns."""

from collections import deque
from typing import TYPE_CHECKING

from pysh.runtime.protocol.flow import NUMBERS
from pysh.runtime.runner.waiting import Waiter

if TYPE_CHECKING:
    from pysh.runtime.runner.client import Client

FEWEST, MOST = 8, NUMBERS // 2
"""How many are asked for at first, and at most; each time twice as many. As many may still be there."""


class Numbers:
    """Those that `client` holds. More are asked for whenever fewer are left than came last."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._held: deque[int] = deque()
        self._count = 0
        self._asked = False

    def take(self) -> int:
        """One of them; 0 while there is none."""
        if not self._asked and len(self._held) <= self._count:
            self._ask()
        try:
            return self._held.popleft()
        except IndexError:
            return 0

    def _ask(self) -> None:
        self._asked = True
        self._count = min(MOST, 2 * self._count or FEWEST)
        try:
            waiter = self._client.ask_later("numbers", for_all=True, count=self._count)
        except BaseException:  # a Ctrl-C while it waited for room
            self._asked = False
            raise
        waiter.add_callback(self._granted)

    def _granted(self, waiter: Waiter) -> None:
        if waiter.error is None:
            self._held.extend(waiter.value)
        self._asked = False
