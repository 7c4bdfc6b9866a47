"""Two connections joined by a fake wire: every test reads as what they say to each other."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.runtime.protocol.connection import Connection, Recovered, Silent, Suspect
from pysh.runtime.protocol.frames import LOCAL, Frame, FrameError, Kind, encode, parse
from pysh.runtime.protocol.handshake import Handshake, HandshakeError, Hello
from pysh.runtime.protocol.heartbeat import Heartbeat
from pysh.runtime.protocol.terms import Pid

NEAR = Hello("node", "n1@db1", b"1" * 16, b"x" * 32)
FAR = Hello("node", "n2@db2", b"2" * 16, b"y" * 32)
A, B = Pid(NEAR.incarnation, 1), Pid(FAR.incarnation, 1)
NEVER = float("inf")


class ConnectionPair:
    """A dialler `near` and an acceptor `far` on a wire that can be slow, or dead."""

    def __init__(self, *, beating: bool = False, secret: bytes = b"cookie") -> None:
        self.now = 0.0
        self.dead = False
        self.events: list[Any] = []  # of `near`
        self.near = self._end(NEAR, b"cookie", beating, dialling=True)
        self.far = self._end(FAR, secret, beating, dialling=False)
        self.near_frames: list[Frame] = []
        self.far_frames: list[Frame] = []

    def _end(self, hello: Hello, secret: bytes, beating: bool, *, dialling: bool) -> Connection:
        handshake = Handshake(hello, secret, dialling=dialling, now=self.now)
        return Connection(handshake, now=self.now, heartbeat=Heartbeat(now=self.now) if beating else None)

    def carry(self, takes: float = 0.0) -> "ConnectionPair":
        """Move bytes, each way taking so many seconds, until both ends are quiet."""
        while self._carry(self.near, self.far, self.far_frames, takes) or self._carry(
            self.far, self.near, self.near_frames, takes
        ):
            pass
        return self

    def _carry(self, speaker: Connection, listener: Connection, frames: list[Frame], takes: float) -> bool:
        data = b"".join(speaker.data_to_send())
        if data and not self.dead:
            self.now += takes
            frames += map(parse, listener.receive_data(data, self.now))
        return bool(data)

    def wait(self, seconds: float) -> "ConnectionPair":
        """Let time pass, ticking each end when it asks for it."""
        until = self.now + seconds
        while (due := min(self.near.next_deadline(), self.far.next_deadline())) <= until:
            self.now = max(self.now, due)
            self.events += self.near.tick(self.now)
            self.far.tick(self.now)
            self.carry()
        self.now = until
        return self


def test_two_connections_open_and_frames_go_both_ways() -> None:
    pair = ConnectionPair().carry()
    assert (pair.near.opened, pair.far.opened) == (True, True)
    assert (pair.near.peer, pair.far.peer) == (FAR, NEAR)
    assert pair.near.version == pair.far.version == 2
    pair.near.send(encode(Frame(Kind.SEND, A, B, 1, payload=b"hello")))
    pair.far.send(encode(Frame(Kind.SEND, B, A, 2, payload=b"and to you")))
    pair.carry()
    assert [bytes(frame.payload) for frame in pair.far_frames] == [b"hello"]
    assert [bytes(frame.payload) for frame in pair.near_frames] == [b"and to you"]


def test_what_is_sent_early_waits_until_the_peer_is_proven() -> None:
    pair = ConnectionPair()
    pair.near.send(encode(Frame(Kind.SEND, A, B, 1, payload=b"secret")))
    pair.far.send(encode(Frame(Kind.WELCOME, LOCAL, LOCAL)))
    stranger = Connection(Handshake(FAR, b"no cookie", dialling=False, now=0.0), now=0.0)
    greeting = b"".join(pair.near.data_to_send())
    stranger.receive_data(greeting, 0.0)
    pair.near.receive_data(b"".join(stranger.data_to_send()), 0.0)
    proof = b"".join(pair.near.data_to_send())
    assert b"secret" not in greeting + proof

    pair = ConnectionPair()
    pair.near.send(encode(Frame(Kind.SEND, A, B, 1, payload=b"secret")))
    pair.far.send(encode(Frame(Kind.WELCOME, LOCAL, LOCAL)))
    pair.carry()
    assert [frame.kind for frame in pair.far_frames] == [Kind.SEND]
    assert [frame.kind for frame in pair.near_frames] == [Kind.WELCOME]


@given(st.lists(st.integers(0, 3000), max_size=10))
@settings(max_examples=50)
def test_wherever_the_stream_is_cut_the_same_frames_come_out(places: list[int]) -> None:
    # The acceptor's proof, its welcome and more arrive as one stream, cut anywhere.
    pair = ConnectionPair()
    pair.far.receive_data(b"".join(pair.near.data_to_send()), 0.0)
    pair.near.receive_data(b"".join(pair.far.data_to_send()), 0.0)
    pair.far.receive_data(b"".join(pair.near.data_to_send()), 0.0)
    for ref in range(5):
        pair.far.send(encode(Frame(Kind.SEND, B, A, ref, payload=bytes(100 * ref))))
    stream = b"".join(pair.far.data_to_send())
    ends = [*sorted(place for place in places if place < len(stream)), len(stream)]
    refs = []
    for start, end in zip([0, *ends], ends, strict=False):
        refs += [parse(raw).ref for raw in pair.near.receive_data(stream[start:end], 0.0)]
    assert refs == list(range(5))


def test_other_cookies_close_both_ends_with_the_reason() -> None:
    pair = ConnectionPair(secret=b"another").carry()
    for end, ours in ((pair.near, False), (pair.far, True)):
        assert (end.opened, end.closed, end.peer) == (False, True, None)
        assert isinstance(end.error, HandshakeError)
        assert (end.error.code, end.error.ours) == ("bad_cookie", ours)
        assert end.next_deadline() == NEVER


def test_a_stranger_is_given_up_at_the_deadline_of_the_handshake() -> None:
    pair = ConnectionPair()
    pair.dead = True
    pair.carry()
    assert pair.near.next_deadline() == 10.0
    pair.wait(10)
    assert pair.near.closed
    assert isinstance(pair.near.error, HandshakeError)
    assert pair.near.error.code == "timeout"


def test_bytes_that_are_no_frame_close_after_the_frames_before_them() -> None:
    pair = ConnectionPair().carry()
    good = b"".join(encode(Frame(Kind.SEND, B, A, 7)))
    assert [parse(raw).ref for raw in pair.near.receive_data(good + b"\xff" * 96, 0.0)] == [7]
    assert isinstance(pair.near.error, FrameError)
    assert pair.near.closed
    assert pair.near.receive_data(good, 0.0) == []


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_random_bytes_after_the_handshake_raise_nothing(pieces: list[bytes]) -> None:
    pair = ConnectionPair().carry()
    for piece in pieces:
        pair.near.receive_data(piece, 0.0)
    assert pair.near.closed == (pair.near.error is not None)


def test_a_ping_is_answered_and_measures_the_way_there_and_back() -> None:
    pair = ConnectionPair().carry()
    assert pair.near.rtt is None
    pair.near.ping(pair.now)
    pair.carry(takes=0.015)
    assert pair.near.rtt == pytest.approx(0.030)
    assert (pair.near_frames, pair.far_frames) == ([], [])


def test_a_flood_of_pings_leaves_one_answer() -> None:
    pair = ConnectionPair().carry()
    pings = b"".join(b"".join(encode(Frame(Kind.PING, LOCAL, LOCAL, ref))) for ref in range(1000))
    assert pair.near.receive_data(pings, 0.0) == []
    (answer,) = pair.near.data_to_send()
    assert answer == b"".join(encode(Frame(Kind.PONG, LOCAL, LOCAL, 999, cls=0)))


def test_an_answer_to_a_ping_of_the_future_is_ignored() -> None:
    pair = ConnectionPair().carry()
    pair.near.receive_data(b"".join(encode(Frame(Kind.PONG, LOCAL, LOCAL, 2**63))), 1.0)
    assert pair.near.rtt is None


@pytest.mark.parametrize("kind", [Kind.ACK, Kind.BYE, Kind.WELCOME, Kind.NODES, 15, 255])
def test_every_other_frame_between_neighbours_is_handed_on(kind: int) -> None:
    pair = ConnectionPair().carry()
    pair.near.send(encode(Frame(kind, LOCAL, LOCAL, ack=3)))
    pair.carry()
    assert [(frame.kind, frame.ack) for frame in pair.far_frames] == [(kind, 3)]


def test_an_idle_hour_is_quiet_and_keeps_the_rtt_known() -> None:
    pair = ConnectionPair(beating=True).carry()
    pair.wait(3600)
    assert pair.events == []
    assert pair.near.rtt is not None
    assert (pair.near.closed, pair.far.closed) == (False, False)
    assert pair.near.statistics().frames_received <= 2 * 3600 / 2  # a PING and a PONG every two seconds


def test_a_dead_wire_is_suspected_then_given_up() -> None:
    pair = ConnectionPair(beating=True).carry()
    pair.dead = True
    pair.wait(30)
    assert pair.events == [Suspect(5.0)]
    pair.wait(30)
    assert pair.events == [Suspect(5.0), Silent(60.0)]
    assert pair.near.closed
    assert pair.near.error is None
    assert pair.near.next_deadline() == NEVER


def test_a_wire_that_comes_back_is_no_loss() -> None:
    pair = ConnectionPair(beating=True).carry()
    pair.near.send(encode(Frame(Kind.SEND, A, B, 1)))
    pair.carry()
    pair.dead = True
    pair.wait(20)
    pair.dead = False
    pair.wait(20)
    assert pair.events == [Suspect(5.0), Recovered()]
    assert not pair.near.closed


def test_a_heartbeat_may_be_added_once_the_peer_is_known() -> None:
    pair = ConnectionPair().carry()
    assert pair.near.next_deadline() == NEVER
    pair.near.heartbeat = Heartbeat(now=pair.now)
    assert pair.near.next_deadline() == 2.0


def test_a_stream_is_torn_while_a_frame_has_begun_and_after_what_makes_no_sense() -> None:
    pair = ConnectionPair().carry()
    frame = b"".join(bytes(part) for part in encode(Frame(Kind.SEND, A, B, payload=b"whole")))
    assert not pair.near.torn
    pair.near.receive_data(frame[:-1], pair.now)
    assert pair.near.torn
    assert len(pair.near.receive_data(frame[-1:], pair.now)) == 1
    assert not pair.near.torn
    pair.near.receive_data(b"\xff" * len(frame), pair.now)
    assert pair.near.torn


def test_the_end_of_the_stream_is_an_error_only_before_the_peer_is_proven() -> None:
    early = ConnectionPair()
    early.near.receive_eof()
    assert early.near.closed
    assert isinstance(early.near.error, HandshakeError)
    assert early.near.error.code == "closed"
    late = ConnectionPair().carry()
    late.near.send(encode(Frame(Kind.SEND, A, B)))
    late.near.receive_eof()
    assert (late.near.closed, late.near.error) == (True, None)
    late.near.send(encode(Frame(Kind.SEND, A, B)))
    assert late.near.data_to_send() == []
    assert late.near.tick(99.0) == []


def test_a_connection_can_be_looked_at() -> None:
    pair = ConnectionPair()
    assert repr(pair.near) == "<Connection with nobody yet: greeting>"
    pair.carry()
    assert repr(pair.near) == "<Connection with n2@db2: open>"
    pair.near.send(encode(Frame(Kind.SEND, A, B)))
    assert pair.near.statistics().buffers_waiting == 1
    pair.carry()
    assert pair.far.statistics().frames_received == 1
    assert pair.far.statistics().bytes_received == 96
