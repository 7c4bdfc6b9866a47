"""The handshake as a dialogue: who ends up trusting whom, and what everybody else is told."""

import gc
import hashlib
import hmac
import tracemalloc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.handshake import HMAC, MAX_BODY, PREFACE, SECONDS, SPAKE2, Handshake, HandshakeError, Hello
from pysh.runtime.protocol.terms import Cookie
from tests.protocol.talk import (
    COOKIE,
    FAR,
    HOST_KEY,
    NEAR,
    SUITES,
    Talk,
    Tamper,
    acceptor,
    dialler,
    greeting,
    message,
    toy,
    toy_key,
    work,
)  # fmt: skip

HONEST = {suite: Talk(dialler(suite=suite), acceptor()) for suite in SUITES}

# success


@pytest.mark.parametrize("suite", SUITES)
def test_two_ends_with_one_cookie_know_each_other(suite: int) -> None:
    talk = Talk(dialler(suite=suite), acceptor())
    assert (talk.near.done, talk.far.done) == (True, True)
    assert (talk.near.peer, talk.far.peer) == (FAR._replace(suite=suite), NEAR._replace(suite=suite))
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


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_is_made_as_the_protocol_says(suite: int) -> None:
    # A known answer: it pins the wire, and that each direction has a key of its own.
    said = HONEST[suite].said
    before = PREFACE + PREFACE + said[True][8:-37] + said[False][8:-37]
    for label, dialling, transcript in (
        (b"pysh proof of the dialler", True, before),
        (b"pysh proof of the acceptor", False, before + said[True][-37:]),
    ):
        key = hmac.digest(HONEST[suite].keys[0] if suite == SPAKE2 else COOKIE, label, "sha256")
        tag = hmac.digest(key, hashlib.sha256(transcript).digest() + (HOST_KEY if suite == SPAKE2 else b""), "sha256")
        assert said[dialling][-37:] == message(2, pack(tag))


def test_what_follows_the_handshake_belongs_to_the_frames() -> None:
    near, far = dialler(), acceptor()
    far.receive_data(near.data_to_send(), 0.0)
    near.receive_data(far.data_to_send(), 0.0)
    far.receive_data(near.data_to_send() + b"early", 0.0)
    far.receive_data(b" and late", 0.0)
    near.receive_data(far.data_to_send() + b"welcome", 0.0)
    assert (far.rest, near.rest) == (b"early and late", b"welcome")


@pytest.mark.parametrize("suite", SUITES)
@given(places=st.lists(st.integers(0, 500), max_size=10))
@settings(max_examples=50)
def test_wherever_the_streams_are_cut_the_outcome_is_the_same(suite: int, places: list[int]) -> None:
    near, far = dialler(suite=suite), acceptor()
    ends = {place % 150 for place in places}

    def feed(listener: Handshake, data: bytes) -> None:
        start = 0
        for end in [*sorted(end for end in ends if end < len(data)), len(data)]:
            listener.receive_data(data[start:end], 1.0)
            start = end
        work(listener)

    work(near)
    for _ in range(2):
        feed(far, near.data_to_send())
        feed(near, far.data_to_send())
    assert (near.peer, far.peer) == (FAR._replace(suite=suite), NEAR._replace(suite=suite))
    assert (near.rest, far.rest) == (b"", b"")


@pytest.mark.parametrize("suite", SUITES)
def test_single_bytes_are_enough(suite: int) -> None:
    near, far = dialler(suite=suite), acceptor()
    work(near)
    for _ in range(2):
        for speaker, listener in ((near, far), (far, near)):
            for byte in speaker.data_to_send():
                listener.receive_data(bytes((byte,)), 9.9)
            work(listener)
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
    for asked, taken in ((SPAKE2, [HMAC]), (HMAC, [SPAKE2]), (3, SUITES)):
        far = acceptor(suites=taken)
        far.receive_data(greeting(suite=asked), 0.0)
        assert far.error is not None
        assert far.error.code == "suite"


# refusals


