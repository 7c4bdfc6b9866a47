"""The rest is played on a real terminal in test_stuck, and on real nodes in test_own_shells."""

from typing import Any, cast

import pytest

from pysh.shell.console import Console, Refused
from pysh.shell.going import enter, go_back, stay
from pysh.shell.stuck import Moved


class There:
    """A console at shell 2, which answers `leave` in turn."""

    name, shell = "n1@here", 2
    called = Console.called

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def again(self) -> str:
        return "pysh attach --shell 2 n1"

    def ask(self, verb: str, **asked: Any) -> dict[str, Any]:
        self.asked.append({"verb": verb, **asked})
        return self.answers.pop(0)


@pytest.mark.parametrize(("visit", "asked"), [(True, {"verb": "leave", "visit": True}), (False, {"verb": "leave"})])
def test_who_would_rather_stay_runs_more_cells(visit: bool, asked: dict[str, Any]) -> None:
    reasons = {"stop": False, "reasons": ["a cell is running"], "called": "shell 2 of n1@here"}
    there, lines, codes = There(reasons, {"stop": True, "reasons": []}), list[str](), [0, 3]
    code = stay(cast(Any, there), lambda _: codes.pop(0), lines.append, lambda: b"x", visit=visit)
    assert (code, codes, there.asked) == (3, [], [asked, asked])
    assert lines[0] == "shell 2 of n1@here: a cell is running"


def test_each_shell_that_is_left_for_another_is_followed_to_that() -> None:
    came: list[int] = []

    def come(told: Any) -> None:
        came.append(told["shell"])
        if told["shell"] < 3:
            raise Moved({"shell": told["shell"] + 1})

    enter({"shell": 1}, come, lambda moved: moved.told)
    assert came == [1, 2, 3]


@pytest.mark.parametrize(("shell", "called"), [(0, "the shell of n1@here"), (1, "shell 1 of n1@here")])
def test_who_goes_back_is_told_how_to_come_again(shell: int, called: str) -> None:
    lines, asked = list[str](), list[Any]()
    go_back(cast(Any, There()), shell, asked.append, lines.append)
    assert (lines, asked) == ([f"back at {called}; shell 2 stays: attach(node(), shell=2)"], [{"shell": shell}])


def test_a_shell_that_is_gone_is_told() -> None:
    def attach(_: Any) -> None:
        raise Refused("there is none")

    lines = list[str]()
    go_back(cast(Any, There()), 1, attach, lines.append)
    assert lines[-1] == "pysh: there is none"
