"""Large values that functions drag along: pickled apart, left as files by their hash, and referred to by that.

Such are the globals and captured variables of functions that go by value, from `LARGE` bytes on, which carry no code
and share nothing that can be changed with the rest of the call: that would be two things where it arrives.
"""

import sys
import warnings
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pysh.runtime import byvalue, values
from pysh.runtime.errors import LargeCapture

LARGE = 1024 * 1024
"""Bytes of its pickle from which a value goes apart."""
KNOWN = 256
"""Values that are remembered to be large."""

_SAME_EVERYWHERE = (type, FunctionType, BuiltinFunctionType, ModuleType)

_large: dict[int, type] = {}
"""The ids and types of values that were large when they were looked at last; nothing keeps them alive."""


class Reference:
    """Stands in a pickle for a value that is elsewhere."""

    def __init__(self, held: Callable[[str], Any], value: Any, digest: str, memo: dict[int, Any]) -> None:
        self._held = held
        self.value = value  # so that its id stays its own
        self.digest = digest
        self.memo = memo

    def __reduce__(self) -> tuple[Any, ...]:
        return self._held, (self.digest,)


class Captured:
    """The values that go apart of one call, which is pickled once or more often.

    `held` is what finds a value by its hash where it arrives.
    """

    def __init__(self, held: Callable[[str], Any]) -> None:
        self._held = held
        self._references: dict[int, Reference | None] = {}  # None for what has to go inside
        self.modules: set[str] = set()

    def __call__(self, value: Any) -> Any:
        """What to pickle for a captured value: itself, or a reference."""
        if _large.get(id(value)) is not type(value):
            return value
        if id(value) not in self._references:
            self._references[id(value)] = self._left(value)
        return self._references[id(value)] or value

    @property
    def digests(self) -> tuple[str, ...]:
        """The hashes of all that is referred to."""
        return tuple(each.digest for each in self._references.values() if each is not None)

    def told(self) -> dict[str, str]:
        """As the meta of a SPAWN has it: where each lies here."""
        return {digest: values.file(digest) for digest in self.digests}

    def look(self, captured: list[tuple[FunctionType, dict[str, Any]]]) -> bool:
        """Look which of those make a call large, and say so; whether any did. Only a large call pays for it."""
        found = False
        for function, names in captured:
            for name, value in names.items():
                if isinstance(value, _SAME_EVERYWHERE) or id(value) in self._references:
                    continue
                sink = byvalue.Sink(0)  # measures only
                byvalue.Pickler(sink).dump(value)
                if sink.size > LARGE:
                    found = True
                    self._note(value)
                    apart = self(value) is not value
                    warning = LargeCapture(function.__name__, name, sink.size, apart)
                    warnings.warn(warning, stacklevel=callers_level())
        return found

    def unshare(self, memo: dict[int, Any]) -> bool:
        """Have those go inside that have something in common with each other, or with what was pickled with `memo`.

        Whether there was any.
        """
        left = [each for each in self._references.values() if each is not None]
        shared = False
        for one in left:
            others = [memo, *(other.memo for other in left if other is not one)]
            if any(_have_in_common(one.memo, other) for other in others):
                self._references[id(one.value)] = None
                shared = True
        for each in left:
            each.memo = {}
        return shared

    def _note(self, value: Any) -> None:
        if len(_large) >= KNOWN:
            _large.clear()
        _large[id(value)] = type(value)

    def _left(self, value: Any) -> Reference | None:
        sink = byvalue.Sink(values.ROOM // 4)
        pickler = byvalue.Pickler(sink)
        pickler.dump(value)
        if sink.size <= LARGE:
            del _large[id(value)]
            return None
        if pickler.carries_code or sink.size > sink.limit:
            return None
        payload = sink.payload()
        digest = values.digest(payload)
        try:
            values.leave(digest, payload)
        except OSError:
            return None
        self.modules |= pickler.modules
        return Reference(self._held, value, digest, pickler.memo.copy())


def _have_in_common(one: dict[int, Any], other: dict[int, Any]) -> bool:
    """Whether two picklers met the same object, and it is one that can be changed."""
    if len(one) > len(other):
        one, other = other, one
    return any(key in other and _can_change(value) for key, (_, value) in one.items())


def _can_change(value: Any) -> bool:
    """Whether it matters that `value` is one object; not where equal ones are as good."""
    hashed: object = type(value).__hash__
    return (hashed is None or hashed is object.__hash__) and not isinstance(value, _SAME_EVERYWHERE)


def callers_level() -> int:
    """The `stacklevel`, for `warnings.warn` in the calling function, of the code that called pysh."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "pysh":
        level, frame = level + 1, frame.f_back
    return level
