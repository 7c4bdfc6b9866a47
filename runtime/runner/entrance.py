"""Where tasks and processes of others (`where="shell"`) come into a shell, which most never do."""

import threading
from collections import deque
from typing import TYPE_CHECKING

from pysh.runtime.protocol.frames import LOCAL, Frame, Kind, pack
from pysh.runtime.runner.mates import Mates

if TYPE_CHECKING:
    from collections.abc import Callable

    from pysh.runtime.runner.visitors import Visitors


class Entrance:
    """Keeps what comes until the loop is there; `visitors` are made, by `make`, with the first.

    `let_in` and `count` are called in the thread that reads the socket.
    """

    def __init__(self, client: Mates, make: "Callable[[], Visitors]") -> None:
        self._client = client
        self._make = make
        self.visitors: Visitors | None = None
        self._waiting: deque[Frame] = deque()
        self._open = False
        self._lock = threading.Lock()  # at the start both threads let them in

    def let_in(self, frame: Frame) -> None:
        """A task or process came that is to run here, or one of them is to end."""
        self._waiting.append(frame)
        if self._open:
            self._let_in()

    def open(self) -> None:
        """The loop is there."""
        self._open = True
        self._let_in()

    def _let_in(self) -> None:
        with self._lock:
            while self._waiting:
                if self.visitors is None:
                    self.visitors = self._make()
                self.visitors.heard(self._waiting.popleft())

    def count(self, frame: Frame) -> None:
        """Somebody lists what runs here."""
        stands = self.visitors.stands(frame.options()) if self.visitors is not None else []
        self._client.post(Kind.CENSUS, LOCAL, ref=frame.ref, meta=pack(stands))
