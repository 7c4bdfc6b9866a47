"""What the names of a shell meant before its last cells, so that `undo` brings that back.

Which names a cell may bind is read from its code, so that nothing is looked at for those that it cannot. Old values are
kept of a few cells, within bounds, and only of kinds that nobody waits to see go: no file, and no memory of a card.
"""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Any, NamedTuple

from pysh.runtime.runner.cells import mentioned
from pysh.runtime.runner.past import LATEST

CELLS = 10
"""Cells whose names can be had as they were before."""
BYTES = 64 * 1024 * 1024
"""What old values may take together, about."""
LOOKED_AT = 200
"""Objects that are looked at to tell that of one, and whether it may be held."""
MOST = 2_000
"""Names of a shell up to which all of them are held for code that may bind any of them."""

ANYWHERE = frozenset(("eval", "exec", "globals", "load", "locals", "reload", "vars"))
"""Code that mentions one of these may bind names that do not stand in it."""
LET_GO = ("__del__", "__exit__", "__aexit__", "close")
"""What has one of these holds something that its end is to free."""
DATA = frozenset(("__main__", "numpy", "pandas", "polars"))
"""Packages whose objects are values, besides those of Python's own."""
PLAIN = frozenset((bool, bytes, complex, float, int, str, type(None)))
"""What holds nothing."""


_MRO = type.__dict__["__mro__"].__get__  # not asked of a metaclass, which is code of the user's


class Missing:
    """Stands for the meaning of a name that had none."""


class Lost(NamedTuple):
    """Stands for what a name meant, which is not kept."""

    value: int
    """Its `id`."""
    why: str


class Change(NamedTuple):
    """What a cell bound anew, and what that was before."""

    cell: int
    before: dict[str, object]
    size: int


class Undone(NamedTuple):
    """What was done to the names that a cell had bound."""

    cell: int
    back: list[str]
    gone: list[str]
    left: dict[str, str]
    """Those that were left alone, and why."""


class Bindings:
    """The changes of the last cells to `names`, oldest first; none is told of what `is_preloaded`."""

    def __init__(self, names: dict[str, Any], is_preloaded: Callable[[str], bool] = lambda _: False) -> None:
        self._names = names
        self._is_preloaded = is_preloaded
        self._changes: deque[Change] = deque(maxlen=CELLS)
        self._functions: set[str] = set()
        self._cell = 0
        self._before: dict[str, object] = {}
        self._sizes: dict[str, int] = {}
        self._count = 0

    def begin(self, cell: int, codes: Collection[CodeType]) -> None:
        """That cell is going to run, which is these codes."""
        for code in codes:
            self._functions.update(bound_inside(code))
        names: Iterable[str] = {*self._functions, *(name for code in codes for name in bound(code))}
        if len(self._names) <= MOST and any(map(_binds_anything, codes)):
            names = {*names, *self._names}
        self._sizes = {}
        self._before = {name: self._held(name) for name in names if not _is_ours(name)}
        self._cell, self._count = cell, len(self._names)

    def end(self) -> None:
        """It is over, or goes on behind: its changes from now on are not seen."""
        if not self._cell:
            return
        changed: dict[str, object] = {
            name: old for name, old in self._before.items() if not _same(old, self._names.get(name, Missing))
        }
        changed.update((name, Missing) for name in self._new())
        if changed:
            size = sum(self._sizes.get(name, 0) for name in changed)
            self._changes.append(Change(self._cell, changed, size))
            while sum(change.size for change in self._changes) > BYTES:
                self._changes.popleft()
        self._cell, self._before = 0, {}

    def undo(self, cells: int = 1) -> list[Undone]:
        """Have the names again as they were before so many of the last cells that changed some, the latest first.

        The cell that runs is none of them, now or later. Raises `ValueError` where so many are not kept.
        """
        kept = [change.cell for change in self._changes]
        if not 0 < cells <= len(kept):
            which = f"only {', '.join(map(str, kept))} can be undone" if kept else "none can be undone"
            raise ValueError(f"undo({cells}): of the cells that bound names {which}; nothing was changed")
        self._cell, self._before = 0, {}
        return [self._undo(self._changes.pop()) for _ in range(cells)]

    def _undo(self, change: Change) -> Undone:
        told = Undone(change.cell, [], [], {})
        for name, old in sorted(change.before.items()):
            if type(old) is Lost:
                told.left[name] = old.why
            elif old is Missing:
                if self._names.pop(name, Missing) is not Missing:
                    told.gone.append(name)
            else:
                self._names[name] = old
                told.back.append(name)
        return told

    def _held(self, name: str) -> object:
        value = self._names.get(name, Missing)
        if value is Missing:
            return value
        why, self._sizes[name] = judged(value)
        return Lost(id(value), why) if why else value

    def _new(self) -> Iterator[str]:
        """The names that came by other ways than the code itself: they stand last."""
        count = len(self._names) - self._count
        count += sum(old is not Missing and name not in self._names for name, old in self._before.items())
        for name in list(islice(reversed(self._names), max(0, count))):
            if name not in self._before and not _is_ours(name) and not self._is_preloaded(name):
                yield name