@pytest.mark.parametrize("suite", SUITES)
def test_other_cookies_are_told_apart_and_what_to_do_is_said(suite: int) -> None:
    talk = Talk(dialler(suite=suite), acceptor(secret=b"another"))
    assert talk.codes == ("bad_cookie", "bad_cookie")
    assert (talk.near.peer, talk.far.peer) == (None, None)
    for error in (talk.near.error, talk.far.error):
        assert "the cookies of n2@db2 and n1@db1 differ" in str(error)
        assert "--cookie" in str(error)
    assert talk.near.error is not None and not talk.near.error.ours


@pytest.mark.parametrize("suite", SUITES)
def test_each_end_says_from_where_its_own_cookie_is_and_tells_nobody(suite: int) -> None:
    near, far = Cookie(COOKIE, "--cookie"), Cookie(b"another", "the cookie file /home/ada/cookie")
    talk = Talk(dialler(secret=near, suite=suite), acceptor(secret=far))
    assert str(talk.near.error).endswith("here it is that of --cookie")
    assert str(talk.far.error).endswith("here it is that of the cookie file /home/ada/cookie")
    assert not [said for said in talk.said.values() if b"/home/ada" in said or b"here it is" in said]


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


@pytest.mark.parametrize("by", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("dialling", [True, False])
@pytest.mark.parametrize("suite", SUITES)
def test_any_changed_byte_breaks_the_trust(suite: int, by: int, dialling: bool) -> None:
    said = HONEST[suite].said[dialling]
    last = len(said) - 37  # where the acceptor's PROOF starts: it trusts before it sends it
    for at in range(len(said)):
        talk = Talk(dialler(suite=suite), acceptor(), flipped(at, by, dialling))
        for end in (talk.near, talk.far):
            end.tick(SECONDS)
        assert not talk.near.done, f"byte {at}"
        assert (talk.near.peer, talk.near.rest) == (None, b"")
        assert talk.near.error is not None
        assert talk.far.done == (not dialling and at >= last), f"byte {at}"
        assert (talk.far.peer is not None) == talk.far.done


@pytest.mark.parametrize("suite", SUITES)
@given(at=st.integers(0, 1000), by=st.integers(1, 255), dialling=st.booleans())
def test_any_flip_of_bits_breaks_the_trust(suite: int, at: int, by: int, dialling: bool) -> None:
    at %= len(HONEST[suite].said[dialling])
    talk = Talk(dialler(suite=suite), acceptor(), flipped(at, by, dialling))
    assert not (talk.near.done and talk.far.done)
    assert not talk.near.done


@pytest.mark.parametrize("suite", SUITES)
def test_a_recorded_dialler_opens_nothing_again(suite: int) -> None:
    far = acceptor(FAR._replace(nonce=b"w" * 32), entropy=b"fresh" * 8)
    said = HONEST[suite].said[True]
    for piece in (said[:-37], said[-37:]):  # as a dialler that waits for its answer would
        far.receive_data(piece, 0.0)
        work(far)
    assert far.error is not None
    assert far.error.code == "bad_cookie"


@pytest.mark.parametrize("suite", SUITES)
def test_a_recorded_acceptor_opens_nothing_again(suite: int) -> None:
    near = dialler(NEAR._replace(nonce=b"w" * 32), suite=suite, entropy=b"fresh" * 8)
    work(near)
    near.receive_data(HONEST[suite].said[False][:-37], 0.0)
    work(near)
    near.receive_data(HONEST[suite].said[False][-37:], 0.0)
    assert near.error is not None
    assert near.error.code == "bad_cookie"


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_handed_back_is_no_proof(suite: int) -> None:
    # The peer knows no cookie, says hello, and returns the dialler's own proof.
    near, far = dialler(suite=suite), acceptor()
    work(near)
    far.receive_data(near.data_to_send(), 0.0)
    work(far)
    near.receive_data(far.data_to_send(), 0.0)
    work(near)
    near.receive_data(near.data_to_send(), 0.0)
    assert near.error is not None
    assert near.error.code == "bad_cookie"


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("taken", range(2))
def test_messages_of_two_conversations_do_not_fit_together(suite: int, taken: int) -> None:
    # Every one of them is by somebody who holds the cookie, and none of them answers the other.
    near, far = dialler(suite=suite), acceptor()
    other = dialler(NEAR._replace(nonce=b"v" * 32), suite=suite, entropy=b"other" * 8)
    far_other = acceptor(FAR._replace(nonce=b"u" * 32), entropy=b"third" * 8)
    for one, two in ((near, far), (other, far_other)):
        work(one)
        two.receive_data(one.data_to_send(), 0.0)
        work(two)
        one.receive_data(two.data_to_send(), 0.0)
        work(one)
    proofs = near.data_to_send(), other.data_to_send()
    (far, far_other)[1 - taken].receive_data(proofs[taken], 0.0)
    error = (far, far_other)[1 - taken].error
    assert error is not None
    assert error.code == "bad_cookie"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        PREFACE,
        greeting(),
        PREFACE + b"\x01\x00\x20",
        PREFACE + b"\x03\x00\x10",
        greeting(suite=SPAKE2),
        greeting(suite=SPAKE2) + message(4, pack(bytes(33))),
    ],
)
@given(data=st.lists(st.binary(max_size=80), max_size=5))
@settings(max_examples=40)
def test_random_bytes_raise_nothing_and_open_nothing(start: bytes, data: list[bytes]) -> None:
    for end in (acceptor(), dialler(), dialler(suite=SPAKE2)):
        work(end)
        end.receive_data(start, 0.0)
        for piece in data:
            end.receive_data(piece, 0.0)
            work(end)
        assert not end.done
        assert (end.peer, end.rest) == (None, b"")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", PREFACE + message(1, b"\xc1"), PREFACE + message(2, b"")])
