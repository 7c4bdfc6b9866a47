"""The handshake as a dialogue: who ends up trusting whom, and what everybody else is told."""

import hashlib
import hmac
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.handshake import MAX_BODY, PREFACE, SECONDS, Handshake, HandshakeError, Hello

COOKIE = b"a cookie"
NEAR = Hello("node", "n1@db1", b"1" * 16, b"x" * 32, python="3.11.7", pid=11)
FAR = Hello("node", "n2@db2", b"2" * 16, b"y" * 32, python="3.12.1", pid=22)
Tamper = Callable[[bytes, int, bool], bytes]


def dialler(hello: Hello = NEAR, secret: bytes = COOKIE, **options: Any) -> Handshake:
    return Handshake(hello, secret, dialling=True, now=0.0, **options)


def acceptor(hello: Hello = FAR, secret: bytes = COOKIE, **options: Any) -> Handshake:
    return Handshake(hello, secret, dialling=False, now=0.0, **options)


class Talk:
    """Carries bytes between two handshakes until both are quiet, and keeps what each said."""

    def __init__(self, near: Handshake, far: Handshake, tamper: Tamper | None = None) -> None:
        self.near, self.far = near, far
        self.said = {True: b"", False: b""}
        while self._carry(near, far, True, tamper) or self._carry(far, near, False, tamper):
            pass

    def _carry(self, speaker: Handshake, listener: Handshake, dialling: bool, tamper: Tamper | None) -> bool:
        data = speaker.data_to_send()
        offset = len(self.said[dialling])
        self.said[dialling] += data
        listener.receive_data(tamper(data, offset, dialling) if tamper else data, 1.0)
        return bool(data)

    @property
    def codes(self) -> tuple[str | None, str | None]:
        """The error of the dialler and that of the acceptor."""
        near, far = (end.error and end.error.code for end in (self.near, self.far))
        return near or None, far or None


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(2) + body


def greeting(hello: Hello = NEAR, **changed: Any) -> bytes:
    return PREFACE + message(1, pack({**hello._asdict(), **changed}))


HONEST = Talk(dialler(), acceptor())

# success


def test_two_ends_with_one_cookie_know_each_other() -> None:
    talk = Talk(dialler(), acceptor())
    assert (talk.near.done, talk.far.done) == (True, True)
    assert (talk.near.peer, talk.far.peer) == (FAR, NEAR)
    assert talk.near.version == talk.far.version == 2


def test_the_dialler_speaks_and_proves_first() -> None:
    near, far = dialler(), acceptor()
    assert far.data_to_send() == b""
    far.receive_data(near.data_to_send(), 0.0)
    near.receive_data(far.data_to_send(), 0.0)
    assert (near.done, far.done) == (False, False)
    far.receive_data(near.data_to_send(), 0.0)
    assert (near.done, far.done) == (False, True)
    near.receive_data(far.data_to_send(), 0.0)
    assert (near.done, far.done) == (True, True)


@pytest.mark.parametrize("role", ["evaluator", "worker", "program", "terminal"])
def test_runners_and_terminals_greet_their_own_node(role: str) -> None:
    talk = Talk(dialler(Hello(role, "n2", FAR.incarnation, b"z" * 32)), acceptor())
    assert talk.codes == (None, None)
    assert talk.far.peer is not None
    assert talk.far.peer.role == role


def test_a_proof_is_made_as_the_protocol_says() -> None:
    # A known answer: it pins the wire, and that each direction has a key of its own.
    hello, claim = HONEST.said[True][8:-37], HONEST.said[False][8:-37]
    before = PREFACE + PREFACE + hello + claim
    for label, dialling, transcript in (
        (b"pysh proof of the dialler", True, before),
        (b"pysh proof of the acceptor", False, before + HONEST.said[True][-37:]),
    ):
        key = hmac.digest(COOKIE, label, "sha256")
        tag = hmac.digest(key, hashlib.sha256(transcript).digest(), "sha256")
        assert HONEST.said[dialling][-37:] == message(2, pack(tag))


def test_what_follows_the_handshake_belongs_to_the_frames() -> None:
    near, far = dialler(), acceptor()
    far.receive_data(near.data_to_send(), 0.0)
    near.receive_data(far.data_to_send(), 0.0)
    far.receive_data(near.data_to_send() + b"early", 0.0)
    far.receive_data(b" and late", 0.0)
    near.receive_data(far.data_to_send() + b"welcome", 0.0)
    assert (far.rest, near.rest) == (b"early and late", b"welcome")


