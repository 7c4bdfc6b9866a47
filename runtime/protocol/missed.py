"""What a shell printed and nobody saw: kept within bounds, and shown once to the next who comes.

What the shell itself wrote to its terminal stays as it is. All else, what tasks printed and what is told of them, was
written elsewhere: of that nothing is left which a terminal would obey.
"""

from collections import deque
from itertools import groupby

from pysh.runtime.protocol.cleaning import clean, visible

KEPT = 40 * 1024
"""Bytes kept while nobody looks: what fits into the answer to one attach."""


class Missed:
    """The last `KEPT` bytes of what was printed, and how many came before them."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[bool, bytes]] = deque()  # each with whether it is the shell's own
        self._size = 0
        self._dropped = 0

    def add(self, data: bytes, *, own: bool = False) -> None:
        """Something was printed; it is its `own` if the shell wrote it to its terminal."""
        self._pieces.append((own, data))
        self._size += len(data)
        while (excess := self._size - KEPT) > 0:
            own, first = self._pieces.popleft()
            if len(first) > excess:
                self._pieces.appendleft((own, first[excess:]))
            gone = min(excess, len(first))
            self._size -= gone
            self._dropped += gone

    def take(self) -> tuple[bytes, int]:
        """What was kept, and how many bytes were not; both are handed out once."""
        kept, dropped = b"", self._dropped
        for own, pieces in groupby(self._pieces, lambda piece: piece[0]):  # a sequence may have come in two
            data = b"".join(piece for _, piece in pieces)
            kept += data if own else _harmless(data)
        self._pieces.clear()
        self._size = self._dropped = 0
        return kept, dropped


def _harmless(data: bytes) -> bytes:
    """Lines as they would be seen; never longer than they were."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return "\n".join(clean(visible(line)) for line in lines).encode()


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
