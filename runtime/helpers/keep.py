"""`save`: the cells of this shell, kept as a file that runs."""

import os
from collections.abc import Iterable
from pathlib import Path

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.inside import inside
from pysh.runtime.runner.past import Cell
from pysh.runtime.runner.question import question


def save(path: str | os.PathLike[str], force: bool = False) -> None:
    """Write the cells of this shell that raised nothing to a file, which `pysh FILE` and `load(path)` run.

    Questions such as `x?` are left out. One that is there is only replaced with `force`. Raises `FileExistsError`, and
    `PyshError` where there is nothing to save.
    """
    shell = inside("save")
    past, file = shell.past, Path(path).expanduser()
    good = [cell for cell in past.cells if cell.good and question(cell.source) is None]
    if not good:
        raise PyshError("no cell of this shell has come to a good end so far: there is nothing to save")
    gone = f"; of the first {past.forgotten} the text is gone" if past.forgotten else ""
    text = script(good, f"# Cells of {shell.node}{gone}")
    try:
        with file.open("w" if force else "x", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)
    except FileExistsError:
        raise FileExistsError(f"{file.absolute()} is there already: save({str(path)!r}, force=True)") from None
    bad = sum(not cell.good for cell in past.cells)
    left = f"; {bad} that raised left out" if bad else ""
    print(f"{len(good)} cell{'s' * (len(good) > 1)} in {file.absolute()}{left}{gone}")


def script(cells: Iterable[Cell], title: str) -> str:
    """The text of a file that does what the cells did, with an empty line between them."""
    return "\n\n".join([title, *(cell.source.strip("\n") for cell in cells)]) + "\n"
