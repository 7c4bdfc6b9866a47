"""What a shell defines can be called by name from other nodes: `task("compute", 5, on="n2@host")`.

After each cell the functions it defined or changed are pickled and posted to the hub, which keeps
them: they stay callable while this shell is busy, stuck or being started again. A function is also
posted again when something changed that its pickle carries: a global it reads, a function it calls.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
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
BUDGET = 0.003
"""Seconds a cell may spend on looking for changes inside mutable globals."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_CONSTANT = (
    int, float, complex, str, bytes, type(None), type(...), type, range,
    ModuleType, FunctionType, BuiltinFunctionType,
)  # fmt: skip

Post = Callable[[dict[str, Any], bytes], None]


class _Published:
    """One name as it was posted: the function, what its pickle carries, and the pickle's hash and size."""

    __slots__ = ("carried", "digest", "function", "mutable", "size")

    def __init__(self, function: FunctionType, carried: list[Any]) -> None:
        self.function = function
        self.carried = carried
        self.mutable = any(not isinstance(value, _CONSTANT) for value in carried)
        self.digest = self.size = 0


class Publisher:
    """Keeps the hub's copy of the functions in `names` up to date; `post` takes a meta and a pickle."""

    def __init__(self, names: dict[str, Any], post: Post) -> None:
        self._names = names
        self._post = post
        self._known: dict[str, _Published] = {}

    def refresh(self) -> None:
        """Post what changed since the last time, and what is gone."""
        functions = {name: value for name, value in list(self._names.items()) if _is_public(name, value)}
        for name in sorted(self._known.keys() - functions.keys()):
            del self._known[name]
            self._post({"name": name, "gone": True, "python": PYTHON}, b"")
        unchanged = []
        for name, function in functions.items():
            known, carried = self._known.get(name), list(_carried(function, self._names))
            if known is not None and known.function is function and _same(known.carried, carried):
                unchanged.append(name)
            else:
                self._publish(name, _Published(function, carried), known)
        self._look_inside(unchanged)

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
        meta: dict[str, Any] = {"name": name, "python": PYTHON}
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


def _is_public(name: str, value: object) -> bool:
    return type(value) is FunctionType and value.__module__ == "__main__" and not name.startswith("_")


def _same(before: list[Any], now: list[Any]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


def _carried(function: FunctionType, names: dict[str, Any]) -> Iterator[Any]:
    """What goes into the pickle of `function`: all it holds, and all that functions among that hold."""
    todo, seen = [function], {id(function)}
    while todo:
        this = todo.pop()
        for value in _held(this):
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield value
            if type(value) is FunctionType and value.__globals__ is names:
                todo.append(value)


def _held(function: FunctionType) -> Iterator[Any]:
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
            pickle = payload.dumps_function(new.function)
        size = new.size = len(pickle)
        if size <= LARGEST:
            return pickle
    raise ValueError(f"it carries {size:,} bytes of globals, and {LARGEST:,} is the most a published name may")
