from typing import Any

import pytest

from pysh.shell.abilities import Here
from pysh.shell.display import Display
from pysh.shell.output import Tagged
from pysh.shell.theme import Theme

PLAIN, COLOURED = Display(Theme(False)), Display(Theme(True))
TABLE = {"columns": ["node", "rtt"], "rows": [["n1@here", "-"], ["漢@here", "0.4 ms"]]}


def test_nothing_is_shown_of_none() -> None:
    assert PLAIN.result({"kind": "none", "text": ""}, 80) == ""


def test_a_text_is_shown_as_it_is_but_harmless() -> None:
    assert PLAIN.result({"kind": "text", "text": "'a'\n\x1b[2Jb\n"}, 80) == "'a'\nb"


def test_of_an_error_the_last_line_stands_out() -> None:
    told = {"kind": "error", "text": "Traceback\n  line\nValueError: no\n"}
    assert PLAIN.result(told, 80) == "Traceback\n  line\nValueError: no"
    assert COLOURED.result(told, 80) == "Traceback\n  line\n\x1b[31mValueError: no\x1b[0m"


@pytest.mark.parametrize(
    ("level", "word", "code"), [("warn", "warning: ", 33), ("error", "error: ", 31), ("info", "", 90)]
)
def test_the_level_of_a_notice_is_a_colour_or_a_word(level: str, word: str, code: int) -> None:
    told = {"text": "n2 is down", "level": level}
    assert PLAIN.notice(told) == f"{word}n2 is down"
    assert COLOURED.notice(told) == f"\x1b[{code}mn2 is down\x1b[0m"


def test_a_table_has_a_margin_and_columns_as_wide_as_their_fields() -> None:
    assert PLAIN.result({"kind": "table", "table": TABLE}, 80).split("\n") == [
        " node     rtt",
        " n1@here  -",
        " 漢@here  0.4 ms",
    ]


def test_columns_stand_below_each_other_whatever_is_in_them() -> None:
    texts = ["漢字", "👍", "👩\u200d💻", "❤\ufe0f", "e\u0301", "ab"]
    told = {"columns": ["a", "b"], "rows": [[text, "x"] for text in texts]}
    lines = PLAIN.result({"kind": "table", "table": told}, 80).split("\n")[1:]
    assert {get_cwidth_of(line.rpartition("x")[0]) for line in lines} == {8}


def get_cwidth_of(text: str) -> int:
    from wcwidth import wcswidth

    return wcswidth(text)


def test_a_table_is_folded_to_the_terminal_and_says_what_is_left_out() -> None:
    told = {"columns": ["text"], "rows": [["word " * 10]], "more": 12345}
    lines = PLAIN.result({"kind": "table", "table": told}, 24).split("\n")
    assert max(map(len, lines)) <= 24
    assert lines[-1] == " … 12,345 more rows"


def test_a_narrow_terminal_shows_whole_words_and_names_the_columns_that_it_has_no_room_for() -> None:
    told = {"columns": ["node", "rtt", "state", "load"], "rows": [["node1@localhost", "", "suspect", "2/2 +3"]]}
    assert PLAIN.result({"kind": "table", "table": told}, 32).split("\n") == [
        " node           state    load",
        " node1@localh…  suspect  2/2 +3",
    ]
    assert PLAIN.result({"kind": "table", "table": told}, 22).split("\n") == [
        " node      state",
        " node1@l…  suspect",
        " … not shown: load",
    ]


def test_a_field_of_a_table_is_text_and_no_markup() -> None:
    told = {"columns": ["a"], "rows": [["[red]x\x1b[2J\ny"]]}
    assert PLAIN.result({"kind": "table", "table": told}, 80) == " a\n [red]x y"
    assert "[red]x y" in COLOURED.result({"kind": "table", "table": told}, 80)


def test_a_damaged_table_is_an_empty_one() -> None:
    assert PLAIN.result({"kind": "table"}, 80) == ""


def test_output_is_tagged_and_the_own_shells_is_not() -> None:
    assert PLAIN.tagged(Tagged("n2", "text")) == "n2 | text"
    assert COLOURED.tagged(Tagged("n2", "\x1b[31mtext")) == "\x1b[36mn2 |\x1b[0m text"
    assert PLAIN.tagged(Tagged("", "\x1b[31mtext")) == "text"
    assert COLOURED.tagged(Tagged("", "\x1b[31mtext")) == "\x1b[31mtext\x1b[0m"


