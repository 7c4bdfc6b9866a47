"""The one frame grammar, for nodes, runners and terminals alike.

A frame is a fixed header of 96 bytes and a body; the body is `meta` bytes of msgpack (a small map,
often absent) followed by an opaque payload, which only runners unpickle. A payload longer than
`CHUNK` travels as several frames of the same kind, source, destination and ref, all but the last
with the flag `MORE`.

What a hub only forwards stays a `Raw` frame: it is routed by looking into the header's bytes, and
re-stamped there; no object is made of it.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pysh.runtime.protocol.terms import HUB, NOWHERE, Buffer, Pid
from pysh.runtime.vendor import msgpack  # type: ignore[attr-defined]  # found at run time

# length of the body, kind, flags, class, hop limit | connection seq, session seq, session ack,
# credit, length of the meta | source | destination | ref
HEADER = struct.Struct(">IBBBBQQQII16sQ16sQQ")
CHUNK = 256 * 1024
MAX_BODY = CHUNK + 64 * 1024
MAX_META = 64 * 1024
ROOM = 48 * 1024
"""How many bytes of a meta the rows of a list may take."""
VIEWED = 4096
"""Bytes from which a body is a view into what was read. A smaller one is cheaper to copy, and keeps less alive."""
HOPS = 16


class Kind:
    """What a frame is. Below 16: between two neighbours, in no session, never forwarded."""

    PING, PONG, ACK, BYE, WELCOME, NODES, RESUME, ABOUT, LOADS, SENT = range(1, 11)
    SPAWN, STAGE, RESULT, FETCHED, CANCEL, SEND, OUTPUT, CREDIT, REQUEST, REPLY = range(16, 26)
    CENSUS, ALIVE, BLOCKED, UNBLOCKED, RETURNED, PUBLISH = range(30, 36)
    LINK, UNLINK, UNLINKED, EXIT, MONITOR, MONITORED, DEMONITOR, DOWN, LOST, FULL, CALL, ANSWER = range(36, 48)
    CELL, DONE, INPUT, RESIZE, INTERRUPT, SCREEN, NOTICE = range(48, 55)


LINK_KINDS = 16
KIND_NAMES = {value: name for name, value in vars(Kind).items() if name.isupper()}


class Flag:
    """One bit each."""

    MORE = 1  # another chunk of the same payload follows
    ERROR = 2  # a RESULT whose payload is a pickled exception
    FAILED = 4  # a RESULT that the infrastructure made: its meta says what happened


class Class:
    """Who goes first when a connection is busy."""

    CONTROL, NORMAL, BULK = range(3)


class FrameError(ValueError):
    """The peer sent bytes that are no frame; the connection cannot be trusted any further."""


class Raw(NamedTuple):
    """A frame as it came: a header of `HEADER.size` bytes, and its body unread."""

    header: Buffer
    body: Buffer


class Frame(NamedTuple):
    """A frame whose header was read. `meta` is unpacked on demand by `options()`."""

    kind: int
    source: Pid
    dest: Pid
    ref: int = 0
    flags: int = 0
    meta: bytes = b""
    payload: Buffer = b""
    credit: int = 0
    cls: int = Class.NORMAL
    hops: int = HOPS
    conn_seq: int = 0
    seq: int = 0
    ack: int = 0

    def options(self) -> Any:
        """The meta as plain values, `{}` where there is none. Raises `FrameError`."""
        return unpack(self.meta) if self.meta else {}

    def __str__(self) -> str:
        """One line for a log: `RESULT 3f2a.7 > 91bc.2 #12 512 B MORE`."""
        flags = [name for name, bit in vars(Flag).items() if name.isupper() and self.flags & bit]
        ends = " > ".join(f"{end.incarnation[:2].hex()}.{end.number}" for end in (self.source, self.dest))
        name = KIND_NAMES.get(self.kind, str(self.kind))
        return " ".join([name, ends, f"#{self.ref}", f"{len(memoryview(self.payload))} B", *flags])


LOCAL = Pid(NOWHERE, HUB)
"""Source or destination of a frame that stays between two neighbours."""


def cut(text: str) -> str:
    """As much of `text` as one answer has room for."""
    return text.encode()[:ROOM].decode("utf-8", "ignore")


def pack(value: Any) -> bytes:
    """`value` (None, bool, int, float, str, bytes, list, dict) as msgpack."""
    return msgpack.packb(value)  # type: ignore[no-any-return]  # no types


def unpack(data: Buffer) -> Any:
    """The inverse of `pack`, with its sizes bounded by the data's. Raises `FrameError`."""
    try:
        return msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise FrameError(f"malformed meta: {error}") from error


