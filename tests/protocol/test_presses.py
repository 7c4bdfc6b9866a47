import pytest

from pysh.runtime.protocol.presses import (
    CANCEL,
    JOB,
    LATER,
    LET_GO,
    MOMENT,
    OFFER,
    RAISE,
    REFUSE,
    Outlived,
    awaitable,
    interrupt,
    suspend,
)


@pytest.mark.parametrize(
    ("presses", "on_stack", "does"),
    [
        (1, True, {RAISE}), (2, True, {RAISE}), (3, True, {RAISE}), (9, True, {RAISE}),
        (1, False, {CANCEL}), (2, False, {CANCEL}), (3, False, {CANCEL, LET_GO}), (4, False, {CANCEL, LET_GO}),
    ],
)  # fmt: skip
def test_each_press_cancels_or_raises_and_the_third_lets_go_of_what_awaits(
    presses: int, on_stack: bool, does: set[str]
) -> None:
    assert set(interrupt(presses, on_stack=on_stack)) == does


@pytest.mark.parametrize(
    ("awaits", "on_stack", "does"),
    [(True, False, JOB), (True, True, LATER), (False, True, REFUSE), (False, False, JOB)],
)
def test_ctrl_z_makes_a_job_of_a_cell_once_it_awaits(awaits: bool, on_stack: bool, does: str) -> None:
    assert suspend(awaits=awaits, on_stack=on_stack) == does


@pytest.mark.parametrize(
    ("pressed", "due"),
    [
        ([(1, 0)], None),
        ([(1, 0), (1, 5)], None),
        ([(1, 0), (1, 5), (1, 9)], 9 + OFFER),
        ([(3, 2)], 2 + OFFER),
        ([(2, 0), (1, 10)], None),
        ([(1, 0), (1, 9), (1, 18)], 18 + OFFER),
        ([(2, 0), (2, 60), (1, 61)], 61 + OFFER),
    ],
)
def test_a_terminal_offers_more_after_the_third_press(pressed: list[tuple[int, float]], due: float | None) -> None:
    outlived = Outlived()
    for times, now in pressed:
        outlived.pressed(times, now)
    assert outlived.due == due


def test_further_presses_do_not_put_the_offer_off_and_who_waits_is_asked_after_three_more() -> None:
    outlived = Outlived()
    outlived.pressed(3, 1.0)
    outlived.pressed(3, 1.1)
    assert outlived.due == 1.0 + OFFER
    outlived.start_again()
    outlived.pressed(2, 5.0)
    assert outlived.due is None
    outlived.pressed(1, 6.0)
    assert outlived.due == 6.0 + OFFER


def test_the_offer_comes_after_the_moment_in_which_a_cell_may_end_and_within_a_second() -> None:
    assert MOMENT < OFFER < 1.0


API, TASK = "<core>/pysh/runtime/api.py", "<core>/pysh/runtime/task.py"


@pytest.mark.parametrize(
    ("calls", "form"),
    [
        ([("waiting.py", "wait"), (API, "_run"), (API, "receive"), ("<n1:3>", "<module>")], "await aio.receive(...)"),
        ([(TASK, "result"), (API, "call"), ("<n1:3>", "<module>")], "await aio.call(...)"),
        ([(TASK, "_wait"), (TASK, "result"), ("<n1:3>", "f"), ("<n1:3>", "<module>")], "await t"),
        ([("/home/me/api.py", "call"), ("<n1:3>", "<module>")], ""),
        ([], ""),
    ],
)
def test_a_verb_that_waits_has_a_form_that_can_become_a_job(calls: list[tuple[str, str]], form: str) -> None:
    assert awaitable(calls) == form
