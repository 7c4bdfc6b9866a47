"""The rest is played on a real terminal in test_terminal."""

from typing import Any, cast

import pytest

from pysh.shell.console import Console
from pysh.shell.leaving import may_leave


class Asked:
    """A console that answers `leave` with `answer`, until it is told to stop."""

    name = "n1@here"

    def __init__(self, **answer: Any) -> None:
        self.answer = {"stop": False, "reasons": [], **answer}
        self.stopped = False
        self.asked = 0

    def again(self) -> str:
        return "pysh attach n1"

    def ask(self, verb: str, *, stop: bool = False) -> dict[str, Any]:
        assert verb == "leave"
        self.stopped = self.stopped or stop
        self.asked += 1
        return {**self.answer, "sending": self.asked < self.answer.get("sends", 1)}


@pytest.mark.parametrize(
    ("answer", "key", "code", "stopped", "said"),
    [
        ({"stop": True}, b"", 0, False, 0),
        ({"stop": True, "unsent": ["a message to <n2.3> may not have arrived"]}, b"", 1, False, 1),
        ({}, b"", 0, False, 1),
        ({"persistent": True, "reasons": ["a task"]}, b"", 0, False, 1),
        ({"reasons": ["a task"]}, b"s", 0, True, 2),
        ({"reasons": ["a task"]}, b"l", 0, False, 3),
        ({"reasons": ["a task"]}, b"\x03", None, False, 2),
        ({"reasons": ["a task"]}, b"\r", None, False, 2),
    ],
)
def test_leaving_asks_only_where_something_would_be_lost(
    answer: dict[str, Any], key: bytes, code: int | None, stopped: bool, said: int
) -> None:
    console, lines = Asked(**answer), list[str]()
    assert may_leave(cast(Console, console), lines.append, lambda: key) == code
    assert (console.stopped, len(lines)) == (stopped, said)


def test_leaving_is_asked_for_again_while_the_last_messages_are_sent() -> None:
    console = Asked(stop=True, sends=3)
    assert may_leave(cast(Console, console), lambda _: None, lambda: b"") == 0
    assert console.asked == 3
