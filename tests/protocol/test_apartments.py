"""Where async processes move in: tables."""

from itertools import count

from pysh.runtime.protocol.apartments import AHEAD, SHELL, Apartments
from pysh.runtime.protocol.pool import Fork, Retire, Run


def test_there_is_an_apartment_a_core_as_they_are_needed() -> None:
    apartments = Apartments(2, count(1))
    assert apartments.move_in(10) == (1, [Fork(1, apartment=True)])
    assert apartments.move_in(11) == (2, [Fork(2, apartment=True)])
    assert apartments.move_in(12) == (1, [])
    assert apartments.ready(1) == [Run(1, 10), Run(1, 12)]
    assert apartments.move_in(13) == (2, [])
    assert apartments.ready(2) == [Run(2, 11), Run(2, 13)]
    assert [apartments.tenants(number) for number in apartments] == [2, 2]


def test_one_that_is_empty_is_moved_into_before_another_is_made() -> None:
    apartments = Apartments(2, count(1))
    apartments.move_in(10)
    apartments.ready(1)
    apartments.moved_out(1, 10)
    assert apartments.move_in(11) == (1, [Run(1, 11)])


def test_the_next_moves_into_the_one_with_the_fewest() -> None:
    apartments = Apartments(2, count(1))
    for job in range(4):
        apartments.move_in(job)
    apartments.ready(1), apartments.ready(2)
    apartments.moved_out(2, 1)
    apartments.moved_out(2, 3)
    assert [apartments.move_in(job)[0] for job in (4, 5, 6, 7)] == [2, 2, 1, 2]


def test_who_gives_up_before_it_is_up_never_runs() -> None:
    apartments = Apartments(1, count(1))
    apartments.move_in(10)
    apartments.move_in(11)
    apartments.moved_out(1, 10)
    assert apartments.ready(1) == [Run(1, 11)]
    assert apartments.tenants(1) == 1


def test_one_that_is_gone_is_followed_by_another_with_a_number_of_its_own() -> None:
    apartments = Apartments(1, count(1))
    apartments.move_in(10)
    apartments.exited(1)
    assert 1 not in apartments
    assert apartments.move_in(11) == (2, [Fork(2, apartment=True)])
    apartments.moved_out(1, 10)  # of one that is gone


def test_nobody_moves_into_one_that_is_condemned_and_one_more_is_made_meanwhile() -> None:
    apartments = Apartments(1, count(1))
    apartments.move_in(10)
    apartments.condemn(1)
    assert apartments.move_in(11) == (2, [Fork(2, apartment=True)])
    apartments.condemn(1, False)
    apartments.ready(1)
    assert apartments.move_in(12) == (1, [Run(1, 12)])


def test_those_that_wait_until_it_is_up_and_those_that_it_has_not_begun_are_what_it_is_behind() -> None:
    apartments = Apartments(1, count(1))
    assert apartments.behind == 0
    for job in range(3):
        apartments.move_in(job)
    assert apartments.behind == 3
    for _ in apartments.ready(1):
        apartments.sent(1)
    assert apartments.behind == 3
    apartments.begun(1, 2)
    assert apartments.behind == 1
    apartments.exited(1)
    assert apartments.behind == 0


def test_the_shell_takes_in_those_alone_that_ask_for_it() -> None:
    apartments = Apartments(2, count(1))
    assert SHELL in apartments
    assert apartments.enter_shell(10) == [Fork(SHELL)]
    assert apartments.enter_shell(11) == [Fork(SHELL)]  # to start it again is nothing
    assert apartments.move_in(12) == (1, [Fork(1, apartment=True)])
    assert (apartments.tenants(SHELL), list(apartments), apartments.behind) == (2, [1], 1)
    apartments.moved_out(SHELL, 10)  # cancelled while it waited
    assert apartments.ready(SHELL) == [Run(SHELL, 11)]
    apartments.sent(SHELL)
    assert apartments.enter_shell(13) == [Run(SHELL, 13)]
    assert apartments.behind == 1  # whoever waits in the shell holds nobody up elsewhere


def test_what_waits_for_a_busy_shell_waits_in_the_hub_but_for_a_few() -> None:
    apartments = Apartments(1, count(1))
    apartments.ready(SHELL)
    jobs = range(10, 10 + AHEAD + 3)
    assert [step for job in jobs for step in apartments.enter_shell(job)] == [Run(SHELL, job) for job in jobs[:AHEAD]]
    assert apartments.go_on() == []
    assert apartments.go_on(10) == [Run(SHELL, jobs[AHEAD])]  # it has begun
    apartments.moved_out(SHELL, jobs[AHEAD + 1])  # cancelled while it waited
    apartments.moved_out(SHELL, 11)
    assert apartments.go_on() == [Run(SHELL, jobs[AHEAD + 2])]
    apartments.exited(SHELL)
    assert apartments.go_on() == []


def test_a_shell_that_died_starts_again_for_who_comes_next() -> None:
    apartments = Apartments(1, count(1))
    apartments.ready(SHELL)
    apartments.enter_shell(10)
    apartments.exited(SHELL)
    assert apartments.tenants(SHELL) == 0
    assert apartments.enter_shell(11) == [Fork(SHELL)]


def test_code_of_two_versions_does_not_live_together() -> None:
    apartments = Apartments(1, count(1))
    apartments.move_in(10, {"shop": "old"})
    apartments.ready(1)
    assert apartments.move_in(11, {"shop": "new"}) == (2, [Fork(2, apartment=True)])
    assert apartments.move_in(12, {"money": "1"})[0] in (1, 2)
    assert apartments.move_in(13, {"shop": "old"}) == (1, [Run(1, 13)])


def test_one_that_nobody_fits_into_any_more_goes_once_it_is_empty() -> None:
    apartments = Apartments(1, count(1))
    apartments.move_in(10, {"shop": "old"})
    apartments.ready(1)
    apartments.moved_out(1, 10)
    assert apartments.move_in(11, {"shop": "new"}) == (2, [Retire(1), Fork(2, apartment=True)])
    apartments.exited(1)
    assert list(apartments) == [2]
