"""What the shell of a node defined, to be called by name: pickles that its hub keeps and never looks into.

They outlive the evaluator that made them, and so are there while it is busy, stuck, dead or starting again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pysh.runtime.protocol.frames import CHUNK

BYTES = 16 * 1024 * 1024
"""Of names and pickles, all in all; each name counts `LEAST` at least, so that there is a bound to their number."""
LEAST = 4096
LARGEST = CHUNK
"""Bytes of a pickle: one frame."""
LONGEST = 100
"""Characters of a name."""
_KEY = LONGEST + 1  # so much of a name that is too long
TOLD = 4096
"""Bytes of names that the other nodes are told, and among which one is looked for that is called alike."""
ALIKE = 24
"""Characters by which names are compared."""
SHOWN = 5
"""Names that an error lists."""


class Code:
    """One table: a name is callable, withheld for a reason, or not there."""

    def __init__(self) -> None:
        self._pickles: dict[str, bytes] = {}
        self._withheld: dict[str, str] = {}
        self._size = 0
        self._near: dict[str, list[str]] = {}
        """What was looked for in vain, and what is called much alike: a caller may ask a thousand times."""

    def __len__(self) -> int:
        return len(self._pickles)

    def __contains__(self, name: str) -> bool:
        return name in self._pickles

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be said of any name."""
        return not (self._pickles or self._withheld)

    def get(self, name: str) -> bytes | None:
        """The pickle of what has that name."""
        return self._pickles.get(name)

    def published(self, told: Mapping[str, Any], pickle: bytes, *, more: bool = False) -> bool:
        """The shell defined a name, or has it no more (`gone`, perhaps for a reason); whether the names changed.

        With `more` it is the first piece of a pickle; what comes without a name is the rest of that.
        """
        if "name" not in told:
            return False
        name = str(told["name"])[:_KEY]
        before = self._remove(name)
        if told.get("gone"):
            if why := told.get("why"):
                self._withhold(name, str(why))
        elif len(name) > LONGEST:
            self._withhold(name, f"its name has more than {LONGEST} characters")
        elif more or len(pickle) > LARGEST:
            self._withhold(name, f"its pickle has more than {LARGEST:,} bytes")
        elif self._size + _room(pickle) > BYTES:
            self._withhold(name, f"all that is callable by name there may take {BYTES >> 20} MiB, and has no room left")
        else:
            self._pickles[name] = pickle
            self._size += _room(pickle)
        if changed := before != (name in self._pickles):
            self._near.clear()
        return changed

    def _remove(self, name: str) -> bool:
        self._withheld.pop(name, None)
        pickle = self._pickles.pop(name, None)
        if pickle is not None:
            self._size -= _room(pickle)
        return pickle is not None

    def _withhold(self, name: str, why: str) -> None:
        if len(self._withheld) >= BYTES // LEAST:
            del self._withheld[next(iter(self._withheld))]
        self._withheld[name] = why[:TOLD]

    def missing(self, name: str) -> dict[str, Any]:
        """What there is to say of a name that is not callable: `NoFunction` as data."""
        name = name[:_KEY]
        near = self._near.get(name)
        if near is None:
            if len(self._near) >= SHOWN * SHOWN:
                self._near.clear()
            near = self._near[name] = _alike(name, self.told()) or sorted(self._pickles)[:SHOWN]
        return {"function": name, "why": self._withheld.get(name, ""), "near": near, "known": len(self)}

    def told(self) -> list[str]:
        """The names, the latest first; as many as the other nodes are told."""
        return list(_fitting(reversed(self._pickles), TOLD))


def _room(pickle: bytes) -> int:
    return max(LEAST, len(pickle) + LONGEST)


def _alike(name: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that are called much like `name`.

    The hub does nothing else meanwhile: of all names, at their full length, that was a second.
    """
    from difflib import get_close_matches  # most hubs never need it

    folded = {known.casefold()[:ALIKE]: known for known in names}
    return [folded[each] for each in get_close_matches(name.casefold()[:ALIKE], folded, SHOWN)]


def _fitting(names: Iterable[str], room: int) -> Iterator[str]:
    for name in names:
        room -= len(name.encode("utf-8", "replace")) + 5
        if room < 0:
            return
        yield name


def read_names(told: Any) -> frozenset[str] | None:
    """The names that another node tells; None for what are none."""
    sound = isinstance(told, list) and all(isinstance(name, str) for name in told)
    return frozenset(_fitting(told, 2 * TOLD)) if sound else None