def test_a_failed_handshake_goes_with_the_last_who_holds_it(sent: bytes) -> None:
    end = acceptor()
    gone = weakref.ref(end)
    gc.disable()
    try:
        end.receive_data(sent, 0.0)
        assert end.error is not None
        del end
        assert gone() is None
    finally:
        gc.enable()


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


# SPAKE2


def test_the_dialler_names_the_suite_and_a_peer_that_answers_with_another_is_left() -> None:
    far = acceptor()
    far.receive_data(greeting(), 0.0)
    near = dialler(suite=SPAKE2)
    work(near)
    near.data_to_send()
    near.receive_data(far.data_to_send(), 0.0)
    assert near.error is not None
    assert near.error.code == "suite"
    assert b"suite" in near.data_to_send()


def test_no_message_is_longer_or_comes_more_often_than_promised() -> None:
    for said in HONEST[SPAKE2].said.values():
        frames, rest = 0, said[8:]
        while rest:
            size = int.from_bytes(rest[1:3])
            frames, rest = frames + 1, rest[3 + size :]
            assert size <= 4096
        assert frames == 3


def test_who_answers_with_a_guess_learns_whether_it_was_right_and_nothing_else() -> None:
    """With all that was said and its own scalar, a false acceptor cannot tell the cookie among other words."""
    words = [b"a guess", b"secret", COOKIE, b"hunter2"]
    entropy = b"false" * 8
    for guess, explained in ((b"a guess", []), (COOKIE, [COOKIE])):
        talk = Talk(dialler(suite=SPAKE2), acceptor(secret=guess, entropy=entropy))
        assert talk.codes == (("bad_cookie", "bad_cookie") if not explained else (None, None))
        proof, ours = talk.said[True][-37:], toy("B", guess, entropy)[0]
        theirs = toy("A", COOKIE, b"near" * 8)[0]
        hello = acceptor_hello(talk)
        transcript = hashlib.sha256(PREFACE + PREFACE + talk.said[True][8:-37] + hello).digest()
        fitting = []
        for word in words:
            key = hmac.digest(toy_key(word, entropy, ours, theirs), b"pysh proof of the dialler", "sha256")
            if message(2, pack(hmac.digest(key, transcript + HOST_KEY, "sha256"))) == proof:
                fitting.append(word)
        assert fitting == explained


