"""The comparison with other prompts: its page has the rows that are tried, as they came out."""

from typing import Any

import pytest

from docs import scene
from docs.compare import PAGE, TASKS, probes, rows, tried, typed, write
from docs.scene import PROMPTS, Probe, of

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


@pytest.mark.parametrize(
    ("steps", "look", "outcome", "said"),
    [
        (["echo 6\r"], {"seen": "^6$"}, "yes", ""),
        ([{"run": "exit 3"}], {"unseen": "x"}, None, "exit 3: 3"),
        ([{"open": "cat"}], {"unseen": "x"}, None, "no prompt within"),
        ([], {"seen": "nowhere"}, "no", ""),
    ],
)
def test_a_scene_that_breaks_says_nothing_of_the_prompt_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    steps: list[Any], look: dict[str, str], outcome: str | None, said: str,
) -> None:  # fmt: skip
    for name in ("PATIENCE", "LONGEST", "QUIET"):
        monkeypatch.setattr(scene, name, 0.3)
    monkeypatch.setattr(scene, "READY", 3.0)
    probe = Probe("a row", "how", steps, look, start="sh", ready=r"[$#] ?$", env={"PS1": "$ "})
    assert tried((probe, "CPython")) == outcome
    assert said in capfd.readouterr().out
