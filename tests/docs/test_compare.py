"""The comparison with other prompts: its page has the rows that are tried, as they came out."""

from docs.compare import PAGE, TASKS, probes, rows, typed, write
from docs.scene import PROMPTS, of

TRIED = {probe.what: probe for probe in probes()}


def test_the_table_of_the_page_has_the_rows_that_are_tried_and_nothing_is_left_open() -> None:
    page = PAGE.read_text()
    assert write(page, rows(page)) == page
    assert {*rows(page)} == {*TRIED}
    assert all(cell not in ("", "?") for cells in rows(page).values() for cell in cells)


def test_each_row_says_what_is_typed_and_what_is_looked_for() -> None:
    for probe in (*probes(), *probes(TASKS)):
        assert probe.how and probe.look
        assert any(of(probe.keys, prompt) is not None for prompt in PROMPTS), probe.what
        assert not isinstance(probe.keys, dict) or {*probe.keys} <= {*PROMPTS, "python"}, probe.what


def test_what_is_said_for_python_is_meant_for_all_but_iex() -> None:
    table = {"python": 1, "xonsh": 2}
    assert [of(table, prompt) for prompt in PROMPTS] == [1, None, 1, 1, 2, 1]
    assert of("all", "iex") == "all"


def test_a_task_is_typed_as_the_other_page_has_it() -> None:
    assert typed({"task": 8, "wait": 2}, "iex") == [":erpc.call :w1@localhost, &Process.list/0\r", {"wait": 2}]
