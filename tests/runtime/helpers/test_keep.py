from pathlib import Path

import pytest

from pysh.runtime.helpers.keep import before_last, dialogue, plain, script
from pysh.runtime.runner.past import Cell
from tests.runtime.scripted_hub import Shell


def test_a_script_has_the_cells_one_below_the_other() -> None:
    cells = [Cell(1, "x = 1\n", True, "", 0.1), Cell(3, "def f():\n    return x", True, "", 0.1)]
    assert script(cells, "# Cells of n1") == "# Cells of n1\n\nx = 1\n\ndef f():\n    return x\n"


def test_the_good_cells_are_saved_and_run_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.pysh"
    with Shell(tmp_path) as shell:
        assert "PyshError: no cell of this shell has come to a good end so far" in shell.text(f"save({str(path)!r})")
        for source in ("x = 40", "1 / 0", "x?", "def more(n):\n    return n + 2", "save('kept.pysh')"):
            shell.cell(source)
        shell.see(f"2 cells in {path}; 2 that raised left out")
        assert "FileExistsError" in (again := shell.text("save('kept.pysh')"))
        assert f"{path} is there already: save('kept.pysh', force=True)" in again
    assert path.read_text() == "# Cells of n1@here\n\nx = 40\n\ndef more(n):\n    return n + 2\n"
    with Shell(tmp_path) as shell:
        shell.cell("load('kept')")
        assert shell.text("more(x)") == "42"


@pytest.mark.parametrize(
    ("data", "more", "text"),
    [
        (b"one\r\ntwo\r\n", 0, "one\ntwo\n"),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07\xe6\xbc\xa2", 0, "red \u6f22"),
        (b"10%\r20%\r\n\x07bell\xff", 0, "20%\nbell\ufffd"),
        (b"long", 12_345, "long\n\u2026 12,345 more bytes"),
    ],
)
def test_what_was_printed_is_told_as_text(data: bytes, more: int, text: str) -> None:
    assert plain(data, more) == text


def test_a_transcript_is_what_a_terminal_showed() -> None:
    cells = [
        Cell(3, "print('a')\n5", True, "5", 0.1),
        Cell(4, "x = 1", True, "", 0.1),
        Cell(5, "1 / 0", False, "Traceback\nZeroDivisionError\n", 0.1),
    ]
    assert list(dialogue("n1@here", cells, {3: "a\n", 4: "", 9: "later"}, forgotten=2)) == [
        "(of the first 2 cells the text is gone)",
        "n1@here[3]> print('a')\n        ... 5",
        "a",
        "5",
        "n1@here[4]> x = 1",
        "n1@here[5]> 1 / 0",
        "Traceback\nZeroDivisionError",
    ]


@pytest.mark.parametrize(
    ("source", "before"),
    [
        ("fg(1)", ""),
        ("x = 1\nfg(1)\n", "x = 1"),
        ("x = 'ü'; fg(\n1)", "x = 'ü'"),
        ("await y; fg()", "await y"),
        ("x = 1; \\\nfg(1)", "x = 1"),
    ],
)
def test_of_a_cell_that_fetched_a_job_what_stands_before_that_is_written(source: str, before: str) -> None:
    assert before_last(source) == before
