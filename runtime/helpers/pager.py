"""`page`: a value in a pager, which runs on the terminal of the shell that it is called in."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pysh.runtime.helpers.recall import pieces
from pysh.runtime.runner import inside
from pysh.runtime.runner.inside import somebody_sits_here

_PAGERS = ("less", "more")


def page(x: Any = -1) -> None:
    """Show a value, or that of a cell by its number, in a pager: `$PAGER`, else `less`; a text as it is.

    What is far down is made when it is looked at. Where nobody sits at a terminal, or it is one for lines alone,
    it is printed.
    """
    text = pieces(x, "page")
    paints = inside.here is None or inside.here.paints
    command = _pager() if paints and somebody_sits_here() else []
    if not command:
        sys.stdout.writelines([*text, "\n"])
        return
    _pass(text, command)


def _pager() -> list[str]:
    """The command to run; empty where there is none."""
    wanted = shlex.split(os.environ.get("PAGER", ""))
    if wanted and shutil.which(wanted[0]):
        return wanted
    return next(([name] for name in _PAGERS if shutil.which(name)), [])


def _pass(text: Iterable[str], command: list[str]) -> None:
    sys.stdout.flush()
    environment = {"LESS": "-R", **os.environ}
    pager = subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, text=True, encoding="utf-8", errors="backslashreplace"
    )
    assert pager.stdin is not None
    try:
        pager.stdin.writelines(text)
        pager.stdin.write("\n")
    except (OSError, KeyboardInterrupt):
        pass  # whoever reads it has seen enough; or wants to have what there is
    finally:
        with suppress(OSError):
            pager.stdin.close()
        _wait(pager)


def _wait(pager: "subprocess.Popen[str]") -> None:
    """Until it ends: Ctrl-C is a key of its own, and no end of it."""
    while True:
        try:
            pager.wait()
            return
        except KeyboardInterrupt:
            continue
