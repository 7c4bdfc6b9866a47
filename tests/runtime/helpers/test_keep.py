from pathlib import Path

from pysh.runtime.helpers.keep import script
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
