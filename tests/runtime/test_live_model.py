"""The live view without a terminal: keys and rows go in, states, lines and actions come out."""

from dataclasses import replace
from typing import Any

import pytest

from pysh.runtime.live.model import (
    HELP,
    LIST,
    NODES,
    OUTPUT,
    PROCESSES,
    STACK,
    TASKS,
    Ask,
    Kill,
    Model,
    Quit,
    Refresh,
    Row,
    answered,
    looked,
    press,
)
from pysh.runtime.live.painter import paint, table
from pysh.runtime.live.text import width


def process(number: int, label: str = "f", age: float = 1.0, state: str = "running", kind: str = "") -> Row:
    fields = (f"<n1.{number}>", "", label, "sync", state, f"{age} s", "0", "")
    return Row(("n1@here", number), fields, (*fields[:5], age, 0, 0), kind)


def task(number: int, status: str = "running") -> Row:
    return Row(("n1@here", number), (str(number), "n1@here", "f", "task", status, "n1@here", "1 s"))


def node(name: str, state: str = "up") -> Row:
    return Row((name, 0), (name, state, "1 ms", "0", "▁▁", "0"))


ROWS = {
    NODES: [node("n1@here", "self"), node("w1@here")],
    PROCESSES: [process(1, kind="self"), process(2, "b", 30.0), process(3, "a", 2.0)],
    TASKS: [task(7)],
}
START = looked(Model(size=(10, 60)), ROWS)


def after(*keys: str, model: Model = START) -> Model:
    for key in keys:
        model, _ = press(model, key)
    return model


def chosen(model: Model) -> tuple[str, int]:
    shown = model.shown
    return shown[model.at(shown)].key


@pytest.mark.parametrize(
    ("keys", "pane"),
    [
        ((), NODES),
        (("tab",), PROCESSES),
        (("right", "tab"), TASKS),
        (("tab", "tab", "tab"), NODES),
        (("back-tab",), TASKS),
        (("left", "left"), PROCESSES),
    ],
)
def test_tab_goes_round_the_panes(keys: tuple[str, ...], pane: str) -> None:
    assert after(*keys).pane == pane


@pytest.mark.parametrize(
    ("keys", "number"),
    [
        ((), 1),
        (("down",), 2),
        (("j", "j"), 3),
        (("down", "down", "down"), 3),
        (("up",), 1),
        (("end", "up"), 2),
        (("G", "g"), 1),
        (("page-down",), 3),
        (("down", ">", ">", ">"), 2),
        (("<", ">", "x", "~"), 1),
    ],
)
def test_keys_move_what_is_chosen(keys: tuple[str, ...], number: int) -> None:
    assert chosen(after("tab", *keys)) == ("n1@here", number)


@pytest.mark.parametrize(
    ("keys", "column", "numbers"),
    [
        ((), "", [1, 2, 3]),
        ((">",) * 3, "label*", [3, 2, 1]),
        ((">",) * 6, "age*", [2, 3, 1]),
        ((">",) * 9, "", [1, 2, 3]),
        (("<",), "memory*", [1, 2, 3]),
        (("<", ">"), "", [1, 2, 3]),
    ],
)
def test_rows_are_sorted_by_one_column_the_greatest_number_first(
    keys: tuple[str, ...], column: str, numbers: list[int]
) -> None:
    model = replace(after("tab", *keys), size=(10, 100))
    assert [row.key[1] for row in model.shown] == numbers
    assert [word for word in paint(model)[1].text.split() if word.endswith("*")] == [column] * bool(column)


def test_what_is_chosen_stays_so_wherever_it_moves_and_its_place_when_it_is_gone() -> None:
    model = after("tab", "down", "down")
    model = looked(model, {**ROWS, PROCESSES: [process(3), *(process(number) for number in range(4, 9))]})
    assert chosen(model) == ("n1@here", 3)
    model = after("down", model=model)
    model = looked(model, {**ROWS, PROCESSES: [process(3), process(5), process(6)]})
    assert chosen(model) == ("n1@here", 5)
    model = looked(model, {**ROWS, PROCESSES: []})
    assert model.at(model.shown) == 0


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        (("q",), Quit()),
        (("escape",), Quit()),
        (("ctrl-c",), Quit()),
        (("tab", "down", "s", "ctrl-c"), Quit()),
        (("r",), Refresh()),
        (("tab", "down", "k"), None),
        (("tab", "down", "k", "y"), Kill(PROCESSES, ROWS[PROCESSES][1])),
        (("tab", "down", "k", "n"), None),
        (("tab", "down", "k", "q"), None),
        (("tab", "k"), None),
        (("k",), None),
        (("s",), None),
        (("back-tab", "k", "Y"), Kill(TASKS, ROWS[TASKS][0])),
        (("back-tab", "s"), Ask(STACK, TASKS, ROWS[TASKS][0])),
        (("tab", "end", "o"), Ask(OUTPUT, PROCESSES, ROWS[PROCESSES][2])),
        (("tab", "down", "s", "q"), None),
        (("?", "q"), None),
    ],
)
def test_keys_lead_to_what_is_to_be_done(keys: tuple[str, ...], action: Any) -> None:
    *before, last = keys
    assert press(after(*before), last)[1] == action


