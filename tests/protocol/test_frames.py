"""Frames: what goes in comes out, whatever the stream does, and what is no frame is refused."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.runtime.protocol import frames
from pysh.runtime.protocol.frames import (
    CHUNK,
    HEADER,
    LOCAL,
    MAX_BODY,
    MAX_META,
    ROOM,
    Decoder,
    Flag,
    Frame,
    FrameError,
    Kind,
    Raw,
    dest_of,
    encode,
    kind_of,
    lane_of,
    pack,
    pages,
    parse,
    restamp,
    unpack,
)
from pysh.runtime.protocol.terms import HUB, Pid

U8, U32, U64 = st.integers(0, 2**8 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
PIDS = st.builds(Pid, st.binary(min_size=16, max_size=16), U64)
META, PAYLOAD = st.binary(max_size=50), st.binary(max_size=300)
FRAMES = st.builds(Frame, U8, PIDS, PIDS, U64, U8, META, PAYLOAD, U32, U8, U8, U64, U64, U64)
A, B = Pid(b"a" * 16, 1), Pid(b"b" * 16, 2)


def wire(*sent: Frame) -> bytes:
    return b"".join(buffer for frame in sent for buffer in encode(frame))


def decoded(*pieces: bytes) -> list[Frame]:
    decoder = Decoder()
    return [parse(raw) for piece in pieces for raw in decoder.feed(piece)]


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """`data` in pieces, cut at `places` (modulo its length)."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end]


def first(frame: Frame) -> Raw:
    return next(Decoder().feed(wire(frame)))


@given(FRAMES)
def test_a_frame_comes_out_as_it_went_in(frame: Frame) -> None:
    assert decoded(wire(frame)) == [frame]


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 4000), max_size=12))
def test_wherever_the_stream_is_cut_the_same_frames_come_out(sent: list[Frame], places: list[int]) -> None:
    assert decoded(*cut(wire(*sent), places)) == sent


def test_a_stream_of_single_bytes_decodes_the_same() -> None:
    sent = [Frame(Kind.SEND, A, B, n, payload=bytes(n)) for n in range(3)]
    assert decoded(*(bytes((byte,)) for byte in wire(*sent))) == sent


def test_the_largest_frame_passes_and_one_byte_more_does_not() -> None:
    assert len(decoded(wire(Frame(Kind.SEND, A, B, payload=bytes(MAX_BODY))))) == 1
    assert CHUNK + MAX_META <= MAX_BODY
    with pytest.raises(FrameError, match="limits"):
        decoded(header_of(MAX_BODY + 1, 0))


def test_a_meta_past_its_limit_is_refused_by_the_header_alone() -> None:
    with pytest.raises(FrameError, match="limits"):
        decoded(header_of(MAX_META + 1, MAX_META + 1))


def header_of(length: int, meta: int) -> bytes:
    """The header of a frame with a body of `length` bytes."""
    return HEADER.pack(length, Kind.SEND, 0, 0, 0, 0, 0, 0, 0, meta, *A, *B, 0)


@pytest.mark.parametrize("part", [{"meta": bytes(MAX_META + 1)}, {"payload": bytes(MAX_BODY + 1)}])
def test_what_a_receiver_would_refuse_is_not_sent(part: dict[str, bytes]) -> None:
    with pytest.raises(FrameError, match="limits"):
        encode(Frame(Kind.SEND, A, B, **part))  # type: ignore[arg-type]  # bytes alone


@given(st.lists(st.binary(max_size=ROOM + 5), max_size=12))
def test_the_pages_of_a_list_each_have_room_in_a_meta_and_hold_it_all(rows: list[bytes]) -> None:
    made = list(pages(rows))
    assert [row for page in made for row in page] == rows
    assert all(len(pack(page)) < MAX_META for page in made)
    assert all(made) or made == [[]]


def test_a_meta_that_overruns_its_body_is_refused_when_it_is_read() -> None:
    raw = first(Frame(Kind.SEND, A, B, payload=b"12345"))
    header = bytearray(raw.header)
    header[39] = 6
    with pytest.raises(FrameError, match="meta of 6 bytes in a body of 5"):
        parse(Raw(header, raw.body))


