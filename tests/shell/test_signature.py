from typing import Any

import pytest

from pysh.shell.signature import Signature, line, told

PARAMETERS = ["value", "*more", "on=None", "timeout=None"]


def text(signature: Signature, width: int = 80) -> str:
    """The line, the marked argument in `[ ]`."""
    return "".join(f"[{each}]" if marked else each for marked, each in line(signature, width))


@pytest.mark.parametrize(
    ("at", "width", "shown"),
    [
        (0, 80, "call([value], *more, on=None, timeout=None)"),
        (3, 80, "call(value, *more, on=None, [timeout=None])"),
        (-1, 80, "call(value, *more, on=None, timeout=None)"),
        (0, 30, "call([value], *more, on=None, …)"),
        (2, 32, "call(…, [on=None], timeout=None)"),
        (2, 20, "call(…, [on=None], …)"),
        (3, 24, "call(…, [timeout=None])"),
        (0, 5, "call([value], …)"),
    ],
)
def test_the_typed_argument_is_marked_and_never_left_out(at: int, width: int, shown: str) -> None:
    assert text(Signature("call", PARAMETERS, at), width) == shown


def test_a_call_without_parameters_is_shown_as_such() -> None:
    assert text(Signature("now", [], -1)) == "now()"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"signature": None},
        {"signature": ["f", ["a"]]},
        {"signature": [1, [], 0]},
        {"signature": ["f", [1], 0]},
    ],
)
def test_an_answer_without_a_signature_has_none(answer: Any) -> None:
    assert told(answer) is None


def test_a_name_cannot_steer_the_terminal() -> None:
    assert told({"signature": ["f\x1b[2J", ["a\n"], 0]}) == Signature("f?[2J", ["a?"], 0)
