"""A shell escape: the cell `!ls -l` is a command for /bin/sh, run on the terminal of its shell.

No Python begins with `!`, so no program is ever taken for one. Several lines are none, and go to Python.
"""

from types import CodeType

HELPERS = "pysh.runtime.helpers.escaped"


def command(text: str) -> str | None:
    """The command that `text` is, if it is one."""
    line = text.strip()
    found = line[1:].strip()
    return found if line.startswith("!") and found and line.isprintable() else None


def escaping(command: str, filename: str) -> CodeType:
    """The code that runs it; its value is None."""
    text = f"__import__({HELPERS!r}, fromlist=['run']).run({command!r})"
    return compile(text, filename, "eval", dont_inherit=True)
