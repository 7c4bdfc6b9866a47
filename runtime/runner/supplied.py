"""Names that code looks up and that are nowhere else: what was pushed to the node under them."""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import CodeType
from typing import Any

from pysh.runtime.errors import NotSendable
from pysh.runtime.runner.cells import mentioned
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps

MOST = 500
"""Names that are asked for at once."""


def supplied(client: Client, names: Iterable[str]) -> Steps[dict[str, Any]]:
    """Those of the names that something was pushed under, with values that are the caller's alone.

    Raises `NotSendable` where such a value is gone.
    """
    asked = sorted(names)[:MOST]
    digests: dict[str, str] = (yield client.ask_later("placed", names=asked)) if asked else {}
    return values_of(digests, client.name) if digests else {}


def values_of(digests: Mapping[str, str], node: str) -> dict[str, Any]:
    """The values that have a name each. Raises `NotSendable` where one is gone from `node`."""
    from pysh.runtime.payload import held

    found = {}
    for name, digest in digests.items():
        try:
            found[name] = held(digest)
        except NotSendable as error:
            text = f"{name!r}, which was pushed to {node}, has gone from there: push({name}=...) once more"
            raise NotSendable(name, text=text) from error
    return found


class Supply:
    """For the names of a shell, some of which may be of what was pushed here: `placed` has the hashes of that."""

    def __init__(self, names: dict[str, Any], placed: dict[str, str]) -> None:
        self._names = names
        self.placed = placed
        self._bound: dict[str, tuple[str, Any]] = {}  # by us, and with which hash

    def supply(self, codes: Sequence[CodeType]) -> None:
        """Bind what `codes` look up and nobody else has bound, to what was pushed under it last."""
        mentions = {name for code in codes for name in mentioned(code)}
        for name in mentions & self.placed.keys():
            digest, known = self.placed[name], self._bound.get(name)
            if name in self._names:
                if known is None or self._names[name] is not known[1] or known[0] == digest:
                    continue
            elif hasattr(builtins, name) or name not in _looked_up(codes):
                continue
            with suppress(NotSendable):  # it is gone, and a name that means nothing is told as such
                value = values_of({name: digest}, "")[name]
                self._names[name] = value
                self._bound[name] = digest, value


def _looked_up(codes: Iterable[CodeType]) -> set[str]:
    """The names of variables that code reads: not those of attributes, nor what it only binds."""
    from dis import get_instructions

    found = set()
    for code in codes:
        found |= {str(each.argval) for each in get_instructions(code) if each.opname in _LOADS}
        found |= _looked_up(part for part in code.co_consts if isinstance(part, CodeType))
    return found


_LOADS = frozenset(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"))
