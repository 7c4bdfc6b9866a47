"""Who may send how much: credit for each payload that travels in chunks, and a window for all of a session.

Credit lets a slow receiver slow its sender, and nobody between. The sender of a large payload may have
`WINDOW` bytes under way; the end that uses them up grants more. What lies between the two only
forwards, so it never holds more than a window of any stream.

The window of a session keeps short what stands between two nodes, in sockets, in pipes and in SSH: a small
frame cannot overtake there. So what is large waits before it, in the hub, where what is small goes first.
"""

from collections import Counter, deque
from collections.abc import Iterator
from math import inf

from pysh.runtime.protocol.frames import CHUNK, HEADER, Raw, lane_of
from pysh.runtime.protocol.terms import Buffer, Parts, Payload

WINDOW = 4 * CHUNK
LEAST = 512 * 1024
"""Bytes that may always be under way in a session: a few milliseconds of what a fast path carries."""
AGE = 10.0
"""Seconds after which the fastest round trip is measured anew: a path may have grown longer."""
PRINTED = 128 * 1024
"""The same for what is printed, less: all of it that is under way is shown before the result that ends it."""
NUMBERS = 4096
"""How many process numbers a runner may hold; it asks for half of them at most, when it has no more than that left."""


class Outflow:
    """The sending end of one payload: yields chunks as far as its credit goes.

    A payload of one chunk or none needs no credit and is complete at once.
    """

    def __init__(self, payload: Payload, window: int = WINDOW) -> None:
        buffers = payload.buffers if isinstance(payload, Parts) else (payload,)
        self._views = deque(memoryview(buffer).cast("B") for buffer in buffers or (b"",))
        self._left = sum(view.nbytes for view in self._views)
        self._credit = max(window, CHUNK)
        self._started = False

    @property
    def finished(self) -> bool:
        """Whether every byte was yielded."""
        return self._started and not self._left

    @property
    def left(self) -> int:
        """How many bytes were not yielded yet."""
        return self._left

    def grant(self, credit: int) -> None:
        """Allow `credit` more bytes."""
        self._credit += credit

    def chunks(self) -> Iterator[tuple[memoryview, bool]]:
        """The chunks that may go now, each with whether more will follow."""
        while not self.finished and self._credit > 0:
            self._started = True
            view = self._views.popleft()
            chunk, rest = view[:CHUNK], view[CHUNK:]
            if rest:
                self._views.appendleft(rest)
            self._left -= chunk.nbytes
            self._credit -= chunk.nbytes
            yield chunk, bool(self._left)


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


class Window:
    """How many bytes of a session may be under way: twice what its path carries in its fastest round trip.

    With that the path is never idle, and never holds much more than it carries. Only large frames are timed,
    for they are acknowledged at once.
    """

    def __init__(self) -> None:
        self.size = LEAST
        self._fastest = inf
        self._fastest_at = 0.0
        self._acked = 0
        self._timed: tuple[int, int, float] | None = None

    def sent(self, seq: int, now: float) -> None:
        """The large frame `seq` was sent."""
        if self._timed is None:
            self._timed = seq, self._acked, now

    def acked(self, seq: int, size: int, now: float) -> None:
        """All up to `seq` has arrived, `size` bytes more than before."""
        self._acked += size
        if self._timed is None or seq < self._timed[0]:
            return
        _, before, since = self._timed
        took = max(now - since, 1e-6)
        if took <= self._fastest or now > self._fastest_at + AGE:
            self._fastest, self._fastest_at = took, now
        self.size = max(LEAST, int(2 * self._fastest * (self._acked - before) / took))
        self._timed = None

    def reset(self) -> None:
        """Another path carries the session from now on."""
        self._fastest, self._timed = inf, None


class Backlog:
    """Frames that wait until the window of their session takes them, in order.

    A frame may overtake those of others, but none of its own lane: see `lane_of`.
    """

    def __init__(self) -> None:
        self.size = 0
        self._frames: deque[Raw] = deque()
        self._lanes: Counter[tuple[bytes, int]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Raw]:
        return iter(self._frames)

    def holds_back(self, raw: Raw) -> bool:
        """Whether something waits that `raw` must not overtake."""
        return bool(self._frames) and lane_of(raw) in self._lanes

    def add(self, raw: Raw) -> None:
        """`raw` waits, as the last."""
        self._frames.append(raw)
        self._lanes[lane_of(raw)] += 1
        self.size += HEADER.size + len(raw.body)

    def pop(self) -> Raw:
        """The first, which waits no more."""
        raw = self._frames.popleft()
        lane = lane_of(raw)
        self._lanes[lane] -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]
        self.size -= HEADER.size + len(raw.body)
        return raw
