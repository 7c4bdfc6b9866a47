"""What a shell printed, cell by cell, for its transcript: of each the beginning, and of all the latest."""

from collections.abc import Iterator
from typing import Any

EACH = 16 * 1024
"""Bytes that are kept of one cell."""
KEPT = 256 * 1024
"""Bytes that are kept of all."""


class Printed:
    """What the terminal of an evaluator was sent, by the number of the cell that ran, or was to come next."""

    def __init__(self) -> None:
        self._cells: dict[int, bytearray] = {}
        self._left_out: dict[int, int] = {}
        self._size = 0

    def add(self, cell: int, data: bytes) -> None:
        """Something was printed."""
        kept = self._cells.setdefault(cell, bytearray())
        taken = data[: EACH - len(kept)]
        kept += taken
        self._left_out[cell] = self._left_out.get(cell, 0) + len(data) - len(taken)
        self._size += len(taken)
        while self._size > KEPT:
            first = next(iter(self._cells))
            self._size -= len(self._cells.pop(first))
            del self._left_out[first]

    def rows(self, after: int) -> Iterator[dict[str, Any]]:
        """That of the cells after number `after`, and how many bytes are left out of each."""
        for cell, data in self._cells.items():
            if cell > after:
                yield {"cell": cell, "data": bytes(data), "more": self._left_out[cell]}
