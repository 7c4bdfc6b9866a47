"""What is known of another node: how soon it is tried again, and what it says of its session."""

import pytest

from pysh.runtime.protocol.frames import FrameError
from pysh.runtime.protocol.member import FIRST, LONGEST, Member, Resume
from tests.protocol.talk import FAR


def test_the_pauses_grow_to_a_bound_and_differ_by_the_jitter() -> None:
    there = Member(FAR, 1)
    assert [there.pause(1.0) for _ in range(8)] == [FIRST, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST]
    assert there.pause(0.0) == LONGEST / 2


@pytest.mark.parametrize("told", [None, [], {}, {"session": 1}, {"session": "x", "yours": 0, "received": 0}])
def test_what_is_no_resume_ends_the_connection(told: object) -> None:
    with pytest.raises(FrameError, match="malformed RESUME"):
        Resume(told)


@pytest.mark.parametrize(
    ("ours", "theirs", "told", "agreed"),
    [
        (1, 0, (7, 0), True),
        (1, 7, (7, 1), True),
        (1, 7, (7, 0), True),
        (1, 7, (8, 1), False),
        (1, 7, (7, 2), False),
        (2, 0, (7, 1), False),
    ],
)
def test_two_ends_agree_on_a_session_that_neither_knows_otherwise(
    ours: int, theirs: int, told: tuple[int, int], agreed: bool
) -> None:
    there = Member(FAR, ours)
    there.theirs = theirs
    session, yours = told
    resume = Resume({"session": session, "yours": yours, "received": 0, "dial": 0, "grace": 1})
    assert there.agrees(resume) is agreed
