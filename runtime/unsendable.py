"""Finds what in a value cannot be pickled, and says it by its path: `f.<closure cfg>.lock`."""

import pickle
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from pysh.runtime import byvalue
from pysh.runtime.errors import NotSendable
from pysh.runtime.protocol.terms import Buffer

SECONDS = 1.0
NODES = 10_000
DEPTH = 30
SHOWN = 40
"""Characters of a key in a path."""

_HINTS = (
    (("lock", "RLock", "Condition", "Event", "Semaphore", "Thread"), "make it inside the function"),
    (("socket", "SSLSocket", "Connection", "Cursor"), "open it inside the function"),
    (("TextIOWrapper", "BufferedReader", "BufferedWriter", "BufferedRandom", "FileIO"),
     "open it inside the function (put(path) takes it there), or pass what is in it"),
    (("generator", "async_generator"), "pass a list of its items, or the function that makes it"),
    (("coroutine", "Task", "Future"), "pass the async function itself, and its arguments"),
    (("frame", "traceback"), "pass its text"),
)  # fmt: skip
_HINT = "make it inside the function, or pass what it is made from"
_PLAIN = (type(None), bool, int, float, complex, str, bytes, ModuleType, CodeType, BuiltinFunctionType)

Step = tuple[str, Any]
"""How to go on in a path, and what is there."""


class _Late(Exception):
    """The time is up."""


class _Nowhere:
    """Takes a pickle and keeps nothing of it but its size. Stops it when the time is up."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.size = 0

    def write(self, data: Buffer) -> int:
        if time.monotonic() > self.deadline:
            raise _Late
        size = memoryview(data).nbytes
        self.size += size
        return size


class Pickled(NamedTuple):
    """What became of pickling a value: how many bytes, whether those were `all` of it, and why it cannot be sent."""

    size: int
    all: bool = True
    why: NotSendable | None = None


def measure(name: str, value: Any) -> Pickled:
    """Pickle a value that is called `name`, for a second at most, and keep nothing of it."""
    nowhere = _Nowhere(time.monotonic() + SECONDS)
    try:
        byvalue.Pickler(nowhere).dump(value)
    except _Late:
        return Pickled(nowhere.size, all=False)
    except Exception as error:
        return Pickled(nowhere.size, all=False, why=explain([(name, value)], error))
    return Pickled(nowhere.size)


def explain(roots: Iterable[Step], error: BaseException) -> NotSendable:
    """The error to raise for `error`, which pickling `roots` (names and values) raised."""
    roots = list(roots)
    found = _find(roots, time.monotonic() + SECONDS)
    if found is None:
        path, kind, reason = ", ".join(path for path, _ in roots), "", error
    else:
        path, kind, reason = found
    hint = next((hint for kinds, hint in _HINTS if kind.rpartition(".")[2] in kinds), _HINT)
    return NotSendable(path, kind, _said(reason), hint=hint)


def _find(roots: list[Step], deadline: float) -> tuple[str, str, BaseException] | None:
    """The path, type and reason of the nearest object that fails though all that it holds can travel."""
    seen: set[int] = set()
    queue = deque((path, value, 0) for path, value in roots)
    for _ in range(NODES):
        if not queue:
            break
        path, value, depth = queue.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        reason = _why(value, deadline)
        if reason is None:
            continue
        if isinstance(reason, _Late):
            break
        inside = list(_children(value)) if depth < DEPTH else []
        failing = [step for step in inside if _why(step[1], deadline)]
        if not failing:
            return path, _name(type(value)), reason
        queue.extend((path + step, child, depth + 1) for step, child in failing)
    return None


def _why(value: Any, deadline: float) -> BaseException | None:
    if type(value) in _PLAIN:
        return None
    try:
        byvalue.Pickler(_Nowhere(deadline)).dump(value)
    except Exception as error:
        return error
    return None


def _children(value: Any) -> Iterator[Step]:
    """What a pickle of `value` holds."""
    match value:
        case FunctionType():
            yield from _in_function(value)
        case MethodType():
            yield ".__self__", value.__self__
            yield ".__func__", value.__func__
        case partial():
            yield ".func", value.func
            yield from _indexed(value.args, ".args")
            yield from _keyed(value.keywords, ".keywords")
        case dict() if type(value) is dict:
            yield from _keyed(value)
            yield from (("{key}", key) for key in value)
        case list() | tuple() if type(value) in (list, tuple):
            yield from _indexed(value)
        case set() | frozenset() if type(value) in (set, frozenset):
            yield from ((f"{{{_short(item)}}}", item) for item in value)
        case type():
            yield from ((f".{name}", inner) for name, inner in list(vars(value).items()))
        case property():
            yield from ((f".{name}", getattr(value, name)) for name in ("fget", "fset", "fdel"))
        case staticmethod() | classmethod():
            yield "", value.__func__
        case _:
            yield from _in_object(value)


def _in_function(function: FunctionType) -> Iterator[Step]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f".<closure {name}>", cell.cell_contents
        except ValueError:
            pass  # not bound yet
    for name in byvalue.named_globals(function.__code__):
        if name in function.__globals__:
            yield f".<global {name}>", function.__globals__[name]
    yield from _indexed(function.__defaults__ or (), ".<defaults>")
    yield from _keyed(function.__kwdefaults__ or {}, ".<defaults>")
    yield from _keyed(function.__annotations__, ".<annotations>")
    yield from ((f".{name}", value) for name, value in list(function.__dict__.items()))


def _in_object(value: Any) -> Iterator[Step]:
    """What `value` hands to pickle: its arguments, its state, its items."""
    try:
        reduced = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    except Exception:
        return  # it refuses by itself
    if not isinstance(reduced, tuple):
        return
    _, args, state, items, pairs, *_ = (*reduced, None, None, None, None)
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            yield from ((f".{name}", inner) for name, inner in list(part.items()))
        elif part is not None:
            yield ".<state>", part
    yield from ((f".<args>[{index}]", inner) for index, inner in enumerate(args or ()))
    yield from _indexed(items or ())
    yield from _keyed(dict(pairs or ()))


def _indexed(values: Iterable[Any], before: str = "") -> Iterator[Step]:
    return ((f"{before}[{index}]", value) for index, value in enumerate(values))


def _keyed(values: dict[Any, Any], before: str = "") -> Iterator[Step]:
    return ((f"{before}[{_short(key)}]", value) for key, value in list(values.items()))


def _short(key: Any) -> str:
    try:
        text = repr(key)
    except Exception:
        text = f"<{_name(type(key))}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    return text if isinstance(error, TypeError | pickle.PicklingError) and text else f"{type(error).__name__}: {text}"
