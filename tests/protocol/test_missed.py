"""What was printed and not seen: nothing is lost but by the bound, and nothing is shown twice."""

from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.missed import KEPT, Missed, Unshown


def test_what_was_missed_is_handed_out_once() -> None:
    missed = Missed()
    missed.add(b"one ")
    missed.add(b"two")
    assert missed.take() == (b"one two", 0)
    assert missed.take() == (b"", 0)


@given(st.lists(st.integers(0, 2 * KEPT), max_size=8))
def test_the_last_bytes_are_kept_and_the_others_counted(sizes: list[int]) -> None:
    missed, everything = Missed(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        missed.add(piece)
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
