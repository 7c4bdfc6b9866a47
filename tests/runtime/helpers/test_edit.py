from collections.abc import Iterator
from pathlib import Path

import pytest

import pysh
from pysh.runtime.errors import PyshError
from tests.runtime.helpers.conftest import Printing


@pytest.fixture
def editor(shell: Printing, tmp_path: Path) -> Iterator[Path]:
    """A script that edits the file it is given."""
    path = tmp_path / "editor"
    path.touch(0o755)
    shell.cell(f"import os; os.environ |= {{'EDITOR': '{path} -x', 'VISUAL': '', 'TMPDIR': {str(tmp_path)!r}}}")
    yield path
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("pysh-edit") and each.is_dir()] == []


def edits(editor: Path, line: str) -> None:
    editor.write_text(f"#!/bin/sh\n{line}\n")


def test_the_source_of_a_function_is_edited_and_offered_as_the_next_cell(shell: Printing, editor: Path) -> None:
    shell.cell("class Pair:\n    def left(self):\n        return 1")
    edits(editor, 'sed -i "s/1/2/" "$2"')
    assert shell.cell("edit(Pair)")["offer"] == "class Pair:\n    def left(self):\n        return 2"
    assert shell.cell("edit(Pair.left)")["offer"] == "def left(self):\n    return 2"
    assert "offer" not in shell.cell("1")


def test_a_new_cell_and_one_that_was_typed_are_edited(shell: Printing, editor: Path) -> None:
    edits(editor, 'echo "x = 5" >> "$2"')
    assert shell.cell("edit()")["offer"] == "x = 5"
    number = shell.cell("y = 4")["cell"] - 1
    assert shell.cell(f"edit({number})")["offer"] == "y = 4x = 5"
    assert "nothing is known here of a cell 999" in shell.text("edit(999)")


def test_what_was_left_as_it_was_is_not_offered(shell: Printing, editor: Path) -> None:
    edits(editor, "true")
    shell.cell("def f():\n    return 1")
    assert shell.printed("edit(f)") == "nothing was changed\n"
    assert shell.printed("edit()") == "nothing was written\n"


def test_an_editor_that_fails_or_is_not_there_is_told(shell: Printing, editor: Path) -> None:
    edits(editor, "exit 3")
    assert f"PyshError: {editor} failed with status 3; its text is left out. Nothing ran." in shell.text("edit()")
    shell.cell("os.environ['VISUAL'] = 'no-such-editor'")
    assert "PyshError: $VISUAL is 'no-such-editor', and there is no such program here. Nothing" in shell.text("edit()")
    shell.cell("os.environ['VISUAL'] = os.environ['EDITOR'] = ''")
    shell.cell("path, os.environ['PATH'] = os.environ['PATH'], '/nowhere'")
    assert (
        "$EDITOR names no editor, and none of sensible-editor, editor, nano, vi, vim, emacs is here: "
        'import os; os.environ["EDITOR"] = "...". Nothing ran.'
    ) in shell.text("edit()")
    shell.cell("os.environ['PATH'] = path")
    assert "3 is" in shell.text("edit(3.5)") or "has no source" in shell.text("edit(3.5)")


def test_where_none_is_named_the_usual_ones_are_looked_for(shell: Printing, editor: Path) -> None:
    edits(editor, 'echo "by = 6" > "$1"')
    shell.cell(f"before = dict(os.environ); os.environ |= {{'EDITOR': '', 'PATH': {str(editor.parent)!r}}}")
    assert shell.cell("edit()")["offer"] == "by = 6"
    shell.cell("os.environ |= before")


def test_a_text_that_is_too_long_for_a_prompt_is_kept(shell: Printing, editor: Path, tmp_path: Path) -> None:
    edits(editor, 'yes "x = 1" | head -c 30000 > "$2"')
    told = shell.text("edit()")
    assert "30,000 bytes are more than a prompt takes (24,576): load(" in told
    kept = Path(told.rpartition("load('")[2].partition("'")[0])
    assert kept.stat().st_size == 30_000
    kept.unlink()


def test_where_nobody_sits_there_is_nothing_to_edit(shell: Printing, editor: Path) -> None:
    assert "nobody sits at a terminal here" in shell.ask("eval", source="edit()")["text"]
    with pytest.raises(PyshError, match="is for a shell"):
        pysh.edit()
