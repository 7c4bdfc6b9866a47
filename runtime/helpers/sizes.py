"""About how much memory a value takes, told from a part of it: nobody waits for ten million items."""

import gc
import sys
from collections import deque
from collections.abc import Iterable
from itertools import islice
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

SAMPLE = 100
"""Items of a container that are looked at; the others are taken to be as large."""
LOOKED_AT = 5_000
"""Objects that are looked at in all."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SHARED = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, CodeType, FrameType)
"""What is not in a value, but what it belongs to."""


def size_of(value: object) -> int:
    """About how many bytes `value` takes with all that it holds. Of its own code only `__sizeof__` runs."""
    return _Look().size(value)


def readable(size: float) -> str:
    """So many bytes as people write it: `1.5 KiB`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "B" and size < 100 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


class _Look:
    def __init__(self) -> None:
        self._seen: dict[int, object] = {}  # kept, so that no other object gets its id

    def size(self, value: object) -> int:
        """That of what is held once, and of a container more than once what is held by its items."""
        if id(value) in self._seen or len(self._seen) >= LOOKED_AT:
            return 0
        if self._seen and issubclass(type(value), _SHARED):
            return 0
        self._seen[id(value)] = value
        try:
            own = int(sys.getsizeof(value, 0))
        except KeyboardInterrupt:
            raise
        except BaseException:  # its `__sizeof__` is the user's
            own = 0
        inside, count = _held(value)
        looked = [self.size(each) for each in inside]
        return own + (sum(looked) * count // len(looked) if looked else 0)


def _held(value: Any) -> tuple[Iterable[object], int]:
    """Some of what a value holds, and how many there are of it. No code of the user's runs."""
    for kind, some in _CONTAINERS.items():
        if issubclass(type(value), kind):  # `__class__` may say anything
            return some(value), kind.__len__(value)
    if not gc.is_tracked(value) or issubclass(type(value), _SHARED):
        return (), 0
    held = [each for each in gc.get_referents(value) if not issubclass(type(each), _SHARED)]
    return held[:SAMPLE], len(held)


def _of_list(value: list[object]) -> Iterable[object]:
    return list.__getitem__(value, slice(None, None, list.__len__(value) // SAMPLE + 1))


def _of_tuple(value: tuple[object, ...]) -> Iterable[object]:
    return tuple.__getitem__(value, slice(None, None, tuple.__len__(value) // SAMPLE + 1))


def _of_dict(value: dict[object, object]) -> Iterable[object]:
    return islice(dict.items(value), SAMPLE)


_CONTAINERS: dict[Any, Any] = {
    list: _of_list, tuple: _of_tuple, dict: _of_dict,
    set: lambda value: islice(set.__iter__(value), SAMPLE),
    frozenset: lambda value: islice(frozenset.__iter__(value), SAMPLE),
    deque: lambda value: islice(deque.__iter__(value), SAMPLE),
}  # fmt: skip
