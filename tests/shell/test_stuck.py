"""What a terminal offers for a cell that Ctrl-C does not end; the hub is the test's."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.shell.stuck import at_stake
from tests.shell.conftest import Shell
from tests.shell.hub import NAME

STAKE = {"jobs": 1, "tasks": 2, "functions": 3, "interrupts": True}
HEAD = f"{NAME}: this cell does not end: code that does not await, or C code"
BESIDE = "n: a new shell beside it, with other names; fg(1) there comes back to this cell"
OFFER = "k: kill the shell (lost: all its bindings, 1 job; not lost: 2 tasks it started,"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"jobs": 0, "tasks": 0, "functions": 0}, "lost: all its bindings"),
        ({"jobs": 2, "tasks": 0, "functions": 1}, "lost: all its bindings, 2 jobs; not lost: 1 callable name"),
        ({"jobs": 0, "tasks": 1, "functions": 0}, "lost: all its bindings; not lost: 1 task it started"),
    ],
)
def test_what_would_be_lost_is_named(told: dict[str, int], text: str) -> None:
    assert at_stake(told) == text


def stuck(shell: Shell, **told: Any) -> None:
    """Press Ctrl-C three times in a cell that goes on."""
    shell.hub.answers["at_stake"] = {**STAKE, **told}
    shell.run("work()")
    for n in (1, 2, 3):
        shell.type("\x03")
        shell.wait(lambda n=n: shell.hub.typed == b"\x03" * n, "the press")


def offered(shell: Shell) -> None:
    stuck(shell)
    shell.wait(lambda: OFFER in shell.lines, "the offer", seconds=5)
    assert shell.lines[-4:-1] == [HEAD, BESIDE, OFFER]


def asked(shell: Shell, verb: str) -> int:
    return sum(each["verb"] == verb for each in shell.hub.asked)


def test_two_presses_are_not_enough(shell: Shell) -> None:
    shell.run("work()")
    shell.type("\x03\x03")
    shell.settle(0.8)
    assert not asked(shell, "at_stake")


def test_presses_between_which_something_else_is_typed_are_for_the_program(shell: Shell) -> None:
    shell.run("breakpoint()")
    shell.settle(0.2)  # what is typed at once may be for the next prompt
    for n in (1, 2, 3):
        shell.type("\x03")
        shell.wait(lambda n=n: shell.hub.typed.count(b"\x03") == n, "the press")
        shell.type("w")
        shell.wait(lambda n=n: shell.hub.typed.count(b"w") == n, "the key")
    shell.settle(0.8)
    assert not asked(shell, "at_stake")


def test_after_the_third_press_the_shell_can_be_killed(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["kill_shell"] = {"killed": True}
    shell.type("\x03")  # pressed too often: no answer
    shell.type("k")
    shell.wait(lambda: asked(shell, "kill_shell") == 1, "the kill")
    shell.hub.done("the shell was killed", kind="error")
    shell.prompt(2)
    assert shell.hub.typed == b"\x03" * 3, "the answer is not for the cell"


def test_what_is_typed_behind_the_kill_is_for_the_next_prompt(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["kill_shell"] = {"killed": True}
    shell.type("k1+1")
    shell.wait(lambda: asked(shell, "kill_shell") == 1, "the kill")
    shell.hub.running = False
    shell.hub.done("the shell was killed", kind="error")
    shell.prompt(2, "1+1")
    assert shell.hub.typed.strip(b"\x03") == b"", "no key is for the cell"


@pytest.mark.parametrize(("typed", "given"), [("wxy", b"xy"), ("\x1b[Ax", b"")])
def test_what_is_typed_behind_another_answer_is_for_the_cell(shell: Shell, typed: str, given: bytes) -> None:
    offered(shell)
    shell.type(typed)
    shell.wait_for_end("waiting; what is typed goes to the cell, and Ctrl-C three times asks again")
    shell.type("z")
    shell.wait(lambda: shell.hub.typed == b"\x03\x03\x03" + given + b"z", "the keys")


def test_who_waits_is_asked_again_after_three_more_presses(shell: Shell) -> None:
    offered(shell)
    shell.type("w")
    shell.wait_for_end("waiting; what is typed goes to the cell, and Ctrl-C three times asks again")
    shell.type("x")
    shell.wait(lambda: shell.hub.typed == b"\x03\x03\x03x", "the key")
    shell.type("\x03\x03\x03")
    shell.wait(lambda: asked(shell, "at_stake") == 2, "the second offer")
    assert not asked(shell, "kill_shell")


def test_a_flood_leaves_the_offer_in_view_and_goes_on_with_the_answer(shell: Shell) -> None:
    offered(shell)
    shell.hub.screen(b"flood\r\n" * 100)
    shell.hub.output("n2", b"something else\n")
    shell.wait(lambda: "n2 | something else" in shell.lines, "the output of a task")
    assert (OFFER in shell.lines, "flood" in shell.lines, shell.hub.credit(Kind.SCREEN)) == (True, False, 0)
    shell.type("w")
    shell.wait(lambda: shell.lines[-2] == "flood" and shell.lines[-1].startswith("waiting; "), "the rest")
    shell.wait(lambda: shell.hub.credit(Kind.SCREEN) == 700, "the credit")


def test_a_cell_that_ends_takes_the_offer_along(shell: Shell) -> None:
    offered(shell)
    shell.hub.done("KeyboardInterrupt", kind="error")
    shell.prompt(2)
    shell.type("k")
    shell.prompt(2, "k")
    assert not asked(shell, "kill_shell")


def test_a_cell_that_ends_in_time_is_followed_by_no_offer(shell: Shell) -> None:
    stuck(shell)
    shell.hub.done("KeyboardInterrupt", kind="error")
    shell.prompt(2)
    shell.run("next()")
    shell.settle(0.8)
    assert not asked(shell, "at_stake")


def test_an_answer_that_comes_after_the_cells_end_leaves_the_prompt_and_the_next_cell_alone(shell: Shell) -> None:
    shell.hub.answers["at_stake"] = lambda _: None
    shell.run("work()")
    shell.type("\x03\x03\x03")
    shell.wait(lambda: asked(shell, "at_stake") == 1, "the question")
    ref = shell.hub.refs[-1]
    shell.hub.done("KeyboardInterrupt", kind="error")
    shell.prompt(2)
    shell.hub.send(Kind.REPLY, {"ok": STAKE}, ref=ref)
    shell.hub.notice("after the answer")
    shell.wait(lambda: "after the answer" in shell.lines, "what came behind it")
    shell.run("next()")
    shell.hub.screen(b"shown\r\n")
    shell.wait(lambda: "shown" in shell.lines, "what the next cell prints")
    assert HEAD not in shell.lines


def test_nothing_is_offered_where_ctrl_c_is_a_key(shell: Shell) -> None:
    stuck(shell, interrupts=False)
    shell.wait(lambda: asked(shell, "at_stake") == 1, "the question")
    shell.type("k")
    shell.wait(lambda: shell.hub.typed == b"\x03\x03\x03k", "the key")
    assert HEAD not in shell.lines


def test_nothing_is_offered_over_a_full_screen(shell: Shell) -> None:
    shell.hub.answers["at_stake"] = STAKE
    shell.run("work()")
    shell.hub.screen(b"\x1b[?1049hin full")
    shell.wait(lambda: "in full" in "".join(shell.lines), "the program's screen")
    for n in (1, 2, 3):
        shell.type("\x03")
        shell.wait(lambda n=n: shell.hub.typed == b"\x03" * n, "the press")
    shell.wait(lambda: asked(shell, "at_stake") == 1, "the question")
    shell.type("k")
    shell.wait(lambda: shell.hub.typed == b"\x03\x03\x03k", "the key")
    assert HEAD not in shell.lines
    assert not asked(shell, "kill_shell")


def test_a_shell_that_does_not_even_take_the_cell_can_be_killed(open_shell: Callable[..., Shell]) -> None:
    shell = open_shell()
    shell.prompt(1)
    shell.hub.accepts = False
    shell.hub.answers["at_stake"] = STAKE
    shell.hub.answers["kill_shell"] = {"killed": True}
    shell.run("work()")
    shell.type("\x03\x03\x03")
    shell.wait(lambda: OFFER in shell.lines, "the offer", seconds=5)
    assert not shell.hub.of(Kind.INPUT)
    shell.type("k")
    shell.wait(lambda: asked(shell, "kill_shell") == 1, "the kill")


# a new shell beside it

BESIDE_TOLD = {
    "evaluator": 2, "shell": 1, "cell": 1, "busy": False, "missed": b"", "dropped": 0, "folder": "", "suspects": [],
    "alone": [],
}  # fmt: skip


def at_another(shell: Shell, cell: int, text: str = "") -> None:
    shell.wait_for_end(f"{NAME}#1[{cell}]> {text}".rstrip())


def test_the_terminal_goes_to_a_new_shell_and_what_is_typed_behind_the_answer_is_for_that(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["beside"] = lambda _: None
    shell.type("n4")
    shell.wait(lambda: asked(shell, "beside") == 1, "the question")
    ref = shell.hub.refs[-1]
    shell.type("0 + 2")
    shell.settle(0.2)
    shell.hub.running = False  # what is typed now is for no cell
    shell.hub.send(Kind.REPLY, {"ok": BESIDE_TOLD}, ref=ref)
    at_another(shell, 1, "40 + 2")
    assert f"at shell 1 of {NAME}; that cell is a job: fg() goes back to it" in shell.lines
    assert shell.hub.typed.strip(b"\x03") == b"", "no key is for the cell"


def test_what_the_cell_printed_since_the_offer_is_for_who_goes_back(shell: Shell) -> None:
    offered(shell)
    shell.hub.screen(b"flood\r\n" * 100)
    shell.hub.output("n2", b"something else\n")
    shell.wait(lambda: "n2 | something else" in shell.lines, "the output of a task")
    shell.hub.answers["beside"] = BESIDE_TOLD
    shell.hub.running = False
    shell.type("n")
    at_another(shell, 1)
    assert ("flood" in shell.lines, shell.hub.credit(Kind.SCREEN)) == (False, 0)


def test_what_the_new_shell_prints_behind_the_answer_is_shown_and_nothing_before_it(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["beside"] = lambda _: None
    shell.type("n")
    shell.wait(lambda: asked(shell, "beside") == 1, "the question")
    ref = shell.hub.refs[-1]
    shell.hub.running = False
    shell.process.send_signal(signal.SIGSTOP)  # so that all is read at once
    shell.hub.screen(b"of the cell\r\n")
    shell.hub.send(Kind.REPLY, {"ok": BESIDE_TOLD}, ref=ref)
    shell.hub.screen(b"of the new one\r\n")
    shell.process.send_signal(signal.SIGCONT)
    at_another(shell, 1)
    shell.wait(lambda: "of the new one" in shell.lines, "what came behind the answer")
    shell.wait(lambda: shell.hub.credit(Kind.SCREEN) == len(b"of the new one\r\n"), "its credit")
    assert "of the cell" not in shell.lines


def test_where_no_new_shell_can_be_had_it_says_why_and_the_cell_goes_on(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["beside"] = {"refused": "there is no room; nothing was started"}
    shell.hub.screen(b"held\r\n")
    shell.type("n")
    shell.wait_for_end("held", "there is no room; nothing was started")
    shell.type("x")
    shell.wait(lambda: shell.hub.typed == b"\x03\x03\x03x", "the key")


def test_fg_there_goes_back_to_the_shell_that_was_left_with_what_was_missed(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["beside"] = BESIDE_TOLD
    shell.hub.running = False
    shell.type("n")
    at_another(shell, 1)
    told = {"shell": 0, "cell": 3, "missed": b"missed\r\n", "suspects": [], "alone": []}
    shell.hub.answers["attach"] = {**BESIDE_TOLD, **told}
    shell.run("fg(1)")
    shell.hub.done(shell=0)
    shell.prompt(3)
    shell.wait_for(f"back at the shell of {NAME}; shell 1 stays: attach(node(), shell=1)", "missed")
    assert [each.get("shell") for each in shell.hub.asked if each["verb"] == "attach"] == [None, 0]


def test_lines_without_an_end_stay_with_their_shell(shell: Shell) -> None:
    offered(shell)
    shell.hub.output("n2", b"\r10%")
    shell.wait(lambda: "n2 | 10%" in shell.lines, "the bar")
    shell.hub.answers["beside"] = BESIDE_TOLD
    shell.hub.running = False
    shell.type("n")
    at_another(shell, 1)
    shell.hub.output("n3", b"\r20%")
    shell.wait_for_end("n3 | 20%", f"{NAME}#1[1]>")
    assert "n2 | 10%" not in shell.lines
    shell.hub.answers["attach"] = {**BESIDE_TOLD, "shell": 0, "cell": 3}
    shell.run("fg(1)")
    shell.hub.done(shell=0)
    shell.wait_for_end("n2 | 10%", f"{NAME}[3]>")
    assert "n3 | 20%" not in shell.lines


def test_a_cell_to_which_fg_goes_back_leaves_with_its_exit_code_and_makes_its_offer(shell: Shell) -> None:
    offered(shell)
    shell.hub.answers["beside"] = BESIDE_TOLD
    shell.hub.running = False
    shell.type("n")
    at_another(shell, 1)
    shell.hub.answers["attach"] = {**BESIDE_TOLD, "shell": 0, "cell": 1, "busy": True}
    for told in ({"offer": "x = 1"}, {"exit": 3}):
        shell.run("fg(1)")
        shell.hub.done(shell=0)
        shell.wait(lambda: shell.lines[-1].startswith("back at"), "the way back")
        shell.hub.done(**told)
        if "offer" in told:
            shell.wait(lambda: shell.lines[-1].endswith("> x = 1"), "the offer")
            shell.type("\x03")
            shell.wait(lambda: shell.lines[-1].endswith("]>"), "an empty prompt")
    assert shell.wait_exit() == 3


def test_a_shell_that_is_gone_by_then_leaves_the_terminal_where_it_is(shell: Shell) -> None:
    shell.hub.answers["attach"] = {"error": "PyshError", "text": "n1 has no shell 3"}
    shell.run("fg(1)")
    shell.hub.done(shell=3)
    shell.wait(lambda: "pysh: n1 has no shell 3" in shell.lines, "the reason")
    shell.prompt(2)
