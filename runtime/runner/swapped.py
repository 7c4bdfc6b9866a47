"""Other code under the same names in a process that goes on: what actors and supervisors do between two calls.

The modules are imported anew, from other trees; the old ones are kept apart, whole, for whatever still runs on them,
and can be put back.
"""

import sys
from collections.abc import Iterable

from pysh.runtime import trees


class Swapped:
    """The trees that some names of this process mean now, and the modules that were imported from them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._trees = {name: trees.bound.get(name) for name in self._names}
        self._modules = {name: sys.modules[name] for name in self._loaded()}

    def take_out(self) -> None:
        """Have the next import look for these names anew."""
        for name in self._loaded():
            del sys.modules[name]

    def put_back(self) -> None:
        """All is as it was."""
        self.take_out()
        sys.modules.update(self._modules)
        for name, tree in self._trees.items():
            if tree is None:
                trees.bound.pop(name, None)
            else:
                trees.bound[name] = tree

    def _loaded(self) -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in self._names]
