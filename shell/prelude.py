"""The names that a prompt and a `.pysh` file have without importing them: `pysh`, and those of it.

They lie in the user's own namespace, where what is defined under the same name replaces them and
pickles carry them by reference. Each is put there when code first mentions it, so that a start imports
none of them. Deleting a name of one's own brings the preloaded one back in the next cell.
"""

from collections.abc import Iterable
from types import CodeType
from typing import Any

import pysh
from pysh.runtime.runner.cells import mentioned

NAMES = frozenset((*pysh.__all__, "pysh"))
LOOKS_AROUND = frozenset(
    ("breakpoint", "dir", "eval", "exec", "globals", "help", "interact", "locals", "set_trace", "vars")
)
"""Code that uses one of these may look up names that it does not mention."""


def provide(namespace: dict[str, Any], codes: Iterable[CodeType]) -> None:
    """Put those preloaded names into `namespace` that `codes` mention and the user has not defined."""
    wanted: set[str] = set()
    for code in codes:
        wanted.update(mentioned(code))
    _put(namespace, NAMES if wanted & LOOKS_AROUND else wanted.intersection(NAMES))


def provide_all(namespace: dict[str, Any]) -> None:
    """Put every preloaded name into `namespace` that the user has not defined."""
    _put(namespace, NAMES)


def _put(namespace: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name not in namespace:
            namespace[name] = value(name)


def value(name: str) -> Any:
    """What a preloaded name means."""
    return pysh if name == "pysh" else getattr(pysh, name)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext pysh`: the preloaded names in IPython and Jupyter, where `%who` does not list them.

    But for those that mean something there already, `cd` and `load` for example: `pysh.cd` is ours.
    """
    missing = [name for name in NAMES if name not in shell.user_ns and shell.find_line_magic(name) is None]
    shell.push({name: value(name) for name in missing}, interactive=False)
