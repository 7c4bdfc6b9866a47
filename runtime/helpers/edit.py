"""`edit`: source in an editor, and from there to the next prompt."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from textwrap import dedent
from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.helpers.origin import origin
from pysh.runtime.helpers.paths import meant
from pysh.runtime.runner.inside import Inside, inside, somebody_sits_here

EDITORS = ("sensible-editor", "editor", "nano", "vi", "vim", "emacs")
"""Looked for where none is named."""
LONGEST = 24 * 1024
"""Bytes that the next prompt may begin with: they travel with the answer to a cell."""


def edit(x: Any = None) -> None:
    """Open an editor on the source of `x`, or on an empty cell; what you leave is at the next prompt.

    It is `$VISUAL` or `$EDITOR`, else the first that is here of `sensible-editor editor nano vi vim emacs`.
    `x` is a function, class or module, a text that names one, or the number of a cell. Nothing runs, and no file is
    changed, until you press Enter there. Raises `PyshError` where nobody sits at a terminal, there is no editor, or it
    fails, and `TypeError` for what has no source.
    """
    shell = inside("edit")
    if not somebody_sits_here():
        raise PyshError("edit() opens an editor, and nobody sits at a terminal here", executed="no")
    text, command = _text(shell, x), _editor()
    edited = _edited(command, text)
    if not edited.strip() or edited.strip() == text.strip():
        print("nothing was changed" if edited.strip() else "nothing was written")
        return
    shell.offer(edited.strip("\n"))


def _text(shell: Inside, x: Any) -> str:
    if x is None:
        return ""
    if type(x) is int:
        cell = next((cell for cell in shell.past.cells if cell.number == x), None)
        if cell is None:
            raise PyshError(f"nothing is known here of a cell {x}", executed="no")
        return cell.source
    return dedent(origin(meant(x) if isinstance(x, str) else x).text)


def _editor() -> list[str]:
    """The command to run. Raises `PyshError` where there is none."""
    for name in ("VISUAL", "EDITOR"):
        if command := shlex.split(os.environ.get(name, "")):
            if shutil.which(command[0]) is None:
                raise PyshError(f"${name} is {command[0]!r}, and there is no such program here", executed="no")
            return command
    if found := next((name for name in EDITORS if shutil.which(name)), ""):
        return [found]
    text = f"$EDITOR names no editor, and none of {', '.join(EDITORS)} is here"
    raise PyshError(f'{text}: import os; os.environ["EDITOR"] = "..."', executed="no")


def _edited(command: list[str], text: str) -> str:
    """What is in the file once the editor has ended."""
    sys.stdout.flush()
    folder = Path(mkdtemp(prefix="pysh-edit-"))  # nobody else may look into it
    file = folder / "cell.py"
    try:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        status = subprocess.run([*command, str(file)], check=False).returncode
        if status:
            raise PyshError(f"{command[0]} failed with status {status}; its text is left out", executed="no")
        edited = file.read_text(encoding="utf-8", errors="surrogateescape")
        size = len(edited.encode("utf-8", "surrogateescape"))
        if size > LONGEST:
            kept = folder.with_suffix(".py")
            file.rename(kept)
            raise PyshError(f"{size:,} bytes are more than a prompt takes ({LONGEST:,}): load({str(kept)!r})")
        return edited
    finally:
        shutil.rmtree(folder, ignore_errors=True)
