"""What of the results that nobody has fetched is kept, and for how long: tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import Flag, pack, unpack
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.spool import AFTER, AGE, LEAST, ROOM, Kept, is_due, record, restored, surplus
from pysh.runtime.protocol.terms import Pid, Ref

MIB = 1 << 20


@pytest.mark.parametrize(
    ("lost", "waited", "due"),
    [(False, 0, False), (False, AFTER - 0.1, False), (False, AFTER, True), (True, 0, True), (True, 2 * AFTER, True)],
)
def test_a_result_is_kept_once_its_requester_is_lost_or_takes_long(lost: bool, waited: float, due: bool) -> None:
    assert is_due(lost=lost, waited=waited) is due


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        ([], []),
        ([(1, MIB, 0)], []),
        ([(1, ROOM, 0)], []),
        ([(1, ROOM + 1, 0)], [1]),
        ([(1, ROOM, 5), (2, 1, 0)], [2]),
        ([(1, ROOM // 2, 0), (2, ROOM // 2, 1), (3, ROOM // 2, 2)], [1]),
        ([(3, ROOM // 2, 2), (1, ROOM // 4, 0), (2, ROOM // 2, 1)], [1]),
        ([(1, 1, 0), (2, ROOM, 1), (3, ROOM, 2)], [1, 2]),
    ],
)
def test_what_is_too_much_goes_the_oldest_first(kept: list[tuple[int, int, float]], gone: list[int]) -> None:
    assert list(surplus([Kept(*one) for one in kept], now=10)) == gone


@pytest.mark.parametrize(("age", "gone"), [(AGE - 1, []), (AGE, [1]), (30 * AGE, [1])])
def test_what_is_too_old_goes(age: float, gone: list[int]) -> None:
    assert list(surplus([Kept(1, MIB, 0), Kept(2, MIB, age)], now=age)) == gone


def test_the_reason_says_which_bound_it_met() -> None:
    assert surplus([Kept(1, 1, 0)], now=AGE) == {1: "it was kept for 7 days"}
    assert surplus([Kept(1, 2 * ROOM, 0)], now=0) == {
        1: "the kept results of a node take 1,073,741,824 bytes at most, and it was the oldest"
    }


def test_what_is_on_its_way_to_its_requester_stays_and_others_go_in_its_place() -> None:
    kept = [Kept(1, ROOM // 2, 0, loose=False), Kept(2, ROOM // 2, 1), Kept(3, MIB, 2)]
    assert list(surplus(kept, now=3)) == [2]
    assert list(surplus(kept, now=AGE + 3)) == [2, 3]


def test_many_small_ones_have_a_bound_too() -> None:
    kept = [Kept(number, 1, number) for number in range(ROOM // LEAST + 10)]
    assert list(surplus(kept, now=0)) == list(range(10))


@given(st.lists(st.tuples(st.integers(0, 600 * MIB), st.floats(0, 2 * AGE), st.booleans()), max_size=20))
def test_what_stays_fits_if_what_must_not_go_does(rows: list[tuple[int, float, bool]]) -> None:
    kept = [Kept(number, *row) for number, row in enumerate(rows)]
    gone = surplus(kept, now=2 * AGE)
    stays = [one for one in kept if one.number not in gone]
    assert all(one.loose for one in kept if one.number in gone)
    assert all(2 * AGE - one.since < AGE for one in stays if one.loose)
    fixed = sum(max(one.size, LEAST) for one in stays if not one.loose)
    assert fixed > ROOM or sum(max(one.size, LEAST) for one in stays) <= ROOM
    assert not [one for one in stays if one.loose] or fixed <= ROOM


def test_a_task_is_the_same_after_its_record_was_written_and_read() -> None:
    key, owner = Ref(Pid(b"1" * 16, 7), 3), Pid(b"2" * 16, 9)
    job = Job(5, key, owner, {"label": "f", "fn": "m:f", "detach": True, "limit": 3}, b"", 100.0)
    job.by, job.ended_at, job.length, job.flags, job.result_meta = "n1@here", 103.0, 12, Flag.ERROR, pack(3.0)
    job.keep_output(b"printed\n")
    again = restored(unpack(pack(record(job))), 77, 1000.0)
    assert (again.number, again.key, again.owner, again.by) == (77, key, owner, "n1@here")
    assert (again.ended_at, again.accepted_at, again.length) == (1000.0, 997.0, 12)
    assert (again.flags, again.result_meta, list(again.output)) == (Flag.ERROR, pack(3.0), [b"printed\n"])
    assert again.lost and again.restored and not again.is_process
    assert record(again) == record(job)


@pytest.mark.parametrize("told", [{}, {"label": 1}, {**{"requester": [], "owner": [b"", 0], "ref": 0}}])
def test_a_record_that_is_none_is_refused(told: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        restored(told, 1, 0.0)
