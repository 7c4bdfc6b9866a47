"""Large values that functions drag along: pickled apart, left as files by their hash, and referred to by that.

Such are the globals and captured variables of functions that go by value, from `LARGE` bytes on, which carry no code
and share nothing that can be changed with the rest of the call: that would be two things where it arrives.
"""

import sys
import warnings
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pysh.runtime import byvalue, values
from pysh.runtime.errors import LargeCapture
from pysh.runtime.protocol.terms import Payload

LARGE = 1024 * 1024
"""Bytes of its pickle from which a value goes apart."""
KNOWN = 256
"""Values that are remembered to be large."""

_SAME_EVERYWHERE = (type, FunctionType, BuiltinFunctionType, ModuleType)

_UNCHANGEABLE = frozenset(
    (type(None), bool, int, float, complex, str, bytes, range, slice, date, datetime, time, timedelta, timezone)
)

_large: dict[int, type] = {}
"""The ids and types of values that were large when they were looked at last; nothing keeps them alive."""
_inside: dict[int, type] = {}
"""And of those that have to go inside."""


class Reference:
    """Stands in a pickle for a value that is elsewhere."""

    def __init__(self, held: Callable[[str], Any], value: Any, payload: Payload, pickler: byvalue.Pickler) -> None:
        self._held = held
        self.value = value  # so that its id stays its own
        self.payload = payload
        self.pickler: byvalue.Pickler | None = pickler  # which knows what it met
        self.digest, self.size = values.digest(payload), len(payload)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._held, (self.digest,)


class Captured:
    """The values that go apart of one call, which is pickled once or more often.

    `held` is what finds a value by its hash where it arrives.
    """

    def __init__(self, held: Callable[[str], Any]) -> None:
        self._held = held
        self._references: dict[int, Reference | None] = {}  # None for what has to go inside
        self._settled = False
        self.modules: set[str] = set()

    def __call__(self, value: Any) -> Any:
        """What to pickle for a captured value: itself, or a reference."""
        if _large.get(id(value)) is not type(value):
            return value
        if id(value) not in self._references:
            self._references[id(value)] = self._referring(value)
        return self._references[id(value)] or value

    @property
    def digests(self) -> tuple[str, ...]:
        """The hashes of all that is referred to."""
        return tuple(each.digest for each in self._left())

    def told(self) -> dict[str, tuple[str, int]]:
        """As the meta of a SPAWN has it: where each lies here, and its bytes."""
        return {each.digest: (values.file(each.digest), each.size) for each in self._left()}

    def look(self, captured: list[tuple[FunctionType, dict[str, Any]]]) -> bool:
        """Look which of those make a call large, and say so; whether any did. Only a large call pays for it."""
        found = False
        for function, names in captured:
            for name, value in names.items():
                if isinstance(value, _SAME_EVERYWHERE) or id(value) in self._references or _goes_inside(value):
                    continue
                sink = byvalue.Sink(0)  # measures only
                byvalue.Pickler(sink).dump(value)
                if sink.size > LARGE:
                    found = True
                    _remember(_large, value)
                    apart = self(value) is not value
                    if not (apart and self._lies_here(value)):
                        warning = LargeCapture(function.__name__, name, sink.size, apart)
                        warnings.warn(warning, stacklevel=callers_level())
        return found

    def settle(self, call: tuple[Any, ...], pickler: byvalue.Pickler) -> bool:
        """Leave the values, once `pickler` has gone through the call; False if that has to be done once more.

        Some have to go inside then: for want of room, or since they have something in common with each other or
        with the rest of the call.
        """
        if self._settled:
            return True
        self._settled = True
        inside = self._in_common(call, pickler)
        for each in self._left():
            try:
                if each not in inside:
                    values.leave(each.digest, each.payload)
            except OSError:
                inside.append(each)
            each.payload, each.pickler = b"", None
        for each in inside:
            self._references[id(each.value)] = None
            _large.pop(id(each.value), None)
            _remember(_inside, each.value)
        return not inside

    def _lies_here(self, value: Any) -> bool:
        """Whether it was left before: by an earlier call, of which that was said, or by `push`."""
        reference = self._references[id(value)]
        return reference is not None and values.find(reference.digest) is not None

    def _left(self) -> list[Reference]:
        return [each for each in self._references.values() if each is not None]

    def _in_common(self, call: tuple[Any, ...], pickler: byvalue.Pickler) -> list[Reference]:
        """Those that have an object that can be changed in common with another, or with the rest."""
        left = self._left()
        _, args, kwargs = call
        rest = [*args, *kwargs.values()]
        for function, names in pickler.captured:
            rest += [self(value) for value in names.values()]
            rest += [
                *(function.__defaults__ or ()),
                *(function.__kwdefaults__ or {}).values(),
                *vars(function).values(),
            ]
        alone = len(left) < 2 and not pickler.carries_classes
        if alone and all(isinstance(value, Reference) or not _can_change(value) for value in rest):
            return []
        memos = [each.pickler.memo.copy() for each in left if each.pickler is not None]
        others = [pickler.memo.copy(), *memos]
        return [
            each
            for each, memo in zip(left, memos, strict=True)
            if any(_meet(memo, other) for other in others if other is not memo)
        ]

    def _referring(self, value: Any) -> Reference | None:
        sink = byvalue.Sink(values.LARGEST)
        pickler = byvalue.Pickler(sink)
        pickler.dump(value)
        if sink.size <= LARGE:
            _large.pop(id(value), None)
            return None
        if pickler.carries_code or sink.size > sink.limit:
            return None
        self.modules |= pickler.modules
        return Reference(self._held, value, sink.payload(), pickler)


def _goes_inside(value: Any) -> bool:
    return _inside.get(id(value)) is type(value)


def _remember(known: dict[int, type], value: Any) -> None:
    if len(known) >= KNOWN:
        known.clear()
    known[id(value)] = type(value)


def _meet(one: dict[int, Any], other: dict[int, Any]) -> bool:
    """Whether two picklers met the same object, and it is one that can be changed."""
    if len(one) > len(other):
        one, other = other, one
    parts = (tuple, frozenset)  # what is in one was met, too
    return any(key in other and _can_change(value) and type(value) not in parts for key, (_, value) in one.items())


def _can_change(value: Any) -> bool:
    """Whether it may matter that `value`, or what is in it, is one object."""
    return type(value) not in _UNCHANGEABLE and not isinstance(value, _SAME_EVERYWHERE)


def callers_level() -> int:
    """The `stacklevel`, for `warnings.warn` in the calling function, of the code that called pysh."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "pysh":
        level, frame = level + 1, frame.f_back
    return level