def test_the_frames_before_a_bad_one_still_come_out() -> None:
    good = wire(Frame(Kind.SEND, A, B, 7))
    stream = Decoder().feed(good + b"\xff" * HEADER.size)
    assert parse(next(stream)).ref == 7
    with pytest.raises(FrameError):
        next(stream)


def test_a_length_field_allocates_nothing() -> None:
    decoder = Decoder()
    tracemalloc.start()
    try:
        for length in (MAX_BODY, 2**31, 2**32 - 1):
            header = length.to_bytes(4) + bytes(HEADER.size - 4)
            try:
                list(decoder.feed(header))
            except FrameError:
                decoder = Decoder()
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


@given(st.lists(st.binary(max_size=400), max_size=6))
def test_random_bytes_give_frames_or_a_frame_error(pieces: list[bytes]) -> None:
    try:
        for frame in decoded(*pieces):
            frame.options()
            str(frame)
    except FrameError:
        pass


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
KEYS = st.text() | st.integers(0, 9)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_plain_values_survive_the_meta(value: object) -> None:
    assert unpack(pack(value)) == value
    assert Frame(Kind.REQUEST, A, B, meta=pack(value)).options() == value


@given(st.binary(max_size=100))
def test_unpacking_random_bytes_raises_nothing_but_a_frame_error(data: bytes) -> None:
    try:
        unpack(data)
    except FrameError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc1",
        b"\x91" * 60_000,
        b"\x81\x90\x00",
        b"\x00\x00",
    ],
)
def test_a_meta_that_lies_about_itself_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match="malformed meta"):
        unpack(data)


def test_a_frame_without_meta_has_no_options() -> None:
    assert Frame(Kind.SEND, A, B).options() == {}


def test_a_forwarded_frame_changes_its_stamps_and_nothing_else() -> None:
    frame = Frame(Kind.RESULT, A, B, 12, Flag.ERROR, b"\x80", b"value", credit=3, cls=2, hops=4)
    stamped = parse(restamp(first(frame), seq=7, ack=5, conn_seq=9))
    assert stamped == frame._replace(hops=3, seq=7, ack=5, conn_seq=9)


def test_a_frame_without_a_hop_left_is_not_forwarded() -> None:
    with pytest.raises(FrameError, match="circle"):
        restamp(first(Frame(Kind.SEND, A, B, hops=0)), seq=1, ack=0)


@given(FRAMES)
@settings(max_examples=30)
def test_a_frame_is_routed_by_its_header_alone(frame: Frame) -> None:
    raw = first(frame)
    assert (kind_of(raw), dest_of(raw)) == (frame.kind, frame.dest.incarnation)


def test_a_lane_is_what_one_process_sends_another_or_asks_a_hub_about() -> None:
    hub = Pid(B.incarnation, HUB)
    to_process = {lane_of(first(Frame(kind, A, B, ref))) for kind in (Kind.SEND, Kind.RESULT) for ref in (1, 2)}
    to_hub = {lane_of(first(Frame(kind, A, hub, ref))) for kind in (Kind.SPAWN, Kind.CANCEL) for ref in (1, 2)}
    to_name = {lane_of(first(Frame(Kind.SEND, A, hub, ref))) for ref in (1, 2)}
    back = lane_of(first(Frame(Kind.SEND, B, A, 1)))
    assert (len(to_process), len(to_hub), len(to_name)) == (1, 2, 1)
    assert len({back, *to_process, *to_hub, *to_name}) == 5


def test_a_frame_reads_well_in_a_log() -> None:
    frame = Frame(Kind.RESULT, A, B, 12, Flag.MORE, payload=bytes(512))
    assert str(frame) == "RESULT 6161.1 > 6262.2 #12 512 B MORE"
    assert str(Frame(99, LOCAL, LOCAL)) == "99 0000.0 > 0000.0 #0 0 B"


def test_every_kind_has_one_number() -> None:
    assert len(frames.KIND_NAMES) == sum(name.isupper() for name in vars(Kind))