def _is_ours(name: str) -> bool:
    return name in LATEST or name == "_e" or name[:2] == "__" or (name[:1] == "_" and name[1:].isdecimal())


def _same(old: object, now: object) -> bool:
    return id(now) == old.value if type(old) is Lost else now is old


# what code binds


def bound(code: CodeType) -> Iterator[str]:
    """The global names that the body of a cell may bind or delete."""
    return _stored(code, "STORE_NAME", "DELETE_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")


def bound_inside(code: CodeType) -> Iterator[str]:
    """Those that the functions and classes in it may, whenever they are called."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _stored(inner, "STORE_GLOBAL", "DELETE_GLOBAL")
            yield from bound_inside(inner)


def _binds_anything(code: CodeType) -> bool:
    return ("*",) in code.co_consts or not ANYWHERE.isdisjoint(mentioned(code))


def _stored(code: CodeType, *operations: str) -> Iterator[str]:
    from opcode import EXTENDED_ARG, opmap

    kinds, arguments = code.co_code[::2], code.co_code[1::2]
    for operation in operations:
        at = kinds.find(opmap[operation])
        while at >= 0:
            argument, before, shift = arguments[at], at - 1, 8
            while before >= 0 and kinds[before] == EXTENDED_ARG:
                argument |= arguments[before] << shift
                before, shift = before - 1, shift + 8
            yield code.co_names[argument]
            at = kinds.find(opmap[operation], at + 1)


# what is kept


def judged(value: object) -> tuple[str, int]:
    """Why a value is not held once its name means another, empty if it is; and about how many bytes that takes.

    All that it holds is judged, of large containers a part. What has more than can be looked at is not held.
    """
    kind = type(value)
    if issubclass(kind, (type, ModuleType)):
        return "", 0
    from pysh.runtime.helpers.sizes import Walk, bytes_of, readable

    size = 0.0
    walk = Walk(_inside(value) if kind is FunctionType else value, LOOKED_AT)
    for each, stands_for in walk:
        if why := _why_not_held(type(each)):
            return f"it {'was' if each is value else 'held'} {why}", 0
        size += stands_for * bytes_of(each, own=False)
    if size > BYTES:
        return f"it took {readable(size)}", 0
    if any(type(each) not in PLAIN for each, _ in walk.left):
        return "it held more than is looked at", 0
    return "", int(size)


def _inside(function: Any) -> tuple[object, ...]:
    return function.__closure__, function.__defaults__, function.__kwdefaults__


def _why_not_held(kind: type) -> str:
    if kind is TracebackType:
        return "a traceback, with all that its frames hold"
    for base in _MRO(kind):
        package = _package(base)
        if package not in DATA and package not in sys.stdlib_module_names:
            return f"{_a(kind)} of {package}, which may hold what is to be let go of"
    if any(name in vars(base) for base in _MRO(kind) for name in LET_GO):
        return f"{_a(kind)}, which is let go of"
    return ""


def _package(kind: type) -> str:
    module = type.__dict__["__module__"].__get__(kind)
    return module.partition(".")[0] if type(module) is str else "unknown origin"


def _a(kind: type) -> str:
    name = type.__dict__["__name__"].__get__(kind)
    return f"a{'n' * (name[:1].lower() in 'aeio')} {name}"
