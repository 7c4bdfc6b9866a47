"""Questions whose answers become code at the next prompt."""

import ast
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.frames import Kind
from pysh.shell.form import filled, quoted
from tests.shell.conftest import Shell
from tests.shell.hub import NAME

FORM = {"verb": "connect", "hosts": ["db1", "bastion"], "nodes": ["n2@localhost"]}
HOST = "host, or [user@]host[:port], by ssh (empty: this machine):"
NODE = "name of the node there:"
THROUGH = "through which hosts, in order (empty: none):"
KEY = "write down the key of a host that is not known (y, empty: no):"


class Person:
    """Gives answers, and knows what was offered."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.offered: list[list[str]] = []

    def __call__(self, _question: str, words: Sequence[str]) -> str:
        self.offered.append(list(words))
        if not self._answers:
            raise KeyboardInterrupt
        return self._answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (["", "n2"], 'connect("n2@localhost")'),
        (["localhost", "n2"], 'connect("n2@localhost")'),
        (["", "n2@db7"], 'connect("n2@db7")'),
        (["db1", "w1", "", ""], 'connect("w1@db1")'),
        (["db1", "w1@db1", "", "n"], 'connect("w1@db1")'),
        (["me@db1:22", "w1", "bastion", "y"], 'connect("w1@me@db1:22", via="bastion", hostkey="accept-new")'),
        (["db1", "w1", "a, b", ""], 'connect("w1@db1", via=["a", "b"])'),
        ([" db 1\n", 'w"1', "", ""], "connect('w\"1@db1')"),
        (["db1", ""], ""),
        (["db1"], ""),
        ([], ""),
    ],
)
def test_the_answers_become_code(answers: list[str], code: str) -> None:
    assert filled(FORM, Person(*answers)) == code


def test_what_is_known_is_offered() -> None:
    person = Person("db1", "w1", "", "")
    filled(FORM, person)
    assert person.offered == [["localhost", "db1", "bastion"], [], ["db1", "bastion"], ["y"]]
    person = Person("", "n2")
    filled(FORM, person)
    assert person.offered[1] == ["n2@localhost"]


@pytest.mark.parametrize("form", [{}, {"verb": "another"}, {"verb": 3, "hosts": 4}])
def test_a_form_that_is_not_known_is_left(form: dict[str, object]) -> None:
    assert filled(form, Person("x")) == ""


def test_a_damaged_form_offers_nothing_and_no_word_steers_the_terminal() -> None:
    person = Person("", "n2")
    assert filled({"verb": "connect", "hosts": 3, "nodes": ["\x1b[2Ja", 4]}, person) == 'connect("n2@localhost")'
    assert person.offered == [["localhost"], ["a"]]


@given(st.text())
def test_whatever_was_typed_is_one_text_in_the_code(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text


def test_a_form_is_filled_in_at_the_prompt_and_nothing_is_run(shell: Shell) -> None:
    shell.run("connect()")
    shell.hub.done(form=FORM)
    shell.wait_for_end(HOST)
    shell.type("ba\t")
    shell.wait_for_end(f"{HOST} bastion")
    shell.type("\x15db1\r")
    shell.wait_for_end(NODE)
    shell.hub.notice("n3 is up")
    shell.wait_for_end("n3 is up", NODE)
    shell.type("w1\r")
    shell.wait_for_end(THROUGH)
    shell.type("\r")
    shell.wait_for_end(KEY)
    shell.type("\r")
    shell.prompt(2, 'connect("w1@db1")')
    assert shell.hub.cells == ["connect()"]
    shell.type("\r")
    shell.wait(lambda: shell.hub.cells[1:] == ['connect("w1@db1")'])


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_ctrl_c_and_ctrl_d_leave_a_form(shell: Shell, key: str) -> None:
    shell.run("connect()")
    shell.hub.done(form=FORM)
    shell.wait_for_end(HOST)
    shell.type(key)
    shell.prompt(2)
    shell.type("1")
    shell.prompt(2, "1")


def test_what_was_typed_before_a_form_is_no_answer_and_runs_before_what_comes_of_it(shell: Shell) -> None:
    shell.type("connect()\r1+1\rx")
    shell.wait(lambda: shell.hub.cells == ["connect()"])
    shell.hub.done(form=FORM)
    shell.wait_for_end(HOST)
    shell.type("\r")
    shell.wait_for_end(NODE)
    shell.type("n2\r")
    shell.wait(lambda: shell.hub.cells[1:] == ["1+1"], "the line that was typed ahead")
    shell.hub.done("2")
    shell.prompt(3, 'connect("n2@localhost")x')


def test_a_cell_of_another_terminal_ends_a_form(shell: Shell) -> None:
    shell.run("connect()")
    shell.hub.done(form=FORM)
    shell.wait_for_end(HOST)
    shell.type("half")
    shell.wait_for_end(f"{HOST} half")
    shell.hub.send(Kind.CELL, {"cell": 2}, b"theirs()")
    shell.wait_for_end(f"{NAME}[2]> theirs()")
    shell.hub.send(Kind.DONE, {"cell": 3, "kind": "text", "text": "7", "took": 0.0}, ref=0)
    shell.prompt(3)
    assert "7" in shell.lines
    assert "the form was left: another terminal runs a cell; connect() begins it anew" in shell.lines