def pages(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """`rows` in lists that a meta has room for; one that is empty where there are none."""
    page: list[Any] = []
    room = ROOM
    for row in rows:
        size = len(pack(row))
        if page and size > room:
            yield page
            page, room = [], ROOM
        page.append(row)
        room -= size
    yield page


def encode(frame: Frame) -> list[Buffer]:
    """The buffers that put `frame` on the wire: its header with the meta, and its payload.

    Raises `FrameError` for one that its receiver would refuse, and the connection with it.
    """
    kind, source, dest, ref, flags, meta, payload, credit, cls, hops, conn_seq, seq, ack = frame
    size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
    meta_size = len(meta)
    if meta_size > MAX_META or size + meta_size > MAX_BODY:
        raise FrameError(f"a {frame} with a meta of {meta_size} bytes: {_LIMITS}")
    header = HEADER.pack(
        size + meta_size, kind, flags, cls, hops, conn_seq, seq, ack, credit, meta_size, *source, *dest, ref
    )  # fmt: skip
    head = header + meta if meta else header
    return [head, payload] if size else [head]


def parse(raw: Raw) -> Frame:
    """The frame that `raw` holds. Raises `FrameError` if its meta overruns its body."""
    (length, kind, flags, cls, hops, conn_seq, seq, ack, credit, meta,
     source, source_number, dest, dest_number, ref) = HEADER.unpack_from(raw.header)  # fmt: skip
    if meta > length:
        raise FrameError(f"meta of {meta} bytes in a body of {length}")
    body = raw.body
    return _new(Frame, (
        kind, _new(Pid, (source, source_number)), _new(Pid, (dest, dest_number)), ref, flags,
        bytes(body[:meta]) if meta else b"", body[meta:] if meta else body, credit, cls, hops, conn_seq, seq, ack,
    ))  # fmt: skip


_LIMITS = f"the limits are {MAX_BODY} and {MAX_META}"
_new = tuple.__new__  # a named tuple's own is written in Python, and takes three times as long
_SIZES = struct.Struct(">I32xI")
_ROUTE = struct.Struct(">16xQQ32x16sQQ")
_DEST_OFFSET = 64
_DEST_END = _DEST_OFFSET + 16
_ENDS_OFFSET, _ENDS_END = 40, 88
_STAMP = struct.Struct(">BQQQ")
_STAMP_OFFSET = 7


def kind_of(raw: Raw) -> int:
    """The kind, straight from the header."""
    return raw.header[4]


def flags_of(raw: Raw) -> int:
    """The flags, straight from the header."""
    return raw.header[5]


def dest_of(raw: Raw) -> bytes:
    """The destination's incarnation, straight from the header."""
    return bytes(raw.header[_DEST_OFFSET:_DEST_END])


def lane_of(raw: Raw) -> tuple[bytes, int]:
    """What frames must arrive in the order sent, straight from the header.

    Those are all from one process to another. At a hub, which everybody asks, it is those about the same, and
    the messages for whoever has a name there.
    """
    ends = bytes(raw.header[_ENDS_OFFSET:_ENDS_END])
    one = any(ends[-8:]) or kind_of(raw) == Kind.SEND
    return ends, 0 if one else int.from_bytes(raw.header[_ENDS_END:])


class Route(NamedTuple):
    """What a hub needs of a frame to pass it on."""

    seq: int
    ack: int
    dest: bytes
    number: int
    ref: int


def route_of(raw: Raw) -> Route:
    """Where a frame goes, straight from the header."""
    return _new(Route, _ROUTE.unpack_from(raw.header))


def restamp(raw: Raw, *, seq: int, ack: int, conn_seq: int = 0) -> Raw:
    """The same frame with other sequence numbers and one hop less, its body untouched.

    Raises `FrameError` when the frame has no hop left.
    """
    header = bytearray(raw.header)
    hops = header[_STAMP_OFFSET]
    if not hops:
        raise FrameError("a frame ran out of hops: the nodes forward in a circle")
    _STAMP.pack_into(header, _STAMP_OFFSET, hops - 1, conn_seq, seq, ack)
    return Raw(header, raw.body)


class Decoder:
    """Cuts a byte stream into raw frames, wherever the stream was cut.

    A body of more than `MAX_BODY` bytes, or a meta of more than `MAX_META`, raises `FrameError`
    before any of it is kept, so that a stranger's length field allocates nothing.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._need = HEADER.size

    @property
    def within(self) -> bool:
        """Whether a frame has begun whose end has not come."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Raw]:
        """The frames that `data` completes. Bytes of an unfinished frame are kept."""
        if self._rest:
            self._rest.append(data)
            self._size += len(data)
            if self._size < self._need:
                return
            data = b"".join(self._rest)
            self._rest = []
        start, end = 0, len(data)
        while end - start >= HEADER.size:
            length, meta = _SIZES.unpack_from(data, start)
            if length > MAX_BODY or meta > MAX_META:
                raise FrameError(f"a frame of {length} bytes with a meta of {meta}: {_LIMITS}")
            after = start + HEADER.size + length
            if after > end:
                self._need = after - start
                break
            body = start + HEADER.size
            yield _new(Raw, (data[start:body], data[body:after] if length < VIEWED else memoryview(data)[body:after]))
            start = after
        else:
            self._need = HEADER.size
        if start < end:
            self._rest = [data[start:] if start else data]
            self._size = end - start
