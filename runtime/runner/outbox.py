"""The sending half of a runner's socket: frames go out whole, in order, and whatever interrupts.

Any thread sends by itself, at once, as far as the socket takes it. What is left waits in the queue
for the thread that reads, or for the next one that sends.

A Ctrl-C raises `KeyboardInterrupt` in the main thread between any two of its bytecodes, or so it is
told; in truth CPython looks for signals after calls and at jumps backwards only. So what must not come
apart here is written without a call in between, a lock is taken by `with` alone, and no loop stands
directly inside `with` or `try`, which do not cover its jump in CPython 3.13.
"""

from collections import deque
from collections.abc import Callable
from socket import socket
from threading import RLock
from typing import Any

from pysh.runtime.protocol.flow import Outflow
from pysh.runtime.protocol.frames import CHUNK, Class, Flag, Frame, Kind, encode
from pysh.runtime.protocol.terms import Buffer, Parts, Payload, Pid

JOINED = 128 * 1024
"""How many bytes of small frames are written in one go."""
AHEAD = 512 * 1024
"""How many bytes of chunks may stand in the queue, where they are in the way of what is small."""
HELD = 64
"""How many small frames are held back, where they may be, to be written in one go."""
ROOM = 64 * 1024 * 1024
"""How many bytes may wait here before whoever sends more has to wait as well."""
QUEUE = 2 * 1024 * 1024
"""The same of frames that go in one piece, since what was sent before it is known that its receiver is full counts."""

UNSENT = 256
"""Of streams to so many processes the hub is told."""
TO_THE_HUB = frozenset((Kind.RESULT, Kind.PUBLISH))
"""What our own hub takes whole: the socket itself slows its sender, and nobody grants credit for it."""

Line = tuple[int, int, Pid | None]


def line_of(kind: int, ref: int, other: Pid) -> Line:
    """What frames must not overtake each other, where `other` is their receiving end.

    Those are the chunks of one payload and all that would be taken for more of them, and the messages,
    calls and exit signals to one process. A SPAWN may be granted credit by the hub it is addressed to, or by a
    worker there.
    """
    if kind in (Kind.SEND, Kind.CALL, Kind.EXIT):
        return Kind.SEND, 0, other
    return kind, ref, None if kind == Kind.SPAWN else other


class Stream:
    """One payload under way in chunks."""

    def __init__(self, frame: Frame, payload: Payload) -> None:
        self.line = line_of(frame.kind, frame.ref, frame.dest)
        self.ref = frame.ref
        self.size = len(payload)
        self.flow = Outflow(payload)
        self._frame = frame._replace(payload=b"", cls=Class.BULK)
        self.for_hub = frame.kind in TO_THE_HUB
        if self.for_hub:
            self.flow.grant(self.size)

    @property
    def source(self) -> Pid:
        """From whom it comes."""
        return self._frame.source

    @property
    def dest(self) -> Pid:
        """Where it goes."""
        return self._frame.dest

    def frame(self, chunk: Buffer, more: bool) -> Frame:
        """The frame for the next chunk; only the first carries the meta."""
        frame = self._frame
        self._frame = frame._replace(meta=b"")
        return frame._replace(payload=chunk, flags=frame.flags | Flag.MORE if more else frame.flags)


