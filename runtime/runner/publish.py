"""What a shell defines can be called by name from other nodes: `task("compute", 5, on="n2@host")`.

After each cell the functions and classes it defined or changed are pickled and posted to the hub, which
keeps them: they stay callable while this shell is busy, stuck or being started again, and those of a shell
that died until the next one binds their names anew. One is also posted again when something changed that
its pickle carries: a global it reads, a function it calls, an attribute of a class it uses.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from time import perf_counter
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pysh.runtime.protocol.frames import CHUNK
from pysh.runtime.runner.cells import mentioned
from pysh.runtime.runner.display import short

REPEATED = 64 * 1024
"""The longest pickle that is made again just because a mutable global may have changed."""
LARGEST = CHUNK
"""The longest pickle that is posted: one frame, which the hub keeps for as long as the name exists."""
HOPELESS = 4 * LARGEST
"""Bytes of globals in memory from which pickling is not even tried."""
NAME = 1000
"""Characters of a name that are posted, which is more than the hub takes."""
BUDGET = 0.003
"""Seconds a cell may spend on looking for changes inside mutable globals."""

_CONSTANT = (
    int, float, complex, str, bytes, type(None), type(...), type, range,
    ModuleType, FunctionType, BuiltinFunctionType,
)  # fmt: skip

_CACHED = type(lru_cache(len))
_vars, _bases = (vars(type)[name].__get__ for name in ("__dict__", "__bases__"))
"""Those of a class, not asked of itself: its metaclass may be the user's."""
_MACHINERY = frozenset(("__dict__", "__weakref__", "_abc_impl"))
"""What Python keeps in a class beside what was defined in it."""

Post = Callable[[dict[str, Any], bytes], None]


class _Published:
    """One name as it was posted: what has it, what its pickle carries, and the pickle's hash and size."""

    __slots__ = ("carried", "defined", "digest", "mutable", "size")

    def __init__(self, defined: Callable[..., Any], carried: list[Any]) -> None:
        self.defined = defined
        self.carried = carried
        self.mutable = any(not isinstance(value, _CONSTANT) for value in carried)
        self.digest = self.size = 0


class Publisher:
    """Keeps the hub's copy of what `names` has to call up to date; `post` takes a meta and a pickle.

    With `former` the hub has names of a shell before this one, and each that is bound here is taken back once.
    They are not told, for which they are too many: a name that the hub has not is no harm.
    """

    def __init__(self, names: dict[str, Any], post: Post, *, former: bool = False) -> None:
        self._names = names
        self._post = post
        self._known: dict[str, _Published] = {}
        self._bound: set[str] | None = set() if former else None

    def refresh(self) -> None:
        """Post what changed since the last time, and what is gone."""
        public = {name: value for name, value in list(self._names.items()) if _is_public(name, value)}
        for name in sorted((self._known.keys() | self._rebound()) - public.keys()):
            self._known.pop(name, None)
            self._post({"name": name[:NAME], "gone": True}, b"")
        unchanged = []
        for name, value in public.items():
            known, carried = self._known.get(name), _all_carried(value, self._names)
            if known is not None and known.defined is value and _same(known.carried, carried):
                unchanged.append(name)
            else:
                self._publish(name, _Published(value, carried), known)
        self._look_inside(unchanged)

    def _rebound(self) -> set[str]:
        """What is bound here since the last time, if it may be a name of the shell before."""
        if self._bound is None:
            return set()
        new = {name for name in list(self._names) if _is_name(name)} - self._bound
        self._bound |= new
        return new

    def _look_inside(self, names: list[str]) -> None:
        """Pickle again what reads a mutable global, those first that were looked at longest ago."""
        until = perf_counter() + BUDGET
        for name in [name for name in self._known if name in names]:
            known = self._known[name]
            if known.mutable and known.size <= REPEATED:
                self._known[name] = self._known.pop(name)
                self._publish(name, known, known)
                if perf_counter() > until:
                    return

    def _publish(self, name: str, new: _Published, known: _Published | None) -> None:
        meta: dict[str, Any] = {"name": name[:NAME]}
        try:
            pickle = _pickle(new)
        except BaseException as error:
            # Ctrl-C too: whoever pressed it does not want to wait for this pickle after each cell.
            new.mutable &= isinstance(error, Exception)
            meta |= {"gone": True, "why": short(f"{type(error).__name__}: {error}")}
            pickle = b""
        digest = hash((pickle, meta.get("why")))
        if known is None or known.digest != digest:
            self._post(meta, pickle)
        new.digest = digest
        self._known[name] = new


def _is_public(name: object, value: Any) -> bool:
    try:
        return _is_name(name) and _is_defined(value)
    except Exception:
        return False  # looking at it is code of the user's, and failed


def _is_name(name: object) -> bool:
    """Whether others may call something so; the user's code puts what it likes into a dict."""
    if type(name) is not str or name.startswith("_"):
        return False
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _is_defined(value: Any) -> bool:
    """Whether `value` is what a `def`, `lambda` or `class` in a shell made."""
    kind = type(value)
    if kind is FunctionType or kind is _CACHED:
        return bool(value.__module__ == "__main__")
    return issubclass(kind, type) and _vars(value).get("__module__") == "__main__"


def _same(before: list[Any], now: list[Any]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


def _all_carried(defined: Any, names: dict[str, Any]) -> list[Any]:
    try:
        return list(_carried(defined, names))
    except Exception:
        return [object()]  # as above: it may have changed each time


def _carried(defined: Any, names: dict[str, Any]) -> Iterator[Any]:
    """What goes into the pickle of `defined`: all it holds, and all that functions and classes among that hold."""
    todo, seen = [defined], {id(defined)}
    while todo:
        this = todo.pop()
        for value in _held(this):
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield value
            if _goes_along(value, names):
                todo.append(value)


def _goes_along(value: Any, names: dict[str, Any]) -> bool:
    """Whether it was defined in this shell, so that its pickle carries all of it."""
    return value.__globals__ is names if type(value) is FunctionType else _is_defined(value)


def _held(defined: Any) -> Iterator[Any]:
    if type(defined) is FunctionType:
        return _held_by_function(defined)
    return iter(vars(defined).values()) if type(defined) is _CACHED else _held_by_class(defined)


def _held_by_class(cls: type) -> Iterator[Any]:
    yield from _bases(cls)
    for name, value in list(_vars(cls).items()):
        if isinstance(value, staticmethod | classmethod):
            yield value.__func__
        elif type(value) is property:
            yield from (value.fget, value.fset, value.fdel)
        elif name not in _MACHINERY:
            yield value


def _held_by_function(function: FunctionType) -> Iterator[Any]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            pass  # not bound yet
    for name in mentioned(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _pickle(new: _Published) -> bytes:
    from pysh.runtime import payload

    size = sum(sys.getsizeof(value, 0) for value in new.carried)
    if size < HOPELESS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pickle = payload.dumps_function(new.defined)
        size = new.size = len(pickle)
        if size <= LARGEST:
            return pickle
    raise ValueError(f"it carries {size:,} bytes of globals, and {LARGEST:,} is the most a published name may")
