"""Sources that a hub keeps for other nodes, as bytes."""

import pytest

from pysh.runtime.protocol.blobs import LEAST, PARTS, Blobs

A, B, C = (bytes([number]) * 32 for number in range(3))


def kept(**room: int) -> Blobs:
    blobs = Blobs(**room)
    blobs.keep(A, 0, 5, b"first")
    blobs.keep(B, 0, 6, b"second")
    return blobs


def test_what_is_left_can_be_had_and_what_is_not_is_told() -> None:
    assert kept().pieces([A, C, B], 0) == [[5, b"first"], [-1, b""], [6, b"second"]]


def test_a_blob_comes_and_goes_in_pieces() -> None:
    blobs = Blobs()
    for at in (0, 3, 6):
        assert A not in blobs
        blobs.keep(A, at, 8, b"abcdefgh"[at : at + 3])
    assert blobs.pieces([A, B], 0, room=5) == [[8, b"abcde"]]
    assert blobs.pieces([A, B], 5, room=30) == [[8, b"fgh"], [-1, b""]]


def test_the_answer_has_as_much_as_there_is_room_for() -> None:
    assert kept().pieces([A, B], 0, room=24) == [[5, b"first"], [6, b"sec"]]


def test_two_who_leave_the_same_at_a_time_leave_it_once() -> None:
    blobs = Blobs()
    for at in (0, 0, 2, 2):
        blobs.keep(A, at, 4, b"abcd"[at : at + 2])
    assert blobs.pieces([A], 0) == [[4, b"abcd"]]


def test_what_was_not_asked_for_the_longest_goes_for_want_of_room() -> None:
    blobs = kept(room=2 * LEAST)
    blobs.pieces([A], 0)
    blobs.keep(C, 0, 1, b"x")
    assert [name in blobs for name in (A, B, C)] == [True, False, True]


def test_those_that_never_become_whole_are_bounded() -> None:
    blobs = Blobs()
    for number in range(2 * PARTS):
        blobs.keep(number.to_bytes(32, "big"), 0, 2, b"x")
    assert len(blobs._parts) == PARTS
    assert len(blobs) == 0


@pytest.mark.parametrize(
    ("name", "at", "size", "piece"), [(b"x", 0, 1, b"x"), (A, 2, 1, b""), (A, 0, 1, b"xx"), (A, -1, 5, b"")]
)
def test_what_makes_no_sense_is_refused(name: bytes, at: int, size: int, piece: bytes) -> None:
    with pytest.raises(ValueError, match="a piece of"):
        Blobs().keep(name, at, size, piece)


def test_what_was_pushed_is_what_a_name_means_with_all_that_came_with_it() -> None:
    blobs = Blobs()
    blobs.pushed({"shop": "1" * 64, "money": "2" * 64})
    assert blobs.named("shop.prices:price") == blobs.named("money:unit") == {"shop": "1" * 64, "money": "2" * 64}
    assert blobs.named("other:name") == blobs.named(":") == {}
    with pytest.raises(ValueError, match="at most"):
        blobs.pushed({"x": "1" * 65})
