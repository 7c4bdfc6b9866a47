"""Credit for payloads that travel in chunks: a slow receiver slows its sender, and nobody between.

The sender of a large payload may have `WINDOW` bytes under way; the end that uses them up grants
more. What lies between the two only forwards, so it never holds more than a window of any stream.
"""

from collections.abc import Iterator

from pysh.runtime.protocol.frames import CHUNK
from pysh.runtime.protocol.terms import Buffer

WINDOW = 4 * CHUNK
PRINTED = 128 * 1024
"""The same for what is printed, less: all of it that is under way is shown before the result that ends it."""


class Outflow:
    """The sending end of one payload: yields chunks as far as its credit goes.

    A payload of one chunk or none needs no credit and is complete at once.
    """

    def __init__(self, payload: Buffer, window: int = WINDOW) -> None:
        self._view = memoryview(payload).cast("B")
        self._sent = 0
        self._credit = max(window, CHUNK)
        self._started = False

    @property
    def finished(self) -> bool:
        """Whether every byte was yielded."""
        return self._started and self._sent == self._view.nbytes

    def grant(self, credit: int) -> None:
        """Allow `credit` more bytes."""
        self._credit += credit

    def chunks(self) -> Iterator[tuple[memoryview, bool]]:
        """The chunks that may go now, each with whether more will follow."""
        while not self.finished and self._credit > 0:
            self._started = True
            chunk = self._view[self._sent : self._sent + CHUNK]
            self._sent += chunk.nbytes
            self._credit -= chunk.nbytes
            yield chunk, self._sent < self._view.nbytes


class Inflow:
    """The receiving end of one payload: keeps its chunks, and says what to grant for them."""

    def __init__(self, limit: int) -> None:
        self._chunks: list[Buffer] = []
        self._limit = limit
        self.size = 0

    def add(self, chunk: Buffer) -> int:
        """Keep `chunk`; the credit to grant for it. Raises `OverflowError` past the limit."""
        size = memoryview(chunk).nbytes
        if self.size + size > self._limit:
            raise OverflowError(f"a value of more than {self._limit} bytes")
        self.size += size
        self._chunks.append(chunk)
        return size

    def chunks(self) -> list[Buffer]:
        """The chunks so far, in order."""
        return self._chunks

    def join(self) -> bytes:
        """The whole payload."""
        return b"".join(self._chunks)
