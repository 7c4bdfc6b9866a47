import pytest

from pysh.runtime.protocol.placement import Loads

A, B, C = b"a", b"b", b"c"


def test_the_node_with_the_fewest_tasks_is_chosen_and_the_first_of_equals() -> None:
    loads = Loads()
    loads.reported({A: 2, B: 1, C: 1})
    assert loads.least([A, B, C]) == B


def test_what_we_sent_since_the_report_counts() -> None:
    loads = Loads()
    loads.reported({A: 0, B: 0})
    chosen = []
    for _ in range(4):
        chosen.append(loads.least([A, B]))
        loads.started(chosen[-1])
    assert chosen == [A, B, A, B]


def test_our_own_tasks_in_a_report_are_not_counted_twice() -> None:
    loads = Loads()
    loads.started(A)
    loads.started(A)
    loads.reported({A: 3})
    assert loads.of(A) == 3
    loads.ended(A)
    assert loads.of(A) == 2


def test_a_node_that_is_gone_is_forgotten_with_our_tasks_there() -> None:
    loads = Loads()
    loads.started(A)
    loads.reported({B: 0})
    loads.reported({A: 0, B: 0})
    assert loads.of(A) == 0


def test_what_one_node_reports_anew_says_nothing_of_the_others() -> None:
    loads = Loads()
    loads.reported({A: 0, B: 0})
    loads.changed({A: 4})
    loads.started(B)
    assert (loads.of(A), loads.of(B), loads.least([A, B])) == (4, 1, B)
    loads.changed({A: 0})
    assert (loads.of(A), loads.of(B), loads.least([A, B])) == (0, 1, A)


def test_there_must_be_a_node_to_choose() -> None:
    with pytest.raises(ValueError, match="empty"):
        Loads().least([])