@given(st.lists(st.integers(0, 500), max_size=10))
@settings(max_examples=50)
def test_wherever_the_streams_are_cut_the_outcome_is_the_same(places: list[int]) -> None:
    near, far = dialler(), acceptor()
    ends = {place % 150 for place in places}

    def feed(listener: Handshake, data: bytes) -> None:
        start = 0
        for end in [*sorted(end for end in ends if end < len(data)), len(data)]:
            listener.receive_data(data[start:end], 1.0)
            start = end

    for _ in range(2):
        feed(far, near.data_to_send())
        feed(near, far.data_to_send())
    assert (near.peer, far.peer) == (FAR, NEAR)
    assert (near.rest, far.rest) == (b"", b"")


def test_single_bytes_are_enough() -> None:
    near, far = dialler(), acceptor()
    for _ in range(2):
        for speaker, listener in ((near, far), (far, near)):
            for byte in speaker.data_to_send():
                listener.receive_data(bytes((byte,)), 9.9)
    assert (near.done, far.done) == (True, True)


# versions and suites


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [
        ((1, 2), (1, 2), 2),
        ((1, 2), (2, 3), 2),
        ((2, 3), (1, 2), 2),
        ((1, 1), (1, 2), 1),
        ((1, 2), (3, 4), 0),
        ((3, 4), (1, 2), 0),
    ],
)
def test_both_ends_record_the_highest_common_version(
    ours: tuple[int, int], theirs: tuple[int, int], version: int
) -> None:
    talk = Talk(dialler(NEAR._replace(versions=ours)), acceptor(FAR._replace(versions=theirs)))
    assert (talk.near.version, talk.far.version) == (version, version)
    assert (talk.near.done, talk.far.done) == (bool(version), bool(version))


def test_without_a_common_version_both_sides_show_both_ranges() -> None:
    talk = Talk(dialler(NEAR._replace(versions=(1, 2))), acceptor(FAR._replace(versions=(3, 4))))
    assert talk.codes == ("version", "version")
    assert talk.near.error is not None and talk.far.error is not None
    assert (talk.near.error.ours, talk.far.error.ours) == (False, True)
    for error in (talk.near.error, talk.far.error):
        assert "n2@db2 speaks wire versions 3-4, n1@db1 speaks 1-2" in str(error)


def test_an_acceptor_refuses_a_suite_that_its_channel_does_not_ask_for() -> None:
    far = acceptor()
    far.receive_data(greeting(suite=2), 0.0)
    assert far.error is not None
    assert far.error.code == "suite"


# refusals


def test_other_cookies_are_told_apart_and_what_to_do_is_said() -> None:
    talk = Talk(dialler(), acceptor(secret=b"another"))
    assert talk.codes == ("bad_cookie", "bad_cookie")
    assert (talk.near.peer, talk.far.peer) == (None, None)
    for error in (talk.near.error, talk.far.error):
        assert "the cookies of n2@db2 and n1@db1 differ" in str(error)
        assert "--cookie" in str(error)
    assert talk.near.error is not None and not talk.near.error.ours


@pytest.mark.parametrize(
    ("near", "far", "trusted"), [(b"key", b"key", True), (b"key", b"", False), (b"a", b"b", False)]
)
def test_both_ends_must_be_bound_to_the_same_channel(near: bytes, far: bytes, trusted: bool) -> None:
    talk = Talk(dialler(binding=near), acceptor(binding=far))
    assert (talk.near.done, talk.far.done) == (trusted, trusted)


def test_a_check_refuses_a_proven_peer_with_its_own_code() -> None:
    talk = Talk(dialler(), acceptor(check=lambda peer: f"name_taken: {peer.name} is here already"))
    assert talk.codes == ("name_taken", "name_taken")
    assert str(talk.near.error) == "the peer refused: n1@db1 is here already"
    assert (talk.near.done, talk.far.done) == (False, False)


def test_nobody_is_checked_who_proved_nothing() -> None:
    asked: list[Hello] = []
    Talk(dialler(secret=b"another"), acceptor(check=lambda peer: asked.append(peer)))
    assert asked == []
    Talk(dialler(), acceptor(check=lambda peer: asked.append(peer)))
    assert asked == [NEAR]


