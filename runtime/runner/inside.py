"""What a helper may ask of the shell that it is called in: its names, its past, and what the next prompt begins with.

An evaluator says that it is one by setting `here`; in a script or a worker there is none.
"""

import sys
from collections.abc import Callable
from typing import Any

from pysh.runtime import system
from pysh.runtime.errors import PyshError
from pysh.runtime.runner.bindings import Bindings
from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.past import Past


class Inside:
    """The shell of a node, that which is `shared` or another one, seen from code that runs in it."""

    def __init__(
        self, node: str, namespace: Namespace, is_preloaded: Callable[[str], bool] = lambda _: False,
        *, shared: bool = True,
    ) -> None:  # fmt: skip
        self.node = node
        self.shared = shared
        self.namespace = namespace
        self.past = Past(namespace.names)
        self.bindings = Bindings(namespace.names, is_preloaded)
        self.attended = False
        """Whether the code that runs was sent by a person at a terminal."""
        self.paints = False
        """Whether that shows what a program paints and can ask questions, and not lines alone."""
        self.links = ""
        """This machine, if whoever sees what is printed has a terminal on it that takes links."""
        self._form: dict[str, Any] = {}
        self._offered = ""

    def fill_in(self, form: dict[str, Any]) -> None:
        """Have whoever sits there fill in a form, once the cell is over; its code is at the next prompt."""
        self._form = form

    def offer(self, text: str) -> None:
        """Have the next prompt begin with `text`, for whoever sits there to change and run."""
        self._offered = text

    def begins(self, options: dict[str, Any], *, cell: bool) -> None:
        """A cell or an eval begins, which came with those options."""
        self.attended, self._offered = cell and bool(options.get("person", True)), ""
        self.paints, self._form = self.attended and not options.get("plain"), {}
        links = cell and options.get("links")
        self.links = links if links and links == system.machine() else ""

    def offers(self) -> dict[str, Any]:
        """What a terminal is told of that."""
        (offered, self._offered), (form, self._form) = (self._offered, ""), (self._form, {})
        return ({"offer": offered} if offered else {}) | ({"form": form} if form else {})


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