def test_nothing_is_killed_without_a_yes_and_that_is_said() -> None:
    model = after("tab", "down", "k")
    assert paint(model)[-1].text.strip() == "kill process <n1.2> b? y/n"
    model = after("x", model=model)
    assert (model.asking, model.said) == (None, "nothing was ended")
    assert "leave it by q" in after("tab", "k").said
    assert "stop_node('n1@here')" in after("k").said
    assert after("k", "down").said == ""
    seat = looked(after("tab"), {PROCESSES: [process(9, kind="seat")]})
    assert all("a shell or a program" in after(key, model=seat).said for key in "kso")


@pytest.mark.parametrize(("keys", "seconds"), [((), 1.0), (("+",), 0.5), (("+", "+"), 0.5), (("-",) * 9, 10.0)])
def test_it_is_looked_twice_a_second_at_most(keys: tuple[str, ...], seconds: float) -> None:
    assert after(*keys).seconds == seconds


def test_without_rows_keys_do_nothing() -> None:
    for key in ("up", "down", "k", "s", "o", "enter", "end", ">"):
        assert press(Model(), key)[1] is None
    assert any("no nodes" in line.text for line in paint(Model()))


def test_an_output_is_followed_unless_somebody_has_gone_up() -> None:
    model = after("tab", "down", "o")
    assert (model.view, model.title) == (OUTPUT, "output of process <n1.2> b")
    model = answered(model, OUTPUT, "\n".join(map(str, range(20))))
    assert [line.text.strip() for line in paint(model)[2:-1]] == [str(number) for number in range(13, 20)]
    model = answered(model, OUTPUT, "\n".join(map(str, range(30))))
    assert model.top == 23
    model = answered(after("up", model=model), OUTPUT, "\n".join(map(str, range(40))))
    assert model.top == 22
    assert answered(after("q", model=model), OUTPUT, "late").view == LIST


def test_a_stack_is_read_from_its_top() -> None:
    model = answered(after("tab", "down", "s"), STACK, "\n".join(map(str, range(20))))
    assert (model.view, model.top) == (STACK, 0)
    assert "13 more lines" in paint(model)[1].text
    assert after("page-down", "page-down", "page-down", model=model).top == 13


def test_the_keys_are_listed() -> None:
    model = after("?")
    assert model.view == HELP
    assert any("Ctrl-C" in line for line in model.text)


@pytest.mark.parametrize("size", [(24, 80), (10, 60), (4, 20), (3, 10), (2, 5), (1, 1), (50, 200)])
@pytest.mark.parametrize("keys", [(), ("tab",), ("tab", "down", "k"), ("?",), ("tab", "down", "s")])
def test_every_line_is_as_wide_as_the_screen_whatever_its_size(size: tuple[int, int], keys: tuple[str, ...]) -> None:
    rows = {**ROWS, PROCESSES: [*ROWS[PROCESSES], *(process(number, "漢字" * 30) for number in range(5, 90))]}
    lines = paint(replace(after(*keys, model=looked(START, rows)), size=size))
    assert len(lines) == size[0]
    assert {width(line.text) for line in lines} == {size[1]}


def test_the_chosen_row_is_marked_seen_and_no_more_is_painted_than_there_is_room_for() -> None:
    rows = {**ROWS, PROCESSES: [process(number) for number in range(1, 500)]}
    model = looked(after("tab"), rows)
    for keys in ((), ("end",), ("page-down", "page-down")):
        lines = paint(after(*keys, model=model))
        marked = [line for line in lines if line.style == "chosen"]
        assert len(lines) == 10
        assert len(marked) == 1
        assert marked[0].text.startswith(f"><n1.{chosen(after(*keys, model=model))[1]}>")


def test_a_state_has_a_word_and_a_colour() -> None:
    rows = {NODES: [node("a@x"), node("b@x", "suspect"), node("c@x", "silent 4.0 s"), node("d@x", "up")]}
    styles = {line.text.split()[0]: line.style for line in paint(looked(START, rows))[3:6]}
    assert styles == {"b@x": "warn", "c@x": "warn", "d@x": ""}


def test_what_is_widest_is_cut_first() -> None:
    lines = table(
        TASKS, [task(7), Row(("n1@here", 8), ("8", "n1@here", "x" * 90, "task", "running", "n1@here", "1 s"))], 60
    )
    assert max(map(width, lines)) <= 60
    assert lines[0].split() == ["task", "node", "label", "kind", "status", "owner", "age"]
    assert "…" in lines[2]
