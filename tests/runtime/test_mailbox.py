import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.payload import dumps
from pysh.runtime.runner.mailbox import MISSING, Mailbox, matcher


def mailbox_of(*messages: Any) -> Mailbox:
    mailbox = Mailbox()
    for message in messages:
        mailbox.put(dumps(message))
    return mailbox


def take(mailbox: Mailbox, match: Any = None) -> Any:
    return mailbox.take(matcher(match))[0]


def test_messages_are_taken_in_the_order_they_came() -> None:
    mailbox = mailbox_of(1, 2)
    assert [take(mailbox), take(mailbox), take(mailbox)] == [1, 2, MISSING]


def test_taking_one_leaves_the_others_in_their_places() -> None:
    mailbox = mailbox_of("a", 1, "b", 2)
    assert take(mailbox, int) == 1
    assert [take(mailbox), take(mailbox), take(mailbox)] == ["a", "b", 2]


def test_a_second_look_starts_where_the_first_one_ended() -> None:
    mailbox, looked = mailbox_of(1, 2), []

    def never(message: int) -> bool:
        looked.append(message)
        return False

    _, start = mailbox.take(never)
    mailbox.put(dumps(3))
    mailbox.take(never, start)
    assert looked == [1, 2, 3]


def test_a_message_that_cannot_be_read_is_raised_once_and_gone() -> None:
    mailbox = Mailbox()
    mailbox.put(b"no pickle")
    mailbox.put(dumps("next"))
    with pytest.raises(Exception, match=r"."):
        take(mailbox)
    assert take(mailbox) == "next"


@pytest.mark.parametrize(
    ("match", "message", "matches"),
    [
        (None, None, True),
        (..., 5, True),
        (int, 5, True),
        (int, "5", False),
        ("stop", "stop", True),
        ("stop", "go", False),
        (lambda n: n > 3, 5, True),
        (lambda n: n > 3, 1, False),
        (("add", int, ...), ("add", 1, "x"), True),
        (("add", int, ...), ("add", "1", "x"), False),
        (("add", int), ("add", 1, 2), False),
        (("add", int), ["add", 1], False),
        (("pair", ("x", ...)), ("pair", ("x", 0)), True),
        (("none", None), ("none", None), True),
        (("none", None), ("none", 1), False),
    ],
)
def test_what_matches(match: Any, message: Any, matches: bool) -> None:
    assert matcher(match)(message) is matches


def test_many_that_wait_do_not_slow_the_taking_of_each() -> None:
    mailbox, many = Mailbox(), 100_000
    for number in range(many):
        mailbox.put_record(number)
    began = time.process_time()
    assert all(take(mailbox) == number for number in range(many))
    assert time.process_time() - began < 10  # ten times what it takes; with a look at all for each it were minutes
    assert len(mailbox) == 0


def test_one_that_nobody_wants_does_not_slow_the_taking_of_those_behind_it() -> None:
    mailbox, many = Mailbox(), 100_000
    mailbox.put_record("unwanted")
    began = time.process_time()
    for number in range(many):
        mailbox.put_record(number)
        assert take(mailbox, int) == number
    assert time.process_time() - began < 10
    assert [take(mailbox), take(mailbox)] == ["unwanted", MISSING]


def even(number: float) -> bool:
    return number % 2 == 0


@given(st.lists(st.one_of(st.integers(), st.floats(-9, 9), st.sampled_from(["any", "even", "drop"]))))
def test_a_mailbox_takes_as_a_list_would(steps: list[float | str]) -> None:
    """Whole numbers are messages, and the others records of the system's, which alone can be dropped."""
    mailbox, model = Mailbox(), []
    for step in steps:
        if isinstance(step, int):
            mailbox.put(dumps(step))
            model.append(step)
        elif isinstance(step, float):
            mailbox.put_record(step)
            model.append(step)
        elif step == "drop":
            mailbox.drop(lambda record: record < 0)
            model = [each for each in model if isinstance(each, int) or not each < 0]
        else:
            wanted = [number for number in model if step == "any" or even(number)]
            assert take(mailbox, None if step == "any" else even) == (wanted[0] if wanted else MISSING)
            if wanted:
                model.remove(wanted[0])
        assert len(mailbox) == len(model)
    assert mailbox.take_all() == model
