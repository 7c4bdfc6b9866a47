"""What a helper may ask of the shell that it is called in: its names, its past, and what is to be typed next.

An evaluator says that it is one by setting `here`; in a script or a worker there is none.
"""

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.past import Past


class Inside:
    """The shell of a node, seen from code that runs in it."""

    def __init__(self, node: str, namespace: Namespace) -> None:
        self.node = node
        self.namespace = namespace
        self.past = Past(namespace.names)


here: Inside | None = None


def inside(verb: str) -> Inside:
    """The shell that runs this code. Raises `PyshError` where none does."""
    if here is None:
        raise PyshError(
            f"{verb}() is for a shell, which remembers its cells; this is a script or a task. "
            f'From elsewhere the shell of a node answers: n2.eval("{verb}(...)")',
            executed="no",
        )
    return here
