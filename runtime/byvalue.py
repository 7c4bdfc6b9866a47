"""Pickling by value: cloudpickle, with what a shell on many machines needs beside it.

- A function takes the lines of its source along, and its code says which Python made it.
- A class keeps its identity. Where it was made it is never written to: cloudpickle alone would set
  its attributes to those of the pickle that comes back.
- A value that has grown past the limit is measured to its end, but not kept.

Only this module imports cloudpickle, and only when the first value needs it.
"""

import builtins
import copyreg
import io
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pickle import PickleBuffer, PicklingError
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from pysh.runtime import portable, sources
from pysh.runtime.errors import VersionSkew
from pysh.runtime.generated import redone, undone
from pysh.runtime.protocol.terms import Buffer, Parts, Payload
from pysh.runtime.vendor.cloudpickle import cloudpickle

PROTOCOL = 5
WHOLE = 256 * 1024
"""Bytes from which a value of type `bytes` is sent from where it lies."""
_PYTHON = sys.hexversion >> 16

by_reference = cloudpickle._should_pickle_by_reference
imported_submodules = cloudpickle._find_imported_submodules
modules_by_value = cloudpickle.list_registry_pickle_by_value
set_function = cloudpickle._function_setstate

BUILT_IN = vars(builtins)


def behind(function: FunctionType) -> dict[str, Any]:
    """Where `function` finds the names that its globals have not: as a rule what is built in."""
    found: dict[str, Any] = getattr(function, "__builtins__")  # noqa: B009 (mypy)
    return found


def named_globals(code: CodeType) -> tuple[str, ...]:
    """The names of globals that `code` and the functions inside it read or write."""
    return tuple(cloudpickle._extract_code_globals(code))


def missing(names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names without a value that are not built in either, nor set for each module."""
    return tuple(name for name in names if not (hasattr(builtins, name) or name.startswith("__")))


class Writes(Protocol):
    """What a pickle can be written to."""

    def write(self, data: Buffer, /) -> int: ...


class Sink(io.BytesIO):
    """Takes a pickle of up to `limit` bytes; of a longer one only `size` is kept, and no byte.

    Large `bytes`, which nobody can change, are not copied.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._parts: list[bytes] = []

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]  # named otherwise there
        count = len(data) if type(data) is bytes else memoryview(data).nbytes  # a PickleBuffer has no length
        self.size += count
        if self.size > self.limit:
            self._parts = []
            self._empty()
        elif type(data) is bytes and count >= WHOLE:
            self._cut()
            self._parts.append(data)
        else:
            super().write(data)
        return count

    def payload(self) -> Payload:
        """All of it, as it is to be sent."""
        if not self._parts:
            return super().getvalue()
        self._cut()
        return Parts(self._parts)

    def getvalue(self) -> bytes:
        """All of it, joined."""
        data = self.payload()
        return data.join() if isinstance(data, Parts) else bytes(data)

    def _cut(self) -> None:
        if self.tell():
            self._parts.append(super().getvalue())
            self._empty()

    def _empty(self) -> None:
        self.seek(0)
        self.truncate()


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Pickles one value into `sink`. A pickle of a call (`calling`) renews the classes it carries.

    A `portable` one is for another Python: it has source in place of bytecode, and raises `VersionSkew`
    for what has none.
    Each value that a function captured goes as what `instead` makes of it. Afterwards `captured` holds each function
    that went by value with the globals and variables that went with it, `modules` the names of those that it refers
    to, `carries_code` says whether there was any such function or class, and `carries_classes` whether any was a class.
    """

    # cloudpickle's own is a chain of two tables, searched in Python for every object; here the one
    # half is looked at in `reducer_override`, and the other is left to the C code.
    dispatch_table = copyreg.dispatch_table

    def __init__(
        self, sink: Writes, *, calling: bool = False, portable: bool = False,
        instead: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sink, PROTOCOL)
        self._portable = portable
        self._instead = instead
        self.captured: list[tuple[FunctionType, dict[str, Any]]] = []
        self.modules: set[str] = set()
        self.carries_code = self.carries_classes = False
        self._settle = renew if calling else keep

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is FunctionType:
            reduced = self._function_reduce(obj)
            if reduced is NotImplemented:
                self._refers_to(obj.__module__)
            return reduced
        if kind is CodeType:
            return (_reduce_portably if self._portable else _reduce_code)(obj)
        reduce = _REDUCERS.get(kind)
        if reduce is not None:
            if kind is ModuleType:
                self._refers_to(obj.__name__)
            elif kind is CellType and self._instead is not None:
                return self._cell_reduce(obj)
            return reduce(obj)
        if kind is BuiltinFunctionType and obj.__module__ not in sys.stdlib_module_names:
            self._refers_to(obj.__module__)
            return NotImplemented
        return self._class_reduce(obj) if issubclass(kind, type) else NotImplemented

    def _cell_reduce(self, cell: CellType) -> Any:
        make, args = _REDUCERS[CellType](cell)
        return make, tuple(map(self._instead, args)) if self._instead is not None else args

    def _refers_to(self, module: Any) -> None:
        if type(module) is str:
            self.modules.add(module)

    def _dynamic_function_reduce(self, func: FunctionType) -> Any:
        _, args, state, _, _, settle = super()._dynamic_function_reduce(func)
        if behind(func) is not BUILT_IN:
            state[1]["__globals__"].update(_lent(func))
        self.carries_code = True
        names = state[1]["__globals__"]
        self.captured.append((func, {**names, **_variables(func)}))
        if self._instead is not None:
            state[1]["__globals__"] = {name: self._instead(value) for name, value in names.items()}
        return function, (*args, sources.of(func)), state, None, None, settle

    def _class_reduce(self, cls: type) -> Any:
        reduced = cloudpickle._class_reduce(cls)
        if reduced is NotImplemented or len(reduced) == 2:
            self._refers_to(cls.__module__)
            return reduced
        make, args, state, _, _, _ = reduced
        self.carries_code = self.carries_classes = True
        if self._portable:
            state = undone(cls, state[0])
        return known_class, (make, *args), state, None, None, self._settle


def _variables(function: FunctionType) -> dict[str, Any]:
    """What a function has captured, but for what is not bound yet."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def _lent(func: FunctionType) -> dict[str, Any]:
    """What `func` finds behind its globals and is not built in: it came along once itself, to a shell."""
    names, found = func.__globals__, behind(func)
    return {
        name: found[name]
        for name in named_globals(func.__code__)
        if name in found and name not in names and found[name] is not BUILT_IN.get(name)
    }


