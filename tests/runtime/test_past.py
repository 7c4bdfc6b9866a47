import traceback
from typing import Any

import pytest

from pysh.runtime.helpers import sizes
from pysh.runtime.runner import past
from pysh.runtime.runner.cells import Outcome
from pysh.runtime.runner.past import Cell, Past


class Shell:
    """A past whose cells a test makes up."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.past = Past(self.names)
        self.number = 0

    def come_to(self, *values: object) -> None:
        for value in values:
            self.number += 1
            self.past.add(Cell(self.number, f"cell {self.number}", True, repr(value)[:100], 0.1), Outcome(value))

    def fail(self, error: BaseException) -> None:
        self.number += 1
        text = f"Traceback\n{type(error).__name__}: {error}\n"
        self.past.add(Cell(self.number, "1 / 0", False, text, 0.1), Outcome(error=error))


@pytest.fixture
def shell() -> Shell:
    return Shell()


def test_the_last_three_values_have_names_and_none_does_not_count(shell: Shell) -> None:
    shell.come_to("a", "b", None, "c", None)
    assert [shell.names[name] for name in ("_", "__", "___")] == ["c", "b", "a"]
    assert {name: value for name, value in shell.names.items() if name[1:].isdigit()} == {
        "_1": "a",
        "_2": "b",
        "_4": "c",
    }


def test_a_value_is_asked_for_by_the_number_of_its_cell_or_from_the_end(shell: Shell) -> None:
    shell.come_to("a", "b", None, "c")
    assert [shell.past.value(number) for number in (1, 2, 3, 4, -1, -2, -3)] == ["a", "b", None, "c", "c", "b", "a"]


def test_what_the_user_calls_so_is_left_alone_but_the_underscore(shell: Shell) -> None:
    shell.names |= {"_": "loop", "__": "mine", "_2": "mine"}
    shell.come_to("a", "b")
    assert shell.names == {"_": "b", "__": "mine", "_1": "a", "_2": "mine"}


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (99, ValueError, "there is no cell 99 yet; values are kept of cells 1-2, and v(-1) is the last"),
        (0, ValueError, "there is no cell 0 yet; values are kept of cells 1-2, and v(-1) is the last"),
        (-3, ValueError, "v(-3) goes too far back: values are kept of cells 1-2, and v(-1) is the last"),
        (3, ValueError, "cell 3 came to no value, it raised ZeroDivisionError: no: see e(3)"),
        ("x", TypeError, "v() takes the number of a cell, as 3, or how far back, as -1; not 'x'"),
        (True, TypeError, "v() takes the number of a cell, as 3, or how far back, as -1; not True"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(shell: Shell, asked: Any, kind: type, said: str) -> None:
    shell.come_to("a", "b")
    shell.fail(ZeroDivisionError("no"))
    with pytest.raises(kind) as raised:
        shell.past.value(asked)
    assert str(raised.value) == said


def test_in_a_new_shell_there_is_nothing_to_ask_for(shell: Shell) -> None:
    with pytest.raises(ValueError, match="no cell has come to a value so far"):
        shell.past.value()


def test_values_are_bounded_in_number(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "RESULTS", 2)
    shell.come_to("a", "b", "c")
    assert "_1" not in shell.names
    with pytest.raises(ValueError, match=r"of cell 1 \(\d+ B\) was dropped .* kept of cells 2-3"):
        shell.past.value(1)


def test_values_are_bounded_in_bytes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "BYTES", 10_000)
    shell.come_to(b"a" * 4_000, b"b" * 4_000, b"c" * 4_000, b"d" * 4_000)
    with pytest.raises(
        ValueError, match=r"of cell 1 \(3.9 KiB\) was dropped \(the last 200 values are kept, of 9.8 KiB"
    ):
        shell.past.value(1)
    assert shell.past.value(2) == b"b" * 4_000


def test_large_values_go_before_small_ones_and_drop_none_of_them(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "BYTES", 10_000)
    small = [f"value {n}" for n in range(50)]  # some 3,000 bytes
    shell.come_to(*small, b"a" * 8_000)
    assert shell.past.value(51) == b"a" * 8_000
    shell.come_to(b"b" * 1_000, "next")
    assert [shell.past.value(n) for n in range(1, 51)] == small
    assert shell.past.value(52) == b"b" * 1_000
    with pytest.raises(ValueError, match=r"cell 51 \(7.8 KiB\) was dropped .* and large ones go first\)"):
        shell.past.value(51)


def test_small_values_are_bounded_in_bytes_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "BYTES", 1_600)
    shell.come_to(*(f"value {n}" for n in range(50)))
    kept = list(shell.past._values)
    assert kept == list(range(kept[0], 51)) and 10 < len(kept) < 40


def test_a_value_larger_than_all_that_is_kept_drops_no_other_and_goes_with_the_next(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "BYTES", 10_000)
    shell.come_to("small", b"large" * 10_000)
    assert shell.past.value(2) is shell.names["_"]
    shell.come_to("next")
    assert [shell.names["_"], shell.names["__"]] == ["next", "small"]
    assert "_2" not in shell.names
    with pytest.raises(ValueError, match=r"of cell 2 \(48\.\d KiB\) was dropped \(more than is kept\)"):
        shell.past.value(2)


def test_a_value_that_grows_is_measured_again(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "BYTES", 10_000)
    grows: list[bytes] = []
    shell.come_to("a", grows, "b")
    grows.append(b"x" * 20_000)
    shell.come_to(*(f"{n}" for n in range(10)))
    assert "_2" not in shell.names
    assert shell.names["_1"] == "a"


def test_a_value_that_cannot_be_measured_is_there_all_the_same(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_value: object) -> int:
        raise KeyboardInterrupt

    shell.come_to("a")
    monkeypatch.setattr(sizes, "size_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shell.come_to("b")
    assert [shell.names[name] for name in ("_", "__", "_2")] == ["b", "a", "b"]
    assert shell.past.value() == "b"


def test_a_value_that_has_grown_deep_costs_no_later_one(shell: Shell) -> None:
    deep: list[Any] = []
    shell.come_to(deep)
    for _ in range(1_000):
        deep[:] = [deep[:]]
    shell.come_to("b", "c", "d")
    assert shell.names["_"] == "d"


def test_errors_are_few_and_the_last_has_a_name(shell: Shell) -> None:
    for number in range(1, 8):
        shell.fail(ValueError(number))
    assert str(shell.names["_e"]) == "7"
    assert [str(shell.past.error(number)) for number in (-1, -5, 3, 7)] == ["7", "3", "3", "7"]
    for number in (2, -6, 0):
        with pytest.raises(ValueError, match="the last 5 errors are kept; there are those of cells 3, 4, 5, 6, 7"):
            shell.past.error(number)


def test_an_exit_or_interrupt_is_no_error_to_look_at(shell: Shell) -> None:
    shell.fail(KeyboardInterrupt())
    with pytest.raises(ValueError, match="no cell raised"):
        shell.past.error()


def test_a_name_of_a_value_that_is_gone_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "RESULTS", 1)
    shell.come_to("a", "b", None)

    def said(name: str) -> str:
        try:
            eval(name, {"__builtins__": {}})
        except NameError as error:
            shell.past.explain(error)
            return "".join(traceback.format_exception_only(error))
        return ""

    assert "of cell 1 (50 B) was dropped" in said("_1")
    assert "that cell came to no value" in said("_3")
    assert said("other") == "NameError: name 'other' is not defined\n"


def test_what_comes_of_a_job_is_not_the_last_value_and_leaves_what_the_user_calls_so_alone(shell: Shell) -> None:
    job = Cell(1, "await work()", text="job 1 goes on")
    shell.past.add(job)
    shell.number = 1
    with pytest.raises(ValueError, match="cell 1 has come to no value yet: job 1 goes on"):
        shell.past.value(1)
    shell.come_to("b")
    shell.names["_"] = "mine"
    shell.past.end(job, Outcome("a"), "", "\njob 1 done")
    assert shell.names == {"_": "mine", "_1": "a", "_2": "b"}
    assert [shell.past.value(number) for number in (1, -1)] == ["a", "b"]
    assert (job.good, job.text) == (True, "job 1 goes on\njob 1 done")
    shell.come_to("c")
    assert [shell.names[name] for name in ("_", "__")] == ["c", "b"]


def test_a_value_that_is_kept_under_two_numbers_counts_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "BYTES", 1_000)
    monkeypatch.setattr(sizes, "size_of", len)
    shell.come_to("a")
    job = Cell(2, "await x", None, "job 1 goes on", 0.1)
    shell.past.add(job)
    shell.number = 2
    value = "x" * 600
    shell.past.end(job, Outcome(value), "")
    shell.come_to(value)
    shell.come_to("b")
    assert [shell.past.value(number) for number in (1, 2, 3, -1, -2)] == ["a", value, value, "b", value]


def test_jobs_that_fail_unseen_do_not_push_out_the_error_that_was_seen_last(shell: Shell) -> None:
    seen = ValueError("seen")
    shell.fail(seen)
    for number in range(10, 20):
        cell = Cell(number, "await x", None, "job 1 goes on", 0.1)
        shell.past.add(cell)
        shell.past.end(cell, Outcome(error=KeyError(number)), "KeyError")
    assert shell.past.error() is seen
    assert [number for number, _ in shell.past.errors] == [1, 16, 17, 18, 19]


def test_a_job_that_ends_after_its_cell_is_forgotten_is_kept_by_its_number(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "CELLS", 2)
    job = Cell(1, "await work()", text="job 1 goes on")
    shell.past.add(job)
    shell.number = 1
    shell.come_to("b", "c")
    shell.past.end(job, Outcome("a"), "", "x" * 1_000)
    shell.past.end(job, Outcome("twice"), "")
    assert shell.names["_1"] == "a"
    assert shell.past._characters == sum(cell.size for cell in shell.past.cells)


def test_sources_and_texts_are_bounded_and_what_is_forgotten_is_counted(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "TEXT", 1_000)
    shell.come_to(*("x" * 200 for _ in range(20)))
    assert sum(cell.size for cell in shell.past.cells) <= 1_000
    assert shell.past.forgotten + len(shell.past.cells) == 20
    assert shell.past.cells[-1].number == 20
