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

    def again(self) -> str:
        return "pysh attach n1"

    def ask(self, verb: str, *, stop: bool = False) -> dict[str, Any]:
        assert verb == "leave"
        self.stopped = self.stopped or stop
        return self.answer


@pytest.mark.parametrize(
    ("answer", "key", "leaves", "stopped", "said"),
    [
        ({"stop": True}, b"", True, False, 0),
        ({}, b"", True, False, 1),
        ({"persistent": True, "reasons": ["a task"]}, b"", True, False, 1),
        ({"reasons": ["a task"]}, b"s", True, True, 2),
        ({"reasons": ["a task"]}, b"l", True, False, 3),
        ({"reasons": ["a task"]}, b"\x03", False, False, 2),
        ({"reasons": ["a task"]}, b"\r", False, False, 2),
    ],
)
def test_leaving_asks_only_where_something_would_be_lost(
    answer: dict[str, Any], key: bytes, leaves: bool, stopped: bool, said: int
) -> None:
    console, lines = Asked(**answer), list[str]()
    assert may_leave(cast(Console, console), lines.append, lambda: key) is leaves
    assert (console.stopped, len(lines)) == (stopped, said)