def _reduce_code(made: CodeType) -> Any:
    # The name of its file goes beside it: cloudpickle >= 3.1.3 puts a fixed word in its place.
    return code, (_PYTHON, made.co_filename, *cloudpickle._code_reduce(made)[1])


def _reduce_portably(made: CodeType) -> Any:
    text, place = portable.located(made)
    return recompiled, (tuple(text), tuple(place))


def _reduce_memoryview(view: memoryview) -> Any:
    if not view.c_contiguous:
        return bytes, (view.tobytes(),)
    return bytes, (PickleBuffer(view.toreadonly()),)  # copied once, into the pickle


def _reduce_cached(cached: Any) -> Any:
    module = sys.modules.get(cached.__module__)
    if cached.__module__ != "__main__" and getattr(module, cached.__qualname__, None) is cached:
        return NotImplemented
    return cached_function, (cached.__wrapped__, cached.cache_parameters()), cached.__dict__


def _reduce_file(file: io.TextIOWrapper) -> Any:
    """The standard streams alone, as those of there. (cloudpickle reads any other whole, and sends that.)"""
    if file is sys.stdout or file is sys.stderr:
        return cloudpickle._file_reduce(file)
    raise PicklingError("an open file stays where it was opened")


_REDUCERS = {
    **cloudpickle.Pickler._dispatch_table,
    io.TextIOWrapper: _reduce_file,
    memoryview: _reduce_memoryview,
    type(lru_cache(len)): _reduce_cached,  # it pickles itself by name, even in `__main__`
}


supplied: dict[str, Any] = {}
"""What the functions of the call that is loaded find among their globals, unless they bring it."""


# What the pickles call when they are loaded. These names travel between nodes.


def function(code: CodeType, names: Any, name: Any, defaults: Any, closure: Any, source: Any) -> FunctionType:
    """A function that came by value; the state that cloudpickle sets follows."""
    if source is not None:
        sources.install(source)
    made: FunctionType = cloudpickle._make_function(code, names, name, defaults, closure)
    for each, value in supplied.items():
        made.__globals__.setdefault(each, value)
    return made


def code(python: int, filename: str, *args: Any) -> CodeType:
    """A code object. That of another Python would crash this one, so it raises `VersionSkew`."""
    if python != _PYTHON:
        raise VersionSkew(here=_version(_PYTHON), there=_version(python))
    return CodeType(*args).replace(co_filename=filename)


def recompiled(text: tuple[str, int, str], place: tuple[Any, ...]) -> CodeType:
    """The code object of a function that came as source, from another Python."""
    whole = portable.Text(*text)
    sources.install(sources.Source(whole.filename, 1, whole.source))  # so that it can go on from here
    return portable.found(whole, portable.Place(*place))


def cached_function(wrapped: Any, parameters: dict[str, Any]) -> Any:
    """A function under `functools.lru_cache`, its cache empty."""
    return lru_cache(**parameters)(wrapped)


def _version(python: int) -> str:
    return f"{python >> 8}.{python & 255}"


_came: "WeakKeyDictionary[type, frozenset[str]]" = WeakKeyDictionary()
"""The classes that came from elsewhere, with the names they were born with."""
_unsettled: "WeakSet[type]" = WeakSet()


def known_class(make: Any, *args: Any) -> type:
    """The class with that identity, if it was made here or came before; else a new, empty one."""
    identity = args[-2]
    known: type | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(identity)
    if known is not None:
        return known
    cls: type = make(*args)
    _came.setdefault(cls, frozenset(vars(cls)))
    _unsettled.add(cls)
    return cls


def keep(cls: type, state: Any) -> None:
    """Fill a class that is new here, and leave every other as it is.

    Two threads may load one class at a time. The later one finds it unsettled and fills it as well,
    with the same: neither goes on with half a class.
    """
    if cls in _unsettled:
        _fill(cls, state)


def renew(cls: type, state: Any) -> None:
    """Fill a class anew for a call, which starts from the values at sending; but not where it was made."""
    born = _came.get(cls)
    if born is None:
        return
    for name in vars(cls).keys() - born - state[0].keys():
        try:
            delattr(cls, name)
        except (AttributeError, TypeError):
            pass  # a descriptor that Python keeps there
    _fill(cls, state)


def _fill(cls: type, state: Any) -> None:
    names, told = state
    cloudpickle._class_setstate(cls, (names, {}))
    if "dataclass" in told:
        redone(cls, told)
    _unsettled.discard(cls)
