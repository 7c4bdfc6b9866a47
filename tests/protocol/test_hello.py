"""What two ends tell each other first: what is accepted, and what is shown of what is not."""

import pickle
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.hello import FIELDS, HandshakeError, Hello, common, read_hello, read_refusal

HELLO = Hello("node", "n1@db1", b"i" * 16, b"n" * 32, "3.11.7", (1, 2), 42, 1, ("resume",))


def test_a_hello_comes_out_as_it_went_in() -> None:
    assert read_hello(pack(HELLO._asdict())) == HELLO
    assert set(FIELDS) == set(Hello._fields)


def test_what_a_newer_peer_adds_is_left_out() -> None:
    assert read_hello(pack({**HELLO._asdict(), "colour": "blue"})) == HELLO


@pytest.mark.parametrize("field", Hello._fields)
def test_a_hello_without_one_of_its_fields_is_refused(field: str) -> None:
    fields = HELLO._asdict()
    del fields[field]
    with pytest.raises(HandshakeError, match=f"no {field}") as caught:
        read_hello(pack(fields))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "emperor"),
        ("role", ["node"]),
        ("name", "n1"),
        ("name", "N1@db1"),
        ("name", "n1@-x"),
        ("name", "n\x1b[2J@db1"),
        ("name", "n" * 400),
        ("name", b"n1@db1"),
        ("incarnation", b"i" * 15),
        ("incarnation", "i" * 16),
        ("nonce", b""),
        ("python", "3\n11"),
        ("python", "3" * 33),
        ("versions", [1]),
        ("versions", [2, 1]),
        ("versions", [0, 1]),
        ("versions", [1, 65536]),
        ("versions", [1, True]),
        ("versions", "12"),
        ("versions", None),
        ("pid", -1),
        ("pid", 1.0),
        ("pid", True),
        ("suite", 256),
        ("features", "resume"),
        ("features", ["a" * 33]),
        ("features", [1]),
        ("features", {}),
    ],
)
def test_a_hello_with_a_bad_field_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(HandshakeError, match=f"a HELLO with a bad {field}") as caught:
        read_hello(pack({**HELLO._asdict(), field: value}))
    assert caught.value.code == "malformed"
    assert str(caught.value).isprintable()


def test_a_runner_needs_no_full_node_name() -> None:
    assert read_hello(pack(HELLO._replace(role="worker", name="")._asdict())).role == "worker"


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [
        ((1, 2), (1, 2), 2),
        ((1, 2), (2, 3), 2),
        ((1, 2), (1, 1), 1),
        ((2, 3), (1, 2), 2),
        ((1, 9), (3, 4), 4),
        ((3, 3), (3, 3), 3),
        ((1, 2), (3, 4), None),
        ((3, 4), (1, 2), None),
    ],
)
def test_the_highest_common_version_is_chosen(
    ours: tuple[int, int], theirs: tuple[int, int], version: int | None
) -> None:
    assert common(ours, theirs) == common(theirs, ours) == version


def test_a_refusal_is_theirs_and_safe_to_show() -> None:
    error = read_refusal(pack({"code": "name_taken", "text": "n1 \x1b[31m" + "x" * 300}))
    assert (error.code, error.ours) == ("name_taken", False)
    assert str(error).startswith("the peer refused: n1 ?[31mxxx")
    assert len(error.text) == 256
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "body", [{}, {"code": "a b", "text": ""}, {"code": 1, "text": ""}, {"code": "busy", "text": 1}, []]
)
def test_a_refusal_that_is_none_is_malformed(body: Any) -> None:
    with pytest.raises(HandshakeError) as caught:
        read_refusal(pack(body))
    assert (caught.value.code, caught.value.ours) == ("malformed", True)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_a_handshake_error(body: bytes) -> None:
    for read in (read_hello, read_refusal):
        with pytest.raises(HandshakeError):
            read(body)


@pytest.mark.parametrize(
    "nest",
    [
        b"\xdc\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xde\xff\xff",
        b"\xdc\x0f\x00",
        b"\xde\x0f\x00\x01",
        b"\xdc\x00\x3f",
        b"\x91",
    ],
)
def test_nested_length_fields_allocate_nothing(nest: bytes) -> None:
    bomb = (pack(HELLO._asdict())[:-8] + nest * 2000)[:4096]  # where the list of features begins
    tracemalloc.start()
    try:
        with pytest.raises(HandshakeError):
            read_hello(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [100, 500, 900, 950, 1000, 1023, 2000, 4000])
def test_a_deep_value_where_text_should_stand_is_refused_and_not_shown(depth: int) -> None:
    start = pack({**HELLO._asdict(), "name": None})
    with pytest.raises(HandshakeError):
        read_hello(start.replace(b"\xa4name\xc0", b"\xa4name" + b"\x91" * depth + b"\xc0"))


def test_an_error_survives_pickling() -> None:
    error = HandshakeError("busy", "too many", ours=False)
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.text, again.ours) == ("busy", "too many", False)