def acceptor_hello(talk: Talk) -> bytes:
    """The HELLO and the SHARE of the acceptor."""
    size = int.from_bytes(talk.said[False][9:11])
    return talk.said[False][8 : 8 + 3 + size + 3 + 35]


@pytest.mark.parametrize(("seen", "trusted"), [(HOST_KEY, True), (b"older key" + bytes(23), True), (b"k" * 32, False)])
def test_the_host_key_that_was_seen_has_to_be_one_of_that_machine(seen: bytes, trusted: bool) -> None:
    keys = (b"older key" + bytes(23), HOST_KEY)
    talk = Talk(dialler(suite=SPAKE2, binding=seen), acceptor(host_keys=lambda: keys))
    assert (talk.near.done, talk.far.done) == (trusted, trusted)
    assert ("somebody is in between" in str(talk.near.error)) != trusted


def test_a_machine_that_knows_no_host_key_of_its_own_proves_nothing_about_it() -> None:
    talk = Talk(dialler(suite=SPAKE2), acceptor(host_keys=tuple))
    assert talk.codes == ("channel_binding", "channel_binding")
    assert talk.works == 1  # the dialler's own


def test_an_older_acceptor_refuses_the_suite_and_says_so() -> None:
    talk = Talk(dialler(suite=SPAKE2), acceptor(suites=[HMAC]))
    assert talk.codes == ("suite", "suite")


@pytest.mark.parametrize("code", ["busy", "no_spake2"])
def test_an_end_that_cannot_compute_tells_the_other_why(code: str) -> None:
    near, far = dialler(suite=SPAKE2), acceptor()
    work(near)
    far.receive_data(near.data_to_send(), 0.0)
    assert far.take_work() is not None
    assert far.take_work() is None
    far.work_failed(code, "it is so")
    near.receive_data(far.data_to_send(), 0.0)
    assert (near.error and near.error.code, str(near.error)) == (code, "the peer refused: it is so")


def test_the_deadline_holds_while_something_is_computed() -> None:
    far = acceptor()
    far.receive_data(greeting(suite=SPAKE2) + message(4, pack(bytes(33))), 0.0)
    asked = far.take_work()
    assert asked is not None
    assert COOKIE.decode() not in repr(asked)
    far.tick(SECONDS)
    assert str(far.error) == "we had no result within 10 s"
    far.work_done(b"B" + bytes(32), bytes(32), SECONDS)
    assert not far.done
    assert far.data_to_send().startswith(PREFACE + b"\x03")


def test_what_comes_while_something_is_computed_waits_and_a_flood_does_not() -> None:
    near, far = dialler(suite=SPAKE2), acceptor()
    work(near)
    far.receive_data(near.data_to_send() + message(2, pack(bytes(32))), 0.0)
    work(far)
    assert far.error is not None
    assert far.error.code == "bad_cookie"
    flooded = acceptor()
    flooded.receive_data(greeting(suite=SPAKE2) + message(4, pack(bytes(33))) + bytes(9000), 0.0)
    assert flooded.error is not None
    assert flooded.error.code == "too_big"
    assert flooded.take_work() is None


@pytest.mark.parametrize("body", [b"", b"\xc1", pack(bytes(32)), pack(bytes(34)), pack("a" * 33), pack([1] * 33)])
def test_a_share_of_another_shape_reaches_no_arithmetic(body: bytes) -> None:
    far = acceptor()
    far.receive_data(greeting(suite=SPAKE2) + message(4, body), 0.0)
    assert far.error is not None
    assert far.error.code == "malformed"
    assert far.take_work() is None


def test_without_entropy_or_a_host_key_there_is_no_spake2() -> None:
    for options in ({"entropy": b""}, {"binding": b""}):
        with pytest.raises(ValueError, match="SPAKE2 takes"):
            dialler(suite=SPAKE2, **options)