class Outbox:
    """What is to be written to `sock`, which does not block."""

    def __init__(self, sock: socket) -> None:
        self._send: Callable[[Buffer], int] = sock.send
        self._lock = RLock()
        self.flushing = False
        """Whether some thread is in the middle of a write."""
        self._queue: list[Buffer] = []
        self._now: Buffer = b""
        self._written: list[int] = []
        self._lines: dict[Line, deque[Stream]] = {}
        self.size = 0
        """How many bytes wait, those of unfinished streams included."""
        self._queued = 0

        self.held = False
        """Whether some of it is held back, to go with what comes next, or when there is nothing else to do."""

    @property
    def empty(self) -> bool:
        """Whether all that should go has gone; some may be held back, and streams may wait for credit."""
        return not self._queued or self.held

    def put(self, frame: Frame, parts: Parts | None = None, *, hold: bool = False) -> Stream | None:
        """Take a frame of any size, its payload a row of bytes or in `parts`, and write what the socket takes.

        A large one, or one that must not overtake such, becomes a stream, which `advance` sends. With
        `hold` it may wait for others, to be written in one go with them.
        """
        with self._lock:
            if self._streams(frame, parts):
                return self._open(Stream(frame, frame.payload if parts is None else parts))
            # What waits for room in the socket is not held back.
            self.held = hold and len(self._queue) + 1 < HELD and (self.held or not self._queued)
            self._append(encode(frame))
            if not self.held:
                self.flush()
        return None

    def has_room(self, frame: Frame, parts: Parts | None = None) -> bool:
        """Whether `frame`, as `put` takes it, need not wait until less waits here.

        What is under way in chunks waits for credit, so what does not go that way does not wait for it.
        """
        return self.size <= ROOM if self._streams(frame, parts) else self._queued <= QUEUE

    def _streams(self, frame: Frame, parts: Parts | None) -> bool:
        """Whether `frame` goes in chunks, or behind such as must not be overtaken."""
        return (
            parts is not None
            or len(frame.payload) > CHUNK
            or (bool(self._lines) and line_of(frame.kind, frame.ref, frame.dest) in self._lines)
        )

    def _append(self, buffers: list[Buffer]) -> None:
        data = b"".join(buffers) if len(buffers) > 1 and len(buffers[1]) <= JOINED else None
        size = sum(map(len, buffers))
        self._queued += size
        self.size += size
        if data is not None:
            self._queue += (data,)
        else:
            self._queue += buffers

    def _open(self, stream: Stream) -> Stream:
        line = self._lines.get(stream.line) or deque()
        line += (stream,)
        self._lines[stream.line] = line
        self.size += stream.size
        return stream

    def grant(self, kind: int, ref: int, other: Pid, credit: int) -> None:
        """The receiver of a stream takes `credit` more bytes."""
        with self._lock:
            line = self._lines.get(line_of(kind, ref, other))
            if line is not None and line[0].ref == ref:
                line[0].flow.grant(credit)

    def drop_spawn(self, ref: int) -> None:
        """Forget the rest of a SPAWN that was answered before it was sent."""
        if self._lines:
            self.drop(lambda stream: stream.line == (Kind.SPAWN, ref, None))

    def drop(self, unwanted: Callable[[Stream], bool]) -> None:
        """Forget the streams that nobody will grant anything any more."""
        with self._lock:
            for stream in [stream for line in self._lines.values() for stream in line if unwanted(stream)]:
                self._close(stream)

    def any(self, which: Callable[[Stream], bool]) -> bool:
        """Whether part of a stream of that kind was not handed on yet."""
        return any(which(stream) for line in list(self._lines.values()) for stream in line)

    def unsent(self) -> list[list[Any]]:
        """What goes to other processes and was not handed on yet: kind, incarnation, number, how many, and bytes."""
        rows: dict[tuple[int, Pid], list[Any]] = {}
        for stream in [stream for line in list(self._lines.values()) for stream in line]:
            kind = stream.line[0]
            if kind not in (Kind.SEND, Kind.SPAWN):
                continue
            row = rows.setdefault((kind, stream.dest), [kind, *stream.dest, 0, 0])
            row[3:] = row[3] + 1, row[4] + stream.flow.left
        return list(rows.values())[:UNSENT]

    def is_open(self, stream: Stream) -> bool:
        """Whether part of `stream` was not handed on yet."""
        return stream in self._lines.get(stream.line, ())

    def _close(self, stream: Stream) -> None:
        self.size -= stream.size
        line = self._lines[stream.line]
        line.remove(stream)
        if not line:
            del self._lines[stream.line]

    def advance(self, *, hold: bool = False) -> bool:
        """Queue what streams may send, and write; False if the socket took less than there was.

        With `hold`, what was held back still is. Not to be interrupted by a Ctrl-C: called by whoever reads.
        """
        with self._lock:
            return True if hold and self.held and not self._lines else self._advance()

    def _advance(self) -> bool:
        written = self.flush()
        while written and self._chunks():
            written = self.flush()
        return written

    def _chunks(self) -> bool:
        """Queue chunks of the first stream in each line; False if none had any to send."""
        before = self._queued
        for line in list(self._lines.values()):
            stream = line[0]
            for chunk, more in stream.flow.chunks():
                self._append(encode(stream.frame(chunk, more)))
                if self._queued > AHEAD:
                    break
            if stream.flow.finished:
                self._close(stream)
            if self._queued > AHEAD:
                break
        return self._queued > before

    def flush(self) -> bool:
        """Write as much as the socket takes without blocking; whether that was all.

        Raises `OSError` when the connection is broken.
        """
        with self._lock:
            if self.flushing:
                return True  # a signal handler interrupted us to send something: it goes out after this
            self.flushing, self.held = True, False
            try:
                self._write()
            except (BlockingIOError, InterruptedError):
                return False
            finally:
                self.flushing = False
            return True

    def _write(self) -> None:
        while self._next():
            # One step for the interpreter: nothing comes between writing and noting how much.
            self._written += map(self._send, (self._now,))

    def _next(self) -> bool:
        """Settle what the last write wrote, and have something in `_now` to write."""
        if self._written:
            written = self._written[0]
            rest = memoryview(self._now)[written:]
            self._now, self._written = rest, []
            self._queued -= written
            self.size -= written
        if not self._now:
            queue = self._queue
            if not queue:
                return False
            count, size = 1, len(queue[0])
            while count < len(queue) and (size := size + len(queue[count])) <= JOINED:
                count += 1
            joined = queue[0] if count == 1 else b"".join(queue[:count])
            self._now = joined
            del queue[:count]
        return True
