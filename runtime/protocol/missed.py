"""What a shell printed and nobody saw: kept within bounds, and shown once to the next who comes."""

from collections import deque

KEPT = 40 * 1024
"""Bytes kept while nobody looks: what fits into the answer to one attach."""


class Missed:
    """The last `KEPT` bytes of what was printed, and how many came before them."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Something was printed."""
        self._pieces.append(data)
        self._size += len(data)
        while (excess := self._size - KEPT) > 0:
            first = self._pieces.popleft()
            if len(first) > excess:
                self._pieces.appendleft(first[excess:])
            gone = min(excess, len(first))
            self._size -= gone
            self._dropped += gone

    def take(self) -> tuple[bytes, int]:
        """What was kept, and how many bytes were not; both are handed out once."""
        kept, dropped = b"".join(self._pieces), self._dropped
        self._pieces.clear()
        self._size = self._dropped = 0
        return kept, dropped


class Unshown:
    """What was sent to a terminal and not yet shown there, as far as it has said so.

    Should the terminal be lost, nobody has seen it, but for what it showed in its last instant.
    """

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes] = deque()

    def sent(self, data: bytes) -> None:
        """Something is on its way."""
        self._pieces.append(data)
        self.size += len(data)

    def shown(self, size: int) -> None:
        """The terminal has shown the next `size` bytes."""
        while self._pieces and size >= len(self._pieces[0]):
            size -= len(self._pieces[0])
            self.size -= len(self._pieces.popleft())
        if self._pieces and size:
            self._pieces[0] = self._pieces[0][size:]
            self.size -= size

    def rest(self) -> bytes:
        """What was not shown."""
        return b"".join(self._pieces)
