"""Who asked for a dial hears what a server asks on its way, and what came of it."""

import pytest

from pysh.runtime.protocol.actions import Answer, Dial
from pysh.runtime.protocol.dials import QUESTIONS
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from tests.sim.cluster import Cluster

FAILED = {"error": "ConnectError", "stage": "sshauth", "text": "too late"}


@pytest.mark.parametrize("late", [False, True])
def test_who_answers_a_question_hears_what_came_of_the_dial_even_if_it_was_over_before(
    monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    core, told = Cluster("a")["a"].core, []
    monkeypatch.setattr(core, "reply", lambda asked, meta: told.append((asked.ref, meta)))
    first, second = (Frame(Kind.REQUEST, LOCAL, LOCAL, ref=ref) for ref in (1, 2))
    core.members.connect("w1@db1", first, asks=True)
    [dial] = [action for action in core.take() if isinstance(action, Dial)]
    assert dial.asks
    assert core.members.dials.question(dial.token, "Code:", True)
    assert told.pop() == (1, {"ok": {"question": "Code:", "wanted": True, "token": dial.token}})
    assert not core.members.dials.question(dial.token, "Another:", True), "one at a time"
    if late:
        core.members.dial_failed(dial.token, FAILED)
    assert core.members.dials.answer(dial.token, "1234", second)
    assert [action for action in core.take() if isinstance(action, Answer)] == [Answer(dial.token, "1234")]
    if not late:
        assert told == []
        core.members.dial_failed(dial.token, FAILED)
    assert told == [(2, FAILED)]
    assert not core.members.dials.answer(dial.token, "1234", second), "nobody asked"


def test_of_too_many_questions_without_an_answer_the_oldest_is_forgotten() -> None:
    dials = Cluster("a")["a"].core.members.dials
    request = Frame(Kind.REQUEST, LOCAL, LOCAL, ref=1)
    tokens = [dials.expect(request) for _ in range(QUESTIONS + 1)]
    assert all(dials.question(token, "Code:", True) for token in tokens)
    assert [dials.answer(token, "1234", request) for token in tokens] == [False] + [True] * QUESTIONS


def test_a_dial_that_nobody_asked_for_has_nobody_to_ask_or_to_tell() -> None:
    dials = Cluster("a")["a"].core.members.dials
    token = dials.expect(None)
    assert not dials.question(token, "Code:", True)
    assert not dials.tell(token, FAILED)