def test_a_notice_is_one_line() -> None:
    assert PLAIN.notice({"text": "n2\nis down", "level": "error"}) == "error: n2 is down"
    assert COLOURED.notice({"text": "x", "level": "warn"}) == "\x1b[33mx\x1b[0m"
    assert COLOURED.notice({"text": "x", "level": "?"}) == "\x1b[90mx\x1b[0m"


def test_a_footer_is_the_last_line_and_dim() -> None:
    told = {"kind": "text", "text": "[0, … 5 more]", "footer": "… the rest: full(7)"}
    assert PLAIN.result(told, 80) == "[0, … 5 more]\n… the rest: full(7)"
    assert COLOURED.result(told, 80).endswith("\n\x1b[90m… the rest: full(7)\x1b[0m")


def test_a_tree_is_drawn_and_fits() -> None:
    told = {"rows": [[0, "n1"], [1, "漢字 and much more than that"], [2, "\x1b[2Jb\nc"], [1, "d"]], "more": False}
    assert PLAIN.result({"kind": "tree", "tree": told}, 20).split("\n") == [
        " n1",
        " ├─ 漢字 and much m…",
        " │  └─ b c",
        " └─ d",
    ]
    assert PLAIN.result({"kind": "tree", "tree": told | {"more": True}}, 80).endswith("\n … more")
    assert PLAIN.result({"kind": "tree"}, 80) == ""


def test_a_state_has_its_colour_and_its_word() -> None:
    told = {"columns": ["name", "state"], "rows": [["up", "up"], ["b", "suspect"], ["c", "down"], ["d", "waiting"]]}
    shown = COLOURED.result({"kind": "table", "table": told}, 80).split("\n")
    assert [line.split("\x1b[")[1][:3] for line in shown[1:4]] == ["32m", "33m", "31m"]
    assert "\x1b" not in shown[4]
    assert PLAIN.result({"kind": "table", "table": told}, 80).split("\n")[2] == " b     suspect"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"took": 0.99}, ""), ({"took": 1.26}, "took 1.3 s"), ({"took": 59.97}, "took 1 min 0 s"),
        ({"took": 131.6, "kind": "error"}, "took 2 min 12 s"), ({"took": 3 * 3600 + 305}, "took 3 h 5 min"),
        ({"took": 5.0, "kind": "job"}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_a_long_time_is_shown(told: dict[str, Any], shown: str) -> None:
    assert PLAIN.took(told) == shown


def test_a_cell_that_goes_on_as_a_job_is_told_like_a_notice() -> None:
    told = {"kind": "job", "text": "job 1 goes on: await work()"}
    assert COLOURED.result(told, 80) == "\x1b[90mjob 1 goes on: await work()\x1b[0m"


def test_paths_that_are_told_to_be_here_and_addresses_are_links_where_the_terminal_takes_them() -> None:
    text = 'Traceback\n  File "/a.py", line 1, in f\n  File "/b.py", line 2, in g\nValueError: see https://x.y/z\n'
    told = {"kind": "error", "text": text, "files": ["/a.py"], "machine": "7"}
    shown = Display(Theme(False), Here("7", "here")).result(told, 80)
    assert shown == (
        'Traceback\n  File "\x1b]8;;file://here/a.py\x1b\\/a.py\x1b]8;;\x1b\\", line 1, in f\n'
        '  File "/b.py", line 2, in g\n'
        "ValueError: see \x1b]8;;https://x.y/z\x1b\\https://x.y/z\x1b]8;;\x1b\\"
    )
    assert PLAIN.result(told, 80) == text.rstrip()
    assert "file://" not in Display(Theme(False), Here("8", "there")).result(told, 80)


def test_a_link_that_comes_from_elsewhere_is_not_one() -> None:
    told = {
        "kind": "text",
        "text": "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\",
        "files": ["/a.py"],
        "machine": "7",
    }
    assert Display(Theme(True), Here("7", "here")).result(told, 80) == "click"
