"""Where prompts, what was typed, and outputs begin and end, as a terminal is told."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import MIRRORED
from pysh.shell.semantic import Semantic, status
from tests.shell.conftest import Shell
from tests.shell.hub import NAME

KNOWS = {"TERM_PROGRAM": "WezTerm"}
MARK = re.compile(rb"\x1b\]133;([^\x1b]*)\x1b\\")
Open = Callable[..., Shell]


def marks(shell: Shell) -> list[str]:
    """Those that were written so far; a prompt that was painted again, once."""
    found = " ".join(each.decode() for each in MARK.findall(shell.raw))
    found = re.sub(r"\b([AB]) (?=\1\b)", "", found)
    return re.sub(r"(?:A B )+(?=A B)", "", found).split()


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({}, 0),
        ({"kind": "text"}, 0),
        ({"kind": "job"}, 0),
        ({"kind": "error"}, 1),
        ({"kind": "none", "exit": 0}, 0),
        ({"kind": "none", "exit": 3}, 3),
        ({"kind": "none", "exit": -1}, 255),
    ],
)
def test_a_cell_has_an_exit_status_as_a_command_has(told: dict[str, Any], number: int) -> None:
    assert status(told) == number


def test_the_end_of_what_was_not_begun_is_not_marked() -> None:
    semantic = Semantic(True)
    assert semantic.end({}) == b""
    semantic.begin()
    assert semantic.end({}) == b"\x1b]133;D;0\x1b\\"
    assert semantic.end({}) == b""

    semantic.begin()
    assert semantic.leave() == b"\x1b]133;D\x1b\\"
    assert (semantic.leave(), semantic.end({})) == (b"", b"")


def opened(open_shell: Open, **options: Any) -> Shell:
    shell = open_shell(env=KNOWS | options.pop("env", {}), **options)
    shell.prompt(1)
    return shell


def test_a_prompt_its_cell_and_the_output_are_marked_in_order(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.run("work()")
    shell.hub.screen(b"printed\r\n")
    shell.hub.done("42")
    shell.prompt(2)
    shell.wait(lambda: marks(shell) == ["A", "B", "C", "D;0", "A"], "marks")
    assert shell.lines == [f"{NAME}[1]> work()", "printed", "42", f"{NAME}[2]>"]
    before, behind = shell.raw.split(b"\x1b]133;C\x1b\\")
    assert b"printed" not in before
    assert behind.index(b"printed") < behind.index(b"42") < behind.index(b"\x1b]133;D;0")


def test_a_cell_that_raises_ends_with_1(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.run("1/0")
    shell.hub.done("ZeroDivisionError: no", kind="error")
    shell.prompt(2)
    shell.wait(lambda: marks(shell) == ["A", "B", "C", "D;1", "A"], "marks")


def test_a_cell_that_leaves_ends_with_its_code(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.run("exit(3)")
    shell.hub.done(exit=3)
    assert shell.wait_exit() == 3
    assert marks(shell) == ["A", "B", "C", "D;3"]


def test_a_prompt_that_is_painted_again_is_marked_again_and_looks_the_same(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.type("half_ty")
    shell.prompt(1, "half_ty")
    shell.hub.notice("n2 is down", "warn", suspects=["n2"])
    shell.wait_for_end("n2 is down", f"(n2 suspect) {NAME}[1]> half_ty")
    shell.resize(20, 60)
    shell.type("ped")
    shell.wait_for_end(f"(n2 suspect) {NAME}[1]> half_typed")
    assert set(marks(shell)) == {"A", "B"}
    assert MARK.findall(shell.raw).count(b"A") >= 2


def test_the_first_paint_bears_no_mark_and_a_line_typed_before_the_editor_is_there_does(open_shell: Open) -> None:
    shell = open_shell(env=KNOWS)
    shell.wait(lambda: b"]> " in shell.raw)
    assert b"\x1b]133" not in shell.raw.partition(b"]> ")[0]
    shell.type("2+2\r")
    shell.wait(lambda: shell.hub.cells == ["2+2"], "cell")
    shell.hub.done("4")
    shell.prompt(2)
    assert shell.lines == [f"{NAME}[1]> 2+2", "4", f"{NAME}[2]>"]
    shell.wait(lambda: marks(shell)[-5:] == ["A", "B", "C", "D;0", "A"], "marks")


def test_a_cell_of_another_terminal_is_marked_as_one_of_our_own(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.type("half")
    shell.prompt(1, "half")
    shell.hub.send(Kind.CELL, {"cell": 1}, b"theirs()")
    shell.wait_for_end(f"{NAME}[1]> theirs()")
    shell.hub.screen(b"printed\r\n")
    shell.hub.send(Kind.DONE, {"cell": 2, "kind": "text", "text": "7", "took": 0.0}, ref=0)
    shell.prompt(2, "half")
    assert marks(shell) == ["A", "B", "C", "D;0", "A", "B"]
    assert re.search(MARK.pattern + rb"[^\n]*\[1\]> [^\n]*" + MARK.pattern + rb"theirs\(\)", shell.raw)
    assert shell.lines == [f"{NAME}[1]> theirs()", "printed", "7", f"{NAME}[2]> half"]


@pytest.mark.parametrize(
    ("env", "settings"), [({}, "marks=False"), ({"TERM_PROGRAM": ""}, ""), ({"TMUX": "x"}, "")]
)  # fmt: skip
def test_where_it_is_not_known_or_not_wanted_there_is_no_mark(
    open_shell: Open, env: dict[str, str], settings: str
) -> None:
    shell = opened(open_shell, env=env, settings=settings)
    shell.run("1")
    shell.hub.done("1")
    shell.prompt(2)
    assert b"\x1b]" not in shell.raw


def test_a_cell_that_had_to_wait_for_that_of_another_is_marked_behind_it(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.wait(lambda: marks(shell) == ["A"], "editor")
    shell.run("ours()")
    shell.hub.send(Kind.CELL, {"cell": 1}, b"theirs()")
    shell.hub.send(Kind.DONE, {"cell": 2, "kind": "text", "text": "7", "took": 0.0}, ref=MIRRORED)
    shell.hub.screen(b"printed\r\n")
    shell.hub.done(kind="error", text="no")
    shell.prompt(2)
    assert marks(shell) == ["A", "B", "C", "A", "B", "C", "D;0", "C", "D;1", "A"]


def test_marks_take_no_room(open_shell: Open) -> None:
    shell = opened(open_shell)
    shell.type("if x:\ry")
    shell.wait_for_end(f"{NAME}[1]> if x:", " " * 16 + "...     y")
    shell.hub.output("n2", b"\r10%")
    shell.wait_for_end("n2 | 10%", f"{NAME}[1]> if x:", " " * 16 + "...     y")
    shell.resize(20, 30)
    shell.wait(lambda: shell.screen.cursor.x == 25, "cursor behind y")
