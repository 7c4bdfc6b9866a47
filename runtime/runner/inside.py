"""What a helper may ask of the shell that it is called in: its names, its past, and what the next prompt begins with.

An evaluator says that it is one by setting `here`; in a script or a worker there is none.
"""

import sys
from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.past import Past


class Inside:
    """The shell of a node, that which is `shared` or another one, seen from code that runs in it."""

    def __init__(self, node: str, namespace: Namespace, *, shared: bool = True) -> None:
        self.node = node
        self.shared = shared
        self.namespace = namespace
        self.past = Past(namespace.names)
        self.attended = False
        """Whether the code that runs was sent by a person at a terminal."""
        self._offered = ""

    def offer(self, text: str) -> None:
        """Have the next prompt begin with `text`, for whoever sits there to change and run."""
        self._offered = text

    def begins(self, options: dict[str, Any], *, cell: bool) -> None:
        """A cell or an eval begins, which came with those options."""
        self.attended, self._offered = cell and bool(options.get("person", True)), ""

    def offers(self) -> dict[str, str]:
        """What a terminal is told of that."""
        offered, self._offered = self._offered, ""
        return {"offer": offered} if offered else {}


here: Inside | None = None
_AT_A_TERMINAL = ("edit", "page")


def inside(verb: str) -> Inside:
    """The shell that runs this code. Raises `PyshError` where none does."""
    if here is None:
        there = "" if verb in _AT_A_TERMINAL else f', or in the shell of a node: n2.eval("{verb}(...)")'
        text = f"{verb}() is for a shell, which remembers its cells, and this is none: call it at a prompt{there}"
        raise PyshError(text, executed="no")
    return here


def somebody_sits_here() -> bool:
    """Whether this code may take the terminal, as a pager or an editor does: not through a pipe, and not in an eval."""
    return sys.stdin.isatty() and sys.stdout.isatty() and (here is None or here.attended)
