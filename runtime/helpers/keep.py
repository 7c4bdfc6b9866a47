"""`save` and `transcript`: the cells of this shell, kept as a file that runs or that is read."""

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.escape import command
from pysh.runtime.runner.inside import inside
from pysh.runtime.runner.past import Cell
from pysh.runtime.runner.question import question
from pysh.runtime.started import current

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_UNDO = re.compile(r"\s*undo\(\s*(?:n\s*=)?\s*\d*\s*\)\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def save(path: str | os.PathLike[str], force: bool = False) -> None:
    """Write the cells of this shell that raised nothing to a file, which `pysh FILE` and `load(path)` run.

    `!ls` is there as `sh('ls')`. Questions such as `x?` are left out, cells that `undo` took back with it, and `fg(1)`:
    there the cell that it fetched is none in the background. A cell such as `x = await fg(1)` is there as a remark,
    which says so. A file that is there is only replaced with `force`. Raises `FileExistsError`, and `PyshError` where
    there is nothing to save.
    """
    shell = inside("save")
    past = shell.past
    kept = [cell for cell in past.cells if cell.good is not False and not _is_nothing(cell)]
    good = [cell for cell in kept if not cell.fetched or before_last(cell.source)]
    if not good:
        raise PyshError("no cell of this shell has come to a good end so far: there is nothing to save")
    gone = f"; of the first {past.forgotten} the text is gone" if past.forgotten else ""
    text = script(good, f"# Cells of {shell.node}{gone}")
    file = _write(path, text, "save", force)
    bad = sum(cell.good is False for cell in past.cells)
    going = sum(cell.good is None and not cell.fetched for cell in good)
    left = f"; {bad} that raised left out" if bad else ""
    left += f"; {going} of them go{'es' * (going == 1)} on as a job" if going else ""
    print(f"{len(good)} cell{'s' * (len(good) > 1)} in {file}{left}{gone}")


def _is_nothing(cell: Cell) -> bool:
    """Whether what it did is not there any more, or was to look or to undo."""
    return cell.undone or question(cell.source) is not None or _UNDO.fullmatch(cell.source) is not None


def _write(path: str | os.PathLike[str], text: str, verb: str, force: bool) -> Path:
    """Write a file, which is not there yet; its path."""
    file = Path(path).expanduser().absolute()
    try:
        with file.open("w" if force else "x", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)
    except FileExistsError:
        raise FileExistsError(f"{file} is there already: {verb}({os.fspath(path)!r}, force=True)") from None
    return file


def script(cells: Iterable[Cell], title: str) -> str:
    """The text of a file that does what the cells did, with an empty line between them."""
    sources = (before_last(cell.source) if cell.fetched else cell.source for cell in cells)
    shown = (escaped(source) or (remark(source) if fetches(source) else source) for source in sources)
    return "\n\n".join([title, *(source.strip("\n") for source in shown)]) + "\n"


def escaped(source: str) -> str:
    """How a file has the cell `!ls`; empty for other code."""
    found = command(source)
    return "" if found is None else f"sh({found!r})"


def fetches(source: str) -> bool:
    """Whether code calls `fg`, for which there is no job in a file."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fg"
        for node in ast.walk(ast.parse(source))
    )


def remark(source: str) -> str:
    """Such code as remarks."""
    lines = "\n".join(f"# {line}".rstrip() for line in source.strip("\n").split("\n"))
    return f"# A file has no jobs, of which fg() could have the value. To be written anew:\n{lines}"


def before_last(source: str) -> str:
    """What stands before the last statement."""
    last = ast.parse(source).body[-1]
    lines = source.encode().splitlines(keepends=True)[: last.lineno]
    lines[-1] = lines[-1][: last.col_offset]
    return b"".join(lines).decode().rstrip(" \t;\n\\")


def transcript(path: str | os.PathLike[str] | None = None, force: bool = False) -> None:
    """Print the cells of this shell, with what they printed and came to; or write that to a file.

    Of what a cell printed the first 16 KiB are there, and of all cells the last 256 KiB. Raises `FileExistsError` for
    a file that is there, unless `force`.
    """
    shell = inside("transcript")
    text = "\n".join(dialogue(shell.node, shell.past.cells, _printed(), shell.past.forgotten))
    if path is None:
        print(text)
    else:
        file = _write(path, text + "\n", "transcript", force)
        print(f"{len(shell.past.cells)} cells in {file}")


def dialogue(node: str, cells: Iterable[Cell], printed: dict[int, str], forgotten: int = 0) -> Iterator[str]:
    """The lines that a terminal would have shown."""
    if forgotten:
        yield f"(of the first {forgotten} cells the text is gone)"
    for cell in cells:
        prompt = f"{node}[{cell.number}]> "
        yield prompt + cell.source.rstrip("\n").replace("\n", "\n" + "... ".rjust(len(prompt)))
        if out := printed.get(cell.number, "").rstrip("\n"):
            yield out
        if cell.text:
            yield plain(cell.text.encode("utf-8", "replace")).rstrip("\n")


def _printed() -> dict[int, str]:
    """What the cells printed, as their node has it."""
    rows: list[dict[str, Any]] = []
    while page := current().ask("printed", after=rows[-1]["cell"] if rows else 0):
        rows += page
    return {row["cell"]: plain(row["data"], row["more"]) for row in rows}


def plain(data: bytes, more: int = 0) -> str:
    """What a terminal shows of the bytes, as text: no colours, and of a line that was written anew what it was last."""
    text = _SEQUENCE.sub("", data.decode("utf-8", "replace")).replace("\r\n", "\n")
    lines = [next((part for part in reversed(line.split("\r")) if part), "") for line in text.split("\n")]
    shown = _CONTROL.sub("", "\n".join(lines))
    return f"{shown}\n… {more:,} more bytes" if more else shown