def test_a_node_that_dials_itself_is_told_so() -> None:
    talk = Talk(dialler(), acceptor(NEAR._replace(nonce=b"z" * 32)))
    assert talk.codes == ("self_connect", "self_connect")


def test_an_echo_is_no_pysh() -> None:
    near = dialler()
    near.receive_data(near.data_to_send(), 0.0)
    assert near.error is not None
    assert near.error.code == "not_pysh"
    assert near.data_to_send() == b""


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (b"\x16\x03\x01\x1b[2J", "????[2J"),
        (b"PYSH\x00\x02\r\n", "PYSH"),
    ],
)
def test_a_stranger_is_shown_by_its_first_bytes_and_told_nothing(data: bytes, shown: str) -> None:
    for end in (acceptor(), dialler()):
        end.data_to_send()
        end.receive_data(data, 0.0)
        assert end.error is not None
        assert end.error.code == "not_pysh"
        assert shown in str(end.error)
        assert str(end.error).isprintable()
        assert end.data_to_send() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (message(1, bytes(MAX_BODY + 1))[:3], "too_big"),
        (message(1, b"\xc1"), "malformed"),
        (message(1, pack([1, 2])), "malformed"),
        (message(1, b""), "malformed"),
        (message(2, bytes(34)), "malformed"),
        (message(9, b""), "malformed"),
        (b"\x00", None),
        (message(3, pack({"code": "busy", "text": "later"})), "busy"),
        (message(3, b"nonsense"), "malformed"),
        (greeting()[8:] * 2, "malformed"),
        (greeting()[8:] + message(2, bytes(34)), "bad_cookie"),
        (greeting()[8:] + message(2, bytes(33)), "malformed"),
        (greeting()[8:] + message(3, pack({"code": "internal", "text": ""})), "internal"),
    ],
)
def test_what_an_acceptor_reads_decides_its_answer(data: bytes, code: str | None) -> None:
    far = acceptor()
    far.receive_data(PREFACE + data, 0.0)
    assert (far.error and far.error.code) == code
    assert not far.done
    told = message(3, pack({"code": code, "text": far.error.text})) if far.error and far.error.ours else b""
    assert far.data_to_send().endswith(told)


def test_a_refusal_is_understood_by_a_dialler_that_said_hello() -> None:
    near, far = dialler(), acceptor()
    near.data_to_send()
    far.receive_data(PREFACE + message(1, b"\xc1"), 0.0)
    near.receive_data(far.data_to_send(), 0.0)
    assert near.error is not None
    assert (near.error.code, near.error.ours) == ("malformed", False)
    assert near.data_to_send() == b""


def test_a_dialler_that_proved_itself_says_no_more_to_one_that_cannot() -> None:
    near = dialler()
    near.data_to_send()
    near.receive_data(greeting(FAR), 0.0)
    assert near.data_to_send() != b""
    near.receive_data(message(2, pack(bytes(32))), 0.0)
    assert near.error is not None
    assert (near.error.code, near.error.ours) == ("bad_cookie", True)
    assert near.data_to_send() == b""


# time and ends


def test_trickled_bytes_do_not_move_the_deadline() -> None:
    far = acceptor()
    for second, byte in enumerate(greeting()[:10]):
        assert far.error is None
        far.receive_data(bytes((byte,)), float(second))
    far.receive_data(greeting()[10:], SECONDS)
    assert far.error is not None
    assert far.error.code == "timeout"
    assert b"timeout" in far.data_to_send()


def test_silence_ends_at_the_deadline_and_trust_does_not() -> None:
    near = dialler()
    near.tick(near.deadline - 0.001)
    assert near.error is None
    near.tick(near.deadline)
    assert near.error is not None
    assert str(near.error) == "the peer sent no preface within 10 s"
    talk = Talk(dialler(), acceptor())
    for end in (talk.near, talk.far):
        end.tick(1000.0)
        end.receive_data(b"frame", 1000.0)
        assert (end.error, end.rest) == (None, b"frame")


def test_an_early_end_of_the_stream_is_an_error_and_a_late_one_is_none() -> None:
    far = acceptor()
    far.receive_data(greeting(), 0.0)
    far.receive_eof()
    assert far.error is not None
    assert (far.error.code, str(far.error)) == ("closed", "the stream ended where a proof was expected")
    talk = Talk(dialler(), acceptor())
    talk.near.receive_eof()
    assert talk.near.error is None


