"""What was printed and not seen: nothing is lost but by the bound, and nothing is shown twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.missed import KEPT, Missed, Unshown


def test_what_was_missed_is_handed_out_once() -> None:
    missed = Missed()
    missed.add(b"one ")
    missed.add(b"two")
    assert missed.take() == (b"one two", 0)
    assert missed.take() == (b"", 0)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([b"n2 | a\x1b[31mb\n"], b"n2 | ab\n"),
        ([b"ValueError: \x1b]0;pwned\x07\n"], b"ValueError: \n"),
        ([b"n2 | \x1b]0;pw", b"ned\x07x\n"], b"n2 | x\n"),
        ([b"n2 | 10%\r", b"n2 | 20%\r\n"], b"n2 | 20%\n"),
        ([b"n2 | \xc3", b"\xa9 \xff\x9b\n"], "n2 | é ??\n".encode()),
    ],
)
def test_of_what_was_written_elsewhere_a_terminal_obeys_nothing(pieces: list[bytes], shown: bytes) -> None:
    missed = Missed()
    missed.add(b"\x1b[1mown\r\n", own=True)
    for piece in pieces:
        missed.add(piece)
    assert missed.take() == (b"\x1b[1mown\r\n" + shown, 0)


@given(st.lists(st.binary()))
def test_what_is_left_of_it_is_never_longer(pieces: list[bytes]) -> None:
    missed = Missed()
    for piece in pieces:
        missed.add(piece)
    shown, _ = missed.take()
    assert len(shown) <= sum(map(len, pieces))
    assert b"\x1b" not in shown


@given(st.lists(st.integers(0, 2 * KEPT), max_size=8))
def test_the_last_bytes_are_kept_and_the_others_counted(sizes: list[int]) -> None:
    missed, everything = Missed(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        missed.add(piece, own=True)
        everything += piece
    kept, dropped = missed.take()
    assert kept == everything[-KEPT:]
    assert dropped == len(everything) - len(kept)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=8), st.lists(st.integers(0, 20), max_size=8))
def test_what_is_left_is_what_was_sent_and_not_shown(pieces: list[bytes], shown: list[int]) -> None:
    unshown = Unshown()
    for piece in pieces:
        unshown.sent(piece)
    for size in shown:
        unshown.shown(size)
    expected = b"".join(pieces)[sum(shown) :]
    assert (unshown.rest(), unshown.size) == (expected, len(expected))