def test_the_first_error_stays() -> None:
    far = acceptor()
    far.receive_data(b"GET /", 0.0)
    first = far.error
    far.receive_data(greeting(), 1.0)
    far.receive_eof()
    far.tick(99.0)
    assert far.error is first


# attacks


def flipped(at: int, by: int, dialling: bool) -> Tamper:
    def tamper(data: bytes, offset: int, from_dialler: bool) -> bytes:
        if from_dialler != dialling or not offset <= at < offset + len(data):
            return data
        changed = bytearray(data)
        changed[at - offset] ^= by
        return bytes(changed)

    return tamper


LAST = len(HONEST.said[False]) - 37  # where the acceptor's PROOF starts: it trusts before it sends it


@pytest.mark.parametrize("by", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("dialling", [True, False])
def test_any_changed_byte_breaks_the_trust(by: int, dialling: bool) -> None:
    for at in range(len(HONEST.said[dialling])):
        talk = Talk(dialler(), acceptor(), flipped(at, by, dialling))
        for end in (talk.near, talk.far):
            end.tick(SECONDS)
        assert not talk.near.done, f"byte {at}"
        assert (talk.near.peer, talk.near.rest) == (None, b"")
        assert talk.near.error is not None
        assert talk.far.done == (not dialling and at >= LAST), f"byte {at}"
        assert (talk.far.peer is not None) == talk.far.done


@given(st.integers(0, 1000), st.integers(1, 255), st.booleans())
def test_any_flip_of_bits_breaks_the_trust(at: int, by: int, dialling: bool) -> None:
    talk = Talk(dialler(), acceptor(), flipped(at % len(HONEST.said[dialling]), by, dialling))
    assert not (talk.near.done and talk.far.done)
    assert not talk.near.done


def test_a_recorded_dialler_opens_nothing_again() -> None:
    far = acceptor(FAR._replace(nonce=b"w" * 32))
    far.receive_data(HONEST.said[True], 0.0)
    assert far.error is not None
    assert far.error.code == "bad_cookie"


def test_a_recorded_acceptor_opens_nothing_again() -> None:
    near = dialler(NEAR._replace(nonce=b"w" * 32))
    near.receive_data(HONEST.said[False], 0.0)
    assert near.error is not None
    assert near.error.code == "bad_cookie"


def test_a_proof_handed_back_is_no_proof() -> None:
    # The peer knows no cookie, says hello, and returns the dialler's own proof.
    near = dialler()
    near.data_to_send()
    near.receive_data(greeting(FAR), 0.0)
    near.receive_data(near.data_to_send(), 0.0)
    assert near.error is not None
    assert near.error.code == "bad_cookie"


@pytest.mark.parametrize("start", [b"", PREFACE, greeting(), PREFACE + b"\x01\x00\x20", PREFACE + b"\x03\x00\x10"])
@given(data=st.lists(st.binary(max_size=80), max_size=5))
@settings(max_examples=40)
def test_random_bytes_raise_nothing_and_open_nothing(start: bytes, data: list[bytes]) -> None:
    for end in (acceptor(), dialler()):
        end.receive_data(start, 0.0)
        for piece in data:
            end.receive_data(piece, 0.0)
        assert not end.done
        assert (end.peer, end.rest) == (None, b"")


def test_a_length_field_allocates_nothing_and_a_flood_is_not_kept() -> None:
    far = acceptor()
    flood = bytes(1 << 20)
    tracemalloc.start()
    try:
        far.receive_data(PREFACE + b"\x01\x10\x00", 0.0)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024
        far.receive_data(flood, 0.0)
        far.receive_data(flood, 0.0)
        assert tracemalloc.get_traced_memory()[0] < 64 * 1024
    finally:
        tracemalloc.stop()
    assert far.error is not None


# what the caller may get wrong


def test_an_empty_secret_and_an_unusable_hello_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="empty secret"):
        dialler(secret=b"")
    with pytest.raises(ValueError, match="a bad nonce"):
        dialler(NEAR._replace(nonce=b"short"))


def test_a_handshake_shows_where_it_is() -> None:
    near = dialler()
    assert repr(near) == "<Handshake dialling as n1@db1: preface>"
    near.receive_data(b"GET /", 0.0)
    assert "no pysh answers there" in repr(near)
    assert isinstance(near.error, HandshakeError)
